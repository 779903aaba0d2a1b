"""From a file of cells to latents and made cells in files of cells, by the commands."""

import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import shell
from cells_files import make_cells, read_cells, with_genes
from priory import Context, fit_prior
from priory.cli import main
from priory.commands.cells_file import write_anndata as write_cells
from priory.data import describe, open_data, open_like, open_source
from priory.runs import Run

pytest.importorskip("anndata")
TRAIN = (
    "train --data cells.h5ad --label cell_type --batch-key donor --network normed-mlp "
    "--hidden-sizes [16] --latent-dim 2 --prior mog --num-components 3 --max-epochs 3 "
    "--importance-samples 2 --likelihood negative-binomial --quiet --out run"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run on cells, which the tests read."""
    folder = tmp_path_factory.mktemp("cells")
    write_cells(folder / "cells.h5ad", make_cells())
    with pytest.MonkeyPatch.context() as patch, shell.without_pictures():
        patch.chdir(folder)
        run(TRAIN)
    return folder


@pytest.fixture(autouse=True)
def _in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def run(line: str) -> None:
    main(line.split(" "))


def refused(words: str, line: str, capsys) -> None:
    capsys.readouterr()
    shell.refused(line.split(" "), words, capsys)


def test_a_model_receives_depth_and_batch():
    opened = Run.open("run")
    assert (opened.model.decoder.exposure, opened.model.num_batches) == ("total", 2)
    assert opened.format.batch_names == ("one", "two")
    assert opened.test.own_names[0].startswith("cell-")
    seen = opened.model.decoder.exposure_quantiles.median(1).values
    assert 2 < seen[0] / seen[1] < 5


def test_latents_are_written_beside_the_cells():
    run("encode run --data cells.h5ad --out encoded.h5ad")
    cells, encoded = read_cells(Path("cells.h5ad")), read_cells(Path("encoded.h5ad"))
    z = encoded.obsm["X_priory"]
    assert z.shape == (90, 2)
    assert list(encoded.obs_names) == list(cells.obs_names)
    assert set(encoded.obs["priory_component"]) <= {0, 1, 2}
    assert np.array_equal(encoded.X, cells.X)
    model = Run.open("run").model
    known = Context(batch_label=torch.as_tensor(cells.obs["donor"].cat.codes.to_numpy().copy()))
    expected = model.encode(torch.as_tensor(cells.X), known)
    np.testing.assert_allclose(z, expected.numpy(), rtol=1e-4, atol=1e-5)
    responsible = model.prior_distribution().responsibilities(torch.as_tensor(z)).argmax(-1)
    assert encoded.obs["priory_component"].tolist() == responsible.tolist()
    run("encode run --out test.h5ad")
    test = read_cells(Path("test.h5ad"))
    assert list(test.obs_names) == list(Run.open("run").test.own_names)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_of_cells_are_kept(ending):
    pandas = pytest.importorskip("pandas")
    run(f"encode run --data cells.h5ad --out z.{ending}")
    read = pandas.read_csv if ending == "csv" else pandas.read_parquet
    table = read(f"z.{ending}")
    assert table["name"].tolist() == [f"cell-{n}" for n in range(90)]
    assert table.columns.tolist() == ["name", "z1", "z2"]


def test_cells_are_made_of_a_batch():
    run("sample run -n 300 --batch two --out two.h5ad")
    run("sample run -n 300 --batch one --seed 1 --out one.h5ad")
    two, one = read_cells(Path("two.h5ad")), read_cells(Path("one.h5ad"))
    assert list(two.var_names) == [f"g{n}" for n in range(12)]
    assert set(two.obs["donor"]) == {"two"}
    depth = [np.median(np.asarray(cells.X.sum(1))) for cells in (one, two)]
    cells = read_cells(Path("cells.h5ad"))
    seen = [np.median(cells.X[cells.obs["donor"] == name].sum(1)) for name in ("one", "two")]
    np.testing.assert_allclose(depth, seen, rtol=0.15)
    run("sample run -n 200 --out both.csv")
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv("both.csv")
    assert set(table["donor"]) == {"one", "two"}
    assert (table.drop(columns=["donor", "cell_type"]) >= 0).all(axis=None)


def test_further_cells_are_read_as_those_before():
    cells = make_cells(30, seed=1)
    other = cells
    other.obs["donor"] = other.obs["donor"].cat.rename_categories({"one": "two", "two": "one"})
    write_cells(Path("further.h5ad"), other)
    part = Run.open("run").part("further.h5ad")
    names = np.array(["one", "two"])[part.batch_label.numpy()]
    assert names.tolist() == other.obs["donor"].tolist()
    shuffled = with_genes(cells, slice(None, None, -1))
    write_cells(Path("shuffled.h5ad"), shuffled)
    assert Run.open("run").part("shuffled.h5ad").tensor().equal(part.tensor())
    fewer = with_genes(cells, slice(2, None))
    write_cells(Path("fewer.h5ad"), fewer)
    words = "expected the 12 genes of the training data in fewer.h5ad, missing are 'g0', 'g1'"
    with pytest.raises(ValueError, match=words):
        Run.open("run").part("fewer.h5ad")
    del other.obs["cell_type"]
    write_cells(Path("unlabelled.h5ad"), other)
    run("score run --data unlabelled.h5ad --importance-samples 2 --out scores.csv")


def test_a_batch_never_seen_is_refused(capsys):
    cells = make_cells(20, seed=2)
    cells.obs["donor"] = ["three"] * 20
    write_cells(Path("three.h5ad"), cells)
    words = "expected the batches of cells (one, two) in three.h5ad, got 'three' too; leave"
    refused(words, "score run --data three.h5ad --out s.csv", capsys)
    refused(
        "one of the batches one, two, got three", "sample run --batch three --out s.h5ad", capsys
    )
    del cells.obs["donor"]
    write_cells(Path("none.h5ad"), cells)
    refused("expected batches of none.h5ad", "score run --data none.h5ad --out s.csv", capsys)
    run("encode run --data none.h5ad --out none.csv")  # the encoder is told of none


@pytest.mark.usefixtures("unrendered")
def test_a_refit_tells_the_encoder_of_batches(tmp_path, monkeypatch):
    out, new = tmp_path / "in", tmp_path / "new"
    run(f"{TRAIN.rpartition(' --out ')[0]} --batch-in-encoder --max-epochs 1 --out {out}")
    batches = []

    def watch(*args, labels, held_out_labels, **more):
        batches.extend((labels.batch_label, held_out_labels.batch_label))
        return fit_prior(*args, labels=labels, held_out_labels=held_out_labels, **more)

    monkeypatch.setattr(import_module("priory.commands.refit"), "fit_prior", watch)
    run(f"refit {out} --prior mog --num-components 2 --max-epochs 1 --out {new}")
    splits = Run.open(out).data
    for part, given in zip((splits.train, splits.validation), batches, strict=True):
        assert given.equal(part.batch_label)


def test_values_other_than_counts_are_refused_with_the_layer_that_has_them(capsys):
    cells = make_cells(20)
    cells.X = np.log1p(cells.X)
    write_cells(Path("logs.h5ad"), cells)
    train = "train --data logs.h5ad --quiet --out never"
    refused("they are in 'counts': give --data-options '{layer: counts}'", train, capsys)
    source = open_source("logs.h5ad", options={"layer": "counts"})
    assert open_like(source, "logs.h5ad").x.equal(source.x)  # of the same layer
    cells.raw = make_cells(20)
    del cells.layers["counts"]
    write_cells(Path("raw.h5ad"), cells)
    refused("they are in 'raw'", train.replace("logs", "raw"), capsys)
    del cells.raw
    write_cells(Path("lost.h5ad"), cells)
    refused(
        "no other layer contains counts; keep the counts", train.replace("logs", "lost"), capsys
    )


def test_an_exposure_of_zero_is_refused(capsys):
    cells = make_cells(20)
    cells.X[3] = 0
    cells.obs.iloc[5, cells.obs.columns.get_loc("n_counts")] = 0
    write_cells(Path("empty.h5ad"), cells)
    train = "train --data empty.h5ad --quiet --out never"
    refused("above zero, got 0 for example 3; leave out such examples", train, capsys)
    words = "expected exposures above zero in column 'n_counts' of obs in empty.h5ad, got 0"
    refused(words, f"{train} --exposure n_counts", capsys)
    refused(
        "expected a column of obs in empty.h5ad, got 'depth'", f"{train} --exposure depth", capsys
    )


def test_an_exposure_by_name_or_none():
    options = {"exposure": "n_counts", "batch_key": "donor"}
    splits = open_data("cells.h5ad", options=options)
    cells = read_cells(Path("cells.h5ad"))
    exposure = splits.of_modelled("exposure").numpy()
    np.testing.assert_allclose(exposure, cells.obs["n_counts"], rtol=1e-6)
    assert "2 batches (one, two" in describe(splits)
    short = TRAIN.replace("--max-epochs 3", "--max-epochs 1")
    with shell.without_pictures():
        run(short.replace("--out run", "--exposure n_counts --out given"))
        run(short.replace("--out run", "--exposure none --dispersion gene-batch --out none"))
    given, none = Run.open("given").model, Run.open("none").model
    assert (given.decoder.exposure, none.decoder.exposure) == ("given", None)
    assert none.decoder.log_dispersion.shape == (2, 12)
    assert json.loads(Path("given/data.json").read_text())["columns"]["exposure"] == "n_counts"
    run("score given --data cells.h5ad --importance-samples 2 --out given.csv")


def test_the_guide_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[1] / "docs/guides/cells.md").read_text()
    monkeypatch.chdir(tmp_path)
    write_cells(Path("cells.h5ad"), make_cells())
    blocks = re.findall(r"```(sh|python)\n(.*?)```", page, re.S)
    assert [kind for kind, _ in blocks] == ["sh", "sh", "sh", "python", "python"]
    names: dict[str, object] = {}
    for kind, block in blocks:
        if kind == "python":
            exec(block, names)
            continue
        words = shlex.split(block)[1:]
        if words[0] == "train":  # for less long
            words += ["--max-epochs", "2", "--warmup-epochs", "1", *shell.SAMPLES]
        with shell.without_pictures():
            main(words)
    assert set(names["made"].layers) == set()
    assert names["shares"].sum(1).allclose(torch.ones(len(names["x"])))
