"""What the parts of a mixture prior have in common, and how they are made from plain mappings."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from priory.arguments import only
from priory.networks.context import Context, Encoder
from priory.suggestions import did_you_mean


class Part(nn.Module, ABC):
    """A part of a mixture prior, of one of three roles: components, inputs or weights.

    Every argument of a constructor is kept as an attribute of the same name. As a plain mapping a
    part is its kind beside these arguments, `{"kind": "generated", "hidden_sizes": [300], ...}`;
    `part_of` makes a part of a mapping, and `mapping_of` a mapping of a part.
    """

    role: ClassVar[str]
    kind: ClassVar[str]
    num_labels: int | None = None
    """The number of labels that each have elements of their own; None where all share them."""
    can_be_placed: bool = False
    """Whether elements can be put at examples, one by one."""

    @abstractmethod
    def select(self, kept: Int[Tensor, " K"]) -> Any:
        """Return a new part with the elements at these positions."""

    def __repr__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Components:
    """Diagonal Gaussians, for one step.

    Attributes:
        loc: Their means, `(K, L)`, or `(C, K, L)` where each label has its own.
        scale: Their standard deviations, of the same shape.
        index: The positions in the training set of the examples that they stand for, `(K,)`.
        log_shares: The logarithm of each label's share in each component, `(K, C)`.
    """

    loc: Float[Tensor, "*C K L"]
    scale: Float[Tensor, "*C K L"]
    index: Int[Tensor, " K"] | None = None
    log_shares: Float[Tensor, "K C"] | None = None


@dataclass(frozen=True)
class Inputs:
    """What is sent through the encoder to make components, for one step.

    Attributes:
        u: The inputs, `(K, *data_shape)`; where each label has K, `(C K, *data_shape)`.
        context: What the encoder is told of them.
        log_shares: The logarithm of each label's share in each input, `(K, C)`.
    """

    u: Tensor
    context: Context
    log_shares: Float[Tensor, "K C"] | None = None


class ComponentsPart(Part):
    """The components of a mixture prior."""

    role = "components"
    needs_encoder: bool = False
    """Whether they are posteriors of an encoder."""

    @abstractmethod
    def forward(self, encoder: Encoder | None, context: Context) -> Components:
        """Return the components, of the posteriors of the encoder or without it."""

    def check(self, x: Tensor) -> None:
        """Refuse examples for which components cannot stand: of another shape, out of range."""

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> Tensor | None:
        """See the training data once, before training, to check them or to start from them.

        Returns:
            The log-weights that belong to a start from data; None without.
        """
        return None

    def place(self, at: Tensor, x: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Put components in the place of others, where they can be placed.

        Args:
            at: The positions of the components to replace, `(D,)`.
            x: The examples that they are to stand for, `(D, *data_shape)`.
            loc: The means of q(z|x), `(D, L)`.
            scale: Its standard deviations, `(D, L)`.
        """


class InputsPart(Part):
    """The inputs whose posteriors are the components of a mixture prior."""

    role = "inputs"

    @property
    def holds_examples(self) -> bool:
        """Whether the inputs are training examples, or started from them."""
        return getattr(self, "init", "random") != "random"

    @abstractmethod
    def forward(self, context: Context) -> Inputs:
        """Return the inputs for the examples of a context."""

    def check(self, x: Tensor) -> None:
        """Refuse examples that could be no inputs: of another shape or beyond the range."""

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """See the training data once, before training, to check them or to start from them."""

    def place(self, at: Tensor, x: Tensor) -> None:
        """Put inputs at examples in the place of others, where they can be placed."""


def holds_examples(prior: nn.Module) -> bool:
    """Whether a prior has inputs that are training examples, or started from them.

    Examples:
        >>> from priory import StandardPrior, VampPrior
        >>> from priory.priors import holds_examples
        >>> holds_examples(VampPrior(3, (4,), init="data")), holds_examples(StandardPrior(2))
        (True, False)
    """
    return any(isinstance(part, InputsPart) and part.holds_examples for part in prior.modules())


class Weights(Part):
    """The mixing weights of a mixture prior."""

    role = "weights"

    def __eq__(self, other: object) -> bool:
        """Return whether they are the same; a word is compared with their kind, as in 0.1."""
        return self.kind == other if isinstance(other, str) else self is other

    __hash__ = nn.Module.__hash__

    @abstractmethod
    def forward(self, loc: Float[Tensor, "*C K L"]) -> Tensor:
        """Return log-weights of components with these means, `(K,)`, or `(C, K)` for each label."""

    def start(self, log_weights: Tensor) -> None:
        """Start from these log-weights, for weights that are learned."""

    def give(self, at: Tensor, mass: float) -> None:
        """Give components at these positions a mass each; the others keep their proportions."""


def below(cls: Any, package: str) -> Iterator[Any]:
    """Walk over the classes of a package that derive from one."""
    for derived in cls.__subclasses__():
        if derived.__module__.startswith(f"{package}."):
            yield derived
        yield from below(derived, package)


def kinds(role: str | None = None) -> dict[str, type[Part]]:
    """Return the allow-list: every part of a role by its kind; of all roles by `role kind`."""
    final = [cls for cls in below(Part, "priory") if not inspect.isabstract(cls)]
    if role is None:
        return {f"{cls.role} {cls.kind}": cls for cls in final}
    return {cls.kind: cls for cls in final if cls.role == role}


def part_of(role: str, description: str | Mapping[str, Any] | Part, **facts: Any) -> Any:
    """Return a part from its kind, from a mapping, or as it is.

    Args:
        role: `"components"`, `"inputs"` or `"weights"`.
        description: A kind, a mapping of `kind` and arguments, or a part.
        **facts: What is known of the model; the part takes what its mapping does not say.

    Raises:
        ValueError: If there is no such kind, it takes no such argument, or one is missing.
        TypeError: If the part is of another role.

    Examples:
        >>> from priory.priors.parts import part_of
        >>> part_of("weights", "learned", num_components=3).logits.shape
        torch.Size([3])
    """
    if isinstance(description, Part):
        if description.role != role:
            raise TypeError(f"expected {role}, got {type(description).__name__}.")
        return description
    options = {"kind": description} if isinstance(description, str) else dict(description)
    kind, known = options.pop("kind", None), kinds(role)
    if kind not in known:
        raise ValueError(
            f"expected {role} of kind {', '.join(sorted(known))}, got {kind!r}"
            + did_you_mean(str(kind), known)
        )
    takes = inspect.signature(known[kind]).parameters
    only(options, takes, f"{role} of kind {kind}")
    arguments = {name: value for name, value in facts.items() if name in takes} | options
    for name in arguments.keys() & {"components", "inputs", "weights"}:  # parts of a part
        arguments[name] = part_of(name, arguments[name], **facts)
    missing = [n for n, p in takes.items() if p.default is p.empty and n not in arguments]
    if missing:
        raise ValueError(f"expected {', '.join(missing)} for {role} of kind {kind}, got none.")
    return known[kind](**arguments)


def mapping_of(part: Part) -> dict[str, Any]:
    """Return a part as a mapping that `part_of` takes, of plain values as JSON has them."""
    names = inspect.signature(type(part)).parameters
    values = {name: getattr(part, name) for name in names}
    plain = {n: mapping_of(v) if isinstance(v, Part) else v for n, v in values.items()}
    return {"kind": part.kind, **plain}
