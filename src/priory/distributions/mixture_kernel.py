"""The log-density of a mixture of diagonal Gaussians: the one hot loop of the library."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def component_log_prob(
    z: Float[Tensor, "*#batch L"],
    logits: Float[Tensor, "*#batch K"],
    loc: Float[Tensor, "*#batch K L"],
    scale: Float[Tensor, "*#batch K L"],
) -> Float[Tensor, "*batch K"]:
    r"""Return $\log w_k + \log \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$ for each k.

    Args:
        z: Points.
        logits: Logarithms of the mixing weights, normalised.
        loc: Means.
        scale: Standard deviations.

    Returns:
        The weighted log-densities of the components, in nats.

    """
    standardised = (z.unsqueeze(-2) - loc) / scale
    log_volume = scale.log().sum(-1) + 0.5 * math.log(2 * math.pi) * loc.shape[-1]
    return logits - log_volume - 0.5 * standardised.square().sum(-1)


def log_prob(
    z: Float[Tensor, "*#batch L"],
    logits: Float[Tensor, "*#batch K"],
    loc: Float[Tensor, "*#batch K L"],
    scale: Float[Tensor, "*#batch K L"],
) -> Float[Tensor, "*batch"]:
    r"""Return $\log \sum_k w_k\, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$ in nats.

    The sum over dimensions is taken inside each component, before the log-sum-exp over components.

    Args:
        z: Points.
        logits: Logarithms of the mixing weights, normalised.
        loc: Means.
        scale: Standard deviations.

    Returns:
        The log-density of the mixture at each point, in nats.

    """
    return torch.logsumexp(component_log_prob(z, logits, loc, scale), dim=-1)
