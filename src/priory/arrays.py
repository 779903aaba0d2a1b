"""Arrays of other libraries, accepted wherever tensors are."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WIDER = {"u2": np.int32, "u4": np.int64, "u8": np.int64}
"""Dtypes that torch can store but hardly compute with."""

EXPECTED = "expected a tensor or an array of real numbers"


@runtime_checkable
class _Column(Protocol):
    """A pandas Series or DataFrame, or an Arrow array."""

    def to_numpy(self, *args: Any, **kwargs: Any) -> Any: ...


@runtime_checkable
class _Table(Protocol):
    """An Arrow table."""

    def to_pandas(self, *args: Any, **kwargs: Any) -> Any: ...


Array = NDArray[Any] | _Column | _Table
"""The types accepted in addition to tensors: NumPy arrays, and pandas and Arrow columns and tables.
"""


def as_tensor(x: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor unchanged, and an array of another library as a tensor on the CPU.

    NumPy arrays may have any strides and byte order and may be read-only; they share their memory
    with the tensor if possible. Lists of numbers and tables, column by column, are accepted too.
    Arrays are converted to the given dtype; tensors keep theirs.

    Raises:
        TypeError: If it does not contain real numbers (complex numbers, text, dates, objects), or
            is masked or sparse.
        ValueError: If values are missing, or a whole number is too large for torch.

    Examples:
        >>> import numpy as np
        >>> from priory.arrays import as_tensor
        >>> as_tensor(np.arange(3, dtype=">i2")[::-1])
        tensor([2, 1, 0], dtype=torch.int16)
    """
    if isinstance(x, Tensor):
        if x.is_complex():
            raise _refused("complex numbers", "give x.real, or x.abs()")
        return x
    tensor = torch.from_numpy(_plain(_numpy(x)))
    return tensor if dtype is None else tensor.to(dtype)


def as_points(x: Tensor | Array) -> Tensor:
    """Return points as a tensor: an array of whole numbers in torch's default dtype."""
    points = as_tensor(x)
    whole = not (isinstance(x, Tensor) or points.is_floating_point())
    return points.to(torch.get_default_dtype()) if whole else points


def to_numpy(x: Tensor) -> NDArray[Any]:
    """Return a tensor's values for other libraries, with half precision as single.

    Examples:
        >>> import torch
        >>> from priory.arrays import to_numpy
        >>> to_numpy(torch.ones(2, dtype=torch.bfloat16, requires_grad=True))
        array([1., 1.], dtype=float32)
    """
    x = x.detach().cpu()
    array: NDArray[Any] = (x.float() if x.is_floating_point() and x.itemsize < 4 else x).numpy()
    return array


def _numpy(x: Any) -> NDArray[Any]:
    """Return the object as a NumPy array, without conversion."""
    if isinstance(x, np.ma.MaskedArray):
        raise _refused("a masked array", "fill it first, as x.filled(0) does")
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "tocoo"):
        raise _refused(f"a sparse {type(x).__name__}", "make it dense first, as x.toarray() does")
    if hasattr(x, "column_names"):  # a table of Arrow
        return _joined(zip(x.column_names, x.columns, strict=True))
    if hasattr(x, "columns") and hasattr(x, "items"):  # of pandas
        return _joined(x.items())
    _refuse_missing(x)
    array = np.asarray(x)
    if array.dtype.kind == "O" and array.ndim == 0:
        raise _refused(type(x).__name__, "give a tensor, or a NumPy, pandas or Arrow array")
    return array


def _joined(columns: Any) -> NDArray[Any]:
    """Return the columns of a table as an array, `(N, D)`."""
    arrays = []
    for name, column in columns:
        try:
            arrays.append(_plain(_numpy(column)))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{str(error)[:-1]} (in column {name!r}).") from error
    if not arrays:
        raise _refused("a table without columns", "give one with at least one column")
    return np.stack(arrays, -1)


def _refuse_missing(x: Any) -> None:
    """Refuse a column with missing values, if its type has them; NaN does not count."""
    missing = 0
    if isinstance(getattr(x, "null_count", None), int):  # of Arrow
        missing = x.null_count
    elif hasattr(x, "isna") and not isinstance(getattr(x, "dtype", None), np.dtype):  # of pandas
        missing = int(x.isna().sum())
    if missing:
        raise ValueError(
            f"{EXPECTED}, got {missing} missing values; fill them in first, as fillna or "
            "fill_null does."
        )


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that torch accepts, sharing memory if possible."""
    if array.dtype.name == "bfloat16":  # of other libraries, and unknown to NumPy
        array = array.astype(np.float32)
    kind = array.dtype.kind
    if kind == "c":
        raise _refused("complex numbers", "give x.real, or np.abs(x)")
    if kind in "mM":
        raise _refused(
            "dates or times", ("convert them to numbers, such as the days since the first")
        )
    if kind not in "buif":
        got = f"values of type {array.dtype}"
        raise _refused(got, "convert them to numbers first, for example with x.astype(float)")
    wider: Any = WIDER.get(array.dtype.str[1:], array.dtype.newbyteorder("="))
    if array.dtype.itemsize > 8:
        wider = np.float64
    if array.dtype.str[1:] == "u8" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{EXPECTED}, got {array.max()}, beyond signed 64 bits; scale it.")
    array = array.astype(wider, copy=False)
    awkward = any(step < 0 or step % array.itemsize for step in array.strides)
    # Torch cannot prevent writing to read-only memory.
    return array.copy() if awkward or not array.flags.writeable else array


def _refused(got: str, advice: str) -> TypeError:
    return TypeError(f"{EXPECTED}, got {got}; {advice}.")
