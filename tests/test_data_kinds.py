"""Every kind of data from end to end: trained on, encoded and scored as from the shell."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn import datasets

import priory
from priory import ExemplarPrior
from priory.cli import main
from priory.commands.run_data import make_ready
from priory.data import DataFormat, open_data
from source_files import write_counts, write_idx

QUICK = ["--max-epochs", "2", "--hidden-sizes", "[8]", "--num-components", "4", "--latent-dim", "3"]
SAMPLES = ["--importance-samples", "8"]


class Kind(NamedTuple):
    """A kind of data: how to write some, what to ask for, and what is to be said of them."""

    write: Callable[[], "np.ndarray | None"]  # what a model is to see of them, where it is no table
    data: str
    said: str
    options: tuple[str, ...] = ()


def grey(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    x, y = datasets.load_digits(return_X_y=True)
    return (x[:count] * 255 / 16).round().astype(np.uint8).reshape(-1, 8, 8), y[:count]


def digits() -> np.ndarray:
    return datasets.load_digits().images[1350:]  # those to test on


def npy() -> np.ndarray:
    x, y = grey()
    np.save("x.npy", x)
    np.save("y.npy", y)
    return x


def npz() -> np.ndarray:
    x, y = grey()
    np.savez("x.npz", x=x > 127, labels=y, train=np.arange(80), test=np.arange(80, 120))
    return x > 127


def tensors() -> np.ndarray:
    x, y = grey()
    parts = {"x_train": x[:80], "y_train": y[:80], "x_test": x[80:], "y_test": y[80:]}
    torch.save({name: torch.from_numpy(part) for name, part in parts.items()}, "x.pt")
    return x


def idx(end: str = "") -> np.ndarray:
    x, y = grey()
    Path("written").mkdir()
    for start, rows in (("train", slice(90)), ("t10k", slice(90, 120))):
        write_idx(Path(f"written/{start}-images-idx3-ubyte{end}"), x[rows])
        write_idx(Path(f"written/{start}-labels-idx1-ubyte{end}"), y[rows].astype(np.uint8))
    return x


def images() -> None:
    image = pytest.importorskip("PIL.Image")
    for row, (pixels, label) in enumerate(zip(*grey(60), strict=True)):
        Path(f"png/{label}").mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).save(f"png/{label}/{row}.png")


def iris():
    pytest.importorskip("pandas")
    table = datasets.load_iris(as_frame=True).frame
    table["species"] = datasets.load_iris().target_names[table.pop("target")]
    table["site"] = np.random.default_rng(0).choice(["north", "south", "east"], len(table))
    return table


def csv() -> None:
    iris().to_csv("iris.csv", index=False)


def gaps() -> None:
    table = iris()
    table.iloc[5, 0], table.iloc[7, 5] = np.nan, None
    table.to_csv("gaps.csv", index=False)


def parquet() -> None:
    pytest.importorskip("pyarrow")
    table = datasets.load_diabetes(as_frame=True).frame
    table["sex"] = np.where(table["sex"] > 0, "one", "other")
    table.to_parquet("x.parquet")


def counts() -> np.ndarray:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    types = rng.choice(["T", "B"], 90)
    x = rng.poisson(np.where(types == "T", 2.0, 400.0)[:, None] * np.ones(12))
    cells = pandas.DataFrame({"cell_type": types}, index=[f"c{n}" for n in range(90)])
    genes = pandas.DataFrame(index=[f"g{n}" for n in range(12)])
    write_counts(Path("x.h5ad"), x.astype(np.float32), cells, genes)
    return x


LABELLED = ("--data-options", "{label: species}")
FILLED = "{label: species, missing_numbers: mean, missing_categories: own}"
slow = pytest.mark.slow
KINDS = {
    "digits": Kind(digits, "digits", "1797 images of 8.8 (float32, 0 to 16), 10 labels"),
    "npy": Kind(
        npy, "x.npy", "120 images of 8.8 (uint8, 0 to 255), 10 labels", ("--labels", "y.npy")
    ),
    "npz": Kind(
        npz, "x.npz", "10 labels (9 to 13 data each); 72 to train", ("--network", "gated-mlp")
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


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=slow) if kind in SLOW else kind for kind in KINDS]
)
def test_a_kind_goes_from_end_to_end(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
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
    z, scores = np.load("z.npy"), np.genfromtxt("s.csv", names=True)["log_prob"]
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
    assert form.columns.encode(table).allclose(made, atol=1e-4)


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
    assert np.isfinite(np.genfromtxt("scores.csv", skip_header=1)).all()
    main(["refit", "run", "--prior", "ConditionalVampPrior", "--max-epochs", "1", *SAMPLES])
    assert json.loads(Path("runs/refit-1/metrics.json").read_text())["after"]["given_labels"]


def test_a_prior_made_of_training_data_is_given_them_to_score(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    npy()
    main(["train", "--data", "x.npy", "--prior", "ExemplarPrior", *QUICK, *SAMPLES, "--out", "run"])
    main(["score", "run", *SAMPLES])
    assert np.isfinite(np.genfromtxt("scores.csv", skip_header=1)).all()
    Path("x.npy").rename("y.npy")
    refused(["score", "run", "--data", "y.npy", "--out", "s.npy"], "put them back", capsys)


def test_exemplars_of_grey_images_are_again_those_that_were_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (60, 4, 4)).astype(np.uint8))
    grey = ["--data", "x.npy", "--binarise", "dynamic", "--prior", "ExemplarPrior"]
    main(["train", *grey, *QUICK, *SAMPLES, "--out", "run"])
    vae = priory.load("run")
    make_ready(vae, "run")
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


# What is wrong


def refused(arguments: list[str], message: str, capsys) -> None:
    """Expect one sentence and status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert message in error
    assert stopped.value.code == 2
    assert error.startswith("priory: error: ")
    assert error.count("\n") == 1


class Code:
    """An object whose file runs code when it is opened carelessly."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def cut(path: str, kept: int) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:kept])


def write_wrong() -> None:
    """Write a file of each fault into the working directory."""
    npy()
    idx(".gz")
    cut("written/train-images-idx3-ubyte.gz", 500)
    Path("magic-ubyte").write_bytes(b"\1\2\3\4" + bytes(60))
    write_idx(Path("short-ubyte"), np.zeros((9, 3, 3), np.uint8))
    cut("short-ubyte", 60)
    table = iris().astype(object)
    table["constant"] = 3
    table.to_csv("constant.csv", index=False)
    del table["constant"]
    table.iloc[42, 1] = "three"
    table.to_csv("text.csv", index=False)
    numbers = np.zeros((40_001, 2))
    numbers[40_000, 1] = np.nan
    np.save("nan.npy", numbers)
    np.save("few.npy", np.zeros(7, int))
    np.save("one.npy", np.zeros((1, 4)))
    np.save("constant.npy", np.ones((40, 4)))
    torch.save({"x": Code()}, "code.pt")
    Path("misspelt.yaml").write_text("data: x.npy\nmax_epochz: 3\n")
    Path("broken.yaml").write_text("data: {")
    Path("there").mkdir()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--data written", "got one that is truncated or corrupt"),
        ("--data magic-ubyte", "got the magic number 0x01020304"),
        ("--data short-ubyte", "expected 97 bytes"),
        ("--data text.csv", "'sepal width (cm)' of text.csv, got 'three' in row 42"),
        ("--data constant.csv", "different values in column 'constant'"),
        ("--data nan.npy", "got nan in datum 40000 at [1]"),
        ("--data x.npy --labels few.npy", "each of 120 data in few.npy"),
        ("--data one.npy", "expected at least 2 data"),
        ("--data constant.npy", "different values in constant, got 1 alone"),
        ("--data code.pt", "code, which are never run"),
        ("--data text.csv --data-options {lable: species}", "did you mean label?"),
        ("--config misspelt.yaml", "did you mean max_epochs?"),
        ("--config broken.yaml", "expected a file of options in YAML"),
        ("--max-epochz 3", "did you mean --max-epochs?"),
        ("--latent-dim two", "expected a whole number or null for latent_dim, got two."),
        ("--hidden-sizes 16", "a list such as [300, 300] for hidden_sizes"),
        ("--likelihood gausian", "did you mean gaussian?"),
        ("--data x.npy --validation 2", "got 2 and 0.1"),
        ("--data x.npy --validation constant.npy", "got torch.float64 of shape (4,)"),
        ("--data x.npy --prior-options {wieghts: uniform}", "did you mean weights?"),
        ("--data x.npy --trainer.acelerator cpu", "did you mean trainer.accelerator?"),
        ("--data x.npy --trainer.callbacks.class_path nowhere.Print", "got nowhere.Print"),
        ("--data x.npy --trainer.strategy ddpp", "invalid strategy name"),
        ("--data x.npy --importance-samples 0", "at least one importance sample"),
        ("--data x.npy --out there", "does not exist yet"),
        ("--data x.npy --out x.npy/run", "expected a directory that can be written to"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(options, message, wrong, capsys):
    before = sorted(wrong.rglob("*"))
    start = ["train", "--num-components", "2", "--hidden-sizes", "[2]", "--out", "run"]
    refused([*start, *split_words(options)], message, capsys)
    assert sorted(wrong.rglob("*")) == before
    assert not Path("executed").exists()


def split_words(options: str) -> list[str]:
    """Split at spaces but those within a mapping."""
    words = options.split(" ")
    if "{" in options:
        at = next(n for n, word in enumerate(words) if word.startswith("{"))
        words = [*words[:at], " ".join(words[at : at + 2]), *words[at + 2 :]]
    return words


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_wrong()
    return folder


@pytest.fixture
def wrong(faults, monkeypatch):
    monkeypatch.chdir(faults)
    return faults


@pytest.mark.parametrize("words", ["trian", "encode", "--quiet train", "encode a b"])
def test_commands_that_are_none_are_refused(words, capsys):
    expected = {"trian": "did you mean train?", "encode": "expected RUN after priory encode"}
    refused(words.split(), expected.get(words, "expected "), capsys)


# Runs that fail on the way


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The directory of a run whose disk was full at its third checkpoint."""
    folder = tmp_path_factory.mktemp("full")
    replace, written = os.replace, []

    def full_at_last(source, target):
        written.append(target)
        if sum(Path(name).name == "last.ckpt" for name in written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        npy()
        Path("mine.py").write_text(MINE)
        main(["train", *LONG, "--out", "whole"])
        patch.setattr(os, "replace", full_at_last)
        with pytest.raises(SystemExit) as stopped:
            main(["train", *LONG, "--out", "run"])
    assert stopped.value.code == 2
    return folder


LONG = ["--data", "x.npy", *QUICK, *SAMPLES, "--max-epochs", "5", "--checkpoint-seconds", "0"]
MINE = """
import torch
from lightning.pytorch import Callback
from priory import GaussianEncoder, MLP

class Break(Callback):
    def __init__(self, at: int):
        self.at = at

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.at:
            next(iter(pl_module.vae.encoder.parameters())).data.fill_(float("nan"))

class MyEncoder(GaussianEncoder):
    def __init__(self, width: int = 4):
        super().__init__(MLP((8, 8), (6,), (width,)), (0, 255))
"""


@pytest.fixture
def stopped(full, tmp_path, monkeypatch):
    shutil.copytree(full, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_a_full_disk_costs_no_checkpoint(stopped):
    assert torch.load(stopped / "last.ckpt", weights_only=True)["epoch"] == 1
    assert not list(stopped.glob(".*"))
    main(["train", "--resume", "--out", "run"])
    for name in ("model.safetensors", "metrics.csv", "metrics.json"):
        assert (stopped / name).read_bytes() == (stopped.parent / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("last.ckpt", b"PK", "truncated, damaged or holds more than tensors"),
        ("last.ckpt", "code", "truncated, damaged or holds more than tensors"),
        ("last.ckpt", "other", "expected a checkpoint of this model"),
        ("config.yaml", b"data: {", "got a file that is damaged"),
        ("config.yaml", b"- 1", "got a file that is damaged"),
    ],
)
def test_a_damaged_run_is_not_resumed(stopped, name, content, message, capsys):
    if content == "code":
        torch.save({"x": Code()}, stopped / name)
    elif content == "other":
        state = torch.load(stopped / name, weights_only=True)
        state["state_dict"] = {"other": torch.zeros(2)}
        torch.save(state, stopped / name)
    else:
        (stopped / name).write_bytes(content)
    kept = (stopped / name).read_bytes()
    refused(["train", "--resume", "--out", "run"], message, capsys)
    assert (stopped / name).read_bytes() == kept
    assert not Path("executed").exists()


def test_damaged_data_formats_and_runs_that_are_none_are_refused(stopped, capsys):
    Path("whole/data.json").write_text('{"name": ')
    refused(["encode", "whole", "--data", "x.npy"], "data.json, got a file that is damaged", capsys)
    refused(["train", "--resume", "--out", "nowhere"], "found no config.yaml there", capsys)
    more = ["train", "--resume", "--out", "run", "--latent-dim", "4"]
    refused(more, "expected latent_dim to be 3", capsys)
    assert not Path("nowhere").exists()


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(stopped, capsys):
    breaks = "{callbacks: [{class_path: mine.Break, init_args: {at: %d}}]}"
    train = ["train", *LONG, "--trainer"]
    refused([*train, breaks % 3, "--out", "broken"], "nan in epoch 3, batch 0, from the", capsys)
    assert torch.load("broken/last.ckpt", weights_only=True)["epoch"] == 2
    refused([*train, breaks % 0, "--out", "first"], "nan in epoch 0, batch 0, from the", capsys)
    assert not Path("first").exists()  # there is nothing to go on from


def test_classes_of_ones_own_are_named_again(stopped, capsys):
    Path("my.yaml").write_text("encoder: {class_path: mine.MyEncoder, init_args: {width: 5}}")
    main(["train", *LONG, "--config", "my.yaml", "--out", "own"])
    Path("own/metrics.json").unlink()  # as if it had been killed
    refused(["train", "--resume", "--out", "own"], "class of encoder to be given again", capsys)
    refused(["encode", "own", "--data", "x.npy"], "--encoder", capsys)
    again = "{class_path: mine.MyEncoder, init_args: {width: 5}}"
    main(["encode", "own", "--data", "x.npy", "--encoder", again, "--out", "z.npy"])
    assert np.load("z.npy").shape == (120, 3)
