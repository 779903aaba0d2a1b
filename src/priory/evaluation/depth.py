"""How much does a latent depend on the depth of examples?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array, as_points, as_tensor
from priory.distributions import widened
from priory.evaluation.measure import Measure
from priory.evaluation.study import Study
from priory.likelihoods.count_decoder import CountDecoder

HIGH = 0.7
"""Above this correlation a latent is little more than the depth; scVI has 0.6 on blood cells."""


@dataclass(frozen=True)
class Depth:
    """The latent that is most correlated with the depth of examples.

    Attributes:
        value: The largest absolute correlation of a latent with the logarithm of the depth.
        latent: The number of this latent, from 1.
    """

    value: float
    latent: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """A warning, in a sentence, if it is high."""
        if self.value <= HIGH:
            return ()
        return (
            f"Latent z{self.latent} follows the depth of examples (its correlation with the "
            f"logarithm of their total count is {self.value:.2f}), so clusters may reflect depth; "
            "train with --exposure total and --network normed-mlp, or under another prior.",
        )


def depth_in_latents(
    z: Float[Tensor, "N L"] | Array, depth: Float[Tensor, " N"] | Array
) -> Depth | None:
    r"""Return the largest absolute correlation of a latent with the logarithm of a depth.

    $$\max_l |\mathrm{corr}(z_l, \log e)|$$

    Args:
        z: Latents, such as the means of q(z|x).
        depth: The exposure of each example, by default its total count, above zero.

    Returns:
        The correlation and its latent; None if all depths, or all latents, are equal.

    Examples:
        >>> import torch
        >>> from priory.evaluation.depth import depth_in_latents
        >>> z = torch.randn(50, 3)
        >>> depth_in_latents(z, (2 * z[:, 1]).exp())
        Depth(value=1.0, latent=2)
    """
    points = widened(as_points(z))
    logs = widened(as_tensor(depth)).log().to(points)
    points, logs = points - points.mean(0), logs - logs.mean()
    norms = points.square().sum(0).sqrt() * logs.square().sum().sqrt()
    correlation = ((points * logs[:, None]).sum(0) / norms).abs()
    if not (norms > 0).any():
        return None
    value, latent = correlation.nan_to_num(0).max(0)
    return Depth(min(1.0, round(float(value), 12)), int(latent) + 1)


def is_of_counts(study: Study) -> bool:
    """Whether the model is for several kinds of counts, such as those of genes."""
    return isinstance(study.vae.decoder, CountDecoder) and study.x[0].numel() > 1


@torch.no_grad()
def depth_of(study: Study) -> Depth | None:
    """Return the depth in the latents of a model of counts."""
    if not is_of_counts(study) or len(study.x) < 3:
        return None
    depth = study.annotations.exposure
    if depth is None:
        depth = study.x.flatten(1).double().sum(1)
    return depth_in_latents(study.posterior.mean, depth) if (depth > 0).all() else None


DEPTH = Measure(
    "depth",
    "depth in a latent",
    "largest correlation of a latent with the logarithm of the depth",
    depth_of,
    better="lower",
    of_counts=True,
)
