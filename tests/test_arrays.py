"""Arrays of NumPy, pandas and Arrow are taken wherever tensors are, and what is no array is not."""

import re

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    ConditionalMoGPrior,
    Context,
    ExemplarPrior,
    GaussianEncoder,
    MoGPrior,
    ResampledPrior,
    StandardPrior,
    VampPrior,
    aggregated_posterior,
    elbo,
    fit,
    fit_prior,
    importance_weighted_loss,
    log_weights,
    loss,
)
from priory import evaluation as ev
from priory.aggregate import posterior_of_all
from priory.arrays import as_tensor
from priory.data import Source, split
from priory.evaluation.holes import two_halves
from priory.likelihoods import choose_likelihood
from priory.training.fit_prior import prior_for

N = 30
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
        (np.array(["a"]), TypeError, "type <U1; convert them to numbers first"),
        (np.array([1, None]), TypeError, "type object; convert them to numbers first"),
        (pd.Series(["a", "b"], dtype="category"), TypeError, "type object"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), TypeError, "(in column 'b')"),
        (np.zeros(3, "M8[D]"), TypeError, "dates or times; convert them to numbers"),
        (np.zeros(3, "m8[s]"), TypeError, "dates or times"),
        (pd.DataFrame({"d": pd.to_datetime(["2020"])}), TypeError, "first (in column 'd')"),
        (pa.table({"d": pd.to_datetime(["2020"])}), TypeError, "first (in column 'd')"),
        (np.zeros(3, [("a", "f4")]), TypeError, "convert them to numbers first"),
        (pa.array([[1], [2]]), TypeError, "type object"),
        (pa.array([1, None]), ValueError, "1 missing values; fill them in first"),
        (pa.table({"a": [1, None]}), ValueError, "fill_null does (in column 'a')"),
        (pd.Series([1, None], dtype="Int64"), ValueError, "1 missing values; fill them in first"),
        (np.array([2**63], np.uint64), ValueError, "9223372036854775808, beyond signed 64 bits"),
        (sparse.csr_matrix(VALUES), TypeError, "sparse csr_matrix; make it dense first"),
        (sparse.coo_array(VALUES), TypeError, "as x.toarray() does"),
        (pd.DataFrame(), TypeError, "a table without columns"),
        (None, TypeError, "NoneType; give a tensor"),
        ({"x": VALUES}, TypeError, "dict; give a tensor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_but_an_array_of_real_numbers_is_refused_in_a_sentence(x, error, words):
    expected = f"^expected a tensor or an array of real numbers, got .*{re.escape(words)}"
    with pytest.raises(error, match=expected):
        as_tensor(x)


X = (VALUES > 0.5).astype(np.float32)
Z = (4 * VALUES[:, :2] - 2).astype(np.float32)
Y = np.arange(N) % 3


def model(prior=None) -> VAE:
    """Return a small model, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = GaussianEncoder(MLP((4,), (4,), (8,)))
        decoder = BernoulliDecoder(MLP((2,), (4,), (8,)))
        return VAE(encoder, decoder, MoGPrior(2, 3) if prior is None else prior).eval()


def fitted(name, x, **options):
    return fit_prior(name, model().encoder, x, max_epochs=1, verbose=False, **options).after.train


def drawn(prior, x, y=None):
    """Return samples of a prior that was shown data."""
    encoder = model().encoder
    prior.fit_data(x, encoder, None if y is None else Context(labels=y))
    return prior(encoder, None if y is None else Context(labels=np.arange(3))).sample((5,))


def reseeded(x):
    prior = MoGPrior(2, 3)
    with torch.no_grad():
        prior.loc[0] = 99
    assert prior.reseed(x, model().encoder) == 1
    return prior.loc.detach()


def conditional():
    return model(ConditionalMoGPrior(2, 2, num_labels=3))


def halves(x):
    return two_halves(model(), x)


# Every function that takes data, points or labels, and what is looked at of its result.
FUNCTIONS = {
    "encode": lambda x, z, y: model().encode(x),
    "reconstruct": lambda x, z, y: model().reconstruct(x),
    "posterior": lambda x, z, y: model().posterior(x).mean,
    "likelihood": lambda x, z, y: model().likelihood(z).mean,
    "context_of": lambda x, z, y: conditional().context_of(y).labels,
    "Context": lambda x, z, y: Context(index=y, labels=y).labels,
    "label_shares": lambda x, z, y: Context(label_shares=z).label_shares,
    "elbo": lambda x, z, y: elbo(model(), x).elbo,
    "loss": lambda x, z, y: loss(model(), x),
    "log_weights": lambda x, z, y: log_weights(model(), x, 3),
    "importance_weighted_loss": lambda x, z, y: importance_weighted_loss(model(), x, 3),
    "aggregated_posterior": lambda x, z, y: aggregated_posterior(model().encoder, x).loc,
    "posterior_of_all": lambda x, z, y: posterior_of_all(model(), x).mean,
    "evaluate": lambda x, z, y: ev.evaluate(conditional(), x, 8, context=Context(labels=y)).nll,
    "measure": lambda x, z, y: ev.measure(model(), x, x, num_samples=4).memorisation.z_score,
    "nll": lambda x, z, y: ev.negative_log_likelihood(model(), x, 9).per_example,
    "surgery": lambda x, z, y: ev.surgery(model(), x).elbo.value,
    "latent_use": lambda x, z, y: ev.latent_use(model(), x).information,
    "model_holes": lambda x, z, y: ev.model_holes(model(), x).prior_in_holes,
    "in_holes": lambda x, z, y: ev.in_holes(z, *halves(x)),
    "exhibit": lambda x, z, y: ev.exhibit(model(), x).reconstructions,
    "explore": lambda x, z, y: (
        ev.explore(model(), x, z=z, labels=y, side=9, stops=2, num_samples=9).pairs
    ),
    "decode": lambda x, z, y: ev.decode(model(), z, mean=True),
    "component_view": lambda x, z, y: (
        ev.component_view(model(), model().prior_distribution(), z, z).near
    ),
    "components_in_use": lambda x, z, y: ev.components_in_use(model().prior_distribution(), z),
    "dead_components": lambda x, z, y: ev.dead_components(model().prior_distribution(), z),
    "nearest": lambda x, z, y: ev.nearest(z, z, 2).index,
    "memorisation": lambda x, z, y: ev.memorisation(x, x, x).z_score,
    "sample_quality": lambda x, z, y: ev.sample_quality(x, x).density,
    "classifier_test": lambda x, z, y: ev.classifier_test(x, x, num_permutations=1).accuracy,
    "discrepancy": lambda x, z, y: ev.maximum_mean_discrepancy(x, x).p_value,
    "planes": lambda x, z, y: ev.planes(StandardPrior(4)(), x)[0].directions,
    "interpolate": lambda x, z, y: ev.interpolate(StandardPrior(2)(), z, z, num_points=3).z,
    "pareto_k": lambda x, z, y: ev.pareto_k(z),
    "fit_prior": lambda x, z, y: fitted("mog", x, held_out=x, init="em").value,
    "fit_prior with labels": lambda x, z, y: (
        fitted(
            "ConditionalMoGPrior", x, labels=y, held_out=x, held_out_labels=y, num_components=2
        ).value
    ),
    "prior_for": lambda x, z, y: prior_for("mog", model().encoder, x, labels=y).num_components,
    "MoGPrior": lambda x, z, y: drawn(MoGPrior(2, 3, init="data"), x),
    "ConditionalMoGPrior": lambda x, z, y: drawn(ConditionalMoGPrior(2, 2, 3, init="data"), x, y),
    "VampPrior": lambda x, z, y: drawn(VampPrior(3, (4,), init="kmedoids"), x),
    "ExemplarPrior": lambda x, z, y: drawn(ExemplarPrior(), x),
    "ResampledPrior": lambda x, z, y: drawn(
        ResampledPrior(2, MoGPrior(2, 3, init="data"), num_evaluation_samples=9).eval(), x
    ),
    "prune": lambda x, z, y: model().prior.prune(model().encoder, x, 2).kept,
    "reseed": lambda x, z, y: reseeded(x),
    "split": lambda x, z, y: split(Source("these", x)).train.tensor(),
    "split with labels": lambda x, z, y: split(Source("these", x, labels=y)).train.labels,
    "split in their parts": lambda x, z, y: split(Source("these", x, part=y)).test.tensor(),
    "choose_likelihood": lambda x, z, y: choose_likelihood(x).name == "bernoulli",
    "check": lambda x, z, y: choose_likelihood(X).check(x) is None,
}
FIT = {
    "fit": lambda x, z, y: fit(x, "mog", hidden_sizes=(4,), max_epochs=1, verbose=False).prior.loc,
}
SLOW = {"measure", "explore", "evaluate", "model_holes", "interpolate", "classifier_test"}
WITHOUT_DATA = {"likelihood", "context_of", "Context", "label_shares", "decode", "component_view"}
WITHOUT_DATA |= {
    "planes",
    "components_in_use",
    "dead_components",
    "nearest",
    "interpolate",
    "pareto_k",
}


def answer(function, *arrays):
    torch.manual_seed(0)
    return torch.as_tensor(function(*arrays)).detach()


@pytest.mark.usefixtures("few_permutations")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_takes_arrays_as_it_takes_tensors(name):
    function = FUNCTIONS[name]
    expected = answer(function, *map(torch.from_numpy, (X, Z, Y)))
    kinds = KINDS.values() if name not in SLOW else (KINDS["big-endian"], KINDS["pandas"])
    for kind in kinds:
        found = answer(function, *map(kind, (X, Z, Y)))
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected)
    if name not in WITHOUT_DATA | SLOW:  # and in any type
        for dtype in ("u1", "i8", "?", "f8", ">f2"):
            torch.testing.assert_close(answer(function, X.astype(dtype), Z, Y), expected)


@pytest.mark.parametrize("name", [*FUNCTIONS, *FIT])
def test_every_function_refuses_anything_but_an_array_of_real_numbers(name):
    function = (FUNCTIONS | FIT)[name]
    wrong = {
        "masked": lambda a: np.ma.masked_equal(a, a.flat[0]),
        "complex numbers": lambda a: a + 0j,
        "type object": lambda a: a.astype(object),
        "dates or times": lambda a: a.astype("m8[s]"),
    }
    for words, kind in wrong.items():
        with pytest.raises(TypeError, match=f"expected a tensor or an array .*{words}"):
            answer(function, *map(kind, (X, Z, Y)))
    with pytest.raises(TypeError, match=r"complex numbers|Type-check"):
        answer(function, *(torch.from_numpy(a) + 0j for a in (X, Z, Y)))


@pytest.mark.parametrize("kind", ["big-endian", "pandas", "arrow"])
def test_fit_takes_arrays(kind):
    expected = fit(torch.from_numpy(X), "mog", hidden_sizes=(4,), max_epochs=1, verbose=False)
    found = fit(KINDS[kind](X), "mog", hidden_sizes=(4,), max_epochs=1, verbose=False)
    torch.testing.assert_close(found.prior.loc, expected.prior.loc)
