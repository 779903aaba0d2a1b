"""Which likelihood data get, what fits it, and that a model of every kind starts well."""

from typing import get_args

import numpy as np
import pytest
import torch

from likelihood_cases import CASES
from priory import VAE, StandardPrior, data, likelihoods, loss, networks
from priory.data import Column, Columns, open_digits
from priory.likelihoods import LIKELIHOODS, LikelihoodName, choose_likelihood
from priory.training import make_networks

SPANS = [["numeric", 0, 2], ["categorical", 2, 5]]
TABLE = torch.tensor([[-1.5, 7, 0, 1, 0], [0.5, 7, 1, 0, 0]])


@pytest.mark.parametrize(
    ("values", "options", "name", "data_range", "why"),
    [
        ([0.0, 1], {}, "bernoulli", (0, 1), "only zeros and ones"),
        ([0.0, 0], {}, "bernoulli", (0, 1), "only zeros and ones"),
        ([0.0, 1], {"num_values": 2}, "categorical", (0, 1), "2 values, as requested"),
        ([0.0, 16], {}, "categorical", (0, 16), "whole numbers from 0 to 16"),
        ([0.0, 63], {}, "categorical", (0, 63), "whole numbers from 0 to 63"),
        ([64.0, 3], {}, "discretized-logistic", (0, 255), "to 64, treated as 256 grey levels"),
        ([255.0, 3], {}, "discretized-logistic", (0, 255), "ask for negative-binomial"),
        (
            [99.0, 3],
            {"num_values": 100},
            "discretized-logistic",
            (0, 99),
            "100 values, as requested",
        ),
        ([255.0, 3], {"name": "categorical"}, "categorical", (0, 255), "as requested"),
        ([256.0, 3], {}, "negative-binomial", (0, 256), "to 256, treated as counts"),
        ([9.0, 3], {"name": "poisson"}, "poisson", (0, 9), "as requested"),
        ([0.0, 0], {"name": "negative-binomial"}, "negative-binomial", (0, 1), "as requested"),
        ([0.0, 0.5], {}, "gaussian", (0, 0.5), "not all whole from 0 to 0.5"),
        ([-2.0, 3], {}, "gaussian", (-2, 3), "whole numbers from -2 to 3"),
        ([0.5, 0.5], {}, "gaussian", (-0.5, 1.5), "0.5 to 0.5"),
    ],
)
def test_the_likelihood_follows_from_the_values(values, options, name, data_range, why):
    chosen = choose_likelihood(torch.tensor([values]), **options)
    assert chosen.name == name
    assert chosen.data_range == data_range
    assert why in chosen.why
    assert str(chosen) == f"{name} likelihood ({chosen.why})"


def test_a_table_is_mixed_and_has_a_range_for_each_column():
    chosen = choose_likelihood(TABLE, spans=SPANS)
    assert chosen.name == "mixed"
    assert chosen.why == "a table with columns of these kinds: 2 numeric, 1 categorical"
    assert chosen.data_range == ([-1.5, 6, 0, 0, 0], [0.5, 8, 1, 1, 1])
    assert choose_likelihood(TABLE, "gaussian", spans=SPANS).name == "gaussian"
    columns = Columns(
        (
            Column("height", "numeric"),
            Column("age", "numeric"),
            Column("eyes", "categorical", categories=("blue", "brown", "green")),
        )
    )
    assert choose_likelihood(TABLE, spans=columns.spans) == chosen


def test_a_table_of_counts_alone_is_negative_binomial():
    x = torch.tensor([[0.0, 1, 0], [1, 0, 4]])
    chosen = choose_likelihood(x, spans=[("count", d, d + 1) for d in range(3)])
    assert (chosen.name, chosen.why) == ("negative-binomial", "3 columns of counts")
    assert chosen.typical_counts == [0.5, 0.5, 2]
    mixed = choose_likelihood(x, spans=[("count", 0, 2), ("numeric", 2, 3)])
    assert mixed.typical_counts == [0.5, 0.5]
    with pytest.raises(ValueError, match=r"got 0\.5 in example 0 at \[0\]; fill in"):
        mixed.check(torch.tensor([[0.5, 1, 0]]))


def test_the_range_holds_data_that_are_read_in_single_precision():
    x = torch.rand(50, 3, dtype=torch.float64)
    for spans in (None, [("numeric", 0, 3)]):
        low, high = map(torch.tensor, choose_likelihood(x, spans=spans).data_range)
        assert (low == (x.float().amin(0) if spans else x.float().min())).all()
        assert (high == (x.float().amax(0) if spans else x.float().max())).all()


def test_a_part_without_data_fits():
    choose_likelihood(torch.tensor([[0.0, 1]])).check(torch.zeros(0, 2))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.half])
def test_every_type_is_seen_as_it_is(dtype):
    x = torch.tensor([[0, 1], [1, 0]], dtype=dtype)
    assert choose_likelihood(x).name == "bernoulli"


def test_big_data_are_taken_in_blocks(monkeypatch, tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (10_000, 3))
    array[:] = 7
    array[9_000, 2] = 200
    x, seen = torch.from_numpy(array), []
    convert = torch.Tensor.float
    monkeypatch.setattr(torch.Tensor, "float", lambda part: seen.append(len(part)) or convert(part))
    chosen = choose_likelihood(x, "negative-binomial")
    assert max(seen) == 4096
    assert chosen.high == 200
    expected = array.astype(np.float64).mean(0).tolist()
    assert chosen.typical_counts == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match=r"got 200 in example 9000 at \[2\]"):
        choose_likelihood(x, num_values=10)
    seen.clear()
    assert choose_likelihood(torch.full((5, 2**21), 7, dtype=torch.uint8)).name == "categorical"
    assert set(seen) == {1, 2}


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[0.0, 17]], {"num_values": 17}, r"0 to 16 .* got 17 in example 0 at \[1\]"),
        (
            [[0.0, 1], [0.0, 0.3]],
            {"name": "bernoulli"},
            r"got 0\.3 in example 1 .*; binarise",
        ),
        ([[0.0, 2]], {"name": "bernoulli"}, "static or dynamic, or choose discretized-logistic"),
        ([[0.0, 0.3]], {"name": "categorical"}, r"got 0\.3"),
        ([[0.0, 256]], {"name": "categorical"}, "0 to 255 .* got 256"),
        ([[0.0, 0.3]], {"name": "discretized-logistic"}, r"got 0\.3 .* round 255 times the value"),
        ([[0.0, -1]], {"name": "poisson"}, "got -1 .* raw counts"),
        ([[0.0, 1.5]], {"name": "negative-binomial"}, r"got 1\.5 .* raw counts"),
        ([[0.0], [torch.nan]], {}, "got nan in example 1"),
        ([[0.0, torch.inf]], {"name": "gaussian"}, "got inf"),
        ([[0.0, 2]], {"num_values": 1}, "num_values of at least 2, got 1"),
        ([[0.0, 2]], {"name": "gaussian", "num_values": 4}, "among low, .*, got num_values"),
        (
            [[0.0, 1]],
            {"options": {"scale": "network"}},
            "no options of the bernoulli likelihood, got scale",
        ),
        ([[0.0, 1]], {"name": "mixed"}, "expected spans"),
        ([[0.0, 1]], {"spans": []}, "at least one span"),
        ([[0.0, 1]], {"spans": SPANS}, r"shape \(N, 5\)"),
        ([[0.0, 1]], {"spans": [("numeric", 0, 1), ("numeric", 2, 3)]}, "adjacent spans"),
        ([[0.0, 1, 1, 1, 0]], {"spans": SPANS}, r"single 1 among zeros .* example 0 at \[2\]"),
        ([[0.0, 1, 0, 0.5, 0.5]], {"spans": SPANS}, "single 1 among zeros"),
    ],
)
def test_data_that_do_not_fit_are_refused(values, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        choose_likelihood(torch.tensor(values), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 4), (4,)])
def test_no_data_are_refused(shape):
    with pytest.raises(ValueError, match="got shape"):
        choose_likelihood(torch.zeros(shape))


def test_former_names_are_the_same_objects():
    from priory.data import Likelihood, choose_likelihood
    from priory.data.likelihoods import LIKELIHOODS, MixedLikelihood

    assert choose_likelihood is likelihoods.choose_likelihood
    assert Likelihood is likelihoods.Likelihood
    assert LIKELIHOODS is likelihoods.LIKELIHOODS
    assert MixedLikelihood is likelihoods.MixedLikelihood
    for kind in LIKELIHOODS.values():
        name = kind.decoder.__name__
        assert name in networks.__all__
        assert getattr(networks, name) is kind.decoder is getattr(likelihoods, name)
    for room in (networks, data):
        with pytest.raises(AttributeError, match="no attribute 'LaplaceDecoder'"):
            _ = room.LaplaceDecoder


def test_every_likelihood_is_in_the_table():
    assert {case.name for case in CASES.values()} == set(LIKELIHOODS)
    assert set(get_args(LikelihoodName)) == {"auto", *LIKELIHOODS}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_model_starts_well_and_learns(case):
    x = case.data(open_digits().x[:32])
    likelihood = choose_likelihood(x, case.name, **case.options)
    torch.manual_seed(1)
    encoder, decoder = make_networks(likelihood, x.shape[1:], 2, (32,), case.network)
    assert type(decoder) is likelihood.decoder
    vae = VAE(encoder, decoder, StandardPrior(2))
    optimizer = torch.optim.Adamax(vae.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        value = loss(vae, x)
        assert value.isfinite()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    start, end = np.mean(losses[:3]), np.mean(losses[-3:])
    assert end < start < 300 * x[0].numel()
    reconstruction = decoder(encoder(x).mean)
    assert reconstruction.sample().shape == x.shape
    likelihood.check(reconstruction.sample())
