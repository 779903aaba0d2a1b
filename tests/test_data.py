"""From sources to tensors."""

import re

import pytest
import torch

from priory.data import (
    Batches,
    Part,
    Source,
    assign_parts,
    binarise,
    complete_parts,
    describe,
    grey_range,
    open_data,
    open_source,
    split,
)
from source_files import people, write_mnist


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


def test_a_random_split_holds_every_example_once():
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


def test_batches_hold_every_example_once_in_an_order_of_seed_and_epoch():
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
    with pytest.raises(ValueError, match="0 examples"):
        Batches(Part(x, torch.arange(0)), 4)


def test_what_a_split_leaves_out_is_drawn():
    part = torch.tensor([0] * 40 + [2] * 5)
    drawn = complete_parts(part, seed=1)
    assert drawn.bincount().tolist() == [36, 4, 5]
    assert drawn[40:].tolist() == [2] * 5
    assert drawn.equal(complete_parts(part, seed=1))
    assert not drawn.equal(complete_parts(part, seed=2))
    assert complete_parts(torch.zeros(40)).equal(assign_parts(40))
    assert complete_parts(torch.tensor([0] * 40 + [1] * 5)).bincount().tolist() == [36, 5, 4]
    assert complete_parts(part, validation=0).equal(part)


def test_data_are_described(tmp_path):
    write_mnist(tmp_path / "m")
    said = describe(open_source(tmp_path / "m"))
    assert re.fullmatch(
        r"m: 16 images of 3.2 \(uint8, \d+ to \d+\), 3 labels \(0, 1, 2; 5 to 6 examples each\); "
        r"10 to train, 2 to validate, 4 to test\.",
        said,
    )
    people().to_csv(tmp_path / "p.csv", index=False)
    said = describe(open_source(tmp_path / "p.csv", options={"label": "class"}))
    assert "60 rows of 3 numeric and 2 categorical columns in 8 dimensions" in said
    assert "data of 5 (float32, 0 to 1)" in describe(Source("x", torch.eye(5)))


def test_grey_images_are_drawn_as_zeros_and_ones():
    p = torch.tensor([0.0, 0.2, 0.7, 1.0]).expand(20_000, 4)
    drawn = binarise(p, torch.Generator().manual_seed(0))
    assert ((drawn == 0) | (drawn == 1)).all()
    error = 5 * (p[0] * (1 - p[0]) / len(p)).sqrt()  # five standard errors
    assert ((drawn.mean(0) - p[0]).abs() <= error).all()
    assert drawn.equal(binarise(p, torch.Generator().manual_seed(0)))
    assert not drawn.equal(binarise(p, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([3, 200], torch.uint8, (0, 255)),
        ([0, 16], torch.uint8, (0, 16)),
        ([0.2, 0.7], torch.float32, (0, 1)),
        ([0, 16.0], torch.float32, (0, 16)),
        ([-1, 1], torch.float32, (-1, 1)),
        ([2, 9], torch.int64, (0, 9)),
    ],
)
def test_the_range_of_grey_follows_from_type_and_values(values, dtype, expected):
    assert grey_range(torch.tensor([values], dtype=dtype)) == expected
    with pytest.raises(ValueError, match="every pixel"):
        grey_range(torch.full((3, 2), values[1], dtype=dtype))
