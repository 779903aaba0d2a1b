"""Many small images as one PNG."""

import base64
import io
import math
from typing import Any

import torch
from torch import Tensor

from priory.extras import needs
from priory.networks.data_range import DataRange


def is_image(data_shape: tuple[int, ...]) -> bool:
    """Whether data of a shape are shown as images: `(H, W)`, or one or three channels of them."""
    return len(data_shape) == 2 or (len(data_shape) == 3 and data_shape[0] in (1, 3))


def sprite(images: Tensor, data_range: DataRange) -> dict[str, Any]:
    """Return images, side by side in one PNG, and how they lie in it.

    Grey images are drawn as ink on paper: the largest value black.

    Args:
        images: `(N, H, W)`, or `(N, C, H, W)` with one or three channels.
        data_range: The values drawn white and black (for colours: dark and bright), for all
            dimensions or for each.

    Returns:
        `source`, a `data:` address; `columns`; `count`; `width` and `height` of one image; and
        whether they are `grey`.

    Examples:
        >>> import torch
        >>> from priory.report.sprite import sprite
        >>> found = sprite(torch.rand(10, 8, 8), (0, 1))
        >>> found["columns"], found["source"][:22]
        (4, 'data:image/png;base64,')

    """
    with needs("report"):
        from PIL import Image
    low, high = (torch.as_tensor(bound, dtype=torch.float32) for bound in data_range)
    shares = ((images.detach().cpu().float() - low) / (high - low)).clamp(0, 1).nan_to_num(0)
    if shares.dim() == 4 and shares.shape[1] == 1:
        shares = shares[:, 0]
    grey = shares.dim() == 3
    shares = 1 - shares if grey else shares.movedim(1, -1)
    count, height, width = shares.shape[:3]
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    sheet = torch.ones(rows * columns, *shares.shape[1:])
    sheet[:count] = shares
    sheet = sheet.unflatten(0, (rows, columns)).transpose(1, 2).flatten(2, 3).flatten(0, 1)
    content = io.BytesIO()
    Image.fromarray((255 * sheet).round().byte().numpy()).save(content, "PNG", optimize=True)
    return {
        "source": "data:image/png;base64," + base64.b64encode(content.getvalue()).decode(),
        "columns": columns,
        "count": count,
        "width": width,
        "height": height,
        "grey": grey,
    }
