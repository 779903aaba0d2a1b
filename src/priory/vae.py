"""The variational auto-encoder: an encoder, a decoder and a prior."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from priory.arrays import Array, as_tensor
from priory.distributions.mixture.blocks import widened
from priory.distributions.unflattened import UnflattenedDistribution
from priory.networks.calls import call, exposure_of, num_batches_of, num_labels_of, takes_any_batch
from priory.networks.context import Context, given, given_batches
from priory.networks.contract import PARTS, wrong_part
from priory.networks.home import taken
from priory.notebook import html_table


class VAE(nn.Module):
    r"""A latent variable model $p(x) = \int p(x \mid z)\, p(z)\, dz$ with posterior $q(z \mid x)$.

    Args:
        encoder: A module called as `encoder(x, context=None)` that returns q(z|x).
        decoder: A module called as `decoder(z, context=None)` that returns p(x|z).
        prior: A module called as `prior(encoder, context=None)` that returns p(z).

    Raises:
        TypeError: If a part cannot be called.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014.

    Examples:
        >>> from priory import MLP, VAE, CategoricalDecoder, GaussianEncoder, MoGPrior
        >>> vae = VAE(
        ...     GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16)),
        ...     CategoricalDecoder(MLP((2,), (8, 8, 17))),
        ...     MoGPrior(latent_dim=2, num_components=16),
        ... )
        >>> vae.sample(5).shape
        torch.Size([5, 8, 8])
    """

    takes_context = True

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        for role in PARTS:
            part = getattr(self, role)
            if not callable(part) or isinstance(part, type):
                raise wrong_part(part, role)

    @property
    def num_labels(self) -> int | None:
        """The number of labels that a part takes; None if no part takes any."""
        parts = (self.prior, self.decoder, self.encoder)
        return next((n for n in map(num_labels_of, parts) if n is not None), None)

    @property
    def needs_labels(self) -> bool:
        """Whether the prior depends on labels, or a network takes labels."""
        return self.num_labels is not None or bool(getattr(self.prior, "needs_labels", False))

    @property
    def num_batches(self) -> int | None:
        """The number of batches that the decoder or the encoder takes; None if none does."""
        return num_batches_of(self.decoder) or num_batches_of(self.encoder)

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields of a context that the model needs and the data must have."""
        needed = {
            "labels": self.needs_labels,
            "exposure": exposure_of(self.decoder) == "given",
            "batch_label": self.num_batches is not None,
        }
        return tuple(name for name, is_needed in needed.items() if is_needed)

    def context_of(
        self,
        labels: Tensor | Array | None = None,
        exposure: Tensor | Array | None = None,
        batch_label: Tensor | Array | None = None,
    ) -> Context:
        """Return the context of data with these annotations: those that the model needs."""
        facts = {"labels": labels, "exposure": exposure, "batch_label": batch_label}
        return Context(
            **{n: as_tensor(t) for n, t in facts.items() if n in self.needs and t is not None}
        )

    def with_exposure(self, x: Tensor, context: Context | None) -> Context:
        """Return a context with the totals of data as exposures, if the model takes those."""
        context = given(context)
        if exposure_of(self.decoder) != "total" or context.exposure is not None:
            return context
        return replace(context, exposure=widened(x).flatten(1).sum(1).to(torch.get_default_dtype()))

    def with_drawn_exposure(self, count: int, context: Context | None) -> Context:
        """Return a context for points without data, if the decoder takes exposures.

        Args:
            count: The number of points.
            context: The context of each; exposures are drawn from those of its batch.
        """
        context = given(context)
        if exposure_of(self.decoder) is None or context.exposure is not None:
            return context
        decoder: Any = getattr(self.decoder, "_orig_mod", self.decoder)
        return replace(context, exposure=decoder.draw_exposures(count, context))

    def posterior(self, x: Tensor | Array, context: Context | None = None) -> Distribution:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`."""
        x = x if isinstance(x, Tensor) else taken(x, self.encoder)
        context = given(context)
        context.check_batch(len(x))
        if context.batch_label is None and (number := num_batches_of(self.encoder)) is not None:
            given_batches(context, number)
        return call(self.encoder, x, context)

    def likelihood(self, z: Tensor | Array, context: Context | None = None) -> Distribution:
        """Return p(x|z), with the batch shape of z and the event shape of one example.

        A decoder from outside this library receives points as `(B, L)`, whatever their batch shape.

        Args:
            z: Points of the latent space, `(*batch, L)`.
            context: The context of the examples, along the last batch dimension.
        """
        z = z if isinstance(z, Tensor) else taken(z, self.decoder)
        context = given(context)
        *before, last = z.shape[:-1] or (1,)
        context.check_batch(last)
        if z.dim() == 2 or takes_any_batch(self.decoder):
            return call(self.decoder, z, context, "decoder")
        if context and math.prod(before) > 1:
            context = context[torch.arange(last).repeat(math.prod(before))]
        p = call(self.decoder, z.reshape(-1, z.shape[-1]), context, "decoder")
        return UnflattenedDistribution(p, z.shape[:-1])

    def prior_distribution(self, context: Context | None = None) -> Distribution:
        """Return p(z), with event shape `(L,)`."""
        return call(self.prior, self.encoder, given(context), "prior")

    @torch.no_grad()
    def encode(self, x: Tensor | Array, context: Context | None = None) -> Tensor:
        """Return the mean of q(z|x), `(B, L)`."""
        return self.posterior(x, context).mean

    @torch.no_grad()
    def sample(self, num_samples: int, context: Context | None = None) -> Tensor:
        """Draw z from the prior, then x from p(x|z): `(num_samples, *batch, *data_shape)`.

        With labels, batches or exposures, the batch shape is theirs: `vae.sample(64,
        Context(labels=y))` draws 64 examples for each label in y, `(64, len(y), *data_shape)`.
        Missing exposures are drawn from those of the training data.
        """
        context = given(context)
        p, rows = self.prior_distribution(context), len(replace(context, index=None))
        if rows and not p.batch_shape:
            p = p.expand(Size((rows,)))  # only the decoder uses them
        z = p.sample(Size((num_samples,)))
        if exposure_of(self.decoder) is None or context.exposure is not None:
            return self.likelihood(z, context).sample()
        flat = z.flatten(0, -2)
        if rows:
            context = context[torch.arange(rows).repeat(num_samples)]
        x = self.likelihood(flat, self.with_drawn_exposure(len(flat), context)).sample()
        return x.reshape(*z.shape[:-1], *x.shape[1:])

    @torch.no_grad()
    def reconstruct(self, x: Tensor | Array, context: Context | None = None) -> Tensor:
        """Draw z from q(z|x), then an example from p(x|z), in the shape of x."""
        x = x if isinstance(x, Tensor) else taken(x, self.encoder)
        z = self.posterior(x, context).sample()
        return self.likelihood(z, self.with_exposure(x, context)).sample()

    def _repr_html_(self) -> str:
        parts = {"encoder": self.encoder, "decoder": self.decoder, "prior": self.prior}
        rows: dict[str, object] = {name: type(part).__name__ for name, part in parts.items()}
        rows["prior"] = str(self.prior).partition("\n")[0].removesuffix("(")
        counts = [sum(p.numel() for p in part.parameters()) for part in parts.values()]
        rows["parameters"] = f"{sum(counts):,}, of which {counts[2]:,} of the prior"
        return html_table(type(self).__name__, rows)
