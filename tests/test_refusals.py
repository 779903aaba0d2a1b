"""What is wrong is said in a sentence, and a run that stops on the way goes on."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from priory.cli import main
from priory.training import loop
from priory.training.checkpoint import read_checkpoint, write_checkpoint
from priory.training.epoch import train_epoch
from shell import QUICK, SAMPLES, refused
from source_files import idx, iris, npy, write_idx


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
        (
            "--data x.npy --trainer.callbacks.class_path nowhere.Print",
            "no trainer.callbacks.class_path; use",
        ),
        ("--data x.npy --trainer.strategy ddpp", "'ddpp'; did you mean ddp?"),
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
from priory import GaussianEncoder, MLP

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
    assert read_checkpoint(stopped / "last.ckpt")["epoch"] == 2
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


def test_damaged_data_formats_and_runs_that_are_none_are_refused(stopped, capsys):
    Path("whole/data.json").write_text('{"name": ')
    refused(["encode", "whole", "--data", "x.npy"], "data.json, got a file that is damaged", capsys)
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


def test_classes_of_ones_own_are_named_again(stopped, capsys):
    Path("my.yaml").write_text("encoder: {class_path: mine.MyEncoder, init_args: {width: 5}}")
    main(["train", *LONG, "--config", "my.yaml", "--out", "own"])
    Path("own/metrics.json").unlink()  # as if it had been killed
    refused(["train", "--resume", "--out", "own"], "class of encoder to be given again", capsys)
    refused(["encode", "own", "--data", "x.npy"], "--encoder", capsys)
    again = "{class_path: mine.MyEncoder, init_args: {width: 5}}"
    main(["encode", "own", "--data", "x.npy", "--encoder", again, "--out", "z.npy"])
    assert np.load("z.npy").shape == (120, 3)
