"""The probability of each label at a point of the latent space, for a model without labels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution

from priory.aggregate import posterior_of_all
from priory.arrays import Array
from priory.blockwise import blocks
from priory.distributions import GaussianMixture, top_part
from priory.evaluation.top_level import from_top, top_level
from priory.networks.context import Context
from priory.networks.home import taken
from priory.vae import VAE

MOST_EXAMPLES = 5000
"""The most labelled examples that a classifier compares a point with."""
MOST_DRAWS = 200
"""How many times as many points to draw as are wanted, before a label counts as one hardly made."""


@dataclass(frozen=True, eq=False)
class LatentLabels:
    r"""An estimate of p(y|z) from labelled examples.

    For a mixture, a component is given the labels of the examples that it explains, by its
    responsibilities over samples $z_n$ of q(z|x_n):

    $$p(y \mid z) = \sum_k p(k \mid z)\, p(y \mid k), \qquad
    p(y \mid k) \propto \sum_{n:\, y_n = y} p(k \mid z_n).$$

    For any other prior it is the Bayes classifier of the labelled aggregated posterior,

    $$p(y \mid z) \propto \sum_{n:\, y_n = y} q(z \mid x_n).$$

    Attributes:
        vae: The model.
        prior: p(z), of the top of several levels.
        log_label: log p(y|k) of each component, `(K, C)`; None for a prior that is no mixture.
        posterior: q(z|x) of the labelled examples, `(N,)`.
        labels: Their labels, `(N,)`.
        num_labels: The number of labels C.
    """

    vae: VAE
    prior: Distribution
    log_label: Float[Tensor, "K C"] | None
    posterior: Distribution
    labels: Int[Tensor, " N"]
    num_labels: int

    @property
    def how(self) -> str:
        """How labels are estimated, in a few words."""
        if self.log_label is None:
            return f"by a classifier of latents, from {len(self.labels):,} training examples"
        return f"by components, from {len(self.labels):,} training examples"

    def log_prob(self, z: Float[Tensor, "M L"]) -> Float[Tensor, "M C"]:
        """Return log p(y|z) of every label at points of the latent space, of the top of several."""
        if self.log_label is not None:
            assert isinstance(self.prior, GaussianMixture)
            share: Tensor = self.prior.responsibilities(z) @ self.log_label.exp()
            logits: Tensor = share.log()
            return logits
        parts = []
        for rows in blocks(len(z), len(self.labels) * z.shape[-1]):
            near = self.posterior.log_prob(z[rows].unsqueeze(-2))  # (M, N)
            near = near - near.amax(-1, keepdim=True)  # the nearest counts, however far away
            of_labels = near.new_zeros(len(near), self.num_labels)
            of_labels.index_add_(1, self.labels.to(near.device), near.exp())
            parts.append(of_labels.log().log_softmax(-1))
        return torch.cat(parts)

    def labels_at(self, z: Float[Tensor, "M L"]) -> Int[Tensor, " M"]:
        """Draw a label for each point, with all its levels."""
        top = top_part(self.vae.prior_distribution(), z)
        labels: Tensor = torch.distributions.Categorical(logits=self.log_prob(top)).sample()
        return labels

    def draw(self, label: int, count: int) -> Float[Tensor, "count L"]:
        r"""Draw latents of a label, from $p(z \mid y) \propto p(z)\, p(y \mid z)$.

        Of a mixture, by drawing a component given the label; otherwise, by keeping each draw of the
        prior with the probability of the label.

        Args:
            label: The label y.
            count: How many.

        Raises:
            ValueError: If the prior hardly ever makes that label.
        """
        if self.log_label is not None:
            p = self.prior
            assert isinstance(p, GaussianMixture)
            logits = p.logits.flatten() + self.log_label[:, label].to(p.logits)
            chosen = torch.distributions.Categorical(logits=logits).sample((count,))
            loc, scale = (t.expand(len(logits), -1)[chosen] for t in (p.loc, p.scale))
            return from_top(self.vae, torch.normal(loc, scale))
        kept: list[Tensor] = []
        wanted = count
        for _ in range(MOST_DRAWS):
            z = self.prior.sample(torch.Size((max(count, 256),)))
            z = z[torch.rand(len(z), device=z.device) < self.log_prob(z)[:, label].exp()]
            kept.append(z[:wanted])
            wanted -= len(kept[-1])
            if not wanted:
                return from_top(self.vae, torch.cat(kept))
        raise ValueError(
            f"expected {count} draws of the prior with this label, got {count - wanted} among "
            f"{MOST_DRAWS * max(count, 256):,}; the model rarely generates it, so ask for fewer."
        )


@torch.no_grad()
def latent_labels(
    vae: VAE,
    x: Tensor | Array,
    labels: Int[Tensor, " N"],
    num_labels: int,
    context: Context | None = None,
) -> LatentLabels:
    """Estimate p(y|z) for a model that takes no labels, from labelled examples.

    Args:
        vae: The model.
        x: The examples, `(N, *data_shape)`; of more than 5,000 as many are taken, spread evenly.
        labels: Their labels.
        num_labels: The number of labels C.
        context: The context of these examples.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation.latent_labels import latent_labels
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> estimate = latent_labels(vae, torch.eye(9), torch.arange(9) % 3, 3)
        >>> estimate.draw(label=1, count=5).shape
        torch.Size([5, 2])
    """
    top = top_level(vae)
    x = taken(x, vae.encoder)
    chosen = torch.linspace(0, len(x) - 1, min(len(x), MOST_EXAMPLES)).long()
    x, labels = x[chosen], labels[chosen]
    chosen_context = None if context is None else context[chosen]
    q, p = posterior_of_all(top, x, chosen_context), top.prior_distribution()
    log_label = None
    if isinstance(p, GaussianMixture) and not p.batch_shape:
        shares = torch.nn.functional.one_hot(labels, num_labels).to(p.logits)
        explained = p.responsibilities(q.sample()).mT @ shares  # (K, C)
        # A component that explains nothing has the labels of all.
        explained = explained + 1e-6 * shares.mean(0)
        log_label = (explained / explained.sum(1, keepdim=True)).log()
    return LatentLabels(vae, p, log_label, q, labels, num_labels)
