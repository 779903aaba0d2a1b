"""Encoders of libraries whose models return moments in a way that is known."""

from typing import Any

import torch
from torch import Tensor

from priory.adapters.moments import GaussianFromMoments, posterior
from priory.networks.contract import kind_of


def pythae(model: Any) -> GaussianFromMoments:
    """Make an encoder of a model of pythae: a VAE of any kind with Gaussian posteriors, or an AE.

    An encoder without a spread, that of an AE, gives points. Say `x` as pythae takes it, `(B,
    *input_dim)`.

    Args:
        model: The model; its `encoder` is called.

    Raises:
        TypeError: If it has no encoder.
        ValueError: When it is called, if its posteriors are no Gaussians.

    Examples:
        >>> from priory.adapters import posterior
        >>> posterior.pythae(3)
        Traceback (most recent call last):
        ...
        TypeError: expected a model of pythae, with an encoder, got int.
    """
    if not callable(getattr(model, "encoder", None)):
        raise TypeError(f"expected a model of pythae, with an encoder, got {kind_of(model)}.")
    return posterior(model.encoder, mean="embedding", scale=_scale_of_pythae)


def diffusers(model: Any) -> GaussianFromMoments:
    """Make an encoder of an auto-encoder of diffusers, whose `encode` is called with images.

    Latents, `(B, C, h, w)`, are flattened; `z.unflatten(-1, encoder.latent_shape)` is what
    `model.decode` takes. They are not multiplied by the `scaling_factor` of pipelines. An
    auto-encoder without a spread (`AutoencoderTiny`, `AutoencoderDC`, `VQModel`) gives points.

    Args:
        model: The auto-encoder, such as an `AutoencoderKL`.

    Raises:
        TypeError: If it has no method `encode`.
    """
    if not callable(getattr(model, "encode", None)):
        raise TypeError(
            f"expected an auto-encoder of diffusers, with a method encode, got {kind_of(model)}."
        )
    return posterior(model.encode, mean=_mean_of_diffusers, scale=_scale_of_diffusers)


def _scale_of_pythae(out: Any) -> Tensor:
    if "log_covariance" in out:
        scale: Tensor = (out["log_covariance"] / 2).exp()
        return scale
    if others := sorted(set(out) - {"embedding"}):
        raise ValueError(
            f"expected the moments of a Gaussian from pythae's encoder, got {', '.join(others)} "
            "beside the embedding; its posteriors are of another kind."
        )
    return torch.zeros_like(out["embedding"])


def _mean_of_diffusers(out: Any) -> Any:
    if hasattr(out, "latent_dist"):
        return out.latent_dist.mean
    return out.latents if hasattr(out, "latents") else out.latent


def _scale_of_diffusers(out: Any) -> Any:
    return out.latent_dist.std if hasattr(out, "latent_dist") else _mean_of_diffusers(out) * 0
