"""The variational mixture of posteriors, or VampPrior."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from priory.networks.data_range import DataRange
from priory.priors.mixture import MixturePrior
from priory.priors.parts.base import InputsPart, Weights, part_of
from priory.priors.parts.posteriors import Posteriors
from priory.priors.registry import takes_old_spellings


@takes_old_spellings
class VampPrior(MixturePrior):
    r"""A mixture of the encoder's posteriors at K trainable pseudo-inputs.

    $$p(z) = \sum_{k=1}^K w_k \, q(z \mid u_k)$$

    The encoder is shared with the model, and is trained through the prior as well: it receives
    gradients through both q(z|x) and p(z).

    With weights per label (batches, conditions, classes), every label has its own weights for the
    same components, $p(z \mid y) = \sum_k w_{yk}\, q(z \mid u_k)$. The prior is then called with
    `Context(labels=y)`, and its mixture has batch shape `(B,)`.

    Pseudo-inputs stay in the data's range by reflection: the real line is folded into it by a
    triangle wave. Its slope is plus or minus the width of the range everywhere, including at the
    boundary, so a value that reaches it can come back as soon as its gradient changes sign.

    Args:
        num_components: The number of pseudo-inputs K.
        data_shape: The shape of one example.
        data_range: The smallest and the largest value an example can take: two numbers, or a pair
            of nested lists with the shape of an example, one bound per dimension.
        weights: `"learned"` trains the mixing weights, which start equal; `"uniform"` fixes them at
            1/K; `{"kind": "per-label", "num_labels": C}` trains weights for each label.
        init: `"random"` starts from uniform noise in the range; `fit_data` replaces it with a
            random subset of the data (`"data"`), with the k-means centres (`"kmeans"`), or with the
            medoids of the k-means clusters, which are data points (`"kmedoids"`).
        inputs: `"free"` makes the pseudo-inputs parameters; `{"kind": "generated", "hidden_sizes":
            [...]}` makes them the output of a network, which is initialised randomly.
        mixture: `"joint"` or `"factorized"`, as in a [`MixturePrior`][priory.priors.MixturePrior].

    Raises:
        ValueError: If a size is below one, the range is empty, an option is unknown, or inputs that
            can only be initialised randomly should be initialised from data.

    Reference:
        Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018; Tomczak, *Deep Generative
        Modeling*, 2022, section 4.4.1.3, equations 4.48 (uniform weights; its 1/N is 1/K) and 4.49
        (learned weights).

    Examples:
        >>> from priory import MLP, GaussianEncoder, VampPrior
        >>> encoder = GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16))
        >>> prior = VampPrior(num_components=16, data_shape=(8, 8), data_range=(0, 16))
        >>> prior(encoder).sample((100,)).shape
        torch.Size([100, 2])
    """

    def __init__(
        self,
        num_components: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        weights: Weights | Mapping[str, Any] | str = "learned",
        init: Literal["random", "data", "kmeans", "kmedoids"] = "random",
        *,
        inputs: InputsPart | Mapping[str, Any] | str = "free",
        mixture: Literal["joint", "factorized"] = "joint",
    ) -> None:
        facts = {"data_shape": data_shape, "data_range": data_range, "init": init}
        made = part_of("inputs", inputs, num_components=num_components, **facts)
        if init not in ("random", made.init):
            raise ValueError(
                f"expected init={made.init!r} for inputs of kind {made.kind}, got init={init!r}."
            )
        super().__init__(Posteriors(made), weights, mixture)
