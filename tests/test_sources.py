"""Data of every kind that users have, and what is said of those that are wrong."""

import gzip
import struct
import urllib.error
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from priory.data import open_data, open_like, open_mnist, open_source
from source_files import refused, write_idx, write_images, write_mnist

# Files of MNIST's kind


@pytest.mark.parametrize("end", ["", ".gz"])
def test_the_files_of_mnist_open(tmp_path, end):
    x, y = write_mnist(tmp_path / "clothes", end)
    for spec in (tmp_path / "clothes", f"mnist:{tmp_path / 'clothes'}"):
        source = open_source(spec)
        assert source.x.dtype == torch.uint8
        assert source.x.numpy().tobytes() == x.tobytes()
        assert source.labels.tolist() == y.tolist()
        assert source.part.tolist() == [0] * 10 + [1] * 2 + [2] * 4
    assert source.name == "mnist"
    assert len(source.label_names) == 10
    fashion = open_source(f"fashion-mnist:{tmp_path / 'clothes'}")
    assert fashion.label_names[:2] == ("T-shirt/top", "Trouser")
    one = open_source(tmp_path / "clothes" / f"train-images-idx3-ubyte{end}")
    assert one.x.equal(source.x[:12])
    assert one.part is None


def test_idx_files_of_every_type_open(tmp_path):
    for code, kind in ((0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0E, "f8")):
        array = np.arange(-6, 6).reshape(4, 3).astype(kind)
        write_idx(tmp_path / "x-ubyte", array, code)
        assert open_source(tmp_path / "x-ubyte").x.tolist() == array.tolist()


def test_idx_files_that_are_wrong_are_refused(tmp_path):
    path = tmp_path / "x-ubyte"
    array = np.zeros((5, 4), np.uint8)
    content = write_idx(path, array)
    for bad in (b"\1" + content[1:], content[:2] + b"\7" + content[3:], b"hello", b"\0\0\x08"):
        path.write_bytes(bad)
        refused(ValueError, "magic number 0x", path)
    path.write_bytes(content[:-3])
    refused(ValueError, r"expected 32 bytes .* \(5, 4\), got 29", path)
    path.write_bytes(content + b"0")
    refused(ValueError, "got 33", path)
    packed = gzip.compress(content)
    for bad in (packed[:-9], packed[:12], packed[:-8] + b"\0" * 8, packed[:10] + b"\xff" * 20):
        path.write_bytes(bad)
        refused(ValueError, "complete gzip file .* truncated or corrupt", path)
    path.write_bytes(b"")
    refused(ValueError, "got an empty file", path)
    write_mnist(tmp_path / "m")
    write_idx(tmp_path / "m" / "t10k-labels-idx1-ubyte", np.zeros(3, np.uint8))
    refused(ValueError, r"each of 4 examples in t10k-labels.*got .*\(3,\)", tmp_path / "m")
    (tmp_path / "m" / "t10k-labels-idx1-ubyte").unlink()
    refused(FileNotFoundError, "t10k-labels-idx1-ubyte", tmp_path / "m")
    refused(FileNotFoundError, "expected a folder", "mnist:nowhere")


def test_mnist_comes_from_openml_where_there_is_no_folder(monkeypatch):
    import sklearn.datasets

    def fetch(name, **settings):
        assert name == "mnist_784"
        data, target = np.zeros((70_000, 784), np.uint8), np.arange(70_000) % 10
        data[:, 1] = target
        return SimpleNamespace(data=data, target=target.astype(str).astype(object))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    source = open_mnist()
    assert source.x.shape == (70_000, 28, 28)
    assert source.part.bincount().tolist() == [50_000, 10_000, 10_000]
    assert source.labels.equal(source.x[:, 0, 1].long())

    def offline(name, **settings):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    refused(FileNotFoundError, "mnist:FOLDER", "mnist")


# Arrays


def test_arrays_stay_on_disk_in_their_own_type(tmp_path):
    for dtype, seen in ((np.uint8, torch.uint8), (">f4", torch.float32), ("u2", torch.int32)):
        array = np.arange(24).reshape(6, 2, 2).astype(dtype)
        np.save(tmp_path / "x.npy", array)
        x = open_source(tmp_path / "x.npy").x
        assert x.dtype == seen
        assert x.tolist() == array.tolist()
        whole = torch.cat([part.tensor() for part in open_data(tmp_path / "x.npy").parts])
        assert whole.dtype == torch.float32
        assert whole.sum() == array.sum()
    np.save(tmp_path / "x.npy", np.zeros((6, 2)))
    open_source(tmp_path / "x.npy").x.fill_(1)  # a private copy of the page
    assert np.load(tmp_path / "x.npy").sum() == 0


@pytest.mark.parametrize("kind", ["npz", "pt"])
def test_named_arrays_open(tmp_path, kind):
    path = tmp_path / f"mine.{kind}"

    def write(**arrays):
        if kind == "npz":
            np.savez(path, **arrays)
        else:
            torch.save({name: torch.as_tensor(a) for name, a in arrays.items()}, path)
        return open_source(path, validation=0)

    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    assert write(whatever=x).x.tolist() == x.tolist()
    assert write(data=x, y=y).labels.tolist() == y.tolist()
    found = write(x=x, labels=y, train=np.arange(6), validation=np.arange(6, 9), test=[9])
    assert found.part.tolist() == [0] * 6 + [1] * 3 + [2]
    found = write(train=x[:7], test=x[7:], train_labels=y[:7], test_labels=y[7:])
    assert found.x.tolist() == x.tolist()
    assert found.labels.tolist() == y.tolist()
    assert found.part.tolist() == [0] * 7 + [2] * 3
    assert write(x_train=x[:7], y_train=y[:7], x_test=x[7:], y_test=y[7:]).part.sum() == 6
    drawn = open_source(path, validation=0.2, seed=1).part
    assert (drawn == 1).sum() == 1
    assert drawn[7:].tolist() == [2] * 3
    for arrays, match in (
        ({"x": x, "z": y}, "got x, z"),
        ({"x": x, "labels": y[:9]}, "one label for each of 10"),
        ({"x": x, "labels": y - 0.5}, "whole numbers .* got -0.5 for example 0"),
        ({"x": x, "data": x, "y": y}, "got both"),
        ({"x": x, "train": np.arange(9)}, "example 9 in none"),
        ({"x": x, "train": np.arange(10), "test": [3]}, "each in only one part"),
        ({"x": x, "train": np.arange(11)}, "from 0 to 9"),
        ({"x": x, "train": x}, "positions of data"),
        ({"train": x, "test": x[:, :1]}, "same kind"),
        ({"train": x, "test": x, "y_train": y}, "for every part"),
    ):
        with pytest.raises(ValueError, match=match):
            write(**arrays)


def test_tensors_alone_are_loaded(tmp_path):
    path = tmp_path / "x.pt"
    for old in (False, True):
        torch.save(torch.ones(6, 2), path, _use_new_zipfile_serialization=not old)
        assert open_source(path).x.sum() == 12
    whole = path.read_bytes()

    class Code:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()",)

    for old in (False, True):
        torch.save({"x": Code()}, path, _use_new_zipfile_serialization=not old)
        refused(ValueError, "objects or code, which are never run", path)
    assert not (tmp_path / "ran").exists()
    torch.save({"x": torch.ones(6, 2), "epoch": 3}, path)
    refused(ValueError, "got int under 'epoch'", path)
    torch.save([1.0], path)
    refused(ValueError, "got list", path)
    for bad in (b"hello", whole[: len(whole) // 2]):
        path.write_bytes(bad)
        refused(ValueError, "truncated|damaged", path)


def test_wrong_values_are_named_wherever_they_are(tmp_path):
    x = np.zeros((50_000, 100), np.float32)  # more than a chunk
    x[40_000, 3] = np.nan
    np.save(tmp_path / "x.npy", x)
    refused(ValueError, r"got nan in example 40000 at \[3\]", tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", x[39_999:])
    refused(ValueError, r"got nan in example 1 at \[3\]", tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((1, 3)), "at least 2 examples"),
        (np.zeros((0, 3)), "at least 2 examples"),
        (np.zeros((5, 0)), "at least one value"),
        (np.zeros((5, 2), complex), "numeric array"),
        (np.zeros(5), "shape"),
    ],
)
def test_too_few_data_are_refused(tmp_path, array, match):
    np.save(tmp_path / "x.npy", array)
    refused(ValueError, match, tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", array)
    refused(ValueError, match, tmp_path / "x.npz")


def test_labels_may_lie_in_a_file_of_their_own(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((6, 2)))
    np.save(tmp_path / "y.npy", np.arange(6))
    write_idx(tmp_path / "y-ubyte", np.arange(6, dtype=np.uint8))
    for labels in ("y.npy", "y-ubyte"):
        source = open_source(tmp_path / "x.npy", labels=tmp_path / labels)
        assert source.labels.tolist() == list(range(6))
    for wrong, match in (
        (np.arange(5), r"for each of 6 examples in y\.npy, got labels of shape \(5,\)"),
        (np.arange(6) - 2, "got -2 for example 0"),
        (np.full(6, np.nan), "got nan for example 0"),
    ):
        np.save(tmp_path / "y.npy", wrong)
        refused(ValueError, match, tmp_path / "x.npy", labels=tmp_path / "y.npy")
    refused(FileNotFoundError, "no such file", tmp_path / "x.npy", labels=tmp_path / "no.npy")


# Folders of images


def test_a_folder_of_images_opens(tmp_path):
    image = pytest.importorskip("PIL.Image")
    write_images(tmp_path, a="b/1.png", b="a/2.png", c="a/1.bmp")
    (tmp_path / ".hidden").write_text("no image")
    source = open_source(tmp_path)
    assert source.x.shape == (3, 3, 2)
    assert source.x.dtype == torch.uint8
    assert source.labels.tolist() == [0, 0, 1]
    assert source.label_names == ("a", "b")
    assert source.x[2].tolist() == np.asarray(image.open(tmp_path / "b" / "1.png")).tolist()
    image.new("RGB", (2, 3), (9, 8, 7)).save(tmp_path / "b" / "3.png")
    with pytest.warns(UserWarning, match=r"3\.png is in colour \(mode RGB\) and .*1\.bmp is grey"):
        x = open_source(tmp_path).x
    assert x.shape == (4, 3, 3, 2)
    assert x[3, :, 0, 0].tolist() == [9, 8, 7]
    assert x[2].equal(source.x[2].expand(3, 3, 2))


def test_folders_of_images_may_be_the_split(tmp_path):
    write_images(tmp_path, a="train/a/1.png", b="train/b/2.png", c="val/a/1.png", d="test/b/1.png")
    source = open_source(tmp_path)
    assert source.part.tolist() == [2, 0, 0, 1]
    assert source.labels.tolist() == [1, 0, 1, 0]


def test_folders_without_images_of_one_kind_are_refused(tmp_path):
    pytest.importorskip("PIL.Image")
    refused(ValueError, "empty folder", tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    refused(ValueError, r"got .*notes\.txt, which is not an image", tmp_path)
    (tmp_path / "notes.txt").unlink()
    write_images(tmp_path, sizes=((3, 2), (3, 2), (4, 2)))
    refused(ValueError, r"2 by 3 pixels in .*0\.png and 2 by 4 in .*2\.png", tmp_path)
    (tmp_path / "2.png").unlink()
    (tmp_path / "0.png").unlink()
    write_images(tmp_path, mode="RGBA", a="1.png")
    refused(ValueError, r"1\.png with transparent pixels", tmp_path)
    write_images(tmp_path, mode="I;16", a="1.png")
    refused(ValueError, r"8 bits per channel, got mode I;16 in .*1\.png", tmp_path)
    write_images(tmp_path, sizes=((30, 20),), mode="RGB", a="0.png", b="1.png")
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[:-300])
    refused(ValueError, r"1\.png, which is truncated", tmp_path)
    (tmp_path / "1.png").unlink()
    write_images(tmp_path, sizes=((30, 20),), mode="RGB", a="b/1.png")
    refused(ValueError, r"got 0\.png outside these folders", tmp_path)


# Whatever the kind


def test_unknown_sources_are_refused(tmp_path):
    refused(ValueError, "did you mean digits", "digit")
    refused(ValueError, "expected data by name", "")
    refused(ValueError, "did you mean fashion-mnist", "fashion_mnist")
    refused(FileNotFoundError, "found no such file", tmp_path / "x.npy")
    refused(FileNotFoundError, r"did you mean .*x\.npy", tmp_path / "x.npyy")
    (tmp_path / "x.parq").write_text("x")
    refused(ValueError, r"did you mean \.parquet", tmp_path / "x.parq")
    refused(ValueError, "no options of digits, got label", "digits", options={"label": "a"})
    for name in ("x.npy", "x.npz", "x.pt", "x.csv", "x.parquet", "x.h5ad", "x-ubyte"):
        (tmp_path / name).write_bytes(b"")
        refused(ValueError, "got an empty file", tmp_path / name)
    (tmp_path / "d.npy").mkdir()
    refused(ValueError, "empty folder", tmp_path / "d.npy")


def test_further_arrays_are_held_to_the_first(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((6, 2)))
    np.save(tmp_path / "b.npy", np.ones((4, 2)))
    np.save(tmp_path / "c.npy", np.ones((4, 3)))
    source = open_source(tmp_path / "a.npy")
    assert open_like(source, tmp_path / "b.npy").x.sum() == 8
    with pytest.raises(ValueError, match=r"shape \(2,\), in .* got torch.float64 of shape \(3,\)"):
        open_like(source, tmp_path / "c.npy")


def test_further_images_keep_the_numbers_of_the_labels(tmp_path):
    write_images(tmp_path / "train", a="cat/1.png", b="dog/1.png")
    write_images(tmp_path / "further", a="dog/1.png", b="dog/2.png")
    source = open_source(tmp_path / "train")
    assert open_like(source, tmp_path / "further").labels.tolist() == [1, 1]
    write_images(tmp_path / "further", a="emu/1.png")
    with pytest.raises(ValueError, match="'emu'"):
        open_like(source, tmp_path / "further")


def test_files_without_arrays_are_refused(tmp_path):
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


def test_no_more_is_unpacked_than_an_idx_file_says_it_holds(tmp_path):
    head = b"\0\0\x08\x02" + struct.pack(">2I", 3, 2)
    for body, message in (
        (bytes(6), None),
        (bytes(50_000_000), "expected 18 bytes .* got more"),
        (bytes(5), "expected 18 bytes .* got 17"),
    ):
        path = tmp_path / "x-ubyte.gz"
        path.write_bytes(gzip.compress(head + body, 1))
        if message is None:
            assert open_source(path).x.shape == (3, 2)
        else:
            refused(ValueError, message, path)
    for shape, message in (((2**32 - 1, 0), "got none"), ((2**31, 2**31), "at most 1 GiB")):
        path.write_bytes(gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", *shape)))
        refused(ValueError, message, path)
