"""The kit's own encoder: tiny, and the same every time."""

import torch
from jaxtyping import Num
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal


class TinyEncoder(nn.Module):
    r"""An encoder of data of any shape, with the same parameters every time it is made.

    $$\mu_l(x) = a_l \sin(b_l + \textstyle\sum_d W_{ld} x_d), \qquad
    \log \sigma_l(x) = c_l \sin(d_l + \sum_d V_{ld} x_d) - 1$$

    W and V are waves, made for as many values as an example has. Sines keep the posteriors apart
    and bounded, whatever the range of the data, and their slope vanishes nowhere but at points.

    Args:
        latent_dim: The number of latent dimensions L.

    Examples:
        >>> import torch
        >>> from priory.testing import TinyEncoder
        >>> TinyEncoder(latent_dim=2)(torch.zeros(5, 28, 28)).event_shape
        torch.Size([2])
    """

    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__()
        steps = torch.arange(2 * latent_dim)
        self.amplitude = nn.Parameter(torch.where(steps < latent_dim, 2.5, 0.5))
        self.phase = nn.Parameter(steps + 1.0)

    def forward(self, x: Num[Tensor, "B *data"], context: object = None) -> Distribution:
        """Return q(z|x) for x of shape `(B, *data_shape)`."""
        flat = x.to(self.phase.dtype).flatten(1)
        d = torch.arange(1, flat.shape[1] + 1, dtype=flat.dtype, device=flat.device)
        waves = torch.sin(d.unsqueeze(-1) * (torch.arange(len(self.phase)).to(d) + 1.3)) * 2
        angle = flat @ waves / flat.shape[1] ** 0.25 + self.phase
        loc, log_scale = (self.amplitude * torch.sin(angle)).chunk(2, dim=-1)
        return Independent(Normal(loc, (log_scale - 1).exp()), 1)
