"""Encoders from libraries whose models return moments in a known form."""

from typing import Any

import torch
from torch import Tensor

from priory.adapters.moments import GaussianFromMoments, posterior
from priory.networks.contract import kind_of


def pythae(model: Any) -> GaussianFromMoments:
    """Make an encoder from a pythae model: any VAE with Gaussian posteriors, or an AE.

    The encoder of an AE, without a spread, returns points. Pass `x` in pythae's form, `(B,
    *input_dim)`.

    Args:
        model: The model; its `encoder` is called.

    Raises:
        TypeError: If it has no encoder.
        ValueError: When it is called, if its posteriors are not Gaussian.

    Examples:
        >>> from priory.adapters import posterior
        >>> posterior.pythae(3)
        Traceback (most recent call last):
        ...
        TypeError: expected a pythae model, with an encoder, got int.
    """
    if not callable(getattr(model, "encoder", None)):
        raise TypeError(f"expected a pythae model, with an encoder, got {kind_of(model)}.")
    return posterior(model.encoder, mean="embedding", scale=_scale_of_pythae)


def diffusers(model: Any) -> GaussianFromMoments:
    """Make an encoder from a diffusers auto-encoder, whose `encode` takes images.

    Latents, `(B, C, h, w)`, are flattened; `z.unflatten(-1, encoder.latent_shape)` restores the
    shape for `model.decode`. They are not multiplied by the `scaling_factor` of pipelines. An
    auto-encoder without a spread (`AutoencoderTiny`, `AutoencoderDC`, `VQModel`) returns points.

    Args:
        model: The auto-encoder, such as an `AutoencoderKL`.

    Raises:
        TypeError: If it has no method `encode`.
    """
    if not callable(getattr(model, "encode", None)):
        raise TypeError(
            f"expected a diffusers auto-encoder, with a method encode, got {kind_of(model)}."
        )
    return posterior(model.encode, mean=_mean_of_diffusers, scale=_scale_of_diffusers)


def _scale_of_pythae(out: Any) -> Tensor:
    if "log_covariance" in out:
        scale: Tensor = (out["log_covariance"] / 2).exp()
        return scale
    if others := sorted(set(out) - {"embedding"}):
        raise ValueError(
            f"expected the moments of a Gaussian from pythae's encoder, got {', '.join(others)} "
            "with the embedding; its posteriors have a different form."
        )
    return torch.zeros_like(out["embedding"])


def _mean_of_diffusers(out: Any) -> Any:
    if hasattr(out, "latent_dist"):
        return out.latent_dist.mean
    return out.latents if hasattr(out, "latents") else out.latent


def _scale_of_diffusers(out: Any) -> Any:
    return out.latent_dist.std if hasattr(out, "latent_dist") else _mean_of_diffusers(out) * 0
