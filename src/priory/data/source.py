"""Data as they come, before they are split."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from priory.arrays import as_tensor

if TYPE_CHECKING:
    from priory.data.tables.columns import Columns


@dataclass(frozen=True)
class Source:
    """Data as they come, before they are split. Arrays become tensors.

    Attributes:
        name: What to call the data in tables and figures.
        x: The data, `(N, *data_shape)`, of any real type; they may lie on disk.
        labels: The class of each datum, `(N,)`; None where there are none.
        label_names: The names of the classes; None where they have none but their numbers.
        part: To which part each datum belongs, `(N,)`: 0 to train, 1 to validate, 2 to test; None
            where the data bring no split of their own.
        columns: What the columns of a table mean; None for anything else.

    """

    name: str
    x: Tensor
    labels: Tensor | None = None
    label_names: tuple[str, ...] | None = None
    part: Tensor | None = None
    columns: "Columns | None" = None

    def __post_init__(self) -> None:
        for name in ("x", "labels", "part"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, as_tensor(value))
