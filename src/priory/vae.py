"""The variational auto-encoder: an encoder, a decoder and a prior."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from priory.networks.context import Context, call, given, num_labels_of
from priory.networks.contract import check_part
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
        check_part(encoder, "encoder")
        check_part(decoder, "decoder")
        check_part(prior, "prior")
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior

    @property
    def num_labels(self) -> int | None:
        """The number of labels that a part takes; None if no part takes any."""
        parts = (self.prior, self.decoder, self.encoder)
        return next((n for n in map(num_labels_of, parts) if n is not None), None)

    @property
    def needs_labels(self) -> bool:
        """Whether the prior is one for each label, or a network takes labels."""
        return self.num_labels is not None or bool(getattr(self.prior, "needs_labels", False))

    def context_of(self, labels: Tensor | None) -> Context:
        """Return what the model is told of data with these labels: nothing unless it needs them."""
        return Context(labels=labels) if self.needs_labels else Context()

    def posterior(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`."""
        context = given(context)
        context.check_batch(len(x))
        return call(self.encoder, x, context)

    def likelihood(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z), with the batch shape of z and the event shape of one datum."""
        context = given(context)
        context.check_batch(z.shape[-2] if z.dim() > 1 else 1)
        return call(self.decoder, z, context, "decoder")

    def prior_distribution(self, context: Context | None = None) -> Distribution:
        """Return p(z), with event shape `(L,)`."""
        return call(self.prior, self.encoder, given(context), "prior")

    @torch.no_grad()
    def encode(self, x: Tensor | NDArray[Any], context: Context | None = None) -> Tensor:
        """Return the mean of q(z|x), `(B, L)`."""
        return self.posterior(torch.as_tensor(x), context).mean

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
    def reconstruct(self, x: Tensor | NDArray[Any], context: Context | None = None) -> Tensor:
        """Draw z from q(z|x), then a datum from p(x|z), of the shape of x."""
        z = self.posterior(torch.as_tensor(x), context).sample()
        return self.likelihood(z, context).sample()

    def _repr_html_(self) -> str:
        parts = {"encoder": self.encoder, "decoder": self.decoder, "prior": self.prior}
        rows: dict[str, object] = {name: type(part).__name__ for name, part in parts.items()}
        rows["prior"] = str(self.prior).partition("\n")[0].removesuffix("(")
        counts = [sum(p.numel() for p in part.parameters()) for part in parts.values()]
        rows["parameters"] = f"{sum(counts):,}, of which {counts[2]:,} of the prior"
        return html_table(type(self).__name__, rows)
