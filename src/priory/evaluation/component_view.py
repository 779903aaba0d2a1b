"""What each component of a prior represents."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.arrays import Array, as_points
from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.evaluation.decoding import decode_expected
from priory.evaluation.nearest import nearest
from priory.priors import holds_examples
from priory.priors.parts.usage import DEAD, mean_responsibilities
from priory.vae import VAE


@dataclass(frozen=True)
class ComponentView:
    """The components of a mixture, heaviest first.

    Attributes:
        total: The total number K of components, of which the heaviest C are included.
        weight: Their mixing weights, `(C,)`.
        share: Their mean responsibilities over q(z): the share of the data each explains, `(C,)`.
        loc: Their means, `(C, L)`.
        picture: The pseudo-input of each, or else the expected example at its mean, `(C,
            *data_shape)`.
        has_pseudo_inputs: Whether the pictures are pseudo-inputs.
        near: The positions of the examples whose codes are nearest to each mean, `(C, N')`.
        samples: The expected examples at points drawn from each, `(C, S, *data_shape)`.
    """

    total: int
    weight: Float[Tensor, " C"]
    share: Float[Tensor, " C"]
    loc: Float[Tensor, "C L"]
    picture: Tensor
    has_pseudo_inputs: bool
    near: Int[Tensor, "C neighbours"]
    samples: Tensor

    @property
    def unused(self) -> int:
        """The number of these components that explain less than a hundredth of an equal share."""
        return int((self.share < DEAD / self.total).sum())


@torch.no_grad()
def component_view(
    vae: VAE,
    prior: Distribution,
    z: Float[Tensor, "N L"] | Array,
    codes: Float[Tensor, "N L"] | Array,
    *,
    most: int = 500,
    num_near: int = 4,
    num_samples: int = 4,
    label: int | None = None,
    examples: bool = True,
) -> ComponentView | None:
    """Examine the components of a prior.

    Args:
        vae: The model.
        prior: Its distribution, over all labels if it depends on them.
        z: One sample of q(z|x) for each example.
        codes: The mean of q(z|x) of each example.
        most: The maximum number of components; the heaviest are kept.
        num_near: The number of nearest examples of each, or fewer if there are not enough.
        num_samples: The number of samples of each.
        label: The label to decode with, if the decoder takes one.
        examples: Whether to show examples; if not, there are no nearest examples, and no
            pseudo-inputs initialised from data.

    Returns:
        The components; None if the prior is not a mixture.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, MoGPrior
        >>> from priory.evaluation import component_view
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae, z = VAE(encoder, decoder, MoGPrior(2, num_components=5)), torch.randn(20, 2)
        >>> component_view(vae, vae.prior_distribution(), z, z).samples.shape
        torch.Size([5, 4, 9])
    """
    if not isinstance(prior, GaussianMixture | FactorizedGaussianMixture) or prior.batch_shape:
        return None
    z, codes = as_points(z), as_points(codes)
    weight, order = prior.logits.exp().sort(descending=True, stable=True)
    order = order[:most]
    loc, scale = prior.loc[order], prior.scale[order]
    pseudo_inputs: Tensor | None = getattr(vae.prior, "pseudo_inputs", None)
    if not examples and holds_examples(vae.prior):
        pseudo_inputs = None
    num_near = min(num_near, len(codes)) if examples else 0
    picture = decode_expected(vae, loc, label) if pseudo_inputs is None else pseudo_inputs[order]
    noise = torch.randn(Size((len(order), num_samples, loc.shape[-1])), dtype=loc.dtype)
    return ComponentView(
        total=len(weight),
        weight=weight[: len(order)],
        share=mean_responsibilities(prior, z)[order],
        loc=loc,
        picture=picture,
        has_pseudo_inputs=pseudo_inputs is not None,
        near=nearest(loc, codes, max(1, num_near)).index[:, :num_near],
        samples=decode_expected(vae, loc[:, None] + scale[:, None] * noise.to(loc), label),
    )
