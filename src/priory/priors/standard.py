"""The standard Gaussian prior."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from priory.arguments import at_least
from priory.arrays import Array
from priory.distributions.torch_distributions import Independent, unchecked_in_export
from priory.networks.calls import Encoder
from priory.networks.constants import add_constant
from priory.networks.context import Context
from priory.priors.base import Prior


class StandardPrior(Prior):
    r"""The standard Gaussian, with nothing to learn.

    $$p(z) = \mathcal{N}(z \mid 0, I)$$

    The Kullback-Leibler divergence from a diagonal Gaussian posterior to it has a closed form,
    which `torch.distributions.kl_divergence(q, p)` returns.

    Args:
        latent_dim: The number of latent dimensions L.

    Raises:
        ValueError: If `latent_dim` is below one.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014; Tomczak, *Deep Generative
        Modeling*, 2022, section 4.4.1.1.

    Examples:
        >>> import torch
        >>> from priory import StandardPrior
        >>> p = StandardPrior(latent_dim=2)()
        >>> p.log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim)
        self.latent_dim = latent_dim
        add_constant(self, "loc", torch.zeros(latent_dim))
        add_constant(self, "scale", torch.ones(latent_dim))

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> Distribution:
        """Return N(0, I); the encoder is not used."""
        return unchecked_in_export(lambda: Independent(Normal(self.loc, self.scale), 1))

    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Do nothing: there is nothing to initialise."""
