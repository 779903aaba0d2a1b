"""Tables and counts: what their columns mean, from cells to numbers and back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from priory.data import (
    Column,
    Columns,
    assign_parts,
    describe,
    open_data,
    open_like,
    open_source,
    open_table,
)
from source_files import people, refused, write_counts


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
    assert again.encode(table).allclose(source.x, atol=1e-6)  # pandas 2 reads text to the last bit
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
        (other.assign(age=3), "got 'age' too; drop it"),
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
        ("a,b\n1,2\n1,3\n1,4\n", {}, "column 'a' of t.csv, got 1.0 alone .*drop.*a"),
        ("a,b\nu,2\nu,3\nu,4\n", {}, "column 'a' of t.csv, got 'u' alone .*drop.*a"),
        ("a,b\n1,1e308\n2,-1e308\n4,1e308\n", {}, "scale above zero in column 'b'"),
        (
            "a,b\n1,x\n2,y\n4,z\n",
            {},
            "at most 2 categories in column 'b' .* got 3, such as 'x' in row 0.*drop",
        ),
        ("a,b\n1,inf\n2,3\n4,5\n", {}, "finite numbers in column 'b' .* got 'inf' in row 0"),
        ("a,b\n1,2\n3,4,5\n", {}, "Expected 2 fields in line 3, saw 3"),
        ("a,b\n1,2,3\n4,5,6\n", {}, "cannot be read as one"),
        ("a,b\n", {}, "got a table without any"),
        ("\n", {}, "cannot be read as one"),
        ("", {}, "empty file"),
        ("a,b\n1,2\n", {}, "at least 2 training rows in t.csv, got 1"),
        ("a;b\n1;2\n3;4\n", {}, "use --data-options .*separator.*;"),
        (",a\n0,1\n1,2\n2,5\n", {}, "got column 0 without"),
        ("a,b\n1,2\n2,3\n3,5\n", {"label": "c"}, "expected a column of t.csv, got 'c'"),
        ("age,b\n1,2\n2,3\n3,5\n", {"drop": ["agee"]}, "did you mean 'age'"),
        ("a,b\n1,2\n2,3\n3,5\n", {"drop": ["a", "b"]}, "expected a column of data"),
        ("a,b\n1,2.5\n2,3\n3,5\n", {"label": "b"}, "labels, .* in column 'b'"),
        ("a,b\n1,\n2,3\n3,5\n", {"label": "b"}, "column 'b' of t.csv, got none in row 0"),
        ("a,b\n1,train\n2,tset\n3,test\n", {"part": "b"}, "got 'tset' in row 1"),
        ("a,b\n1,test\n2,test\n3,test\n", {"part": "b"}, "training data"),
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


def test_files_other_than_parquet_and_dates_are_refused(tmp_path):
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
        (lambda: Columns((Column("a", "numeric"),) * 2), "unique names"),
        (lambda: Columns((Column("a", "numeric"),)).decode(torch.zeros(3, 2)), "got 2"),
        (lambda: Columns.from_json({"columns": []}), "one or more|label"),
    ],
)
def test_columns_that_make_no_sense_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


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

    other = tmp_path / "other.h5ad"
    write_counts(other, store(counts[:, ::-1].copy()), cells, genes[::-1])  # in another order
    further = open_like(source, other)
    assert further.x.equal(source.x)
    assert further.labels.equal(source.labels)
    more = pandas.DataFrame(index=["g9", *genes.index])
    write_counts(other, store(np.c_[counts[:, :1] + 0.5, counts]), cells, more)
    with pytest.warns(UserWarning, match=r"1 of the 5 genes in other\.h5ad are left out"):
        assert open_like(source, other).x.equal(source.x)
    write_counts(other, store(counts[:, 1:3].copy()), cells, genes[1:3])
    with pytest.raises(
        ValueError, match=r"the 4 genes of the training data in .* missing are .g1., .g4.; add"
    ):
        open_like(source, other)
    write_counts(other, store(counts[:1]), cells[:1].drop(columns="type"), genes)
    assert open_like(source, other).labels is None
    counts[3, 1] = -1
    write_counts(path, store(counts), cells, genes)
    refused(ValueError, "counts.* in column 'g2' of cells.h5ad, got -1 in row 3", path)
    path.write_bytes(path.read_bytes()[:1000])
    refused(ValueError, "not in AnnData's format", path)


def test_counts_that_would_fill_the_memory_are_refused(tmp_path):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    many = pandas.DataFrame(index=map(str, range(50_000)))
    nothing = sparse.csr_matrix((50_000, 50_000), dtype=np.float32)
    write_counts(tmp_path / "x.h5ad", nothing, many, many)
    words = "at most 8 GiB .* 50000 cells of 50000 genes, which take 9 GiB; .* most variable genes"
    refused(ValueError, words, tmp_path / "x.h5ad")
