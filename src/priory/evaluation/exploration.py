"""An interactive view of a model's latent space for the page, decoded in advance."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Size, Tensor

from priory.aggregate import marginal_prior, posterior_of_all
from priory.arrays import Array, as_points, as_tensor
from priory.evaluation.component_view import ComponentView, component_view
from priory.evaluation.decoding import decode_expected, label_to_decode
from priory.evaluation.holes import in_holes, two_halves
from priory.evaluation.interpolation import Interpolation, interpolate
from priory.evaluation.plane import Plane, planes
from priory.evaluation.top_level import from_top, has_levels, top_level
from priory.networks.context import Context
from priory.networks.home import taken
from priory.vae import VAE

PIXELS = 720
"""The maximum number of pixels along one side of a decoded grid."""


@dataclass(frozen=True)
class DecodedPlane:
    """A plane, and the expected example at the centre of each of its cells.

    Attributes:
        plane: The plane.
        decoded: `(side, side, *data_shape)`, from the lower corner; `(side, *data_shape)` for a
            line.
    """

    plane: Plane
    decoded: Tensor


@dataclass(frozen=True)
class Exploration:
    """A model's latent space, to be explored without the model.

    Attributes:
        data: The held-out data, `(N, *data_shape)`.
        planes: Planes of the latent space, starting with the one that shows most of q(z).
        components: The components of the prior; None if the prior is not a mixture.
        prior_samples: Samples of the prior, `(S, L)`.
        decoded_samples: The expected examples at the first of them, `(S', *data_shape)`.
        in_hole: Which of the samples are in holes of q(z), `(S,)`; None if unknown.
        pairs: The positions of the examples at the ends of the paths, `(P, 2)`.
        paths: The paths between their codes; None for fewer than two examples.
        along: The expected examples at stops along each path, `(P, stops, *data_shape)`, or None.
        along_straight: The same along each straight line.
        label: The label used for decoding, if the decoder takes one; otherwise None.
        fixed_top: With several levels, the expected examples for several samples of the lower
            levels given the same top, one row for each of R tops, `(R, S, *data_shape)`; None for
            one level.
    """

    data: Tensor
    planes: tuple[DecodedPlane, ...]
    components: ComponentView | None
    prior_samples: Float[Tensor, "S L"]
    decoded_samples: Tensor
    in_hole: Bool[Tensor, " S"] | None
    pairs: Int[Tensor, "P 2"]
    paths: Interpolation | None
    along: Tensor | None
    along_straight: Tensor | None
    label: int | None
    fixed_top: Tensor | None = None


@torch.no_grad()
def explore(
    vae: VAE,
    x: Tensor | Array,
    *,
    z: Float[Tensor, "N L"] | Array,
    context: Context | None = None,
    labels: Int[Tensor, " N"] | Array | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
    side: int = 31,
    stops: int = 9,
    num_samples: int = 1000,
    num_decoded: int = 64,
    most_components: int = 500,
    seed: int = 0,
    examples: bool = True,
) -> Exploration:
    """Explore the latent space of a model and record what is there.

    With several levels of latents, this is the space of the top level, decoded with the levels
    below at their means given the top.

    Args:
        vae: The model, in evaluation mode if that matters.
        x: Held-out data, `(N, *data_shape)`.
        z: One sample of q(z|x) for each.
        context: The context of these data.
        labels: Their labels, whether or not the model takes them.
        pairs: The positions of the examples to interpolate between; by default three pairs among
            the first, with different labels if there are any.
        side: The number of cells along one side of a decoded grid; fewer for large images.
        stops: The number of examples decoded along a path.
        num_samples: The number of samples of the prior.
        num_decoded: How many of them are decoded.
        most_components: The maximum number of components; the heaviest are kept.
        seed: The random seed; the global random state is not changed.
        examples: Whether to show examples; if not, there are no paths between them, no nearest
            examples of components, and no pseudo-inputs initialised from data.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import explore
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> explore(vae, torch.zeros(8, 9), z=torch.randn(8, 2)).along.shape
        torch.Size([3, 9, 9])
    """
    whole, vae = vae, top_level(vae)
    x, z = taken(x, vae.encoder), as_points(z)
    labels = None if labels is None else as_tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prior = marginal_prior(vae, context)
        label = label_to_decode(vae, context)
        codes = posterior_of_all(vae, x, context).mean
        samples = prior.sample(Size((num_samples,)))
        halves = two_halves(vae, x, context)
        if x.dim() > 2:
            side = max(9, min(side, PIXELS // max(x.shape[-2:])))
        chosen = torch.tensor(
            _pairs(labels, len(x)) if pairs is None else list(pairs), dtype=torch.long
        ).reshape(-1, 2)
        chosen = chosen if examples else chosen[:0]
        paths = along = straight = None
        if len(chosen):
            paths = interpolate(prior, codes[chosen[:, 0]], codes[chosen[:, 1]], seed=seed)
            along, straight = (decode_expected(vae, points, label) for points in paths.at(stops))
        return Exploration(
            data=x,
            planes=tuple(
                DecodedPlane(plane, decode_expected(vae, plane.embed(plane.grid(side)), label))
                for plane in planes(prior, z, seed=seed)
            ),
            components=component_view(
                vae, prior, z, codes, most=most_components, label=label, examples=examples
            ),
            prior_samples=samples,
            decoded_samples=decode_expected(vae, samples[:num_decoded], label),
            in_hole=None if halves is None else in_holes(samples, *halves),
            pairs=chosen,
            paths=paths,
            along=along,
            along_straight=straight,
            label=label,
            fixed_top=_fixed_top(whole, samples, label),
        )


TOPS, BELOW = 6, 8
"""The number of samples of the top, and the number of samples of the levels below for each."""


def _fixed_top(vae: VAE, tops: Tensor, label: int | None) -> Tensor | None:
    """Return the expected examples for several samples of the levels below each top."""
    if not has_levels(vae):
        return None
    same = tops[:TOPS, None].expand(-1, BELOW, -1)
    return decode_expected(vae, from_top(vae, same), label)


def _pairs(labels: Tensor | None, count: int, most: int = 3) -> list[tuple[int, int]]:
    """Return pairs among the first examples, each used once, with different labels if possible."""
    left = list(range(min(count, 200)))
    pairs: list[tuple[int, int]] = []
    while len(left) > 1 and len(pairs) < most:
        first = left.pop(0)
        other = (n for n in left if labels is None or labels[n] != labels[first])
        second = next(other, left[0])
        left.remove(second)
        pairs.append((first, second))
    return pairs
