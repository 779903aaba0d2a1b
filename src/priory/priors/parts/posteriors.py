"""Components that are posteriors at inputs, and trainable inputs."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from priory.arguments import one_of
from priory.blockwise import ROWS, blocks
from priory.distributions import loc_and_scale
from priory.networks.calls import Encoder, call, num_labels_of
from priory.networks.constants import add_constant
from priory.networks.context import Context
from priory.networks.data_range import DataRange, checked_range, range_tensors
from priory.networks.modes import evaluation_mode, modules_behind
from priory.priors.parts.base import Components, ComponentsPart, Inputs, InputsPart, part_of
from priory.priors.parts.starts import STARTS, starting_inputs

OTHER_IN_TRAINING = (
    nn.modules.batchnorm._NormBase,
    nn.modules.dropout._DropoutNd,
    nn.MultiheadAttention,
    nn.RNNBase,
)
"""The modules of torch that behave differently in training and evaluation mode."""


class Posteriors(ComponentsPart):
    r"""The encoder's posteriors at inputs, $q(z \mid u_k)$.

    If the encoder takes labels and the examples have labels, it receives each input with each
    label, so that an example uses $q(z \mid u_k, y)$ with its own label; labelled inputs have their
    own labels.

    An encoder that behaves differently in training (batch statistics, dropout) is run in evaluation
    mode, so that inputs and data do not affect each other's statistics.

    Args:
        inputs: The inputs, as a part or a mapping.
        scale: `"posterior"` uses the standard deviations of the posteriors; `"shared"` learns one
            for all components and dimensions.

    Raises:
        ValueError: If `scale` is unknown.
    """

    kind = "posteriors"
    needs_encoder = True

    def __init__(
        self,
        inputs: InputsPart | Mapping[str, Any] | str,
        scale: Literal["posterior", "shared"] = "posterior",
    ) -> None:
        super().__init__()
        one_of(("shared", "posterior"), scale=scale)
        self.inputs = part_of("inputs", inputs)
        self.num_labels, self.can_be_placed = self.inputs.num_labels, self.inputs.can_be_placed
        self.scale = scale
        if scale == "shared":
            self.log_scale = nn.Parameter(torch.zeros(1))

    def forward(self, encoder: Encoder | None, context: Context) -> Components:
        """Encode every input once.

        Raises:
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.
        """
        if not callable(encoder):
            got = "None" if encoder is None else type(encoder).__name__
            raise TypeError(f"expected an encoder, got {got}; call the prior as prior(encoder).")
        inputs: Inputs = self.inputs(context)
        number = num_labels_of(encoder)
        each_label = number is not None and not inputs.context and context.labels is not None
        if number is not None and each_label:
            rows = torch.arange(number * len(inputs.u), device=inputs.u.device)
            of_each = Context(labels=rows // len(inputs.u))
            inputs = Inputs(inputs.u[rows % len(inputs.u)], of_each)
        training = other_in_training(encoder)
        with evaluation_mode(training) if training else nullcontext():
            loc, scale = encode_in_blocks(encoder, inputs.u, inputs.context)
        if self.scale == "shared":
            scale = self.log_scale.exp().expand_as(loc)
        sets = number if each_label else None if inputs.log_shares is not None else self.num_labels
        if sets is not None:
            loc, scale = (t.unflatten(0, (sets, -1)) for t in (loc, scale))
        return Components(loc, scale, inputs.context.index, inputs.log_shares)

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Pass the training data to the inputs."""
        self.inputs.fit_data(x, encoder, context)

    def check(self, x: Tensor) -> None:
        """Check that examples can be inputs."""
        self.inputs.check(x)

    def select(self, kept: Int[Tensor, " K"]) -> "Posteriors":
        """Return the posteriors at the inputs at these positions."""
        new = type(self)(self.inputs.select(kept), self.scale)
        if self.scale == "shared":
            new.log_scale.data.copy_(self.log_scale)
        return new

    def place(self, at: Tensor, x: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Place inputs at examples."""
        self.inputs.place(at, x)


def encode_in_blocks(
    encoder: Encoder, x: Tensor, context: Context, most: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the means and the scales of the posteriors of data, each `(N, L)`.

    At most `most` are encoded at a time; by default the number from `blocks`.
    """
    if len(x) <= (ROWS if most is None else most):
        return loc_and_scale(call(encoder, x, context))
    every = blocks(len(x), most=most)
    parts = [loc_and_scale(call(encoder, x[rows], context[rows])) for rows in every]
    loc, scale = (torch.cat(part) for part in zip(*parts, strict=True))
    return loc, scale


class PseudoInputs(InputsPart):
    """Inputs that stay in the range of the data, as in [`VampPrior`][priory.priors.VampPrior].

    Raises:
        ValueError: If a size is below one, or the range is empty.
    """

    init: Literal["random", "data", "kmeans", "kmedoids"] = "random"
    low: Tensor
    width: Tensor

    def __init__(
        self, num_components: int, data_shape: Sequence[int], data_range: DataRange
    ) -> None:
        super().__init__()
        self.num_components = num_components
        self.data_shape = tuple(data_shape)
        if min(num_components, *self.data_shape, 1) < 1:
            raise ValueError(
                "expected at least one component and data of at least one value, "
                f"got num_components={num_components} and data_shape={self.data_shape}."
            )
        self.data_range = checked_range(data_range, self.data_shape)
        low, high = range_tensors(self.data_range)
        add_constant(self, "low", low)
        add_constant(self, "width", high - low)

    @property
    @abstractmethod
    def unit_inputs(self) -> Tensor:
        """The inputs before folding, `(K, *data_shape)`, where the range is from 0 to 1."""

    @property
    def pseudo_inputs(self) -> Tensor:
        """The inputs u, `(K, *data_shape)`, within the data's range."""
        return fold(self.unit_inputs, self.low, self.width)

    def forward(self, context: Context) -> Inputs:
        """Return the inputs, which are the same for all examples."""
        return Inputs(self.pseudo_inputs, Context())

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Check that the training data have the shape and range of the inputs."""
        self.check(x)

    def check(self, x: Tensor) -> None:
        """Check that examples can be inputs.

        Raises:
            ValueError: If they have a different shape or are out of range.
        """
        dtype = x.dtype if x.is_floating_point() else None
        low, high = (
            torch.as_tensor(bound, dtype=dtype, device=x.device) for bound in self.data_range
        )
        if x.shape[1:] == self.data_shape and ((low <= x) & (x <= high)).all():
            return
        raise ValueError(
            f"expected data of shape (N, {', '.join(map(str, self.data_shape))}) within "
            f"[{low.min():g}, {high.max():g}]"
            f"{' and the bounds of each dimension' if low.dim() or high.dim() else ''}, "
            f"got {tuple(x.shape)} within [{x.min():g}, {x.max():g}]."
        )


class FreeInputs(PseudoInputs):
    """Pseudo-inputs that are parameters.

    The arguments are those of a [`VampPrior`][priory.priors.VampPrior].

    Raises:
        ValueError: If a size is below one, the range is empty, or `init` is unknown.
    """

    kind = "free"
    can_be_placed = True

    def __init__(
        self,
        num_components: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        init: Literal["random", "data", "kmeans", "kmedoids"] = "random",
    ) -> None:
        super().__init__(num_components, data_shape, data_range)
        one_of(("random", *STARTS), init=init)
        self.init = init
        self.unfolded = nn.Parameter(torch.rand(num_components, *self.data_shape))

    @property
    def unit_inputs(self) -> Tensor:
        """The parameters."""
        return self.unfolded

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Check the training data, and initialise from them unless `init` is `"random"`.

        Raises:
            ValueError: If there are fewer examples than components, or they do not suit the prior.
        """
        super().fit_data(x, encoder, context)
        if self.init != "random":
            self.place(slice(None), starting_inputs(x, self.num_components, self.init))

    @torch.no_grad()
    def place(self, at: Any, x: Tensor) -> None:
        """Replace inputs with examples."""
        unit = (x.to(self.unfolded) - self.low) / self.width
        self.unfolded[at] = unit.clamp(0, 1)  # k-means may round past the boundary

    def select(self, kept: Int[Tensor, " K"]) -> "FreeInputs":
        """Return the inputs at these positions."""
        new = type(self)(len(kept), self.data_shape, self.data_range, self.init)
        new.to(self.unfolded).unfolded.data.copy_(self.unfolded[kept])
        return new


def fold(t: Tensor, low: Tensor, width: Tensor) -> Tensor:
    """Fold the real line into a range, by a triangle wave of period two.

    t = 0 is the lower end of the range and t = 1 the upper.

    Examples:
        >>> import torch
        >>> from priory.priors.parts.posteriors import fold
        >>> fold(torch.tensor([-0.25, 0.0, 0.25, 1.0, 1.5]), torch.tensor(0.0), torch.tensor(8.0))
        tensor([2., 0., 2., 8., 4.])
    """
    t = torch.remainder(t, 2)
    return low + width * torch.where(t <= 1, t, 2 - t)


def other_in_training(encoder: Callable[..., Any]) -> list[nn.Module]:
    """Return an encoder's modules in training mode, if any of them behaves differently then.

    Modules of this library, and most of torch's, are the same in both modes.
    """
    roots = [encoder] if isinstance(encoder, nn.Module) else modules_behind(encoder)
    training = [module for root in roots for module in root.modules() if module.training]
    return training if any(_depends_on_mode(module) for module in training) else []


def _depends_on_mode(module: nn.Module) -> bool:
    house = type(module).__module__.split(".")[0]
    return isinstance(module, OTHER_IN_TRAINING) if house in ("torch", "priory") else True
