"""A folder of images."""

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from priory.data.checks import check_data
from priory.data.sources.own_split import PARTS
from priory.data.splits import Source
from priory.extras import needs

GREY, WITH_ALPHA = ("1", "L", "LA"), ("LA", "PA", "RGBA")
ORIENTATION, QUARTER_TURNS = 0x0112, (5, 6, 7, 8)  # in EXIF
MODES = (*GREY, *WITH_ALPHA, "P", "RGB", "CMYK", "YCbCr")


def open_images(folder: str | Path) -> Source:
    """Open a folder of images with the same size, in any format that Pillow reads.

    Its subfolders are the labels. Subfolders named `train`, `validation` (or `val`) and `test` are
    the split, and their subfolders the labels. Without subfolders there are no labels.

    Args:
        folder: The folder; files whose names start with a dot are ignored.

    Returns:
        Grey images as `(N, H, W)`; as `(N, 3, H, W)` if one is in colour, with a warning if others
        are grey; of dtype uint8, rotated according to their EXIF orientation.

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If Pillow is not installed.
        ValueError: If it has no images, a file is not an image, sizes differ, or an image is
            transparent, has several frames or more than 8 bits; the message names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of images at {folder}, found none.")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    if not paths:
        raise ValueError(f"expected images in {folder}, got an empty folder.")
    inside = [path.relative_to(folder).parts[:-1] for path in paths]
    part = None
    if all(above and above[0].lower() in PARTS for above in inside):
        part = torch.tensor([PARTS[above[0].lower()] for above in inside], dtype=torch.int8)
        inside = [above[1:] for above in inside]
    if part is not None and not (part == 0).any():
        raise ValueError(f"expected training images in {folder}, got none.")
    classes = sorted({above[0] for above in inside if above})
    if classes and not all(inside):
        loose = paths[[bool(above) for above in inside].index(False)]
        raise ValueError(
            f"expected each image of {folder} in a folder with the name of its label, got "
            f"{loose.relative_to(folder)} outside these folders."
        )
    x = check_data(_decode(paths), folder)
    names = {name: k for k, name in enumerate(classes)}
    labels = torch.tensor([names[above[0]] for above in inside]) if classes else None
    return Source(folder.resolve().name, x, labels, tuple(classes) if classes else None, part)


def _decode(paths: Sequence[Path]) -> UInt8[Tensor, "N ..."]:
    with needs("data"):
        from PIL import Image
    errors = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error)
    size: tuple[int, int] | None = None
    modes: dict[bool, tuple[Path, str]] = {}
    for path in paths:
        try:
            with Image.open(path) as image:
                mode, frames = image.mode, getattr(image, "n_frames", 1)
                shape = image.size[::-1] if _lies_on_its_side(image) else image.size
        except (*errors, Image.DecompressionBombError) as error:
            raise ValueError(f"expected only images, got {path}, which is not an image.") from error
        if mode not in MODES:
            raise ValueError(
                f"expected images with 8 bits per channel, got mode {mode} in {path}; convert it."
            )
        if frames > 1:
            raise ValueError(
                f"expected a single image per file, got {frames} frames in {path}; keep one."
            )
        size = size or shape
        if shape != size:
            raise ValueError(
                f"expected images with the same size, got {size[0]} by {size[1]} pixels in "
                f"{paths[0]} and {shape[0]} by {shape[1]} in {path}; resize or crop them first."
            )
        modes.setdefault(mode in GREY, (path, mode))
    assert size is not None
    coloured = False in modes
    if len(modes) == 2:
        (colour, mode), (grey, _) = modes[False], modes[True]
        warnings.warn(
            f"{colour} is in colour (mode {mode}) and {grey} is grey, so all images are read in "
            "colour; convert the colour images if you want grey ones.",
            stacklevel=3,
        )
    array = np.empty((len(paths), size[1], size[0], *((3,) if coloured else ())), np.uint8)
    for row, path in enumerate(paths):
        try:
            with Image.open(path) as opened:
                image = _turned(opened)
                see_through = image.mode in WITH_ALPHA or "transparency" in image.info
                alpha = np.asarray(image.convert("RGBA"))[..., 3] if see_through else None
                array[row] = np.asarray(image.convert("RGB" if coloured else "L"))
        except errors as error:
            raise ValueError(
                f"expected complete images, got {path}, which is truncated."
            ) from error
        if alpha is not None and alpha.min() < 255:
            raise ValueError(
                f"expected opaque images, got {path} with transparent pixels; put it on a "
                "background first."
            )
    x = torch.from_numpy(array)
    return x.permute(0, 3, 1, 2).contiguous() if coloured else x


def _lies_on_its_side(image: Any) -> bool:
    """Whether an image must be rotated by 90 degrees; for a PNG that takes a full read."""
    described = image.format != "PNG" or "exif" in image.info
    return described and image.getexif().get(ORIENTATION, 1) in QUARTER_TURNS


def _turned(image: Any) -> Any:
    """Return an image the right way up, according to its EXIF orientation."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)
