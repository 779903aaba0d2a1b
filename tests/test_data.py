"""From sources to tensors."""

import numpy as np
import pytest
import torch

from priory.data import Batches, Part, Source, open_data, split


def test_digits_are_split_as_published():
    splits = open_data("digits")
    assert [(len(part), *part.data_shape) for part in splits.parts] == [
        (1000, 8, 8),
        (350, 8, 8),
        (447, 8, 8),
    ]
    assert splits.train.values.aminmax() == (0, 16)
    assert splits.train.labels[:4].tolist() == [0, 1, 2, 3]
    assert splits.num_labels == 10


def test_a_random_split_holds_every_datum_once():
    x = torch.arange(103.0).view(-1, 1)
    source = Source("numbers", x, labels=torch.arange(103))

    def parts(seed):
        splits = split(source, seed=seed)
        assert all(part.tensor().flatten().equal(part.labels.float()) for part in splits.parts)
        return [part.tensor() for part in splits.parts]

    assert [len(part) for part in parts(1)] == [83, 10, 10]
    assert torch.cat(parts(1)).sort(0).values.equal(x)
    assert parts(1)[0].equal(parts(1)[0])
    assert not parts(1)[0].equal(parts(2)[0])
    with pytest.raises(ValueError, match="got 2"):
        split(Source("two", x[:2]))


def test_grey_values_are_drawn_as_zeros_and_ones():
    x = torch.tensor([[0.0, 4, 8]]).expand(3000, 3)
    splits = split(Source("grey", x))
    dynamic, static = (splits.binarised(how, 8.0) for how in ("dynamic", "static"))
    for part in (dynamic.validation, static.train, static.test):
        drawn = part.tensor()
        assert ((drawn == 0) | (drawn == 1)).all()
        assert drawn[:, 0].sum() == 0
        assert drawn[:, 2].mean() == 1
        assert drawn[:, 1].mean().item() == pytest.approx(0.5, abs=0.1)
    assert dynamic.train.tensor().equal(splits.train.tensor() / 8)
    assert static.train.tensor().equal(splits.binarised("static", 8.0).train.tensor())
    assert not static.train.tensor().equal(splits.binarised("static", 8.0, 1).train.tensor())

    def epoch(part, number):
        batches = Batches(part, 500, seed=0)
        batches.set_epoch(number)
        order, drawn = (
            torch.cat(t) for t in zip(*((b.position, b.x) for b in batches), strict=True)
        )
        return drawn[order.argsort()]

    assert epoch(dynamic.train, 0).equal(epoch(dynamic.train, 0))
    assert not epoch(dynamic.train, 0).equal(epoch(dynamic.train, 1))
    assert epoch(static.train, 0).equal(epoch(static.train, 1))


@pytest.mark.parametrize("grey", [None, 10.0])
def test_processes_share_a_batch(grey):
    part = Part(torch.arange(10.0), torch.arange(10), torch.arange(10) % 3, grey)
    whole = list(Batches(part, 4, seed=0))
    shares = []
    for process in range(3):
        batches = Batches(part, 4, seed=0)
        batches.set_process(process, 3)
        shares.append(list(batches))
    for batch, *mine in zip(whole, *shares, strict=True):
        assert [share.total for share in mine] == [batch.total] * 3
        if batch.total >= 3:
            for name in ("x", "position", "labels"):
                assert torch.cat([getattr(s, name) for s in mine]).equal(getattr(batch, name))
            assert all(s.x.equal(batch.x[s.start : s.start + len(s.x)]) for s in mine)
        else:  # too few to share
            assert all(s.x.equal(batch.x) and s.start == 0 for s in mine)


def test_batches_hold_every_datum_once_in_an_order_of_seed_and_epoch():
    x = torch.arange(10.0)
    part = Part(x, torch.arange(10))

    def order(seed, epoch):
        batches = Batches(part, 4, seed=seed)
        batches.set_epoch(epoch)
        assert len(batches) == len(list(batches)) == 3
        return torch.cat([batch.x for batch in batches])

    assert order(0, 1).sort().values.equal(x)
    assert order(0, 1).equal(order(0, 1))
    assert not order(0, 1).equal(order(0, 2))
    assert not order(0, 1).equal(order(1, 1))
    assert torch.cat([batch.x for batch in Batches(part, 4)]).equal(x)
    with pytest.raises(ValueError, match="0 data"):
        Batches(Part(x, torch.arange(0)), 4)


def test_an_array_opens(tmp_path):
    array = np.random.default_rng(0).integers(0, 5, (50, 3, 3)).astype(np.uint8)
    np.save(tmp_path / "mine.npy", array)
    splits = open_data(str(tmp_path / "mine.npy"), seed=3)
    assert splits.name == "mine"
    assert splits.train.values.dtype == torch.uint8  # on disk, as it was written
    whole = torch.cat([part.tensor() for part in splits.parts])
    assert whole.dtype == torch.float32
    assert whole.sum() == array.sum()


def test_files_that_are_no_arrays_are_refused(tmp_path):
    def refused(error, match):
        with pytest.raises(error, match=match):
            open_data(str(path))

    path = tmp_path / "x.npy"
    refused(FileNotFoundError, "found no such file")
    np.save(path, np.zeros((20, 4)))
    whole = path.read_bytes()
    for content in (b"hello", whole[:40], whole[:-8]):
        path.write_bytes(content)
        refused(ValueError, "truncated or not in NumPy's format")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(ValueError, "truncated or not in NumPy's format")
    for array in (np.array(["a", "b"]), np.zeros(3)):
        np.save(path, array)
        refused(ValueError, "numeric array")
    with pytest.raises(ValueError, match="did you mean digits"):
        open_data("digit")
