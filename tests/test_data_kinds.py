"""Every kind of data from end to end: trained on, encoded and scored as from the shell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

import priory
from priory import ExemplarPrior
from priory.cli import main
from priory.data import DataFormat, open_data
from priory.runs import Run
from shell import QUICK, SAMPLES, refused
from source_files import counts, csv, digits, gaps, idx, images, iris, npy, npz, parquet, tensors


class Kind(NamedTuple):
    """A kind of data: how to write some, what to ask for, and what is to be said of them."""

    write: Callable[[], "np.ndarray | None"]  # what a model is to see of them, where it is no table
    data: str
    said: str
    options: tuple[str, ...] = ()


LABELLED = ("--data-options", "{label: species}")
FILLED = "{label: species, missing_numbers: mean, missing_categories: own}"
slow = pytest.mark.slow
KINDS = {
    "digits": Kind(digits, "digits", "1797 images of 8.8 (float32, 0 to 16), 10 labels"),
    "npy": Kind(
        npy, "x.npy", "120 images of 8.8 (uint8, 0 to 255), 10 labels", ("--labels", "y.npy")
    ),
    "npz": Kind(
        npz,
        "x.npz",
        "10 labels (0, 1, 2, 3, 4, 5, 6, 7, 8, 9; 9 to 13 examples each); 72 to train",
        ("--network", "gated-mlp"),
    ),
    "pt": Kind(tensors, "x.pt", "72 to train, 8 to validate, 40 to test"),
    "idx": Kind(
        idx, "mnist:written", "75 to train, 15 to validate, 30 to test", ("--network", "conv")
    ),
    "idx.gz": Kind(lambda: idx(".gz"), "written", "written: 120 images of 8.8", ()),
    "images": Kind(images, "png", "60 images of 8.8", ("--binarise", "dynamic")),
    "csv": Kind(csv, "iris.csv", "4 numeric and 1 categorical columns in 7 dim", LABELLED),
    "gaps": Kind(gaps, "gaps.csv", "in 8 dimensions", ("--data-options", FILLED)),
    "parquet": Kind(parquet, "x.parquet", "10 numeric and 1 categorical columns in 12 dim"),
    "h5ad": Kind(counts, "x.h5ad", "negative-binomial likelihood (12 columns of counts)"),
}
SLOW = ("idx.gz", "pt", "gaps")  # which differ little from their neighbours
SHOWN = ("digits", "images", "csv", "h5ad")  # with figures and a page, the others without


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=slow) if kind in SLOW else kind for kind in KINDS]
)
def test_a_kind_goes_from_end_to_end(kind, tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)
    if kind not in SHOWN:
        request.getfixturevalue("unrendered")
    write, data, said, options = KINDS[kind]
    seen = write()
    main(["train", "--data", data, *QUICK, *SAMPLES, *options, "--out", "run"])
    out = " ".join(capsys.readouterr().out.split())
    assert said in out.replace("\N{MULTIPLICATION SIGN}", ".")
    assert " likelihood (" in out
    given = [] if kind == "digits" else ["--data", data]  # or else the test data
    main(["encode", "run", *given, "--out", "z.npy"])
    main(["score", "run", *given, *SAMPLES, "--out", "s.csv"])
    model, form = priory.load("run"), DataFormat.read(Path("run"))
    z, scores = np.load("z.npy"), np.genfromtxt("s.csv", delimiter=",", names=True)["log_prob"]
    assert z.shape == (len(scores), 3)
    assert np.isfinite(z).all()
    assert np.isfinite(scores).all()
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert -scores.mean() == pytest.approx(metrics["nll"], rel=0.5)
    made = model.sample(4)
    assert made.shape == (4, *form.data_shape)
    if form.columns is not None:
        check_table(form, made)
    if seen is not None:
        expected = model.encode(seen.astype(np.float32))
        assert np.allclose(z, expected, atol=1e-5)
    if (labelled := form.label_names) is not None and kind == "csv":
        assert labelled == ("setosa", "versicolor", "virginica")


def check_table(form: DataFormat, made: torch.Tensor) -> None:
    """Check that what a model makes of a table is a table in its own units."""
    table = form.columns.decode(made)
    assert len(table) == 4
    for column in form.columns.columns:
        if column.kind == "categorical":
            assert set(table[column.name]) <= set(column.categories)
        elif column.kind == "numeric":
            assert (abs(table[column.name] - column.mean) < 8 * column.scale).all()
        else:
            assert (table[column.name] == table[column.name].round()).all()
    again = form.columns.decode(form.columns.encode(table))  # now within the range seen
    pytest.importorskip("pandas").testing.assert_frame_equal(again, table, rtol=1e-4)


@pytest.mark.usefixtures("unrendered")
def test_further_files_are_read_as_those_trained_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    csv()
    iris().iloc[:7, [5, 3, 2, 1, 0]].to_csv("further.csv", index=False)
    main(["train", "--data", "iris.csv", *LABELLED, *QUICK, *SAMPLES, "--out", "run"])
    for data in ("iris", "further"):
        main(["encode", "run", "--data", f"{data}.csv", "--out", f"{data}.parquet"])
    pandas = pytest.importorskip("pandas")
    whole, part = (pandas.read_parquet(f"{data}.parquet") for data in ("iris", "further"))
    assert list(whole) == ["z1", "z2", "z3"]
    assert np.allclose(whole[:7], part, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "h5ad", "npz"])
def test_a_kind_is_refitted_and_compared(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write, data, _, options = KINDS[kind]
    write()
    given = options if kind == "csv" else ()
    main(["train", "--data", data, *given, *QUICK, *SAMPLES, "--out", "run"])
    main(["refit", "run", "--prior", "mog", "--max-epochs", "2", *SAMPLES, "--out", "refitted"])
    compare = ["compare", "--data", data, *given, "--priors", "standard,vamp", *SAMPLES]
    main([*compare, "--max-epochs", "1", "--num-components", "4", "--out", "compared"])
    for out in ("refitted", "compared"):
        assert Path(out, "priors.png").stat().st_size > 1000
        assert DataFormat.read(Path(out)) == DataFormat.read(Path("run"))
    assert Path("compared/VampPrior/pseudo_inputs.png").stat().st_size > 1000


# A model that is told of labels


@pytest.mark.usefixtures("unrendered")
def test_labels_are_asked_for_where_the_model_needs_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = npy()
    np.save("more.npy", x[:20])
    train = ["train", "--data", "x.npy", "--prior", "ConditionalMoGPrior", *QUICK, *SAMPLES]
    refused([*train, "--out", "run"], "expected data with labels", capsys)
    labelled = [*train, "--labels", "y.npy", "--out", "run"]
    refused([*labelled, "--validation", "more.npy"], "labels of the data to validate on", capsys)
    assert not Path("run").exists()
    main(labelled)
    refused(["score", "run", "--data", "more.npy"], "name a file of them with --labels", capsys)
    main(["score", "run", "--data", "x.npy", "--labels", "y.npy", *SAMPLES])
    assert np.isfinite(np.genfromtxt("scores.csv", delimiter=",", skip_header=1)).all()
    main(["refit", "run", "--prior", "ConditionalVampPrior", "--max-epochs", "1", *SAMPLES])
    assert json.loads(Path("runs/refit-1/metrics.json").read_text())["after"]["given_labels"]


@pytest.mark.usefixtures("unrendered")
def test_a_prior_made_of_training_data_is_given_them_to_score(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    npy()
    main(["train", "--data", "x.npy", "--prior", "ExemplarPrior", *QUICK, *SAMPLES, "--out", "run"])
    main(["score", "run", *SAMPLES])
    assert np.isfinite(np.genfromtxt("scores.csv", delimiter=",", skip_header=1)).all()
    Path("x.npy").rename("y.npy")
    refused(["score", "run", "--data", "y.npy", "--out", "s.npy"], "put them back", capsys)


@pytest.mark.usefixtures("unrendered", "few_permutations")
def test_exemplars_of_grey_images_are_again_those_that_were_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (60, 4, 4)).astype(np.uint8))
    grey = ["--data", "x.npy", "--binarise", "dynamic", "--prior", "ExemplarPrior"]
    main(["train", *grey, *QUICK, *SAMPLES, "--out", "run"])
    vae = Run.open("run").model
    trained = open_data("x.npy", binarise="dynamic").train.tensor()
    assert len(trained.unique()) > 2
    made_of = vae.prior_distribution().loc
    torch.testing.assert_close(made_of, vae.posterior(trained).mean, atol=1e-5, rtol=1e-5)
    seen, fit_data = [], ExemplarPrior.fit_data

    def watched(self, x, *rest):
        seen.append(x)
        fit_data(self, x, *rest)

    monkeypatch.setattr(ExemplarPrior, "fit_data", watched)
    main(["evaluate", "run", *SAMPLES])
    main(["refit", "run", "--prior", "StandardPrior", *SAMPLES])
    assert len(seen) == 2
    assert all(x.equal(trained) for x in seen)
