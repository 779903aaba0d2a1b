"""From sources to tensors."""

import numpy as np
import pytest
import torch

from priory.data import Batches, choose_likelihood, open_data, open_digits, split_at_random


def test_digits_are_split_as_published():
    splits = open_digits()
    assert [tuple(part.shape) for part in (splits.train, splits.validation, splits.test)] == [
        (1000, 8, 8),
        (350, 8, 8),
        (447, 8, 8),
    ]
    assert splits.all.aminmax() == (0, 16)


def test_a_random_split_holds_every_datum_once():
    x = torch.arange(103.0).view(-1, 1)
    splits = split_at_random(x, "numbers", seed=1)
    assert splits.all.flatten().sort().values.equal(x.flatten())
    assert splits.train.equal(split_at_random(x, "numbers", seed=1).train)
    assert not splits.train.equal(split_at_random(x, "numbers", seed=2).train)
    with pytest.raises(ValueError, match="got 2"):
        split_at_random(x[:2], "two")


def test_batches_hold_every_datum_once_in_an_order_of_seed_and_epoch():
    x = torch.arange(10.0)

    def order(seed, epoch):
        batches = Batches(x, 4, seed=seed)
        batches.set_epoch(epoch)
        assert len(batches) == len(list(batches)) == 3
        return torch.cat([batch for batch, _ in batches])

    assert order(0, 1).sort().values.equal(x)
    assert order(0, 1).equal(order(0, 1))
    assert not order(0, 1).equal(order(0, 2))
    assert not order(0, 1).equal(order(1, 1))
    assert torch.cat([batch for batch, _ in Batches(x, 4)]).equal(x)
    with pytest.raises(ValueError, match="0 data"):
        Batches(x[:0], 4)


def test_an_array_opens(tmp_path):
    array = np.random.default_rng(0).integers(0, 5, (50, 3, 3)).astype(np.uint8)
    np.save(tmp_path / "mine.npy", array)
    splits = open_data(str(tmp_path / "mine.npy"), seed=3)
    assert splits.name == "mine"
    assert splits.all.dtype == torch.float32
    assert splits.all.sum() == array.sum()


@pytest.mark.parametrize(
    ("x", "name", "num_values"),
    [
        (torch.tensor([[0.0, 1]]), "bernoulli", 2),
        (torch.tensor([[0.0, 0]]), "bernoulli", 2),
        (torch.tensor([[0.0, 16]]), "categorical", 17),
        (torch.tensor([[255.0, 3]]), "categorical", 256),
    ],
)
def test_the_likelihood_follows_from_the_values(x, name, num_values):
    chosen = choose_likelihood(x)
    assert (chosen.name, chosen.num_values) == (name, num_values)
    assert chosen.data_range == (0, num_values - 1)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (torch.tensor([[0.0, 17]]), {"num_values": 17}, r"0 to 16 .* got 17 in datum 0 at \[1\]"),
        (torch.tensor([[0.0, 0.3]]), {"name": "bernoulli"}, r"got 0\.3 in datum 0"),
        (torch.tensor([[0.0, 2]]), {"name": "bernoulli"}, "got 2 in datum 0"),
        (torch.tensor([[0.0, 0.3]]), {}, r"got 0\.3"),
        (torch.tensor([[0.0, -1]]), {}, "got -1"),
        (torch.tensor([[0.0, 256]]), {}, "got 256"),
        (torch.tensor([[0.0], [torch.nan]]), {}, "got nan in datum 1"),
        (torch.tensor([[0.0, torch.inf]]), {}, "got inf"),
        (torch.zeros(0, 4), {}, r"got shape \(0, 4\)"),
        (torch.zeros(4), {}, r"got shape \(4,\)"),
        (torch.zeros(4, 2), {"num_values": 1}, "at least two values"),
    ],
)
def test_data_that_fit_no_likelihood_are_refused(x, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        choose_likelihood(x, **options)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_arrays_are_refused(tmp_path):
    def refused(error, match):
        with pytest.raises(error, match=match):
            open_data(str(path))

    path = tmp_path / "x.npy"
    refused(FileNotFoundError, "found no such file")
    np.save(path, np.zeros((20, 4)))
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[:40], whole[:-8]):
        path.write_bytes(content)
        refused(ValueError, "truncated or not in NumPy's format")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(ValueError, "truncated or not in NumPy's format")
    for array in (np.array(["a", "b"]), np.zeros(3)):
        np.save(path, array)
        refused(ValueError, "numeric array")
    with pytest.raises(ValueError, match="did you mean digits"):
        open_data("digit")
