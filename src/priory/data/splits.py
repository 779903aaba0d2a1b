"""Data from a source, and the same data in three parts, which are read on demand."""

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
"""The annotations of an example, by the names that models know them by."""


@dataclass(frozen=True)
class Source:
    """Data before they are split. Arrays become tensors.

    Attributes:
        name: The name of the data in tables and figures.
        x: The data, `(N, *data_shape)`, of any real dtype; they may be on disk.
        labels: The label of each example, `(N,)`, or None.
        label_names: The names of the labels; None if they only have numbers.
        part: The part that each example belongs to, `(N,)`: 0 for training, 1 for validation, 2 for
            testing; None if the data have no split.
        columns: What the columns of a table mean; None for anything else.
        batch_label: The batch that each example was measured in, `(N,)`, or None.
        batch_names: The names of the batches.
        exposure: The exposure of each example, `(N,)`, or None.
        names: The name of each example, or None.
        ids: The columns of a table that are neither data nor labels, by name, or None.
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

    def __init__(  # arguments may be arrays, but attributes are tensors
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
    """Part of the data of a source, which may be on disk and are read on demand.

    Attributes:
        values: The data of the whole source, `(M, *data_shape)`, of any real dtype.
        index: The positions of this part's data in the source, `(N,)`.
        labels: The label of each example of this part, `(N,)`, or None.
        grey: If the data are grey values to be binarised whenever they are read, the largest of
            them: a value v is read as one with probability v / grey.
        exposure: The exposure of each example of this part, `(N,)`, or None.
        batch_label: The batch of each example of this part, `(N,)`, or None.
        names: The name of each example of the whole source, or None.
        ids: The columns of the whole table that are neither data nor labels, or None.
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
        """The annotations of each example: its label, its exposure and its batch."""
        return {name: getattr(self, name) for name in ANNOTATIONS}

    @property
    def own_names(self) -> tuple[str, ...] | None:
        """The name of each example of this part."""
        return None if self.names is None else tuple(self.names[n] for n in self.index.tolist())

    @property
    def known_by(self) -> dict[str, Sequence[Any]]:
        """What identifies each example: its name, or its row in a table and columns not used."""
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
            generator: The random generator for binarisation; by default torch's.
        """
        x = self.values[self.index[positions]].float()
        if self.grey is None:
            return x
        return binarise(x / self.grey, generator)

    def tensor(self) -> Tensor:
        """Return all data of this part in float32, `(N, *data_shape)`, without binarisation.

        Grey values that would be binarised are returned as the probabilities of a one.
        """
        whole = torch.empty(len(self), *self.data_shape)
        for rows in blocks(len(self), whole[:1].numel()):
            whole[rows] = self.values[self.index[rows]].float()
        return whole if self.grey is None else whole / self.grey

    def binarised(self, grey: float, seed: int) -> "Part":
        """Return this part binarised once: every value v becomes one with probability v / grey.

        Args:
            grey: The largest value.
            seed: The random seed.
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
        name: The name of the data in tables and figures.
        train: The training data.
        validation: The validation data, which decide when to stop.
        test: The test data, for reporting.
        label_names: The names of the labels; None if they only have numbers.
        columns: What the columns of a table mean; None for anything else.
        grey: The largest grey value, if the data are binarised; otherwise None.
        batch_names: The names of the batches, if there are any.
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
        """Values as a likelihood sees them, `(M, *data_shape)`, of any real dtype."""
        part = self.train if self.train.grey is None else self.validation
        return part.values

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.train.data_shape

    @property
    def num_labels(self) -> int | None:
        """The number of labels, one more than the largest label; None without labels."""
        labels = [part.labels for part in self.parts if part.labels is not None and len(part)]
        if not labels:
            return None
        return len(self.label_names or ()) or int(max(part.max() for part in labels)) + 1

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None without."""
        return None if self.batch_names is None else len(self.batch_names)

    def of_modelled(self, name: Literal["exposure", "batch_label"]) -> Tensor | None:
        """Return the annotations of each of the values that a likelihood sees, `(M,)`."""
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
        """Return the same data with binarised grey values.

        Args:
            how: `"dynamic"` binarises the training data whenever they are read, `"static"` once.
                Validation and test data are binarised once.
            grey: The largest value, which always becomes one.
            seed: The random seed.
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
    """Split data by their own split, or else randomly with a seed.

    Args:
        source: The data.
        validation: The fraction for validation; zero for none.
        test: The fraction for testing; zero for none. A fraction above zero gives at least one
            example, for both.
        seed: The seed of the order.

    Raises:
        ValueError: If a fraction is out of range, or no training data are left.

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
        raise ValueError(f"expected training data, got none in {source.name}.")
    names, columns = source.label_names, source.columns
    batches = source.batch_names
    return Splits(source.name, train, validating, testing, names, columns, batch_names=batches)


def assign_parts(
    num_data: int, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Tensor:
    """Assign data to parts randomly: 0 for training, 1 for validation, 2 for testing, `(N,)`.

    Args:
        num_data: The number of examples N.
        validation: The fraction for validation; at least one example if it is above zero.
        test: The fraction for testing; at least one example if it is above zero.
        seed: The seed of the order.

    Raises:
        ValueError: If a fraction is out of range, or too few training data are left.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise ValueError(
            "expected fractions for validation and test of at least zero that leave training "
            f"data, got {validation:g} and {test:g}."
        )
    num_validation, num_test = (
        max(1, round(share * num_data)) if share > 0 else 0 for share in (validation, test)
    )
    num_train = num_data - num_validation - num_test
    if num_train < 1:
        raise ValueError(
            f"expected at least {num_validation + num_test + 1} examples for training, validation "
            f"and test, got {num_data}."
        )
    order = torch.randperm(num_data, generator=torch.Generator().manual_seed(seed))
    part = torch.empty(num_data, dtype=torch.int8)
    for number, rows in enumerate(order.split([num_train, num_validation, num_test])):
        part[rows] = number
    return part


def mix(*numbers: int) -> int:
    """Combine whole numbers into one seed; their number and order matter.

    Examples:
        >>> from priory.data.splits import mix
        >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0), mix(0) == mix(0, 0)
        (True, False, False)
    """
    import numpy as np

    # NumPy pads with zeros, so the count must be included.
    seeds = np.random.SeedSequence((len(numbers), *numbers))
    return int(seeds.generate_state(1, np.uint64)[0]) >> 1
