"""What is wrong is said in a sentence, and a run that stops on the way goes on."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from priory.cli import main
from priory.training import loop
from priory.training.checkpoint import read_checkpoint, write_checkpoint
from priory.training.epoch import train_epoch
from shell import QUICK, SAMPLES, refused, without_pictures
from source_files import idx, iris, npy, write_idx

pytestmark = pytest.mark.usefixtures("unrendered", "few_permutations")


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
        ("--data nan.npy", "got nan in example 40000 at [1]"),
        ("--data x.npy --labels few.npy", "each of 120 examples in few.npy"),
        ("--data one.npy", "expected at least 2 examples"),
        ("--data constant.npy", "different values in constant, got only 1"),
        ("--data code.pt", "code, which are never run"),
        ("--data text.csv --data-options {lable: species}", "did you mean label?"),
        ("--config misspelt.yaml", "did you mean max_epochs?"),
        ("--config broken.yaml", "expected a YAML file of options"),
        ("--max-epochz 3", "did you mean --max-epochs?"),
        ("--dots 3", "priory train --help lists them."),
        ("--latent-dim two", "expected a whole number or null for latent_dim, got two."),
        ("--hidden-sizes 16", "a list such as [300, 300] for hidden_sizes"),
        ("--likelihood gausian", "did you mean gaussian?"),
        ("--data x.npy --validation 2", "got 2 and 0.1"),
        ("--data x.npy --validation constant.npy", "got torch.float64 of shape (4,)"),
        ("--data x.npy --prior-options {wieghts: uniform}", "did you mean weights?"),
        ("--data x.npy --trainer.acelerator cpu", "did you mean trainer.accelerator?"),
        (
            "--data x.npy --trainer.callbacks.class_path nowhere.Print",
            "no trainer.callbacks.class_path; use",
        ),
        ("--data x.npy --trainer.strategy ddpp", "'ddpp'; did you mean ddp?"),
        ("--data x.npy --importance-samples 0", "at least one importance sample"),
        ("--data x.npy --out there", "does not exist yet"),
        ("--data x.npy --out x.npy/run", "expected a writable directory"),
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
def test_unknown_commands_are_refused(words, capsys):
    expected = {"trian": "did you mean train?", "encode": "expected RUN after priory encode"}
    refused(words.split(), expected.get(words, "expected "), capsys)


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

    with pytest.MonkeyPatch.context() as patch, without_pictures():
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
from torch import nn
from priory import GaussianEncoder, MLP, MoGPrior

class MyEncoder(GaussianEncoder):
    def __init__(self, data_shape, width: int = 4):
        super().__init__(MLP(data_shape, (6,), (width,)), (0, 255))

class MyPrior(MoGPrior):
    pass

class MyLogger:
    def log_metrics(self, metrics, step):
        print("logged", step)

    def finalize(self, status):
        print("ended", status)

class Flat(nn.Module):
    def __init__(self, latent_dim, spread=1.0):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(latent_dim))
        self.spread = spread

    def forward(self):
        return torch.distributions.Independent(torch.distributions.Normal(self.loc, self.spread), 1)
"""


@pytest.fixture
def stopped(full, tmp_path, monkeypatch):
    shutil.copytree(full, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_a_full_disk_costs_no_checkpoint(stopped):
    assert read_checkpoint(stopped / "last.ckpt")["epoch"] == 2
    assert not list(stopped.glob(".*"))
    main(["train", "--resume", "--out", "run"])
    for name in ("model.safetensors", "metrics.csv", "metrics.json"):
        assert (stopped / name).read_bytes() == (stopped.parent / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("last.ckpt", b"PK", "truncated, damaged or contains more than tensors"),
        ("last.ckpt", "code", "truncated, damaged or contains more than tensors"),
        ("last.ckpt", "other", "expected a checkpoint of this model"),
        ("config.yaml", b"data: {", "config.yaml, which is not valid YAML (line 1)"),
        ("config.yaml", b"- 1", "expected a file of options by name"),
    ],
)
def test_a_damaged_run_is_not_resumed(stopped, name, content, message, capsys):
    if content == "code":
        write_checkpoint(stopped / name, {"x": Code()})
    elif content == "other":
        state = read_checkpoint(stopped / name)
        write_checkpoint(stopped / name, state | {"weights": {"other": torch.zeros(2)}})
    else:
        (stopped / name).write_bytes(content)
    kept = (stopped / name).read_bytes()
    refused(["train", "--resume", "--out", "run"], message, capsys)
    assert (stopped / name).read_bytes() == kept
    assert not Path("executed").exists()


def test_damaged_data_formats_and_directories_without_a_run_are_refused(stopped, capsys):
    Path("whole/data.json").write_text('{"name": ')
    for words in (["encode", "whole", "--data", "x.npy"], ["evaluate", "whole", *SAMPLES]):
        refused(words, "data.json, got a damaged file", capsys)
    assert not Path("whole/measures.json").exists()
    refused(["train", "--resume", "--out", "nowhere"], "found no config.yaml there", capsys)
    more = ["train", "--resume", "--out", "run", "--latent-dim", "4"]
    refused(more, "expected latent_dim to be 3", capsys)
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("at", [0, 3])
def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(at, stopped, capsys, monkeypatch):
    def broken_at(step, *arguments):
        if arguments[-2] == at:
            next(step.vae.encoder.parameters()).data.fill_(torch.nan)
        return train_epoch(step, *arguments)

    monkeypatch.setattr(loop, "train_epoch", broken_at)
    refused(["train", *LONG, "--out", "broken"], f"nan in epoch {at}, batch 0, from the", capsys)
    if at:
        assert read_checkpoint(Path("broken/last.ckpt"))["epoch"] == at
    else:
        assert not Path("broken").exists()  # there is nothing to go on from


def test_your_own_classes_are_named_in_the_shell_alone(stopped, capsys):
    own = ["--encoder", "mine:MyEncoder", "--encoder-options", "{width: 5}"]
    main(["train", *LONG, *own, "--out", "own"])
    config = yaml.safe_load(Path("own/config.yaml").read_text())
    assert config["encoder"] == "given"
    assert config["encoder_options"] == {"data_shape": [8, 8], "width": 5}
    assert "mine" not in Path("own/config.yaml").read_text()
    Path("own/metrics.json").unlink()  # as if it had been killed
    refused(["train", "--resume", "--out", "own"], "add --encoder module:Name", capsys)
    main(["train", "--resume", "--out", "own", "--encoder", "mine:MyEncoder"])
    refused(["encode", "own", "--data", "x.npy"], "--encoder", capsys)
    again = ["--encoder", "mine:MyEncoder"]
    main(["encode", "own", "--data", "x.npy", *again, "--out", "z.npy"])
    assert np.load("z.npy").shape == (120, 3)
    for name in ("encoder", "decoder", "prior"):
        for value in ("mine:MyEncoder", "{class_path: mine.MyEncoder}"):
            Path("own.yaml").write_text(f"{name}: {value}\n")
            expected = f"because no file names a class, got 'mine:MyEncoder' for {name}"
            refused(["train", "--config", "own.yaml"], expected, capsys)
    old = "{class_path: mine.MyEncoder, init_args: {width: 5}}"
    refused(["train", "--encoder", old], "--encoder package.module:Name", capsys)
    refused(["train", "--encoder.class_path", "mine.X"], "--encoder package.module:Name", capsys)


def test_your_own_logger_receives_the_curves_and_is_named_in_no_file(stopped, capsys):
    own = ["--logger", "mine:MyLogger"]
    main(["train", *LONG, "--max-epochs", "2", "--out", "own", *own, "--quiet"])
    out = capsys.readouterr().out
    assert out.count("logged") == 2
    assert "ended success" in out
    assert "logger: given" in Path("own/config.yaml").read_text()
    more = ["train", "--resume", "--out", "own", "--max-epochs", "3"]
    refused(more, "add --logger module:Name", capsys)
    main([*more, *own, "--quiet"])
    assert capsys.readouterr().out.count("logged") == 1


@pytest.mark.parametrize("prior", ["mine:MyPrior", "mine:Flat"])
def test_your_own_prior_trains_resumes_and_works_everywhere(prior, stopped, capsys):
    own = ["--prior", prior]
    main(["train", *LONG, *own, "--out", "own"])
    Path("own/metrics.json").unlink()
    refused(["train", "--resume", "--out", "own"], "add --prior module:Name", capsys)
    main(["train", "--resume", "--out", "own", *own])
    refused(["evaluate", "own"], "--prior", capsys)
    main(["evaluate", "own", *own, "--importance-samples", "8"])
    main(["report", "own", *own])
    main(["score", "own", *own, *SAMPLES])
    main(["sample", "own", *own])
    main(["refit", "own", "--old-prior", prior, *own, *SAMPLES, "--max-epochs", "1"])
    main(["compare", *LONG[:2], *QUICK, *SAMPLES, "--priors", f"mog,{prior}", "--out", "both"])
    name = prior.partition(":")[2]
    assert list(json.loads(Path("both/metrics.json").read_text())) == ["MoGPrior", name]
    refused(["compare", "--config", "both/config.yaml"], "--priors", capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1]\nb: *a\n", "without aliases (*name)"),
        ("[" * 30 + "]" * 30, "nested at most 20 levels deep"),
        ("data: !!python/object:os.system x\n", "not valid YAML"),
        ("importance_samples: 1000000000000\n", "at most 1,000,000"),
        ("latent_dim: 1000000000000\n", "latent_dim from 1 to 1,000,000"),
        ("hidden_sizes: [1000000000]\n", "hidden_sizes from 1 to 1,000,000"),
        ("validation: null\n", "expected a number or text for validation"),
        ("max_epochs: yes\n", "expected a whole number for max_epochs"),
        ("trainer: {callbacks: some.installed.Class}\n", "trainer.callbacks"),
        ("trainer: {default_root_dir: /somewhere}\n", "trainer.default_root_dir"),
        ("data_options: {label: {class_path: os.x}}\n", "because no file names a class"),
        (f"data: {'x' * 2_000_000}", "of at most 1,000,000 bytes"),
    ],
    ids=lambda text: text[:30],
)
def test_a_configuration_is_checked_when_it_is_read(text, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for file in ("run/config.yaml", "mine.yaml"):
        Path(file).write_text(text if text.startswith(("[", "data:")) else f"data: x.npy\n{text}")
    refused(["train", "--config", "mine.yaml", "--out", "new"], message, capsys)
    refused(["train", "--resume", "--out", "run"], message, capsys)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name != ".lock") == [
        "config.yaml",
        "mine.yaml",
        "run",
    ]


def test_parents_of_a_run_that_was_refused_are_unmade(stopped, capsys):
    for words in (["train", *LONG, "--data-options", "{x: 1}"], ["refit", "whole"]):
        for out in ("new/deep/run", "run/new/run"):
            refused([*words, "--batch-size", "0", "--out", out], "expected", capsys)
    assert not Path("new").exists()
    assert not Path("run/new").exists()
