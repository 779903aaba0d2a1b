"""The categorical likelihood."""

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from priory.distributions import LogitsCategorical
from priory.networks.context import Context
from priory.networks.labels import call_network


class CategoricalDecoder(nn.Module):
    r"""Values $0, \dots, V-1$, independent given z, with probabilities from a network.

    $$p(x \mid z) = \prod_d \mathrm{Cat}(x_d \mid \mathrm{softmax}(f_d(z)))$$

    Args:
        network: A module from z, `(*batch, L)`, to logits, `(*batch, *data_shape, V)`.

    Examples:
        >>> import torch
        >>> from priory import MLP, CategoricalDecoder
        >>> decoder = CategoricalDecoder(MLP((2,), (8, 8, 17)))
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.zeros(5, 8, 8)).shape
        torch.Size([5])

    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one datum."""
        logits = call_network(self.network, z, context)
        return Independent(LogitsCategorical(logits), logits.dim() - z.dim())
