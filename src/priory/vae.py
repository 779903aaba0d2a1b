"""The variational auto-encoder: an encoder, a decoder and a prior."""

import math

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from priory.arrays import Array, as_tensor
from priory.distributions.unflattened import UnflattenedDistribution
from priory.networks.context import Context, call, given, num_labels_of, takes_any_batch
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
        """Whether the prior is one for each label, or a network takes labels."""
        return self.num_labels is not None or bool(getattr(self.prior, "needs_labels", False))

    def context_of(self, labels: Tensor | Array | None) -> Context:
        """Return what the model is told of data with these labels: nothing unless it needs them."""
        if not self.needs_labels or labels is None:
            return Context()
        return Context(labels=as_tensor(labels))

    def posterior(self, x: Tensor | Array, context: Context | None = None) -> Distribution:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`."""
        x = x if isinstance(x, Tensor) else taken(x, self.encoder)
        context = given(context)
        context.check_batch(len(x))
        return call(self.encoder, x, context)

    def likelihood(self, z: Tensor | Array, context: Context | None = None) -> Distribution:
        """Return p(x|z), with the batch shape of z and the event shape of one datum.

        A decoder that is not of this library is given points as `(B, L)`, whatever their batch.

        Args:
            z: Points of the latent space, `(*batch, L)`.
            context: What is known of the examples, of which the last dimension of the batch is one.
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

        With labels, the batch is that of the labels: `vae.sample(64, Context(labels=y))` draws 64
        examples for each label in y, `(64, len(y), *data_shape)`.
        """
        p, labels = self.prior_distribution(context), given(context).about_labels
        if labels is not None and not p.batch_shape:
            p = p.expand(labels.shape[:1])  # only the decoder knows labels
        return self.likelihood(p.sample(Size((num_samples,))), context).sample()

    @torch.no_grad()
    def reconstruct(self, x: Tensor | Array, context: Context | None = None) -> Tensor:
        """Draw z from q(z|x), then a datum from p(x|z), of the shape of x."""
        z = self.posterior(x, context).sample()
        return self.likelihood(z, context).sample()

    def _repr_html_(self) -> str:
        parts = {"encoder": self.encoder, "decoder": self.decoder, "prior": self.prior}
        rows: dict[str, object] = {name: type(part).__name__ for name, part in parts.items()}
        rows["prior"] = str(self.prior).partition("\n")[0].removesuffix("(")
        counts = [sum(p.numel() for p in part.parameters()) for part in parts.values()]
        rows["parameters"] = f"{sum(counts):,}, of which {counts[2]:,} of the prior"
        return html_table(type(self).__name__, rows)
