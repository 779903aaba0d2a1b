"""The page of data that are no images: rows, columns, genes by cluster, what changes on a path."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from priory import MLP, VAE, GaussianEncoder, MoGPrior
from priory.commands import command
from priory.commands.parser import arguments_of
from priory.data import Column, Columns
from priory.evaluation import evaluate, exhibit, explore
from priory.likelihoods import GaussianDecoder, MixedDecoder, NegativeBinomialDecoder
from priory.report import Entry, write_page
from priory.report.table_view import FEWEST, changes, marginals, rows_of, table_view
from report_cases import SUBJECT

pytest.importorskip("pandas")
PEOPLE = Columns(
    (
        Column("height", "numeric", mean=170.0, scale=10.0, low=120.0, high=220.0),
        Column("<b>eyes</b>", "categorical", categories=("blue", "brown")),
        Column("children", "numeric", mean=2.0, scale=1.0, low=0.0, high=9.0, whole=True),
    ),
    label="team",
)
GENES = Columns(tuple(Column(f"gene{n}", "count") for n in range(30)))


def entry_of(decoder: torch.nn.Module, x: torch.Tensor, labels=None, examples=True) -> Entry:
    width = x.shape[1]
    encoder = GaussianEncoder(MLP((width,), (4,), hidden_sizes=()), data_range=(0.0, 9.0))
    vae = VAE(encoder, decoder, MoGPrior(2, num_components=3)).eval()
    shown = exhibit(vae, x, num_samples=200, examples=examples)
    few = {"side": 5, "num_samples": 40, "num_decoded": 12, "stops": 4}
    seen = explore(vae, x, z=shown.z, labels=labels, examples=examples, **few)
    return Entry("MoGPrior", evaluate(vae, x, 4), shown, 3, 1.0, seen, labels)


def people(count: int = 60) -> torch.Tensor:
    x = torch.randn(count, 4)
    x[:, 1:3] = torch.nn.functional.one_hot((x[:, 0] > 0).long(), 2).float()
    x[:, 3] = x[:, 3].round()
    return x


@pytest.fixture(scope="module")
def people_entries():
    torch.manual_seed(0)
    x, labels = people(), torch.arange(60) % 2
    x[0, 0] = 4.9999  # the height of one person, 220
    decoder = MixedDecoder(MLP((2,), (4,), hidden_sizes=()), PEOPLE.spans)
    return [entry_of(decoder, x, labels, examples) for examples in (True, False)]


def page_of(entry: Entry, columns: Columns, path, **more: object) -> str:
    write_page(path, [entry], replace(SUBJECT, columns=columns, **more))
    text = path.read_text()
    return text[: text.index('<script id="data"')]


def test_a_table_shows_rows_and_columns_of_both(people_entries, tmp_path):
    page = page_of(people_entries[0], PEOPLE, tmp_path / "p.html", label_names=("red", "blue"))
    captions = re.findall(r"<caption>(.*?)</caption>", page)
    assert captions[:2] == ["test data", "made by MoGPrior"]
    assert "&lt;b&gt;eyes&lt;/b&gt;" in page
    assert "<b>eyes</b>" not in page
    assert page.count('<div class="marginal">') == 3
    assert "<td>220</td>" in page
    assert "test data 0 (red) to 1 (blue)" in captions


def test_a_page_without_examples_has_no_rows_of_people(people_entries, tmp_path):
    page = page_of(people_entries[1], PEOPLE, tmp_path / "p.html")
    assert re.findall(r"<caption>(.*?)</caption>", page) == ["made by MoGPrior"]
    assert page.count('<div class="marginal">') == 3
    assert "220" not in page
    view = table_view(people_entries[1], PEOPLE, (), examples=False)
    assert view.rows.real == []
    counts = [share.real * 60 for column in view.marginals for share in column.shares]
    assert all(count < 1e-9 or count > FEWEST - 0.01 for count in counts)
    assert max(counts) > FEWEST


@pytest.mark.parametrize("name", ["report", "train", "compare"])
def test_the_shell_can_leave_examples_out(name):
    words = ["run"] if name == "report" else []
    for more, expected in (([], False), (["--no-examples"], True)):
        given = arguments_of(name, command(name), [*words, *more])
        options = given if name == "report" else vars(given["config"].measuring)
        assert options["no_examples"] is expected


def test_marginals_are_shares_in_the_units_of_the_columns():
    real, made = people(400), people(1000)
    height, eyes, children = marginals(PEOPLE, real, made)
    assert sum(share.real for share in height.shares) == pytest.approx(1, abs=0.02)
    assert 130 < float(height.low) < 160
    assert [share.name for share in eyes.shares] in (["blue", "brown"], ["brown", "blue"])
    assert sum(share.made for share in eyes.shares) == pytest.approx(1)
    assert height.distance < 0.3
    apart = marginals(PEOPLE, real, made + torch.tensor([3.0, 0, 0, 0]))[0]
    assert apart.distance > 0.7
    twos = next(share for share in children.shares if share.name == "2")
    assert twos.real == pytest.approx(float((real[:, 3] == 0).float().mean()))
    rows = rows_of(PEOPLE, real[:2], made[:3])
    assert rows.names == PEOPLE.names
    assert [len(rows.real), len(rows.made)] == [2, 3]
    assert rows.real[0][2] == str(int(real[0, 3]) + 2)
    many = Columns(tuple(Column(f"c{n}", "numeric") for n in range(40)))
    shifted = torch.randn(100, 40)
    shifted[:, 37] += 5
    chosen = marginals(many, torch.randn(100, 40), shifted)
    assert len(chosen) == 24
    assert chosen[0].name == "c37"


def test_counts_show_their_most_variable_genes(tmp_path):
    labels = torch.arange(40) % 2
    x = torch.poisson(torch.ones(40, 30))
    x[labels == 1, 7] += 90
    entry = entry_of(NegativeBinomialDecoder(MLP((2,), (30,), hidden_sizes=()), (30,)), x, labels)
    view = table_view(entry, GENES, ("T", "B"), examples=True)
    assert view.rows is None
    cells, made = view.heatmaps
    assert cells.groups == ("T", "B")
    assert len(cells.rows) == 24
    profile = dict(cells.rows)["gene7"]
    assert profile[1] == (pytest.approx(float(x[labels == 1, 7].log1p().mean())), 1.0)
    assert profile[0][0] < 1.5
    assert len(made.groups) == 3
    page = page_of(entry, GENES, tmp_path / "p.html", label_names=("T", "B"))
    assert page.count('<table class="heatmap">') == 2
    assert "Rows and columns" not in page
    few = table_view(entry, GENES, ("T", "B"), examples=False, data_too=False)
    assert len(few.heatmaps) == 1


def test_what_changes_most_along_a_path_is_shown_first():
    along = torch.zeros(4, 4)
    along[:, 3] = torch.tensor([0.0, 1.0, 2.0, 3.0])
    along[:, 1], along[:, 2] = (
        torch.tensor([0.9, 0.8, 0.3, 0.1]),
        torch.tensor([0.1, 0.2, 0.7, 0.9]),
    )
    first, second = changes(PEOPLE, along, most=2)
    assert (first.name, first.cells) == ("children", ("2", "3", "4", "5"))
    assert second.cells == ("blue", "blue", "brown", "brown")


def test_vectors_without_names_are_shown_in_their_own_unit(tmp_path):
    x = torch.randn(30, 3)
    entry = entry_of(GaussianDecoder(MLP((2,), (3,), hidden_sizes=())), x)
    view = table_view(entry, None, (), examples=True)
    assert view.rows.names == ("x₁", "x₂", "x₃")
    assert np.allclose([float(cell) for cell in view.rows.real[0]], x[0], rtol=1e-3)
    images = replace(entry, exploration=replace(entry.exploration, data=torch.rand(30, 4, 4)))
    assert table_view(images, None, (), examples=True) is None
