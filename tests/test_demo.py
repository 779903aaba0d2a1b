"""Several seeds, and the demonstration: what is trained, what is written, and what is said."""

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from priory.cli import main
from priory.data import open_data, open_rings
from priory.runs import Run
from shell import QUICK, SAMPLES, refused, without_pictures
from source_files import npy


def test_rings_are_eight_clusters_with_nothing_between_them():
    splits = open_data("rings", seed=5)
    assert [len(part) for part in splits.parts] == [2000, 500, 500]
    source = open_rings()
    assert source.x.equal(open_rings().x)
    means = torch.stack([source.x[source.labels == n].mean(0) for n in range(8)])
    nearest = torch.cdist(source.x, means).argmin(1)
    assert (nearest == source.labels).float().mean() > 0.99
    middle = source.x.mean(0, keepdim=True)
    assert torch.cdist(middle, source.x).min() > torch.cdist(means, source.x).amin(1).max()


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    with pytest.MonkeyPatch.context() as patch, without_pictures():
        patch.chdir(folder)
        npy()
        data = ["--data", "x.npy", "--priors", "standard,vamp", *SAMPLES, "--max-epochs", "1"]
        main(["compare", *QUICK[2:], *data, "--seeds", "2", "--seed", "3", "--out", "run"])
        alone = ["--seed", "4", "--out", "alone"]
        main(["compare", *QUICK[2:], *data, *alone])
    return folder


def test_each_seed_is_a_run_that_could_have_been_alone(compared):
    for name in ("StandardPrior", "VampPrior"):
        again, alone = (compared / run / name for run in ("run/seed-4", "alone"))
        for file in ("model.safetensors", "log_prob.npy", "metrics.csv"):
            assert (again / file).read_bytes() == (alone / file).read_bytes(), file
    assert Run.open(compared / "run" / "seed-4" / "VampPrior").seed == 4
    runs = Run.open_all(compared / "run")
    assert [run.config.repeats.seeds for run in runs] == [2, 2]
    assert [one.path.parent.name for run in runs for one in run.repeats] == ["seed-4", "seed-4"]


def test_the_numbers_of_each_seed_and_their_difference_are_written(compared):
    record = json.loads((compared / "run" / "seeds.json").read_text())
    parts = (compared / "run", compared / "run" / "seed-4")
    numbers = [json.loads((part / "metrics.json").read_text()) for part in parts]
    for name in ("StandardPrior", "VampPrior"):
        assert record[name]["nll"] == [one[name]["nll"] for one in numbers]
    gap = record["VampPrior"]["nll_difference"]
    seeds = [one["VampPrior"]["nll"] - one["StandardPrior"]["nll"] for one in numbers]
    assert gap["seeds"] == pytest.approx(seeds, abs=1e-4)
    assert gap["mean"] == pytest.approx(np.mean(seeds), abs=1e-4)
    assert gap["standard_error_over_seeds"] == pytest.approx(np.std(seeds, ddof=1) / 2**0.5, 1e-2)


def test_the_report_of_several_seeds_is_of_all(compared, monkeypatch):
    monkeypatch.chdir(compared)
    pages = []
    command = importlib.import_module("priory.commands.report")
    monkeypatch.setattr(command, "write_page", lambda path, entries, *_: pages.append(entries))
    entries = importlib.import_module("priory.report.entries")
    monkeypatch.setattr(entries, "explore", lambda *_, **__: None)
    main(["report", "run", "--out", "page.html"])
    record = json.loads((compared / "run" / "seeds.json").read_text())
    for entry in pages[0]:
        found = [one.nll for one in entry.evaluations]
        assert found == pytest.approx(record[entry.name]["nll"], rel=1e-4)


def test_seeds_are_counted(capsys):
    refused(["compare", "--seeds", "0"], "expected seeds from 1 to 100, got 0", capsys)


@pytest.mark.slow
def test_the_demo_is_two_comparisons_and_one_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: path.touch())
    monkeypatch.setattr(importlib.import_module("priory.evaluation.interpolation"), "STEPS", 2)
    module = importlib.import_module("priory.commands.demo")
    quick = {
        data: ((8,), replace(training, max_epochs=1))
        for data, (_, training) in module.SETTINGS.items()
    }
    monkeypatch.setattr(module, "SETTINGS", quick)
    monkeypatch.setattr(module, "IMPORTANCE_SAMPLES", 8)
    main(["demo", "--seeds", "1", "--out", str(tmp_path / "demo")])
    said = capsys.readouterr().out
    assert "rings: 500 test examples" in said
    assert "digits: 447 test examples" in said
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "This is a toy" in page
    assert "the prior hardly matters" in page
    assert 'href="digits/report.html"' in page
    assert "priory compare --config" in page
    assert page.count("Table of measures") == 2
    assert (tmp_path / "demo" / "digits" / "report.html").stat().st_size > 10**6
    assert len(Run.open_all(tmp_path / "demo" / "rings")) == 3
