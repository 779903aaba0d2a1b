"""The Poisson likelihood."""

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Poisson

from priory.networks.context import Context
from priory.networks.counts import Counts, log_typical_counts
from priory.networks.labels import call_network


class PoissonDecoder(nn.Module):
    r"""Counts 0, 1, 2, ..., independent given z, with means from a network.

    $$p(x \mid z) = \prod_d \mathrm{Poisson}(x_d \mid \mu_d), \qquad \mu_d = m_d\, e^{f_d(z)}$$

    There is no factor for the exposure of a datum (the depth at which a cell was sequenced, the
    length of a document): where it varies, z has to say so.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        typical_counts: The counts m at f = 0, where an untrained network starts: the mean of the
            data, one number or a nested list with one for each dimension.

    Raises:
        ValueError: If a typical count is not a finite number above zero.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, PoissonDecoder
        >>> decoder = PoissonDecoder(MLP((2,), (3,)), typical_counts=[0.5, 20, 1000])
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.tensor([0.0, 18, 1100])).shape
        torch.Size([5])

    """

    log_typical: Tensor

    def __init__(self, network: nn.Module, typical_counts: Counts = 1.0) -> None:
        super().__init__()
        self.network = network
        self.typical_counts = typical_counts
        log_typical = log_typical_counts(typical_counts)
        self.register_buffer("log_typical", log_typical, persistent=False)

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one datum."""
        mean = (self.log_typical + call_network(self.network, z, context)).exp()
        return Independent(Poisson(mean), mean.dim() - z.dim() + 1)
