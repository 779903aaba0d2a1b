"""Counts that vary more than Poisson counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.arguments import above_zero, one_of
from priory.distributions import LogMeanNegativeBinomial
from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import GREY_LEVELS, Observed
from priory.likelihoods.count_decoder import CountDecoder, Exposure
from priory.likelihoods.typical_counts import MIN_DISPERSION, CountLikelihood, TypicalCounts
from priory.networks.context import Context, given_batches
from priory.networks.mlp import check_sizes


class NegativeBinomialDecoder(CountDecoder):
    r"""Counts 0, 1, 2, ... that vary more than Poisson counts, with means from a network.

    $$p(x \mid z) = \prod_d \frac{\Gamma(x_d + \theta_d)}{\Gamma(\theta_d)\, x_d!}
    \Big(\frac{\theta_d}{\theta_d + \mu_d}\Big)^{\theta_d}
    \Big(\frac{\mu_d}{\theta_d + \mu_d}\Big)^{x_d}, \qquad \mu_d = m_d\, e^{f_d(z)}$$

    The mean is μ and the variance $\mu + \mu^2 / \theta$. The inverse dispersion θ is learned per
    dimension of the data, or per dimension and batch, as $1 / \theta_d = e^{t_d} + r$ with the
    lower limit r, at which counts with means well below 1/r are almost Poisson.

    With an exposure e (the depth at which a cell was sequenced, the length of a document), means
    are $\mu_d = e\, m_d e^{f_d(z)} / \sum_c m_c e^{f_c(z)}$, shares of e, with
    `exposure="total"`, or $\mu_d = (e / \bar e)\, m_d e^{f_d(z)}$ with `exposure="given"`, where
    $\bar e$ is the mean over the training data: z then describes the composition of an example, not
    its depth. Exposures are passed in the `Context`; without one, means are those at the median
    exposure. With `"total"`, a `VAE` that encodes an example uses its total.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        data_shape: The shape of one example.
        typical_counts: The counts m at f = 0, the output of an untrained network: the mean of the
            data, one number or a nested list with one per dimension.
        min_dispersion: The lower limit r of 1/θ.
        dispersion: Whether there is one θ per `"gene"` (dimension), or per `"gene-batch"`.
        exposure: `"total"` or `"given"`, as above; None for means without an exposure.
        exposures: Exposures to draw from for samples, in ascending order: those of all training
            examples, or one list per batch.

    Raises:
        ValueError: If a size is below one, a typical count, an exposure or the limit is not a
            finite number above zero, or the network does not take batches for `"gene-batch"`.

    Reference:
        Lopez et al., *Deep generative modeling for single-cell transcriptomics*, 2018 (scVI), which
        uses the same mean and inverse dispersion, with zero inflation and a library size.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import NegativeBinomialDecoder
        >>> decoder = NegativeBinomialDecoder(MLP((2,), (3,)), (3,), typical_counts=[0.5, 20, 1000])
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.tensor([0.0, 18, 1100])).shape
        torch.Size([5])
    """

    def __init__(
        self,
        network: nn.Module,
        data_shape: Sequence[int],
        typical_counts: TypicalCounts = 1.0,
        min_dispersion: float = MIN_DISPERSION,
        dispersion: Literal["gene", "gene-batch"] = "gene",
        exposure: Exposure | None = None,
        exposures: Sequence[Any] = (),
    ) -> None:
        super().__init__(network, typical_counts, exposure, exposures)
        self.data_shape = tuple(data_shape)
        self.min_dispersion = min_dispersion
        self.dispersion = dispersion
        check_sizes(data_shape=self.data_shape)
        above_zero(min_dispersion=min_dispersion)
        one_of(("gene", "gene-batch"), dispersion=dispersion)
        shape = self.data_shape
        if dispersion == "gene-batch":
            if self.num_batches is None:
                raise ValueError(
                    "expected a network with num_batches for dispersion='gene-batch', got one "
                    "without; give it the number of batches, or use 'gene'."
                )
            shape = (self.num_batches, *shape)
        self.log_dispersion = nn.Parameter(torch.zeros(shape))

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        log_mean, dtype = self.log_means(z, context)
        dispersion = widened(self.log_dispersion).exp() + self.min_dispersion
        if self.dispersion == "gene-batch" and self.num_batches is not None:
            dispersion = dispersion[given_batches(context, self.num_batches)]
        counts = LogMeanNegativeBinomial(log_mean, dispersion, dtype)
        return Independent(counts, log_mean.dim() - z.dim() + 1)


@dataclass(frozen=True)
class NegativeBinomialLikelihood(CountLikelihood):
    """Counts whose variance, given z, is above their mean.

    Attributes:
        min_dispersion: The lower limit of the dispersion.
        dispersion: Whether there is one per gene (dimension), or per gene and batch.
    """

    name: ClassVar[str] = "negative-binomial"
    decoder: ClassVar[type[nn.Module]] = NegativeBinomialDecoder
    min_dispersion: float = 1e-4
    dispersion: Literal["gene", "gene-batch"] = "gene"

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Whole numbers too large for grey levels are counts, as are data declared as counts."""
        if observed.only_counts:
            return f"{observed.x.shape[-1]} columns of counts"
        if observed.counts and observed.high >= GREY_LEVELS:
            return f"whole numbers from 0 to {observed.high:.0f}, treated as counts"
        return None
