"""The table of measures: what is added to it is everywhere, and each thing is drawn once."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

import priory
from priory.evaluation import LogProb, Measure, Scores, Study, Value, evaluate, measure, scores
from priory.evaluation.holes import SHARE_IN_HOLES
from priory.report import comparison_table, scores_table, write_page
from priory.report.differences import nll_difference
from report_cases import SUBJECT, X, make_entry, make_vae

TOY = Measure(
    "toy",
    "a toy",
    "the number of dots in an example",
    lambda study: Value(float(study.x.flatten(1).sum(1).mean()), 0.25),
    better="lower",
    covers="over nothing at all",
    form=".3f",
    quick=True,
)
OF_EACH_LABEL = Measure(
    "of_each_label",
    "a toy of each label",
    "two numbers",
    lambda study: Value((1.5, 2.5), (0.125, 0.5)),
    covers="over every label",
)


def printed(table) -> str:
    console = Console(width=400)
    with console.capture() as said:
        console.print(table)
    return said.get()


def test_a_measure_in_the_table_is_on_the_page_in_the_shell_and_in_json(monkeypatch, tmp_path):
    monkeypatch.setattr(scores, "TABLE", (*scores.TABLE, TOY, OF_EACH_LABEL))
    vae = make_vae()
    entry = make_entry(vae, X)
    number = f"{float(X.flatten(1).sum(1).mean()):.3f}"
    assert entry.evaluation.as_json()["toy"] == pytest.approx(float(number), abs=1e-3)
    assert entry.evaluation.as_json()["toy_standard_error"] == 0.25
    assert "of_each_label" not in entry.evaluation.as_json()  # it is not of the quick ones
    table = printed(comparison_table([entry], "A comparison"))
    assert "a toy" in table
    assert number in table

    found = measure(vae, X, X, num_samples=4, max_points=8)  # too few to compare samples
    written = json.loads(json.dumps(found.as_json()))
    assert written["toy"] == pytest.approx(float(number), abs=1e-3)
    assert written["of_each_label"] == [1.5, 2.5]
    assert written["of_each_label_standard_error"] == [0.125, 0.5]
    table = printed(scores_table(found, "All measures"))
    assert f"{number} ± 0.250" in table
    assert "1.50, 2.50 ± 0.12, 0.50" in table
    assert "over every label (a toy of each label)" in table
    assert "a toy of each label: 1.50, 2.50 ± 0.12, 0.50 (two numbers)" in str(found)
    assert "over nothing at all (a toy)" in found._repr_html_()

    write_page(tmp_path / "page.html", [replace(entry, measures=written)], SUBJECT)
    page = (tmp_path / "page.html").read_text()
    assert "the number of dots in an example; lower is better" in page
    assert number in page
    assert "over nothing at all (a toy)" in page
    assert "1.50, 2.50" in page


def test_what_is_drawn_does_not_hang_on_what_else_is_asked():
    vae = make_vae("vamp")
    whole = Scores.ask(Study(vae, X, num_samples=8, max_points=8, seed=3), scores.TABLE)
    for number in scores.TABLE:
        alone = Scores.ask(Study(vae, X, num_samples=8, max_points=8, seed=3), [number])
        assert alone.as_json().items() <= whole.as_json().items()
        assert (alone.log_prob is None) == (number.name != "nll")  # it takes longest by far
    backwards = Scores.ask(Study(vae, X, num_samples=8, max_points=8, seed=3), scores.TABLE[::-1])
    assert backwards.as_json() == whole.as_json()
    other = Scores.ask(Study(vae, X, num_samples=8, max_points=8, seed=4), scores.TABLE)
    assert other["nll"].mean != whole["nll"].mean


def test_one_is_measured_as_it_always_was_and_leaves_the_generator_alone():
    vae, state = make_vae(), torch.get_rng_state()
    found = evaluate(vae, X, 16, seed=5)
    assert torch.get_rng_state().equal(state)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        nll = priory.evaluation.negative_log_likelihood(vae, X, 16)
        q, p = vae.posterior(X), vae.prior_distribution()
        z = q.sample((10,))
        rate = (q.log_prob(z) - p.log_prob(z)).mean()
    assert found.nll == nll.mean
    assert found.rate == pytest.approx(rate.item(), abs=1e-5)
    assert found.nll_per_example == tuple(nll.per_example.tolist())
    assert found.nll_per_datum == found.nll_per_example  # as 0.1 called it
    assert nll.per_datum is nll.per_example
    assert nll.curve_per_datum is nll.curve_per_example
    assert found.warnings == nll.warnings
    with pytest.raises(AttributeError, match="elb"):
        _ = found.elb


def test_log_prob_is_stored_and_pairs_the_same_examples_alone(tmp_path):
    entry = make_entry(make_vae(), X)
    entry.evaluation.write_log_prob(tmp_path)
    rows = np.load(tmp_path / "log_prob.npy")
    assert -rows["log_prob"].mean() == pytest.approx(entry.evaluation.nll, rel=1e-6)
    stored = LogProb.read(tmp_path)
    order = torch.randperm(len(X))
    other = evaluate(make_vae("vamp"), X[order], 8)
    again = replace(entry, evaluation=replace(entry.evaluation, log_prob=stored))
    gap = nll_difference(again, replace(entry, evaluation=other))
    assert gap.paired
    differences = torch.tensor(entry.evaluation.nll_per_example)[order]
    differences = differences - torch.tensor(other.nll_per_example)
    assert gap.value == pytest.approx(differences.mean().item(), abs=1e-5)
    assert gap.error == pytest.approx(differences.std().item() / len(X) ** 0.5, rel=1e-4)
    fewer = evaluate(make_vae("vamp"), X[1:], 8)
    assert not nll_difference(again, replace(entry, evaluation=fewer)).paired
    (tmp_path / "log_prob.npy").write_bytes(b"no numbers")
    with pytest.raises(ValueError, match="a damaged file; measure"):
        LogProb.read(tmp_path)
    with pytest.raises(ValueError, match="read from a file"):
        Scores(entry.evaluation.as_json(), scores.TABLE).write_log_prob(tmp_path)


def test_numbers_that_are_not_finite_are_null_in_json():
    found = evaluate(make_vae(), X[:1], 4)
    assert found.as_json()["nll_standard_error"] is None
    assert found.as_json()["share_in_holes"] is None
    json.dumps(found.as_json(), allow_nan=False)
    assert "share in holes" not in str(found)
    assert SHARE_IN_HOLES.text(None) == ("n/a", "")


def test_scores_and_measures_are_pickled():
    found = evaluate(make_vae(), X, 4)
    assert pickle.loads(pickle.dumps(found)).as_json() == found.as_json()
    for row in scores.TABLE:
        assert pickle.loads(pickle.dumps(row)).name == row.name
