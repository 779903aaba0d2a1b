"""Write samples in the format of the file extension."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priory.commands.cells_file import CELLS, write_cells
from priory.commands.columns_file import SUFFIXES, write_columns, write_table
from priory.data import DataFormat
from priory.extras import needs
from priory.files import write_whole
from priory.networks.data_range import DataRange
from priory.report import grid_figure

PICTURES = (".png", ".pdf")
MOST_IMAGES = 4096
DPI = 150
MOST_PIXELS = 60_000
"""Pixels along one side of a picture; matplotlib draws at most 2**16."""


@dataclass(frozen=True)
class Samples:
    """Samples from a model, with their annotations.

    Attributes:
        x: The data, `(M, *data_shape)`.
        form: The format of the data.
        labels: The label of each, `(M,)`; None if the model takes none.
        components: The C components that the samples come from, M / C from each in turn, `(C,)`;
            None if they come from the whole prior.
        weights: The weights of these components, `(C,)`.
        batches: The batch of each, `(M,)`; None if the model takes none.
    """

    x: Tensor
    form: DataFormat
    labels: Tensor | None = None
    components: Tensor | None = None
    weights: Tensor | None = None
    batches: Tensor | None = None

    @property
    def facts(self) -> dict[str, Tensor]:
        """The component, the batch and the label of each sample, if known."""
        facts = {}
        if self.components is not None:
            each = len(self.x) // len(self.components)
            facts["component"] = self.components.repeat_interleave(each)
        if self.batches is not None:
            facts["batch"] = self.batches
        if self.labels is not None:
            facts["label"] = self.labels
        return facts

    @property
    def named(self) -> dict[str, list[Any]]:
        """The same with the names of labels, batches and their columns, if they have any."""
        columns = self.form.columns
        named = {}
        for name, values in self.facts.items():
            words = {"label": self.form.label_names, "batch": self.form.batch_names}.get(name)
            column = None if columns is None else getattr(columns, name, None)
            cells = values.tolist()
            named[column or name] = cells if words is None else [words[code] for code in cells]
        return named


def endings(form: DataFormat) -> tuple[str, ...]:
    """Return the file extensions allowed for samples; pictures are for images only."""
    shape = form.data_shape
    image = len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
    if form.columns is not None:
        cells = all(column.kind == "count" for column in form.columns.columns)
        return (*SUFFIXES, CELLS) if cells else SUFFIXES
    return (*PICTURES, *SUFFIXES) if image else SUFFIXES


def check_count(path: Path, count: int) -> None:
    """Refuse more images than fit in a picture.

    Raises:
        ValueError: If there are too many.
    """
    if path.suffix in PICTURES and count > MOST_IMAGES:
        raise ValueError(
            f"expected at most {MOST_IMAGES} images in a picture, got {count}; draw fewer with -n, "
            "or write them as .npy."
        )


def write_samples(path: Path, samples: Samples, data_range: DataRange | None = None) -> None:
    """Write a picture, a table in the data's original units, or an array.

    Args:
        path: The file.
        samples: The samples to write. With components, an array has shape `(C, M / C,
            *data_shape)`.
        data_range: The values drawn as white and black; by default the smallest and the largest.
    """
    x, columns = samples.x.float(), samples.form.columns
    if path.suffix in PICTURES:
        data_range = data_range or (float(x.min()), max(float(x.max()), float(x.min()) + 1e-6))
        write_whole(path, _picture(samples, data_range, path.suffix[1:]))
    elif columns is not None and path.suffix == CELLS:
        write_cells(path, x, columns, samples.named)
    elif columns is not None:
        write_table(path, _beside(samples, columns.decode(x)))
    elif path.suffix == ".npy":
        rows = x if samples.components is None else x.unflatten(0, (len(samples.components), -1))
        write_columns(path, rows, [])
    else:
        flat = x.flatten(1).double()
        names = [f"x{number}" for number in range(1, flat.shape[1] + 1)]
        if samples.labels is not None and samples.form.label_names is not None:
            with needs("data"):
                import pandas as pd
            write_table(path, _beside(samples, pd.DataFrame(flat.numpy(), columns=names)))
            return
        beside = {name: values.double()[:, None] for name, values in samples.facts.items()}
        write_columns(path, torch.cat([*beside.values(), flat], 1), [*beside, *names])


def _beside(samples: Samples, table: Any) -> Any:
    """Add components, labels and batches to a table, by name."""
    for name, values in samples.named.items():
        table.insert(0, name, values)
    return table


def _picture(samples: Samples, data_range: DataRange, kind: str) -> bytes:
    columns, labels = 8, None
    if samples.components is not None and samples.weights is not None:
        columns = len(samples.x) // len(samples.components)
        shares = zip(samples.components.tolist(), samples.weights.tolist(), strict=True)
        firsts = [f"{component}: {weight:.1%}" for component, weight in shares]
        labels = [text for first in firsts for text in (first, *[""] * (columns - 1))]
    figure = grid_figure(samples.x, data_range, columns, labels)
    content = io.BytesIO()
    dpi = min(DPI, MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(content, format=kind, dpi=dpi)
    return content.getvalue()
