"""The Bernoulli likelihood."""

from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent

from priory.networks.context import Context
from priory.networks.labels import call_network


class BernoulliDecoder(nn.Module):
    r"""Values 0 and 1, independent given z, with probabilities from a network.

    $$p(x \mid z) = \prod_d \mathrm{Bern}(x_d \mid \mathrm{sigmoid}(f_d(z)))$$

    Args:
        network: A module from z, `(*batch, L)`, to logits, `(*batch, *data_shape)`.

    Examples:
        >>> import torch
        >>> from priory import MLP, BernoulliDecoder
        >>> decoder = BernoulliDecoder(MLP((2,), (28, 28)))
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.ones(5, 28, 28)).shape
        torch.Size([5])

    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one datum."""
        logits = call_network(self.network, z, context)
        return Independent(Bernoulli(logits=logits), logits.dim() - z.dim() + 1)
