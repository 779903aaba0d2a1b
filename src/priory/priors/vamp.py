"""The variational mixture of posteriors, or VampPrior."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.networks.context import Context, Encoder, given_labels
from priory.networks.data_range import DataRange, checked_range, range_tensors
from priory.priors.base import Prior
from priory.priors.parts.generator import Generator
from priory.priors.parts.pruning import Pruned, prune, rebuilt
from priory.priors.parts.pseudo_inputs import PosteriorsAt, check_data, fold
from priory.priors.parts.reseeding import move_dead
from priory.priors.parts.starts import starting_inputs
from priory.priors.parts.usage import Mixture, explain
from priory.priors.parts.vamp_options import check_options


class VampPrior(Prior):
    r"""A mixture of the encoder's posteriors at K trainable pseudo-inputs.

    $$p(z) = \sum_{k=1}^K w_k \, q(z \mid u_k)$$

    The encoder is shared with the model, and trained through the prior as well: its gradient
    arrives both from q(z|x) and from p(z).

    With groups (batches, conditions, classes), every group weighs the same components in its own
    way, $p(z \mid g) = \sum_k w_{gk}\, q(z \mid u_k)$. The prior is then called with
    `Context(labels=g)`, and its mixture has batch shape `(B,)`.

    Pseudo-inputs stay in the data's range by reflection: the whole line is folded into it by a
    triangle wave. Its slope is plus or minus the width of the range everywhere, at the border too:
    a value that was driven there comes back as soon as its gradient turns.

    Args:
        num_components: The number of pseudo-inputs K.
        data_shape: The shape of one datum.
        data_range: The smallest and the largest value a datum can take: two numbers, or a pair of
            nested lists of the datum's shape, for each dimension its own.
        weights: `"learned"` trains the mixing weights, from equal ones; `"uniform"` fixes them at
            1/K.
        init: `"random"` starts from uniform noise in the range; with `"data"`, `fit_data` replaces
            it by a random subset of the data, with `"kmeans"` by the centres of k-means, with
            `"kmedoids"` by the medoids of its clusters, which are data themselves.
        factorized: Whether to use the product of one-dimensional mixtures,
            [`FactorizedGaussianMixture`][priory.distributions.FactorizedGaussianMixture], in place
            of the equation.
        generator: None makes the pseudo-inputs free parameters. The widths of hidden layers make
            them the output of a network for one code each, the rows of an identity matrix; with
            none, `()`, it is the linear layer of the reference's code. It starts at random.
        num_groups: The number of groups G with weights of their own, where there are any.

    Raises:
        ValueError: If a size is below one, the range is empty, `weights` or `init` is unknown,
            groups are to have uniform weights, or a generator to start from data.

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

    logits: Tensor
    low: Tensor
    width: Tensor

    def __init__(
        self,
        num_components: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        weights: Literal["learned", "uniform"] = "learned",
        init: Literal["random", "data", "kmeans", "kmedoids"] = "random",
        factorized: bool = False,
        generator: Sequence[int] | None = None,
        num_groups: int | None = None,
    ) -> None:
        super().__init__()
        self.num_components = num_components
        self.data_shape = tuple(data_shape)
        check_options(num_components, self.data_shape, weights, init, generator, num_groups)
        self.data_range = checked_range(data_range, self.data_shape)
        self.weights = weights
        self.init = init
        self.factorized = factorized
        self.generator = None if generator is None else tuple(generator)
        self.num_groups = num_groups
        self.num_labels, self.needs_labels = num_groups, num_groups is not None
        low, high = range_tensors(self.data_range)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("width", high - low, persistent=False)
        if self.generator is None:
            self.unfolded = nn.Parameter(torch.rand(num_components, *self.data_shape))
        else:
            self.network = Generator(num_components, self.data_shape, self.generator)
        sets = () if num_groups is None else (num_groups,)
        logits = torch.zeros(*sets, num_components)
        if weights == "learned":
            self.logits = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits, persistent=False)
        self._posteriors_at = PosteriorsAt("VampPrior")

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs u, `(K, *data_shape)`, within the data's range."""
        t = self.unfolded if self.generator is None else 0.5 + self.network()
        return fold(t, self.low, self.width)

    def forward(self, encoder: Encoder | None = None, context: Context | None = None) -> Mixture:
        """Encode every pseudo-input once and return the mixture of their posteriors.

        Args:
            encoder: The module that returns q(z|x) as a diagonal Gaussian.
            context: Where there are groups, each example's as labels, `(B,)`.

        Raises:
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.
            ValueError: If there are groups, and the context has none or one that does not exist.

        """
        logits = self.logits
        if self.num_groups is not None:
            call = "prior(encoder, Context(labels=labels))"
            logits = logits[given_labels(context, self.num_groups, call).to(logits.device)]
        mixture = FactorizedGaussianMixture if self.factorized else GaussianMixture
        return mixture(logits, *self._posteriors_at(encoder, self.pseudo_inputs))

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Check that data lie in the range; start from them unless `init` is `"random"`.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: Not used.
            context: Not used.

        Raises:
            ValueError: If there are fewer data than components, or others than the prior's.

        """
        check_data(x, self.data_shape, self.data_range)
        if self.init != "random":
            self._place(slice(None), starting_inputs(x, self.num_components, self.init))

    @torch.no_grad()
    def reseed(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> int:
        """Replace dead components' pseudo-inputs by badly explained data; return how many.

        A component is dead if its mean responsibility over samples of q(z|x) is below a hundredth
        of an equal share. Data are chosen by their log p(z), the lowest first, each as if those
        before it were components. Learned weights give each 1/K, but half the mass at the most to
        all of them, and keep the proportions of the others.

        Args:
            x: Training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x) as a diagonal Gaussian.
            context: Where there are groups, that of each example as labels, `(N,)`.

        Raises:
            ValueError: If there is a generator, or data are of another shape or beyond the range.

        """
        if self.generator is not None:
            raise ValueError("expected free pseudo-inputs to reseed, got those of a generator.")
        check_data(x, self.data_shape, self.data_range)
        return move_dead(
            explain(self, encoder, x, context),
            self.logits,
            lambda dead, worst: self._place(dead, x[worst]),
            learned=self.weights == "learned",
        )

    def prune(
        self, encoder: Encoder, data: Tensor, keep: int | float, context: Context | None = None
    ) -> Pruned:
        """Keep the components that data use most; the arguments are those of `priors.prune`."""
        return prune(self, encoder, data, keep, context)

    @torch.no_grad()
    def select(self, kept: Tensor) -> "VampPrior":
        """Return a new prior of the components at these positions, their weights renormalised."""
        new = rebuilt(self, num_components=len(kept))
        new.logits.copy_(self.logits[..., kept])
        if self.generator is None:
            new.unfolded.copy_(self.unfolded[kept])
        else:
            new.network.load_state_dict(self.network.state_of(kept))
        return new

    def _place(self, at: Tensor | slice, inputs: Tensor) -> None:
        unit = (inputs.to(self.unfolded) - self.low) / self.width
        self.unfolded[at] = unit.clamp(0, 1)  # k-means may round past the border
