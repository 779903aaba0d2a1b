"""Data by name or by path: determine their kind and the function that reads them."""

import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from priory.arguments import one_of, only
from priory.data import sources, tables
from priory.data.binarise import grey_range
from priory.data.checks import check_labels, named_labels
from priory.data.sources.arrays import map_array, open_array, read_array
from priory.data.sources.idx import is_idx_folder, open_idx_folder, read_idx
from priory.data.sources.images import open_images
from priory.data.sources.own_split import complete_parts
from priory.data.splits import Part, Source, Splits, split
from priory.data.tables.table import open_table
from priory.suggestions import did_you_mean, short

Opener = Callable[..., Source]


def _registered(kind: Literal["NAMES", "SUFFIXES", "LIKE"]) -> dict[Any, Opener]:
    """Return what the readers register: each file lists its names or file extensions.

    It may also register, by its opener, a function that reads another file with known columns.
    """
    readers: dict[Any, Opener] = {}
    for package in (sources, tables):
        for file in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            readers |= getattr(import_module(file.name), kind, {})
    return readers


NAMES, SUFFIXES, LIKE = (_registered(kind) for kind in ("NAMES", "SUFFIXES", "LIKE"))


def open_data(
    source: str | Path,
    seed: int = 0,
    validation: float | str | Path = 0.1,
    test: float | str | Path = 0.1,
    labels: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    binarise: Literal["none", "dynamic", "static"] = "none",
) -> Splits:
    """Open data by a built-in name or the path of a file, and split them.

    Args:
        source: What to open, as for `open_source`.
        seed: The seed of a random split, if the data have no split.
        validation: The fraction for validation, or a file of validation data.
        test: The fraction for testing, or a file of test data.
        labels: A file of labels, one per example.
        options: Other options for this kind of source.
        binarise: Whether to draw grey values as zeros and ones: in each epoch, once, or not at all.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is unknown, or a file cannot be read or does not fit the others.

    Examples:
        >>> from priory.data import open_data
        >>> open_data("digits").name
        'digits'
    """
    shares = [given if isinstance(given, int | float) else 0.0 for given in (validation, test)]
    if not (0 <= shares[0] < 1 and 0 <= shares[1] < 1):  # even if the data have a split
        raise ValueError(
            f"expected fractions from 0 to 1, or files, for validation and test, got {shares[0]:g} "
            f"and {shares[1]:g}."
        )
    opened = open_source(
        source, labels=labels, options=options, validation=shares[0], test=shares[1], seed=seed
    )
    splits = split(opened, shares[0], shares[1], seed)

    def further(path: str | Path) -> Part:
        return open_like(opened, path, options=options).whole()

    if not isinstance(validation, int | float):
        splits = replace(splits, validation=further(validation))
    if not isinstance(test, int | float):
        splits = replace(splits, test=further(test))
    if len(splits.validation) < 1:
        raise ValueError(f"expected validation data, got none in {opened.name}.")
    if binarise == "none":
        return splits
    low, high = grey_range(opened.x)
    if low < 0:
        raise ValueError(
            f"expected grey values of at least zero to binarise, got {low:g} in {opened.name}."
        )
    return splits.binarised(binarise, high, seed)


def open_source(
    spec: str | Path,
    *,
    labels: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """Open data by a built-in name, or by the path of a file or a folder.

    Args:
        spec: `"digits"`, `"rings"`, `"mnist"` or `"fashion-mnist"`, the last two optionally with a
            folder, as in `"mnist:FOLDER"`; or the path of a file, whose extension determines its
            kind; or of a folder of images or MNIST files.
        labels: A file of labels, one per example: `.npy` or IDX.
        validation: The fraction for validation, drawn if a split has none.
        test: The fraction for testing, drawn if a split has none.
        seed: The seed of the draw.
        options: Other options for this kind of data, such as `label`, the column of a table with
            the labels; each is an argument of the function for this kind.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the package that reads it is not installed.
        ValueError: If the source is unknown, its file cannot be read, or an option is unknown.

    Examples:
        >>> from priory.data import open_source
        >>> open_source("digits").name
        'digits'
    """
    opener, arguments = find_opener(spec)
    options = dict(options or {})
    facts = {"validation": validation, "test": test, "seed": seed}
    parameters = inspect.signature(opener).parameters.values()
    takes = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    option_names = [name for name in takes if name not in facts]
    only(options, option_names, str(spec))
    _check_types(options, opener)
    facts = {name: value for name, value in facts.items() if name in takes}
    source = opener(*arguments, **facts, **options)
    if labels is not None:
        codes, names = read_labels(labels, len(source.x))
        source = replace(source, labels=codes, label_names=names)
    if source.part is not None:
        part = complete_parts(source.part, validation, test, seed)
        source = replace(source, part=part)
    return source


def open_like(
    source: Source,
    path: str | Path,
    *,
    labels: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """Open another file, for validation or testing, in the same way as data opened before.

    A table is standardised like the first one, and has the same categories and labels.

    Args:
        source: The first data.
        path: The other file or folder.
        labels: A file of its labels.
        options: The options that the first data were opened with.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or its data have a different kind or shape, or are whole
            numbers where the first are not, or the reverse.
    """
    opener, (where, *_) = find_opener(path)
    options = dict(options or {})
    if opener is open_array and source.columns is not None and map_array(where).dtype.names:
        opener = open_table  # samples are such arrays too
    if source.columns is not None and opener in LIKE:
        only(options, inspect.signature(opener).parameters, str(path))
        _check_types(options, opener)
        further = LIKE[opener](where, source.columns, source.label_names, options)
    else:
        further = replace(open_source(path, options=options), part=None)
    alike = further.x.is_floating_point() == source.x.is_floating_point()
    if further.x.shape[1:] != source.x.shape[1:] or not alike:
        raise ValueError(
            f"expected data as in {source.name}, {source.x.dtype} of shape "
            f"{tuple(source.x.shape[1:])}, in {path}, got {further.x.dtype} of shape "
            f"{tuple(further.x.shape[1:])}; convert them."
        )
    if source.columns is not None and further.columns is not None:
        pairs = zip(source.columns.names, further.columns.names, strict=True)
        if other := next(((a, b) for a, b in pairs if a != b), None):
            raise ValueError(
                f"expected the columns of {source.name} in {path}, in its order, got {other[1]!r} "
                f"for {other[0]!r}."
            )
    if labels is not None:
        read, of_file = read_labels(labels, len(further.x))
        further = replace(further, labels=read, label_names=of_file)
    named = ("labels", further.labels, further.label_names, source.label_names)
    codes, names = _renamed(*named, source, path)
    further = replace(further, labels=codes, label_names=names)
    named = ("batches", further.batch_label, further.batch_names, source.batch_names)
    codes, names = _renamed(*named, source, path)
    return replace(further, batch_label=codes, batch_names=names)


def _renamed(
    what: str,
    codes: Tensor | None,
    names: tuple[str, ...] | None,
    before: tuple[str, ...] | None,
    source: Source,
    path: str | Path,
) -> tuple[Tensor | None, tuple[str, ...] | None]:
    """Return labels, or batches, numbered by their names in the first data."""
    if codes is None or names in (None, before):
        return codes, names
    if before is None:  # as in older runs, whose labels are their numbers
        if not all(name.isdecimal() for name in names or ()):
            raise ValueError(
                f"expected {what} without names in {path}, as in {source.name}, got names."
            )
        return torch.tensor([*map(int, names or ())])[codes], None
    if other := next((name for name in names or () if name not in before), None):
        raise ValueError(
            f"expected the {what} of {source.name} ({short(', '.join(before))}) in {path}, got "
            f"{other!r} too; leave those examples out, or train with them."
        )
    return torch.tensor([before.index(name) for name in names or ()])[codes], before


def _check_types(options: Mapping[str, Any], opener: Opener) -> None:
    """Refuse options with types that an opener does not take."""
    hints = get_type_hints(opener)
    for name, value in options.items():
        if get_origin(hints[name]) is Literal:
            one_of(get_args(hints[name]), **{name: value})
            continue
        several = get_origin(hints[name]) is Sequence
        cells = value if several and isinstance(value, list | tuple) else [value]
        optional = value is None and type(None) in get_args(hints[name])
        if optional or (several == (cells is value) and all(isinstance(c, str) for c in cells)):
            continue
        kind, example = ("a list of text", f"['{value}']") if several else ("text", f"'{value}'")
        raise ValueError(
            f"expected {kind} for {name}, got {short(value)}; write it as "
            f"{{{name}: {short(example)}}}."
        )


def find_opener(spec: str | Path) -> tuple[Opener, tuple[Any, ...]]:
    """Return the function that opens a source, and its arguments."""
    name, colon, folder = str(spec).partition(":")
    if name in NAMES and not colon:
        return NAMES[name], ()
    if name in NAMES and "folder" in inspect.signature(NAMES[name]).parameters:
        return NAMES[name], (Path(folder).expanduser(),)
    path = Path(spec).expanduser()
    if str(spec) and path.is_dir():
        return (open_idx_folder if is_idx_folder(path) else open_images), (path,)
    suffixes = [suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)]
    if suffixes:
        return SUFFIXES[max(suffixes, key=len)], (path,)
    if str(spec) and path.exists():
        raise ValueError(
            f"expected a file that ends in one of {', '.join(SUFFIXES)}, or a folder, got "
            f"{str(spec)!r}" + did_you_mean(path.suffix.lower(), SUFFIXES)
        )
    if len(path.parts) > 1 or path.suffix:
        raise FileNotFoundError(
            f"expected data at {spec}, found no such file or folder"
            + did_you_mean(path.suffix.lower(), SUFFIXES, lambda end: str(path.with_suffix(end)))
        )
    raise ValueError(
        f"expected data by name ({', '.join(NAMES)}) or the path of a file or a folder, got "
        f"{str(spec)!r}" + did_you_mean(name, NAMES)
    )


def read_labels(path: str | Path, num_data: int) -> tuple[Int64[Tensor, " N"], tuple[str, ...]]:
    """Read labels, one per example, and their names.

    Args:
        path: A `.npy` file of whole numbers or text, or an IDX file.
        num_data: The number of data.
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        return named_labels(check_labels(read_idx(path), num_data, path.name), path.name)
    array = map_array(path)
    if array.dtype.kind != "U" or array.ndim != 1:
        return named_labels(check_labels(read_array(path), num_data, path.name), path.name)
    names, codes = np.unique(array, return_inverse=True)
    check_labels(torch.from_numpy(codes), num_data, path.name)
    return named_labels(torch.from_numpy(codes), path.name)[0], tuple(map(str, names))
