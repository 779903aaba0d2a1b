"""Data as they come, and the same in three parts, which are read when they are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.blockwise import blocks
from priory.data.binarise import binarise

if TYPE_CHECKING:
    from priory.data.tables.columns import Columns

ANNOTATIONS = ("labels", "exposure", "batch_label")
"""What is known of each example, by the names that a model is told of it by."""


@dataclass(frozen=True)
class Source:
    """Data as they come, before they are split. Arrays become tensors.

    Attributes:
        name: What to call the data in tables and figures.
        x: The data, `(N, *data_shape)`, of any real type; they may lie on disk.
        labels: The class of each example, `(N,)`; None where there are none.
        label_names: The names of the classes; None where they have none but their numbers.
        part: To which part each example belongs, `(N,)`: 0 to train, 1 to validate, 2 to test; None
            where the data bring no split of their own.
        columns: What the columns of a table mean; None for anything else.
        batch_label: The batch that each example was measured in, `(N,)`; None where there are none.
        batch_names: The names of the batches.
        exposure: How much of each example was looked at, `(N,)`; None where data do not say so.
        names: The name of each example; None where they have none.
        ids: Columns of a table that are neither data nor labels, by name.
    """

    name: str
    x: Tensor
    labels: Tensor | None = None
    label_names: tuple[str, ...] | None = None
    part: Tensor | None = None
    columns: "Columns | None" = None
    batch_label: Tensor | None = None
    batch_names: tuple[str, ...] | None = None
    exposure: Tensor | None = None
    names: tuple[str, ...] | None = None
    ids: Mapping[str, Sequence[Any]] | None = None

    def __init__(  # whose arguments may be arrays, as its attributes are not
        self,
        name: str,
        x: Tensor | Array,
        labels: Tensor | Array | None = None,
        label_names: tuple[str, ...] | None = None,
        part: Tensor | Array | None = None,
        columns: "Columns | None" = None,
        batch_label: Tensor | Array | None = None,
        batch_names: tuple[str, ...] | None = None,
        exposure: Tensor | Array | None = None,
        names: tuple[str, ...] | None = None,
        ids: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        arrays = {
            **{"x": x, "labels": labels, "part": part},
            **{"batch_label": batch_label, "exposure": exposure},
        }
        tensors = {key: None if a is None else as_tensor(a) for key, a in arrays.items()}
        vars(self).update(tensors, name=name, label_names=label_names, columns=columns)
        vars(self).update(batch_names=batch_names, names=names, ids=ids)

    def rows(self, index: Tensor) -> "Part":
        """Return the examples at some positions, `(N,)`."""
        annotations = {name: getattr(self, name) for name in ANNOTATIONS}
        of_rows: dict[str, Any] = {
            n: None if t is None else t[index] for n, t in annotations.items()
        }
        return Part(self.x, index, names=self.names, ids=self.ids, **of_rows)

    def whole(self) -> "Part":
        """Return all examples."""
        return self.rows(torch.arange(len(self.x)))


@dataclass(frozen=True)
class Part:
    """Some of the data of a source, which may lie on disk: they are read when asked for.

    Attributes:
        values: The data of the whole source, `(M, *data_shape)`, of any real type.
        index: The positions in it of the data of this part, `(N,)`.
        labels: The class of each example of this part, `(N,)`; None where there are none.
        grey: Where the data are grey values to be binarised anew each time they are read, the
            largest of them: a value v is read as one with probability v / grey.
        exposure: The exposure of each example of this part, `(N,)`; None where there are none.
        batch_label: The batch of each, `(N,)`; None where there are none.
        names: The name of each example of the whole source; None where they have none.
        ids: Columns of the whole table that are neither data nor labels; None for other data.
    """

    values: Tensor
    index: Tensor
    labels: Tensor | None = None
    grey: float | None = None
    exposure: Tensor | None = None
    batch_label: Tensor | None = None
    names: tuple[str, ...] | None = None
    ids: Mapping[str, Sequence[Any]] | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def annotations(self) -> dict[str, Tensor | None]:
        """What is known of each example: its label, its exposure and its batch."""
        return {name: getattr(self, name) for name in ANNOTATIONS}

    @property
    def own_names(self) -> tuple[str, ...] | None:
        """The name of each example of this part."""
        return None if self.names is None else tuple(self.names[n] for n in self.index.tolist())

    @property
    def known_by(self) -> dict[str, Sequence[Any]]:
        """What each example is known by: its name, or its row in a table and its cells beside."""
        if self.names is not None:
            return {"name": self.own_names or ()}
        if self.ids is None:
            return {}
        rows = self.index.tolist()
        return {"row": rows, **{name: [cells[n] for n in rows] for name, cells in self.ids.items()}}

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.values.shape[1:])

    def read(self, positions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the data at some positions of this part, in float32, `(B, *data_shape)`.

        Args:
            positions: Positions in this part, `(B,)`.
            generator: What binarises grey values; by default that of torch.
        """
        x = self.values[self.index[positions]].float()
        if self.grey is None:
            return x
        return binarise(x / self.grey, generator)

    def tensor(self) -> Tensor:
        """Return all data of this part in float32, `(N, *data_shape)`; grey values as they are.

        Grey values to be binarised are returned as the probabilities of a one.
        """
        whole = torch.empty(len(self), *self.data_shape)
        for rows in blocks(len(self), whole[:1].numel()):
            whole[rows] = self.values[self.index[rows]].float()
        return whole if self.grey is None else whole / self.grey

    def binarised(self, grey: float, seed: int) -> "Part":
        """Return this part with every value v drawn, once, as one with probability v / grey.

        Args:
            grey: The largest value.
            seed: The seed of the draw.
        """
        generator = torch.Generator().manual_seed(seed)
        drawn = replace(self, grey=grey)
        bits = torch.empty(len(self), *self.data_shape, dtype=torch.uint8)
        positions = torch.arange(len(self))
        for rows in blocks(len(self), bits[:1].numel()):
            bits[rows] = drawn.read(positions[rows], generator).to(torch.uint8)
        return replace(
            self, values=bits, index=positions, names=self.own_names, ids=None, grey=None
        )


@dataclass(frozen=True)
class Splits:
    """Data in three parts.

    Attributes:
        name: What to call the data in tables and figures.
        train: The data to train on.
        validation: The data that decide when to stop.
        test: The data to report on.
        label_names: The names of the classes; None where they have none but their numbers.
        columns: What the columns of a table mean; None for anything else.
        grey: The largest grey value, where the data are drawn as zeros and ones; else None.
        batch_names: The names of the batches, where there are any.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    label_names: tuple[str, ...] | None = None
    columns: "Columns | None" = None
    grey: float | None = None
    batch_names: tuple[str, ...] | None = None

    @property
    def modelled(self) -> Tensor:
        """Values as a likelihood sees them, `(M, *data_shape)`, of any real type."""
        part = self.train if self.train.grey is None else self.validation
        return part.values

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.train.data_shape

    @property
    def num_labels(self) -> int | None:
        """The number of classes, one more than the largest label seen; None without labels."""
        labels = [part.labels for part in self.parts if part.labels is not None and len(part)]
        if not labels:
            return None
        return len(self.label_names or ()) or int(max(part.max() for part in labels)) + 1

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None without."""
        return None if self.batch_names is None else len(self.batch_names)

    def of_modelled(self, name: Literal["exposure", "batch_label"]) -> Tensor | None:
        """Return what is known of each of the values that a likelihood sees, `(M,)`."""
        parts = [part for part in self.parts if part.values is self.modelled and len(part)]
        of_parts = [(part.index, part.annotations[name]) for part in parts]
        if not of_parts or any(values is None for _, values in of_parts):
            return None
        whole = torch.zeros(len(self.modelled), dtype=of_parts[0][1].dtype)  # type: ignore[union-attr]
        for index, values in of_parts:
            whole[index] = values  # type: ignore[assignment]
        return whole

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """Training, validation and test data."""
        return self.train, self.validation, self.test

    def binarised(self, how: Literal["dynamic", "static"], grey: float, seed: int = 0) -> "Splits":
        """Return the same data with grey values drawn as zeros and ones.

        Args:
            how: `"dynamic"` draws the training data anew each time they are read; `"static"` draws
                them once. Validation and test data are drawn once.
            grey: The largest value, which is always drawn as one.
            seed: The seed of the draws.
        """
        train = replace(self.train, grey=grey)
        if how == "static":
            train = self.train.binarised(grey, mix(seed, 0))
        return replace(
            self,
            train=train,
            validation=self.validation.binarised(grey, mix(seed, 1)),
            test=self.test.binarised(grey, mix(seed, 2)),
            grey=grey,
        )


def split(source: Source, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Splits:
    """Split data as they say themselves, or else at random, in an order that the seed decides.

    Args:
        source: The data.
        validation: The fraction to validate on; none at zero.
        test: The fraction to test on; none at zero. Above zero it is at least one example, as to
            validate on.
        seed: The seed of the order.

    Raises:
        ValueError: If a fraction is out of range, or no data are left to train on.

    Examples:
        >>> import torch
        >>> from priory.data import Source, split
        >>> splits = split(Source("zeros", torch.zeros(100, 4)))
        >>> len(splits.train), len(splits.validation), len(splits.test)
        (80, 10, 10)
    """
    part = source.part
    order = torch.arange(len(source.x))
    if part is None:
        part = assign_parts(len(source.x), validation, test, seed)
        order = order[torch.randperm(len(order), generator=torch.Generator().manual_seed(seed))]
    train, validating, testing = (source.rows(order[part[order] == n]) for n in range(3))
    if len(train) < 1:
        raise ValueError(f"expected data to train on, got none in {source.name}.")
    names, columns = source.label_names, source.columns
    batches = source.batch_names
    return Splits(source.name, train, validating, testing, names, columns, batch_names=batches)


def assign_parts(
    num_data: int, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Tensor:
    """Assign data to parts at random: 0 to train, 1 to validate, 2 to test, `(N,)`.

    Args:
        num_data: The number of data N.
        validation: The fraction to validate on; at least one example where it is above zero.
        test: The fraction to test on, likewise.
        seed: The seed of the order.

    Raises:
        ValueError: If a fraction is out of range, or too few data are left to train on.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise ValueError(
            "expected fractions to validate and to test on of at least zero that leave data to "
            f"train on, got {validation:g} and {test:g}."
        )
    num_validation, num_test = (
        max(1, round(share * num_data)) if share > 0 else 0 for share in (validation, test)
    )
    num_train = num_data - num_validation - num_test
    if num_train < 1:
        raise ValueError(
            f"expected at least {num_validation + num_test + 1} data to train, validate and test "
            f"on, got {num_data}."
        )
    order = torch.randperm(num_data, generator=torch.Generator().manual_seed(seed))
    part = torch.empty(num_data, dtype=torch.int8)
    for number, rows in enumerate(order.split([num_train, num_validation, num_test])):
        part[rows] = number
    return part


def mix(*numbers: int) -> int:
    """Mix whole numbers into one seed; their count and their order matter.

    Examples:
        >>> from priory.data.splits import mix
        >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0), mix(0) == mix(0, 0)
        (True, False, False)
    """
    import numpy as np

    # NumPy pads with zeros, so that the count has to be said.
    seeds = np.random.SeedSequence((len(numbers), *numbers))
    return int(seeds.generate_state(1, np.uint64)[0]) >> 1
