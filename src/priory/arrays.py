"""Arrays of other libraries, taken wherever tensors are."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WIDER = {"u2": np.int32, "u4": np.int64, "u8": np.int64}
"""What torch can store and hardly work with."""

EXPECTED = "expected a tensor or an array of real numbers"


@runtime_checkable
class _Column(Protocol):
    """A Series or a DataFrame of pandas, or an array of Arrow."""

    def to_numpy(self, *args: Any, **kwargs: Any) -> Any: ...


@runtime_checkable
class _Table(Protocol):
    """A table of Arrow."""

    def to_pandas(self, *args: Any, **kwargs: Any) -> Any: ...


Array = NDArray[Any] | _Column | _Table
"""What is taken beside tensors: NumPy's arrays, pandas' columns and tables, and Arrow's."""


def as_tensor(x: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor as it is, and an array of another library as a tensor on the processor.

    NumPy's arrays may have any strides and byte order and be read-only, and share their memory with
    the tensor where torch can. Lists of numbers are taken too, and tables, whose columns become
    columns. Arrays get the type that is given, and tensors keep theirs.

    Raises:
        TypeError: If it holds no real numbers (complex numbers, text, dates, objects), or is masked
            or sparse.
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
    """Return points as a tensor: an array of whole numbers in torch's default type."""
    points = as_tensor(x)
    whole = not (isinstance(x, Tensor) or points.is_floating_point())
    return points.to(torch.get_default_dtype()) if whole else points


def to_numpy(x: Tensor) -> NDArray[Any]:
    """Return the values of a tensor on any device for other libraries, half precision as single.

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
    """Return the array in NumPy's hands, as it is."""
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
        raise _refused(type(x).__name__, "give a tensor, or an array of NumPy, pandas or Arrow")
    return array


def _joined(columns: Any) -> NDArray[Any]:
    """Return the columns of a table side by side, `(N, D)`."""
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
    """Refuse a column whose type knows missing values, where some are; NaN is no such thing."""
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
    """Return an array that torch can take, which shares the memory where it can."""
    if array.dtype.name == "bfloat16":  # of other libraries, and unknown to NumPy
        array = array.astype(np.float32)
    kind = array.dtype.kind
    if kind == "c":
        raise _refused("complex numbers", "give x.real, or np.abs(x)")
    if kind in "mM":
        raise _refused("dates or times", "give a number for each, such as the days since the first")
    if kind not in "buif":
        got = f"values of type {array.dtype}"
        raise _refused(got, "turn them into numbers first, as x.astype(float) does where it can")
    wider: Any = WIDER.get(array.dtype.str[1:], array.dtype.newbyteorder("="))
    if array.dtype.itemsize > 8:
        wider = np.float64
    if array.dtype.str[1:] == "u8" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{EXPECTED}, got {array.max()}, beyond 64 bits with a sign; scale it.")
    array = array.astype(wider, copy=False)
    awkward = any(step < 0 or step % array.itemsize for step in array.strides)
    # Torch could not keep anybody from writing to what is read-only.
    return array.copy() if awkward or not array.flags.writeable else array


def _refused(got: str, advice: str) -> TypeError:
    return TypeError(f"{EXPECTED}, got {got}; {advice}.")
