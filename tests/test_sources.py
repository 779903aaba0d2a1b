"""Data of every kind that users have, and what is said of those that are wrong."""

import gzip
import json
import re
import struct
import urllib.error
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from priory.cli import main
from priory.data import (
    Column,
    Columns,
    Source,
    assign_parts,
    binarise,
    complete_parts,
    describe,
    grey_range,
    open_data,
    open_like,
    open_mnist,
    open_source,
    open_table,
)
from test_docs import blocks


def write_idx(path: Path, array: np.ndarray, code: int = 0x08) -> bytes:
    content = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content += array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return content


def write_mnist(folder: Path, end: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Write 12 + 4 images of 3×2 as MNIST's files are, and return them with their labels."""
    folder.mkdir(exist_ok=True)
    x = np.random.default_rng(0).integers(0, 256, (16, 3, 2)).astype(np.uint8)
    y = np.arange(16).astype(np.uint8) % 3
    for start, rows in (("train", slice(12)), ("t10k", slice(12, 16))):
        write_idx(folder / f"{start}-images-idx3-ubyte{end}", x[rows])
        write_idx(folder / f"{start}-labels-idx1-ubyte{end}", y[rows])
    return x, y


def write_images(folder: Path, sizes=((3, 2),), mode="L", **files: str) -> None:
    """Write one image of random pixels for each size, or for each file that is named."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    named = list(files.values()) or [f"{k}.png" for k in range(len(sizes))]
    for k, name in enumerate(named):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*sizes[k % len(sizes)], 4)).astype(np.uint8)
        image.fromarray(pixels, "RGBA").convert(mode).save(folder / name)


def refused(error: type[Exception], match: str, spec, **arguments) -> None:
    """Expect one sentence."""
    with pytest.raises(error, match=match) as caught:
        open_source(spec, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(r"\.$|\?$", message), message


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
        refused(ValueError, "whole gzip file .* truncated or corrupt", path)
    path.write_bytes(b"")
    refused(ValueError, "got an empty file", path)
    write_mnist(tmp_path / "m")
    write_idx(tmp_path / "m" / "t10k-labels-idx1-ubyte", np.zeros(3, np.uint8))
    refused(ValueError, r"each of 4 data in t10k-labels.*got .*\(3,\)", tmp_path / "m")
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
        ({"x": x, "labels": y - 0.5}, "whole numbers .* got -0.5 for datum 0"),
        ({"x": x, "data": x, "y": y}, "got both"),
        ({"x": x, "train": np.arange(9)}, "datum 9 in none"),
        ({"x": x, "train": np.arange(10), "test": [3]}, "each in one part alone"),
        ({"x": x, "train": np.arange(11)}, "from 0 to 9"),
        ({"x": x, "train": x}, "positions of data"),
        ({"train": x, "test": x[:, :1]}, "one kind"),
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
    refused(ValueError, r"got nan in datum 40000 at \[3\]", tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", x[39_999:])
    refused(ValueError, r"got nan in datum 1 at \[3\]", tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((1, 3)), "at least 2 data"),
        (np.zeros((0, 3)), "at least 2 data"),
        (np.zeros((5, 0)), "one value or more"),
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
        (np.arange(5), r"for each of 6 data in y\.npy, got labels of shape \(5,\)"),
        (np.arange(6) - 2, "got -2 for datum 0"),
        (np.full(6, np.nan), "got nan for datum 0"),
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
    refused(ValueError, r"got .*notes\.txt, which is none", tmp_path)
    (tmp_path / "notes.txt").unlink()
    write_images(tmp_path, sizes=((3, 2), (3, 2), (4, 2)))
    refused(ValueError, r"2 by 3 pixels in .*0\.png and 2 by 4 in .*2\.png", tmp_path)
    (tmp_path / "2.png").unlink()
    write_images(tmp_path, mode="RGBA", a="1.png")
    refused(ValueError, r"1\.png with transparent pixels", tmp_path)
    write_images(tmp_path, mode="I;16", a="1.png")
    refused(ValueError, r"8 bits a channel, got mode I;16 in .*1\.png", tmp_path)
    write_images(tmp_path, sizes=((30, 20),), mode="RGB", a="0.png", b="1.png")
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[:-300])
    refused(ValueError, r"1\.png, which is truncated", tmp_path)
    (tmp_path / "1.png").unlink()
    write_images(tmp_path, sizes=((30, 20),), mode="RGB", a="b/1.png")
    refused(ValueError, r"got 0\.png beside such folders", tmp_path)


# Tables


def people(n: int = 60, seed: int = 0):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "height": rng.normal(170, 10, n),
            "eyes": rng.choice(["blue", "brown", "green"], n),
            "children": rng.integers(0, 4, n),
            "born": 1.7e9 + rng.normal(0, 3, n),
            "left": rng.random(n) < 0.5,
            "class": rng.choice(["x", "y"], n),
        }
    )


@pytest.mark.parametrize("end", [".csv", ".csv.gz", ".tsv", ".parquet"])
def test_a_table_becomes_numbers_and_back(tmp_path, end):
    table = people()
    path = tmp_path / f"people{end}"
    if end == ".parquet":
        pytest.importorskip("pyarrow")
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if end == ".tsv" else ",")
    options = {"label": "class", "categorical": ["children"]}
    source = open_source(path, seed=3, options=options)
    assert source.x.shape == (60, 1 + 3 + 4 + 1 + 2)
    assert source.part.equal(assign_parts(60, seed=3))
    assert source.labels.tolist() == [["x", "y"].index(name) for name in table["class"]]
    kinds = ["numeric", "categorical", "categorical", "numeric", "categorical"]
    assert [kind for kind, _, _ in source.columns.spans] == kinds
    # an independent reference, row by row, from the training rows alone
    training = [row for row in range(60) if source.part[row] == 0]
    heights = [table["height"][row] for row in training]
    mean = sum(heights) / len(heights)
    scale = (sum((h - mean) ** 2 for h in heights) / len(heights)) ** 0.5
    for row in range(60):
        expected = [(table["height"][row] - mean) / scale]
        expected += [float(table["eyes"][row] == name) for name in ("blue", "brown", "green")]
        expected += [float(table["children"][row] == number) for number in range(4)]
        assert source.x[row, :8].tolist() == pytest.approx(expected, abs=1e-5)
    assert source.x[training][:, [0, 8]].mean(0).abs().max() < 1e-5
    assert source.x[training][:, 8].std(correction=0) == pytest.approx(1, abs=1e-5)

    back = source.columns.decode(source.x)
    assert back["height"].tolist() == pytest.approx(table["height"].tolist(), abs=1e-4)
    assert back["born"].tolist() == pytest.approx(table["born"].tolist(), abs=1e-5)
    for name in ("eyes", "children", "left"):
        assert back[name].tolist() == table[name].tolist()
    again = Columns.from_json(json.loads(json.dumps(source.columns.to_json())))
    assert again == source.columns
    assert again.encode(table).equal(source.x)
    assert splits_of(path, options) == [48, 6, 6]


def splits_of(path: Path, options: dict[str, object]) -> list[int]:
    return [len(part) for part in open_data(str(path), options=options).parts]


def test_further_tables_are_read_as_the_first(tmp_path):
    table, other = people(), people(7, seed=1)
    table.to_csv(tmp_path / "train.csv", index=False)
    options = {"label": "class", "drop": ["children"]}
    source = open_source(tmp_path / "train.csv", validation=0, test=0, options=options)
    assert (source.part == 0).all()
    other = other.assign(left=True, **{"class": "y"})  # constant, but not what was trained on
    other.to_csv(tmp_path / "test.csv", index=False)
    further = open_like(source, tmp_path / "test.csv")
    assert further.x.equal(source.columns.encode(other))
    assert further.labels.tolist() == [1] * 7
    other[["born", "left", "eyes", "height"]].to_csv(tmp_path / "test.csv", index=False)
    assert open_like(source, tmp_path / "test.csv").x.equal(further.x)
    assert open_like(source, tmp_path / "test.csv").labels is None
    for wrong, match in (
        (other.drop(columns="born"), "expected the column 'born' in test.csv"),
        (other.assign(age=3), "got 'age'; drop it"),
        (other.assign(eyes=["grey"] * 7), "one of 'blue', .* in column 'eyes' .* 'grey' in row 0"),
        (other.assign(born=["x", *"123456"]), "number in column 'born' .* got 'x' in row 0"),
        (other.assign(born=[1, None, *range(5)]), "value in column 'born' .* none in row 1"),
        (other.assign(**{"class": "z"}), "'x', 'y' in column 'class' .* got 'z' in row 0"),
    ):
        wrong.to_csv(tmp_path / "test.csv", index=False)
        with pytest.raises(ValueError, match=match):
            open_like(source, tmp_path / "test.csv")


@pytest.mark.parametrize(
    ("content", "options", "match"),
    [
        ("a,b\n1,2\n3,x\n5,6\n", {}, "number in column 'b' of t.csv, got 'x' in row 1"),
        ("a,b\n1,2\n3,\n5,6\n", {}, "value in column 'b' of t.csv, got none in row 1"),
        ("a,b\n1,x\n3,\n5,y\n", {}, "value in column 'b' of t.csv, got none in row 1"),
        ("a,b\n1,2\n1,3\n1,4\n", {}, "column 'a' of t.csv, got 1.0 alone .* drop it"),
        ("a,b\nu,2\nu,3\nu,4\n", {}, "column 'a' of t.csv, got 'u' alone .* drop it"),
        ("a,b\n1,1e308\n2,-1e308\n4,1e308\n", {}, "scale above zero in column 'b'"),
        ("a,b\n1,x\n2,y\n4,z\n", {}, "at most 2 categories in column 'b' .* got 3; drop it"),
        ("a,b\n1,inf\n2,3\n4,5\n", {}, "finite numbers in column 'b' .* got inf in row 0"),
        ("a,b\n1,2\n3,4,5\n", {}, "Expected 2 fields in line 3, saw 3"),
        ("a,b\n1,2,3\n4,5,6\n", {}, "cannot be read as one"),
        ("a,b\n", {}, "got a table without any"),
        ("\n", {}, "cannot be read as one"),
        ("", {}, "empty file"),
        ("a,b\n1,2\n", {}, "at least 2 rows to train on in t.csv, got 1"),
        ("a;b\n1;2\n3;4\n", {}, "say separator=';'"),
        (",a\n0,1\n1,2\n2,5\n", {}, "got column 0 without"),
        ("a,b\n1,2\n2,3\n3,5\n", {"label": "c"}, "expected a column of t.csv, got 'c'"),
        ("age,b\n1,2\n2,3\n3,5\n", {"drop": ["agee"]}, "did you mean 'age'"),
        ("a,b\n1,2\n2,3\n3,5\n", {"drop": ["a", "b"]}, "expected a column of data"),
        ("a,b\n1,2.5\n2,3\n3,5\n", {"label": "b"}, "classes in column 'b'"),
        ("a,b\n1,\n2,3\n3,5\n", {"label": "b"}, "column 'b' of t.csv, got none in row 0"),
        ("a,b\n1,train\n2,tset\n3,test\n", {"part": "b"}, "got 'tset' in row 1"),
        ("a,b\n1,test\n2,test\n3,test\n", {"part": "b"}, "data to train on"),
        ("a,b\n1,2\n2,3\n3,5\n", {"colour": "red"}, "options .* among label, part, .* got colour"),
    ],
)
def test_tables_that_are_wrong_are_refused(tmp_path, content, options, match):
    pytest.importorskip("pandas")
    (tmp_path / "t.csv").write_text(content)
    refused(ValueError, match, tmp_path / "t.csv", validation=0, test=0, options=options)


def test_a_constant_column_is_one_that_is_so_in_the_rows_to_train_on(tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "t.csv").write_text("a,b,part\n1,1,train\n2,1,train\n3,2,val\n4,3,test\n")
    refused(ValueError, "column 'b'", tmp_path / "t.csv", options={"part": "part"})
    source = open_table(tmp_path / "t.csv", part="part", drop=["b"])
    assert source.part.tolist() == [0, 0, 1, 2]
    assert source.x.flatten().tolist() == [-1, 1, 3, 5]
    assert source.columns.names == ("a",)


def test_gaps_are_filled_from_the_rows_to_train_on(tmp_path):
    pytest.importorskip("pandas")
    rows = ["1,u,train", "2,v,train", "6,v,train", ",,train", "100,u,val", "3,u,test"]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,part", *rows]))
    for number, category, filled in (
        ("mean", "frequent", (3.0, "v")),
        ("median", "own", (2.0, "missing")),
    ):
        source = open_table(
            tmp_path / "t.csv", part="part", missing_numbers=number, missing_categories=category
        )
        back = source.columns.decode(source.x)
        assert (back["a"][3], back["b"][3]) == (pytest.approx(filled[0], abs=1e-6), filled[1])
        assert back["a"][4] == pytest.approx(100, abs=1e-4)
    assert source.columns.spans == [("numeric", 0, 1), ("categorical", 1, 4)]
    (tmp_path / "t.csv").write_text("a,b\n1,\n2,\n3,\n")
    for missing in ("frequent", "own"):
        options = {"missing_categories": missing, "categorical": ["b"]}
        with pytest.raises(ValueError, match=r"column 'b' .* got none"):
            open_table(tmp_path / "t.csv", validation=0, test=0, **options)


def test_a_column_of_names_is_refused(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": np.arange(300), "name": [f"n{k}" for k in range(300)]})
    table.to_csv(tmp_path / "t.csv", index=False)
    refused(ValueError, "at most 256 categories in column 'name' .* got 300", tmp_path / "t.csv")
    source = open_source(tmp_path / "t.csv", options={"categorical": ["name"]})
    assert source.x.shape == (300, 301)


def test_files_that_are_no_parquet_and_dates_are_refused(tmp_path):
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    table = people()
    table.to_parquet(path)
    for bad in (b"hello", path.read_bytes()[:-50]):
        path.write_bytes(bad)
        refused(ValueError, "not in Parquet's format", path)
    twice = arrow.table([[1.0, 2], [3.0, 5]], names=["a", "a"])
    arrow.parquet.write_table(twice, path)
    refused(ValueError, "got 'a' twice", path)
    table.assign(when=pandas.Timestamp("2020-01-01")).to_parquet(path)
    refused(ValueError, "column 'when' .* got datetime64", path)
    table.assign(bag=[[1, 2]] * 60).to_parquet(path)
    refused(ValueError, "column 'bag'", path)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Column("a", "categorical", categories=("x",)), "at least two categories"),
        (lambda: Column("a", "numeric", scale=0.0), "a scale above zero"),
        (lambda: Columns(()), "one or more columns"),
        (lambda: Columns((Column("a", "numeric"),) * 2), "name of its own"),
        (lambda: Columns((Column("a", "numeric"),)).decode(torch.zeros(3, 2)), "got 2"),
        (lambda: Columns.from_json({"columns": []}), "one or more|label"),
    ],
)
def test_columns_that_make_no_sense_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# Counts


def write_counts(path: Path, *arguments, **layers) -> None:
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    with (
        pandas.option_context("mode.string_storage", "python"),
        anndata.settings.override(allow_write_nullable_strings=True),
    ):
        frames = [
            pandas.DataFrame({name: list(frame[name]) for name in frame}, index=list(frame.index))
            for frame in arguments[1:]
        ]
        anndata.AnnData(arguments[0], *frames, layers=layers).write_h5ad(path)


@pytest.mark.parametrize("storage", ["dense", "csr", "csc"])
def test_counts_open(tmp_path, storage):
    pandas = pytest.importorskip("pandas")
    from scipy import sparse

    store = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[storage]
    counts = np.random.default_rng(0).poisson(1.0, (9, 4)).astype(np.float32)
    cells = pandas.DataFrame(
        {"type": list("abcabcabc"), "part": ["train"] * 7 + ["val", "test"]},
        index=[f"cell{k}" for k in range(9)],
    )
    genes = pandas.DataFrame(index=["g1", "g2", "g3", "g4"])
    path = tmp_path / "cells.h5ad"
    write_counts(path, store(counts), cells, genes, scaled=store(np.log1p(counts)))
    source = open_source(path, options={"label": "type", "part": "part"})
    assert source.x.dtype == torch.int32
    assert source.x.tolist() == counts.tolist()
    assert source.labels.tolist() == [0, 1, 2] * 3
    assert source.part.tolist() == [0] * 7 + [1, 2]
    assert source.columns.names == ("g1", "g2", "g3", "g4")
    assert source.columns.decode(source.x.float()).to_numpy().tolist() == counts.tolist()
    assert "9 rows of 4 counts" in describe(source)
    refused(ValueError, "from 0 and .* in column .* got 0.69", path, options={"layer": "scaled"})
    refused(ValueError, "under one of X, scaled, got 'raw'", path, options={"layer": "raw"})
    refused(ValueError, "did you mean 'type'", path, options={"label": "typ"})

    write_counts(tmp_path / "other.h5ad", store(counts), cells, genes[::-1])
    with pytest.raises(ValueError, match="got 'g4' for 'g1'"):
        open_like(source, tmp_path / "other.h5ad")
    counts[3, 1] = -1
    write_counts(path, store(counts), cells, genes)
    refused(ValueError, "counts.* in column 'g2' of cells.h5ad, got -1 in row 3", path)
    path.write_bytes(path.read_bytes()[:1000])
    refused(ValueError, "not in AnnData's format", path)


def test_counts_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    cells, genes = pandas.DataFrame(index=list("abcd")), pandas.DataFrame(index=list("xyz"))
    write_counts(tmp_path / "x.h5ad", np.ones((4, 3), np.float32), cells, genes)
    monkeypatch.setattr("priory.data.sources.counts.MOST_BYTES", 40)
    refused(ValueError, "4 cells of 3 genes, .* most variable genes", tmp_path / "x.h5ad")


# Whatever the kind


def test_sources_that_are_none_are_refused(tmp_path):
    refused(ValueError, "did you mean digits", "digit")
    refused(ValueError, "expected data by name", "")
    refused(ValueError, "did you mean fashion-mnist", "fashion_mnist")
    refused(FileNotFoundError, "found no such file", tmp_path / "x.npy")
    refused(FileNotFoundError, r"did you mean .*x\.npy", tmp_path / "x.npyy")
    (tmp_path / "x.parq").write_text("x")
    refused(ValueError, r"did you mean \.parquet", tmp_path / "x.parq")
    refused(ValueError, "options of digits among none, got label", "digits", options={"label": "a"})
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
        r"m: 16 images of 3.2 \(uint8, \d+ to \d+\), 3 labels \(0, 1, 2; 5 to 6 data each\); "
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


def test_the_guide_runs(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    people().assign(id=range(60)).to_csv("people.csv", index=False)
    people(5, seed=1).to_csv("others.csv", index=False)
    counts = np.random.default_rng(0).poisson(1.0, (6, 3)).astype(np.float32)
    cells = pandas.DataFrame({"cell_type": list("aabbcc")}, index=list("uvwxyz"))
    genes = pandas.DataFrame(index=["g1", "g2", "g3"])
    write_counts(Path("cells.h5ad"), np.log1p(counts), cells, genes, counts=counts)
    options = ["--data-options", "{label: class, drop: [id]}", "--max-epochs", "1", "--quiet"]
    options += ["--hidden-sizes", "[4]", "--importance-samples", "2", "--out", "runs/people"]
    main(["train", "--data", "people.csv", *options])
    names: dict[str, object] = {}
    for block in blocks("docs/guides/data.md"):
        exec(block, names)
    assert names["again"].allclose(names["source"].x, atol=1e-5)
    assert names["further"].x.shape == (5, 11)
    assert list(names["people"]) == ["height", "eyes", "children", "born", "left"]
    assert names["cells"].x.tolist() == counts.tolist()
    assert set(names["x"].unique().tolist()) <= {0, 1}
