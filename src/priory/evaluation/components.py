"""How many components does the aggregated posterior use, and which ones does it not use?"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution
from torch.special import entr

from priory.aggregate import posterior_of_all
from priory.arrays import Array, as_points
from priory.blockwise import blocks
from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.evaluation.measure import Measure
from priory.evaluation.nearest import Nearest, nearest
from priory.evaluation.study import Study
from priory.networks.context import Context, given
from priory.priors.parts.usage import DEAD, dead_positions, mean_responsibilities
from priory.vae import VAE


def components_in_use(prior: Distribution, z: Float[Tensor, "N L"] | Array) -> float | None:
    r"""Return the exponential of the entropy of the mean responsibilities over q(z).

    $$\exp H\Big(\frac{1}{N} \sum_n p(k \mid z_n)\Big)$$

    It is K if all components explain the same share of the data, and one if a single component
    explains them all.

    Args:
        prior: The prior's distribution.
        z: Samples from the aggregated posterior.

    Returns:
        A number between 1 and K, or None if the prior is not a mixture.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.evaluation import components_in_use
        >>> apart = torch.tensor([[-50.0], [50.0]])
        >>> p = GaussianMixture(torch.zeros(2), apart, torch.ones(2, 1))
        >>> round(components_in_use(p, apart), 3), round(components_in_use(p, apart[:1]), 3)
        (2.0, 1.0)
    """
    if not isinstance(prior, GaussianMixture | FactorizedGaussianMixture):
        return None
    return float(entr(mean_responsibilities(prior, as_points(z))).sum().exp())


@torch.no_grad()
def most_likely_component(
    vae: VAE, z: Float[Tensor, "N L"], context: Context | None = None
) -> Int[Tensor, " N"] | None:
    """Return the most likely component of the prior for each point; None without a mixture.

    Args:
        vae: The model.
        z: Points of the latent space, such as the means of q(z|x).
        context: The context of each point, for a prior that takes labels.
    """
    components = []
    for rows in blocks(len(z), most=1024):
        try:
            p = vae.prior_distribution(given(context)[rows])
        except ValueError:  # labels are not known
            return None
        if not isinstance(p, GaussianMixture):
            return None
        components.append(p.responsibilities(z[rows]).argmax(-1))
    return torch.cat(components)


def dead_components(
    prior: Distribution, z: Float[Tensor, "*points L"] | Array, threshold: float = DEAD
) -> Int[Tensor, " D"] | None:
    r"""Return the components that explain almost nothing of the aggregated posterior.

    Component k is dead if its mean responsibility over samples from q(z) is below a fraction of an
    equal share, $\frac{1}{N} \sum_n p(k \mid z_n) < \text{threshold} / K$.

    Args:
        prior: The prior's distribution.
        z: Samples from the aggregated posterior, `(N, L)`; with batch shape `(N,)`, one for each
            of the prior's mixtures.
        threshold: The fraction of an equal share below which a component is dead.

    Returns:
        Their positions, or None if the prior is not a mixture.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.evaluation import dead_components
        >>> p = GaussianMixture(torch.zeros(3), 50 * torch.arange(3.0)[:, None], torch.ones(3, 1))
        >>> dead_components(p, torch.tensor([[0.3], [99.0]]))
        tensor([1])
    """
    if not isinstance(prior, GaussianMixture | FactorizedGaussianMixture):
        return None
    return dead_positions(mean_responsibilities(prior, as_points(z)), threshold)


def dead_components_of(study: Study) -> Tensor | None:
    """Return the components that the training data, or else the held-out data, do not use."""
    z = study.once("fitted z", lambda: posterior_of_all(study.top, *study.fitted).sample())
    return dead_components(study.prior, z)


def nearest_to_pseudo_inputs(study: Study) -> Nearest | None:
    """Return the training (or else held-out) example nearest to each pseudo-input."""
    pseudo_inputs: Tensor | None = getattr(study.top.prior, "pseudo_inputs", None)
    if pseudo_inputs is None:
        return None
    near, chosen = nearest(pseudo_inputs, study.fitted[0]), study.chosen
    if chosen is None:
        return near
    return Nearest(near.distance, chosen[near.index.to(chosen.device)])


def _of_all(record: Mapping[str, Any]) -> dict[str, str]:
    total, dead = record.get("num_components"), record.get("dead_components")
    return {
        "of": "" if total is None else f" of {total:,}",
        "note": "" if dead is None else f"{len(dead)} are dead",
    }


def _in_use(study: Study) -> float | None:
    return components_in_use(study.prior, study.top_z)


COMPONENTS_IN_USE = Measure(
    "components_in_use",
    "components in use",
    "how many are used: the exponential of the entropy of their mean responsibilities",
    _in_use,
    unit="count",
    form=".1f",
    quick=True,
    absent="no components",
    remark=_of_all,
    of_top=True,
)
DEAD_COMPONENTS = Measure(
    "dead_components",
    "",
    "positions of components that no example uses",
    dead_components_of,
    of_top=True,
)
NEAREST = Measure(
    "nearest_to_pseudo_inputs",
    "",
    "the training example nearest to each pseudo-input",
    nearest_to_pseudo_inputs,
    of_top=True,
)
