"""Arrays of NumPy, pandas and Arrow are taken wherever tensors are, and what is no array is not."""

import re

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from priory.arrays import as_tensor

N = 24
VALUES = np.random.default_rng(0).random((N, 4))


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def in_a_record(array):
    """Return a view whose strides are no multiple of the size of an item."""
    records = np.zeros(array.shape, [("flag", "i1"), ("value", array.dtype)])
    records["value"] = array
    return records["value"]


# What a function may be given in the place of the tensor of the same values.
KINDS = {
    "numpy": lambda a: a,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "columns first": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, axis=0)[::2],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": read_only,
    "in a record": in_a_record,
    "pandas": lambda a: pd.DataFrame(a) if a.ndim > 1 else pd.Series(a),
    "arrow": lambda a: (
        pa.table({str(i): column for i, column in enumerate(a.T)})
        if a.ndim > 1
        else pa.chunked_array([a[:3], a[3:]])
    ),
}
over_kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@over_kinds
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1", "u2", "u4", "?"])
@pytest.mark.parametrize("columns", [(), (4,)])
def test_an_array_becomes_the_tensor_of_its_values(kind, dtype, columns):
    array = (4 * VALUES if columns else 4 * VALUES[:, 0]).astype(dtype)
    tensor = as_tensor(kind(array))
    assert tensor.shape == (N, *columns)
    assert tensor.tolist() == array.tolist()
    assert as_tensor(kind(array), torch.float32).dtype == torch.float32
    assert tensor.dtype.is_floating_point == (array.dtype.kind == "f")
    assert as_tensor(tensor, torch.float16) is tensor


def test_other_arrays():
    table = pd.DataFrame({"a": pd.array([1, 2], dtype="Int64"), "b": [0.5, 1], "c": [True, False]})
    assert as_tensor(table).tolist() == [[1, 0.5, 1], [2, 1, 0]]
    assert as_tensor(pa.record_batch({"a": [1, 2]})).tolist() == [[1], [2]]
    assert as_tensor(pd.Series([1, 2], dtype="int64[pyarrow]")).tolist() == [1, 2]
    assert as_tensor(pd.Series([3, 1], dtype="category")).tolist() == [3, 1]
    assert as_tensor(VALUES.astype(ml_dtypes.bfloat16)).dtype == torch.float32
    assert as_tensor(VALUES.astype(np.longdouble)).dtype == torch.float64
    assert as_tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert as_tensor(np.float32(0.5)).shape == ()
    assert as_tensor(np.zeros((0, 3))).shape == (0, 3)


def test_memory_is_shared_where_it_can_be_and_never_where_it_is_read_only():
    array = VALUES.copy()
    as_tensor(array)[0, 0] = 7
    as_tensor(array[::2].T)[1, 1] = 8
    assert (array[0, 0], array[2, 1]) == (7, 8)
    kept = read_only(VALUES)
    as_tensor(kept)[0, 0] = 7
    assert (kept == VALUES).all()


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.ma.masked_less(VALUES, 0.5), TypeError, "masked array; fill it first, as x.filled(0)"),
        (VALUES + 1j, TypeError, "complex numbers; give x.real, or np.abs(x)"),
        (torch.zeros(2) + 1j, TypeError, "complex numbers; give x.real, or x.abs()"),
        (pd.DataFrame({"a": [1j]}), TypeError, "np.abs(x) (in column 'a')"),
        (np.array(["a"]), TypeError, "type <U1; turn them into numbers first"),
        (np.array([1, None]), TypeError, "type object; turn them into numbers first"),
        (pd.Series(["a", "b"], dtype="category"), TypeError, "type object"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), TypeError, "(in column 'b')"),
        (np.zeros(3, "M8[D]"), TypeError, "dates or times; give a number for each"),
        (np.zeros(3, "m8[s]"), TypeError, "dates or times"),
        (pd.DataFrame({"d": pd.to_datetime(["2020"])}), TypeError, "first (in column 'd')"),
        (pa.table({"d": pd.to_datetime(["2020"])}), TypeError, "first (in column 'd')"),
        (np.zeros(3, [("a", "f4")]), TypeError, "turn them into numbers first"),
        (pa.array([[1], [2]]), TypeError, "type object"),
        (pa.array([1, None]), ValueError, "1 missing values; fill them in first"),
        (pa.table({"a": [1, None]}), ValueError, "fill_null does (in column 'a')"),
        (pd.Series([1, None], dtype="Int64"), ValueError, "1 missing values; fill them in first"),
        (np.array([2**63], np.uint64), ValueError, "9223372036854775808, beyond 64 bits"),
        (sparse.csr_matrix(VALUES), TypeError, "sparse csr_matrix; make it dense first"),
        (sparse.coo_array(VALUES), TypeError, "as x.toarray() does"),
        (pd.DataFrame(), TypeError, "a table without columns"),
        (None, TypeError, "NoneType; give a tensor"),
        ({"x": VALUES}, TypeError, "dict; give a tensor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_array_of_real_numbers_is_refused_in_a_sentence(x, error, words):
    expected = f"^expected a tensor or an array of real numbers, got .*{re.escape(words)}"
    with pytest.raises(error, match=expected):
        as_tensor(x)
