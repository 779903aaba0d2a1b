"""What the parts of a mixture prior have in common, and how to build them from mappings."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from priory.arguments import only
from priory.networks.calls import Encoder
from priory.networks.context import Context
from priory.suggestions import did_you_mean


class Part(nn.Module, ABC):
    """A part of a mixture prior, in one of three roles: components, inputs or weights.

    Every constructor argument is stored as an attribute of the same name. As a mapping, a part is
    its kind with these arguments, `{"kind": "generated", "hidden_sizes": [300], ...}`; `part_of`
    builds a part from a mapping, and `mapping_of` a mapping from a part.
    """

    role: ClassVar[str]
    kind: ClassVar[str]
    num_labels: int | None = None
    """The number of labels with separate elements; None if all labels share them."""
    can_be_placed: bool = False
    """Whether elements can be placed at examples individually."""

    @abstractmethod
    def select(self, kept: Int[Tensor, " K"]) -> Any:
        """Return a new part with the elements at these positions."""

    def __repr__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Components:
    """Diagonal Gaussians, for one step.

    Attributes:
        loc: Their means, `(K, L)`, or `(C, K, L)` if each label has its own.
        scale: Their standard deviations, of the same shape.
        index: The positions in the training set of the examples that they represent, `(K,)`.
        log_shares: The logarithm of each label's share in each component, `(K, C)`.
    """

    loc: Float[Tensor, "*C K L"]
    scale: Float[Tensor, "*C K L"]
    index: Int[Tensor, " K"] | None = None
    log_shares: Float[Tensor, "K C"] | None = None


@dataclass(frozen=True)
class Inputs:
    """The inputs of the encoder whose posteriors are the components, for one step.

    Attributes:
        u: The inputs, `(K, *data_shape)`, or `(C K, *data_shape)` if each label has K.
        context: The context of the inputs for the encoder.
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
        """Return the components, computed with or without the encoder."""

    def check(self, x: Tensor) -> None:
        """Refuse examples that components cannot represent: of the wrong shape, or out of range."""

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> Tensor | None:
        """Process the training data once, before training: check them or initialise from them.

        Returns:
            The log-weights that result from initialisation with data, or None.
        """
        return None

    def place(self, at: Tensor, x: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Replace components, if they can be placed individually.

        Args:
            at: The positions of the components to replace, `(D,)`.
            x: The examples that they will represent, `(D, *data_shape)`.
            loc: The means of q(z|x), `(D, L)`.
            scale: Its standard deviations, `(D, L)`.
        """


class InputsPart(Part):
    """The inputs whose posteriors are the components of a mixture prior."""

    role = "inputs"

    @property
    def holds_examples(self) -> bool:
        """Whether the inputs are training examples, or were initialised from them."""
        return getattr(self, "init", "random") != "random"

    @abstractmethod
    def forward(self, context: Context) -> Inputs:
        """Return the inputs for the examples of a context."""

    def check(self, x: Tensor) -> None:
        """Refuse examples that cannot be inputs: of the wrong shape, or out of range."""

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Process the training data once, before training: check them or initialise from them."""

    def place(self, at: Tensor, x: Tensor) -> None:
        """Replace inputs with examples, if they can be placed individually."""


def holds_examples(prior: nn.Module) -> bool:
    """Whether a prior has inputs that are training examples, or were initialised from them.

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
        """Compare weights; a string is compared with their kind, as in 0.1."""
        return self.kind == other if isinstance(other, str) else self is other

    __hash__ = nn.Module.__hash__

    @abstractmethod
    def forward(self, loc: Float[Tensor, "*C K L"]) -> Tensor:
        """Return log-weights of components with these means, `(K,)`, or `(C, K)` if per label."""

    def start(self, log_weights: Tensor) -> None:
        """Initialise learned weights with these log-weights."""

    def give(self, at: Tensor, mass: float) -> None:
        """Give components at these positions this mass each; the others keep their proportions."""


def below(cls: Any, package: str) -> Iterator[Any]:
    """Iterate over the classes of a package that inherit from a class."""
    for derived in cls.__subclasses__():
        if derived.__module__.startswith(f"{package}."):
            yield derived
        yield from below(derived, package)


def kinds(role: str | None = None) -> dict[str, type[Part]]:
    """Return the allow-list: parts with a role by kind, or with any role by `role kind`."""
    final = [cls for cls in below(Part, "priory") if not inspect.isabstract(cls)]
    if role is None:
        return {f"{cls.role} {cls.kind}": cls for cls in final}
    return {cls.kind: cls for cls in final if cls.role == role}


def part_of(role: str, description: str | Mapping[str, Any] | Part, **facts: Any) -> Any:
    """Return a part from its kind or from a mapping; a part is returned unchanged.

    Args:
        role: `"components"`, `"inputs"` or `"weights"`.
        description: A kind, a mapping of `kind` and arguments, or a part.
        **facts: Sizes and shapes of the model, for arguments that are not in the mapping.

    Raises:
        ValueError: If the kind is unknown, it does not take an argument, or one is missing.
        TypeError: If the part has a different role.

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
    kind, of_role = options.pop("kind", None), kinds(role)
    if kind not in of_role:
        raise ValueError(
            f"expected {role} of kind {', '.join(sorted(of_role))}, got {kind!r}"
            + did_you_mean(str(kind), of_role)
        )
    takes = inspect.signature(of_role[kind]).parameters
    only(options, takes, f"{role} of kind {kind}")
    arguments = {name: value for name, value in facts.items() if name in takes} | options
    for name in arguments.keys() & {"components", "inputs", "weights"}:  # parts of a part
        arguments[name] = part_of(name, arguments[name], **facts)
    missing = [n for n, p in takes.items() if p.default is p.empty and n not in arguments]
    if missing:
        raise ValueError(f"expected {', '.join(missing)} for {role} of kind {kind}, got none.")
    return of_role[kind](**arguments)


def mapping_of(part: Part) -> dict[str, Any]:
    """Return a part as a mapping for `part_of`, with plain values as in JSON."""
    names = inspect.signature(type(part)).parameters
    values = {name: getattr(part, name) for name in names}
    plain = {n: mapping_of(v) if isinstance(v, Part) else v for n, v in values.items()}
    return {"kind": part.kind, **plain}
