"""Counts that vary as a Poisson does."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import LogMeanPoisson
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import Observed
from priory.likelihoods.count_decoder import CountDecoder
from priory.likelihoods.typical_counts import CountLikelihood
from priory.networks.context import Context


class PoissonDecoder(CountDecoder):
    r"""Counts 0, 1, 2, ..., independent given z, with means from a network.

    $$p(x \mid z) = \prod_d \mathrm{Poisson}(x_d \mid \mu_d), \qquad \mu_d = m_d\, e^{f_d(z)}$$

    With an exposure e (the depth at which a cell was sequenced, the length of a document), means
    are $\mu_d = e\, m_d e^{f_d(z)} / \sum_c m_c e^{f_c(z)}$, shares of e, with
    `exposure="total"`, or $\mu_d = (e / \bar e)\, m_d e^{f_d(z)}$ with `exposure="given"`, where
    $\bar e$ is the mean of those seen: z has to say what an example is made of, and not how much of
    it was looked at. Exposures come with the `Context`, and without one means are those of the
    median exposure seen; a `VAE` that is shown an example takes its total, with the first.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        typical_counts: The counts m at f = 0, where an untrained network starts: the mean of the
            data, one number or a nested list with one for each dimension.
        exposure: `"total"` or `"given"`, as above; None for means without an exposure.
        exposures: Exposures to draw from for samples, in rising order: those seen in all examples,
            or a list for each batch.

    Raises:
        ValueError: If a typical count or an exposure is not a finite number above zero.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import PoissonDecoder
        >>> decoder = PoissonDecoder(MLP((2,), (3,)), typical_counts=[0.5, 20, 1000])
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.tensor([0.0, 18, 1100])).shape
        torch.Size([5])
    """

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        log_mean, dtype = self.log_means(z, context)
        return Independent(LogMeanPoisson(log_mean, dtype), log_mean.dim() - z.dim() + 1)


@dataclass(frozen=True)
class PoissonLikelihood(CountLikelihood):
    """Counts whose variance, given z, is their mean."""

    name: ClassVar[str] = "poisson"
    decoder: ClassVar[type[nn.Module]] = PoissonDecoder

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """None: counts mostly vary more than a Poisson does, so it is there on request."""
        return None
