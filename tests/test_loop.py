"""The training loop: it goes on as if it had not stopped, and says in a sentence what it cannot."""

import copy
import io
import time
import warnings
from itertools import count
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from priory import FlowPrior, MoGPrior, StandardPrior, VampPrior
from priory.data import Source, Splits, split
from priory.likelihoods import choose_likelihood
from priory.training import (
    Machine,
    TrainingSettings,
    make_networks,
    read_curves,
    threads_for,
    train,
)
from priory.training.checkpoint import read_checkpoint, write_checkpoint
from priory.training.loop import Average
from priory.vae import VAE
from processes import python

STORED = Path(__file__).parent / "stored" / "0.1.0"
ALL = {"ema_decay": 0.9, "gradient_clip": 1.0, "warmup_epochs": 2, "learning_rate": 0.01}


def bits() -> Splits:
    generator = torch.Generator().manual_seed(1)
    x = (torch.rand(300, 9, generator=generator) < 0.3).float()
    return split(Source("bits", x))


@pytest.fixture(scope="module")
def splits() -> Splits:
    return bits()


def make_vae(splits, prior=None) -> VAE:
    torch.manual_seed(0)
    prior = prior or VampPrior(4, (9,))
    likelihood = choose_likelihood(splits.train.values)
    return VAE(*make_networks(likelihood, splits.data_shape, 2, (16,)), prior)


def same_weights(one: VAE, other: VAE) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(value.equal(second[name]) for name, value in first.items())


class Recorder:
    """A logger of one's own, which may stop a training."""

    def __init__(self, stop_at: int = -1, by: type[BaseException] = KeyboardInterrupt) -> None:
        self.metrics, self.status, self.stop_at, self.by = [], None, stop_at, by

    def log_metrics(self, metrics, step):
        self.metrics.append((step, metrics))
        if metrics["epoch"] == self.stop_at:
            raise self.by

    def finalize(self, status):
        self.status = status


@pytest.mark.parametrize(
    ("prior", "options"),
    [
        (VampPrior(4, (9,)), {"schedule": "cosine", "optimizer": "adam"}),
        (MoGPrior(2, 4), {"optimizer": "muon", "weight_decay": 0.1, "reseed_every": 2}),
        (StandardPrior(2), {"objective": "importance-weighted", "warmup_epochs": 0}),
    ],
)
def test_an_interrupted_run_ends_as_if_it_had_not_been_interrupted(
    prior, options, splits, tmp_path
):
    settings = TrainingSettings(max_epochs=6, **{**ALL, **options}, validate_every=2)
    plain = make_vae(splits, copy.deepcopy(prior))
    whole = train(plain, splits, settings, curves=tmp_path / "plain")
    run = {"curves": tmp_path / "run", "checkpoint": tmp_path / "last.ckpt"}
    for stop_at in (0, 1, 3, 5):
        stopped, recorder = make_vae(splits, copy.deepcopy(prior)), Recorder(stop_at)
        with pytest.raises(KeyboardInterrupt):
            train(stopped, splits, settings, **run, logger=recorder, checkpoint_seconds=0)
        assert recorder.status == "failed"
    resumed = make_vae(splits, copy.deepcopy(prior))
    assert train(resumed, splits, settings, **run, checkpoint_seconds=0) == whole
    assert same_weights(plain, resumed)
    texts = [(tmp_path / name / "metrics.csv").read_text() for name in ("plain", "run")]
    assert texts[0] == texts[1]
    assert read_curves(tmp_path / "run")["epoch"] == [1, 3, 5]


def test_a_finished_run_can_be_trained_for_longer(splits, tmp_path):
    checkpoint = tmp_path / "last.ckpt"
    longer = TrainingSettings(max_epochs=9, **ALL)
    plain = make_vae(splits)
    whole = train(plain, splits, longer, curves=tmp_path / "plain")
    vae = make_vae(splits)
    for epochs in (4, 4, 9):
        settings = TrainingSettings(max_epochs=epochs, **ALL)
        history = train(vae, splits, settings, checkpoint=checkpoint, curves=tmp_path / "run")
        assert history.epochs == epochs
        assert not vae.training
    assert history == whole
    assert same_weights(plain, vae)
    texts = [(tmp_path / name / "metrics.csv").read_text() for name in ("plain", "run")]
    assert texts[0] == texts[1]


def test_patience_counts_epochs_and_more_of_it_goes_on(splits, tmp_path):
    checkpoint, epochs = tmp_path / "last.ckpt", {}
    options = {"max_epochs": 300, "learning_rate": 0.1, "validate_every": 2}
    for patience in (2, 6):
        settings = TrainingSettings(**options, patience=patience)
        vae, plain = make_vae(splits), make_vae(splits)
        history = train(vae, splits, settings, checkpoint=checkpoint)
        assert history == train(plain, splits, settings)
        assert same_weights(plain, vae)
        epochs[patience] = history.epochs
        assert read_checkpoint(checkpoint)["without_better"] == patience
    assert epochs[2] < epochs[6] < 300


@pytest.fixture(scope="module")
def good(splits, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "last.ckpt"
    train(make_vae(splits), splits, TrainingSettings(max_epochs=2), checkpoint=path)
    return path.read_bytes()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *[(lambda c, at=at: flipped(c, int(at * len(c))), "damaged") for at in (0, 0.001, 0.5)],
        (lambda c: flipped(c, len(c) - 1), "damaged"),
        (lambda c: c[: len(c) // 2], "truncated"),
        (lambda c: b"", "truncated"),
        (lambda c: {"best_weights": {}}, "checkpoint of this model"),
        (lambda c: {"weights": {"other": torch.zeros(2)}}, "checkpoint of this model"),
        (lambda c: {"settings": None}, "expected optimizer='adam', as in"),
        (lambda c: (STORED / "runs/interrupted/last.ckpt").read_bytes(), "got one of 0.1.0"),
    ],
)
def test_a_checkpoint_that_is_not_good_is_refused_before_anything_is_touched(
    wrong, message, good, splits, tmp_path
):
    path, content = tmp_path / "last.ckpt", wrong(good)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes(good)
        state = read_checkpoint(path)
        if "settings" in content:
            content = {"settings": {**state["settings"], "optimizer": "adam"}}
        write_checkpoint(path, {**state, **content})
    before, vae = path.read_bytes(), make_vae(splits)
    (tmp_path / "metrics.csv").write_text("untouched")
    with pytest.raises(ValueError, match=message):
        train(vae, splits, TrainingSettings(max_epochs=2), checkpoint=path, curves=tmp_path)
    assert path.read_bytes() == before
    assert (tmp_path / "metrics.csv").read_text() == "untouched"
    assert same_weights(vae, make_vae(splits))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accelerator": "gpuu"}, "got 'gpuu'; did you mean gpu?"),
        ({"strategy": "fsdp"}, "expected strategy auto, ddp, .* got 'fsdp'"),
        ({"precision": "float64"}, "32-true, .* got 'float64'"),
        ({"devices": 0}, "got devices=0"),
        ({"devices": "some"}, "got devices='some'"),
        ({"num_nodes": 0}, "num_nodes from 1 to 1,024, got 0"),
        ({"threads": 0}, "threads from 1 to 1,024, got 0"),
    ],
)
def test_invalid_machines_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Machine(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for what is not there")
@pytest.mark.parametrize(
    "options", [{"accelerator": "cuda"}, {"accelerator": "gpu"}, {"devices": 5}]
)
def test_devices_that_are_not_there_are_refused_in_a_sentence(options, splits):
    with pytest.raises(ValueError, match=r"^expected devices that this machine has, .*s\.$"):
        train(make_vae(splits), splits, machine=Machine(**options))


def test_processes_are_as_many_as_torchrun_started(splits, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="as torchrun has processes here, 2, got devices=3"):
        train(make_vae(splits), splits, machine=Machine(devices=3))


def test_arguments_of_the_trainer_are_translated_with_a_warning(splits, tmp_path):
    old = {"precision": "64", "check_val_every_n_epoch": 2, "logger": True, "accelerator": "cpu"}
    with pytest.warns(DeprecationWarning, match="use .*precision='64-true'.* validate_every=2"):
        changes, logger, every = Machine.from_trainer(old)
    assert (changes, logger, every) == ({"accelerator": "cpu", "precision": "64-true"}, True, 2)
    vae = make_vae(splits)
    with pytest.warns(DeprecationWarning, match="from 0.1.0") as warned:
        train(vae, splits, TrainingSettings(max_epochs=2), trainer=old, curves=tmp_path)
    assert len(warned) == 1
    assert read_curves(tmp_path)["epoch"] == [1]
    assert next(vae.parameters()).dtype == torch.float64
    assert Machine.from_trainer({}) == ({}, None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": []}, "no trainer.callbacks; use a logger"),
        ({"gradient_clip_val": 1.0}, "no trainer.gradient_clip_val; use gradient_clip"),
        ({"profiler": "simple"}, "got trainer.profiler; write your own loop"),
        ({"acelerator": "cpu"}, "did you mean trainer.accelerator?"),
        ({"logger": {"class_path": "os.system"}}, "for trainer.logger, got dict"),
        ({"strategy": "ddpp"}, "did you mean ddp?"),
    ],
)
def test_other_arguments_of_the_trainer_are_refused_in_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        Machine.from_trainer(options)


def test_your_own_logger_receives_each_epoch(splits, tmp_path):
    recorder = Recorder()
    train(make_vae(splits), splits, TrainingSettings(max_epochs=3), logger=recorder)
    assert [metrics["epoch"] for _, metrics in recorder.metrics] == [0, 1, 2]
    assert [step for step, _ in recorder.metrics] == [3, 7, 11]
    names = {"elbo", "rate", "reconstruction", "train_loss", "components_in_use", "epoch"}
    assert all(set(metrics) == names for _, metrics in recorder.metrics)
    assert recorder.status == "success"
    settings = TrainingSettings(max_epochs=1)
    train(make_vae(splits), splits, settings, logger=False, curves=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match=r"'csv' or 'tensorboard', or an object .* got 'wandb'"):
        train(make_vae(splits), splits, settings, logger="wandb")


def test_tensorboard_is_named_where_it_is_not_installed(splits, tmp_path, monkeypatch):
    def missing(*arguments, **options):
        raise ModuleNotFoundError("No module named 'tensorboard'")

    from lightning.fabric.loggers import tensorboard

    monkeypatch.setattr(tensorboard, "TensorBoardLogger", missing)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        train(make_vae(splits), splits, logger="tensorboard", curves=tmp_path)


def test_curves_hold_what_an_empty_or_cut_file_does_not(splits, tmp_path):
    options = {"checkpoint": tmp_path / "last.ckpt", "curves": tmp_path}
    train(make_vae(splits), splits, TrainingSettings(max_epochs=3), **options)
    text = (tmp_path / "metrics.csv").read_text()
    for cut in (0, len(text) // 2, len(text) - 3):
        (tmp_path / "metrics.csv").write_text(text[:cut])
        assert len(read_curves(tmp_path).get("epoch", ())) <= 3
        train(make_vae(splits), splits, TrainingSettings(max_epochs=3), **options)
        assert (tmp_path / "metrics.csv").read_text() == text


def test_curves_that_are_damaged_are_left_out_or_said(tmp_path):
    rows = b"epoch,elbo,rate\n0,-9,1\n1,-8,2\n"
    for content, columns in (
        (b"ep\xfeoch" + rows[5:], set()),
        (rows[:-4] + b"\xfe,2\n", {"epoch"}),
    ):
        (tmp_path / "metrics.csv").write_bytes(content)
        assert columns <= set(read_curves(tmp_path))
    (tmp_path / "metrics.csv").write_bytes(rows + b"2," + b"9" * 200_000 + b",1\n")
    with pytest.raises(ValueError, match=r"training curves in .* damaged"):
        read_curves(tmp_path)


def shown(splits, monkeypatch, seconds=20, terminal=False, **settings) -> list[str]:
    """Return the lines of a training by a clock that goes on by so many seconds at each look."""
    monkeypatch.setattr(time, "monotonic", count(0, seconds).__next__)
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=200)
    train(make_vae(splits), splits, TrainingSettings(**settings), console=console)
    return file.getvalue().splitlines()


def test_progress_that_is_piped_is_a_line_now_and_then_and_at_the_end(splits, monkeypatch):
    lines = shown(splits, monkeypatch, max_epochs=3, patience=2)
    assert len(lines) == 3
    assert lines[0].startswith("VampPrior: epoch 1 of at most 3, ELBO -")
    assert lines[0].endswith(" left")
    assert "; 0 epochs without a better ELBO (stops at 2); 0:0" in lines[0]
    assert "in use; 0 epochs" in lines[0]
    assert "; took 0:0" in lines[-1]
    assert len(shown(splits, monkeypatch, seconds=0, max_epochs=3)) == 1
    early = shown(splits, monkeypatch, max_epochs=300, patience=4, learning_rate=0.1)
    assert early[0].endswith(" left if it does not improve")
    assert "4 epochs without a better ELBO (stops at 4); took" in early[-1]
    assert len(early) < 300
    without = shown(splits, monkeypatch, max_epochs=2, patience=None, validate_every=2)
    assert "ELBO" not in without[0]
    assert "without" not in without[1]


def test_progress_on_a_terminal_is_one_line_that_stays(splits, monkeypatch):
    lines = shown(splits, monkeypatch, terminal=True, max_epochs=3)
    assert "epoch 3 of at most 3" in lines[-1] or "epoch 3 of at most 3" in lines[-2]
    assert shown(splits, monkeypatch, terminal=False, max_epochs=1)[-1].count("epoch 1") == 1


def test_the_average_is_that_of_torch():
    torch.manual_seed(0)
    vae = VAE(torch.nn.Linear(3, 2), torch.nn.Linear(2, 3), FlowPrior(2))
    theirs = AveragedModel(vae, avg_fn=get_ema_avg_fn(0.9))
    ours = Average(vae, 0.9)
    for _ in range(5):
        with torch.no_grad():
            for parameter in vae.parameters():
                parameter += torch.randn_like(parameter)
        theirs.update_parameters(vae)
        ours.update()
    last = copy.deepcopy(vae.state_dict())
    with ours.in_place():
        assert same_weights(vae, theirs.module)
    assert all(value.equal(last[name]) for name, value in vae.state_dict().items())


COMPILED = """
import sys
sys.path.insert(0, "tests")
import torch
from test_loop import Machine, Recorder, TrainingSettings, bits, make_vae, train
from torch._dynamo.utils import counters

data, recorders = bits(), []
for machine in (Machine(), Machine(compile=True)):
    recorders.append(Recorder())
    settings = TrainingSettings(max_epochs=3, warmup_epochs=2)
    train(make_vae(data), data, settings, machine=machine, logger=recorders[-1])
elbos = [torch.tensor([metrics["elbo"] for _, metrics in r.metrics]) for r in recorders]
torch.testing.assert_close(*elbos, rtol=1e-4, atol=1e-4)
print(counters["stats"]["unique_graphs"] > 0, sum(counters["graph_break"].values()))
"""


@pytest.mark.slow
def test_a_compiled_loss_is_one_graph_and_draws_the_same():
    assert python(COMPILED).split() == ["True", "0"]


def test_a_compiler_that_is_not_there_is_said_to_be_missing(splits, monkeypatch):
    def missing(function, **options):
        def fail(*arguments):
            raise RuntimeError("no g++")

        return fail

    monkeypatch.setattr(torch, "compile", missing)
    with pytest.raises(ValueError, match=r"expected a compiler .*g\+\+"):
        train(make_vae(splits), splits, machine=Machine(compile=True))


def test_small_models_take_one_thread_and_a_training_puts_the_number_back(splits, monkeypatch):
    numbers = []
    monkeypatch.setattr(
        Recorder, "log_metrics", lambda *given: numbers.append(torch.get_num_threads())
    )
    before = torch.get_num_threads()
    settings = TrainingSettings(max_epochs=1)
    for threads in (3, None):
        machine = Machine(threads=threads)
        train(make_vae(splits), splits, settings, machine=machine, logger=Recorder())
        assert torch.get_num_threads() == before
    assert numbers == [3, before]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    small = make_vae(splits)
    networks = make_networks(choose_likelihood(splits.train.values), (784,), 40, (500, 500))
    large = VAE(*networks, VampPrior(500, (784,)))
    assert threads_for(small, 64) == 1
    assert threads_for(large, 1000) == 2


def test_the_old_lightning_module_says_where_training_is():
    with pytest.raises(ImportError, match=r"use priory\.training\.train"):
        from priory.training import Training  # noqa: F401
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Machine() == Machine(accelerator="auto", devices=1)
