"""Poisson counts."""

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
    $\bar e$ is the mean over the training data: z then describes the composition of an example, not
    its depth. Exposures are passed in the `Context`; without one, means are those at the median
    exposure. With `"total"`, a `VAE` that encodes an example uses its total.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        typical_counts: The counts m at f = 0, the output of an untrained network: the mean of the
            data, one number or a nested list with one per dimension.
        exposure: `"total"` or `"given"`, as above; None for means without an exposure.
        exposures: Exposures to draw from for samples, in ascending order: those of all training
            examples, or one list per batch.

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
    """Counts whose variance, given z, equals their mean."""

    name: ClassVar[str] = "poisson"
    decoder: ClassVar[type[nn.Module]] = PoissonDecoder

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """None: most counts vary more than Poisson counts, so it is used only on request."""
        return None
