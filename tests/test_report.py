"""The page, before a browser reads it: its table, its words, its pictures and its commands."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import priory
from priory import MLP, VAE, GaussianEncoder
from priory.data import Column, Columns
from priory.evaluation.decoding import decode_expected, expected
from priory.likelihoods import GaussianDecoder
from priory.report import (
    Entry,
    Recipe,
    about_examples,
    write_figures,
    write_page,
)
from priory.report.differences import holes_difference, nll_difference
from priory.report.page_data import MOST_POINTS, page_data
from priory.report.pictures import Bars, Pictures, sprite
from priory.report.tables import measures_table
from priory.report.verdict import verdict
from report_cases import SUBJECT, X, make_entry, make_vae, with_nll, with_numbers


@pytest.fixture(scope="module")
def entry() -> Entry:
    return make_entry(make_vae(), X)


def test_differences_on_the_same_data_have_the_error_of_the_differences(entry):
    hard = 10 * torch.randn(24)
    gap = 0.5 + 0.1 * torch.randn(24)
    first, second = with_nll(entry, "A", 50 + hard), with_nll(entry, "B", 50 + hard + gap)
    found = nll_difference(second, first)
    assert found.paired
    assert found.value == pytest.approx(float(gap.mean()), rel=1e-4)
    assert found.error == pytest.approx(float(gap.std()) / 24**0.5, rel=1e-3)
    assert found.is_clear
    apart = with_nll(entry, "B", 50 + hard + gap, data=X + 0.5)
    other = nll_difference(apart, first)
    assert not other.paired
    errors = (first.evaluation.nll_standard_error, second.evaluation.nll_standard_error)
    assert other.error == pytest.approx(np.hypot(*errors))
    assert not other.is_clear
    rough = with_nll(entry, "B", 50 + hard + gap, prior_standard_error=1.0)
    assert nll_difference(rough, first).error > 1


def test_the_best_is_bold_only_beyond_the_noise(entry):
    hard, noise = torch.randn(24), torch.randn(24)
    noise = noise - noise.mean()
    first = with_nll(entry, "A", 50 + hard, share_in_holes=0.05)
    tied = with_nll(entry, "B", 50 + hard + noise, share_in_holes=0.05)
    worse = with_nll(entry, "C", 53 + hard + noise, share_in_holes=0.01)

    def bold(*entries):
        rows = {row.name: row.cells for row in measures_table(entries)}
        return [cell.best for cell in rows["NLL"]]

    assert bold(first, worse) == [True, False]
    assert bold(first, tied, worse) == [False, False, False]
    assert bold(first) == [False]
    rows = {row.name: row.cells for row in measures_table([worse])}
    assert rows["NLL"][0].text == f"{worse.evaluation.nll:.2f}"
    assert rows["training"][0].text == "3 epochs, 1 s"
    given = with_nll(entry, "D", 10 + hard, given_labels=True)
    assert bold(first, worse) == [True, False]
    (how,) = (row.how for row in measures_table([first, given]) if row.name == "NLL")
    assert "\N{MINUS SIGN}log p(x|y)" in how
    assert not any(cell.best for row in measures_table([first, given]) for cell in row.cells)


def test_mutual_information_at_its_ceiling_is_marked(entry):
    def measured(name, information, kl):
        surgery = {
            "num_data": 100,
            "mutual_information": {"value": information, "standard_error": 0.01},
            "marginal_kl": {"value": kl, "standard_error": 0.01},
        }
        return with_numbers(entry, name=name, surgery=surgery)

    def rows(*entries):
        found = {row.name.partition("(")[0]: row for row in measures_table(entries)}
        return found["mutual information"], found["marginal KL"]

    information, kl = rows(measured("A", 4.0, 1.0), measured("B", 4.0, 2.0))
    assert information.how.endswith("at most log N = 4.61")
    assert [cell.best for cell in kl.cells] == [True, False]
    information, kl = rows(measured("A", 4.55, 1.0), measured("B", 4.0, 2.0))
    assert [cell.text for cell in information.cells] == ["† 4.55", "4.00"]
    assert "† so close to the limit" in information.how
    assert [cell.text for cell in kl.cells] == ["† 1.00", "2.00"]
    assert not any(cell.best for cell in kl.cells)


def test_the_verdict_follows_from_the_numbers(entry):
    hard = torch.randn(24)
    noise = torch.randn(24)
    noise = noise - noise.mean()
    holes = {"share_in_holes": 0.2, "share_in_holes_standard_error": 0.01}
    few = {"share_in_holes": 0.02, "share_in_holes_standard_error": 0.001}
    plain = replace(with_nll(entry, "Plain", 50 + hard, **holes), parameters=0)
    better = with_nll(entry, "Better", 47 + hard + 0.1 * noise, **holes)
    tied = with_nll(entry, "Tied", 50.01 + hard + noise, **holes)
    closed = with_nll(entry, "Closed", 50.01 + hard + noise, **few)

    found = verdict([plain, better])
    assert found.answer.startswith("Ahead in this run: Better: its NLL is the lowest, by 3.00 ± 0.")
    assert found.chosen == 1
    assert "Plain by 3.00 ± 0.0" in found.reasons[0]
    assert "--seeds 3" in found.caution
    found = verdict([tied, plain])
    assert found.answer.startswith(
        "No reliable difference between Plain and Tied: Plain is the simplest"
    )
    assert "No reliable difference from" in found.reasons[0]
    found = verdict([plain, tied, closed])
    assert found.answer.startswith("Ahead in this run: Closed: ")
    assert "fewer of its samples fall into holes" in found.answer
    found = verdict([better, closed])
    assert found.answer.startswith("Ahead in this run: Better")
    assert any("consider Closed" in reason for reason in found.reasons)
    assert "20.0% ± 1.0% (Better)" in found.reasons[1]
    labelled = with_nll(entry, "Labelled", 40 + hard, given_labels=True)
    assert verdict([plain, labelled]).answer.startswith("No choice follows")
    elsewhere = with_nll(entry, "Elsewhere", 50 + hard, data=X + 1)
    assert "different test data" in verdict([better, elsewhere]).caution
    assert holes_difference(replace(plain), closed).value == pytest.approx(0.18)


def test_a_single_prior_gets_advice_on_what_to_try(entry):
    surgery = {
        "num_data": 100,
        "mutual_information": {"value": 2.0, "standard_error": 0.05},
        "marginal_kl": {"value": 1.25, "standard_error": 0.05},
    }
    many = {"share_in_holes": 0.25, "share_in_holes_standard_error": 0.01}
    one = with_nll(entry, "MoGPrior", 50 + torch.randn(24), **many, components_in_use=1.2)
    found = verdict([with_numbers(one, "MoGPrior", surgery=surgery)])
    text = " ".join(found.reasons)
    assert "25.0% ± 1.0% of its samples" in text
    assert "one in 4" in text
    assert "priory refit" in text
    assert "fewer would be enough: `--num-components 2`" in text
    assert "1.25 ± 0.05 nats" in text
    shut = with_nll(entry, "MoGPrior", 50 + torch.randn(24), share_in_holes=0.011)
    assert "near the perfect" in " ".join(verdict([shut]).reasons)


def test_a_sprite_holds_each_image_where_it_says():
    images = torch.rand(7, 4, 6)
    found = sprite(images, (0, 1))
    sheet = Image.open(io.BytesIO(base64.b64decode(found["source"].split(",")[1])))
    assert sheet.mode == "L"
    array = np.asarray(sheet)
    for n, image in enumerate(images):
        row, column = divmod(n, found["columns"])
        cell = array[4 * row : 4 * row + 4, 6 * column : 6 * column + 6]
        assert np.abs(255 * (1 - image.numpy()) - cell).max() <= 0.51
    colour = sprite(torch.rand(2, 3, 4, 4), (0, 1))
    assert Image.open(io.BytesIO(base64.b64decode(colour["source"].split(",")[1]))).mode == "RGB"
    assert not colour["grey"]


def test_bars_are_in_the_units_of_their_columns():
    columns = Columns(
        (
            Column("height", "numeric", mean=170.0, scale=10.0),
            Column("eyes", "categorical", categories=("blue", "brown")),
        )
    )
    x = torch.tensor([[1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    bars = Bars.of(x, columns)
    assert bars.names == ("height", "eyes: blue", "eyes: brown")
    assert bars.values(x) == [[180.0, 1.0, 0.0], [160.0, 0.0, 1.0]]
    assert bars.low[0] < 160 < 180 <= bars.high[0]
    assert Bars.of(torch.tensor([[0.0, 3.0, 1.0], [0.0, 9.0, 2.0]]), most=1).names == ("x₂",)


def page_of(path: Path) -> tuple[str, dict]:
    """Return a page without Plotly, and its data."""
    text = path.read_text()
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    scripts = re.findall(r"<script>.*?</script>", text, re.S)
    return text.replace(max(scripts, key=len), ""), json.loads(data)


def test_markup_in_names_is_text(entry, tmp_path):
    evil = "<script>alert(1)</script>"
    named = replace(entry, name=evil, labels=torch.arange(24) % 2)
    subject = replace(
        SUBJECT,
        title=evil,
        label_names=(evil, "<b>b</b>"),
        recipes=(Recipe(evil, evil, evil),),
    )
    write_page(tmp_path / "page.html", [named], subject)
    page, data = page_of(tmp_path / "page.html")
    assert evil not in page
    assert "<b>b</b>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert data["labelNames"] == [evil, "<b>b</b>"]
    assert data["models"][0]["name"] == evil


def test_no_example_is_on_a_page_without_them(tmp_path):
    vae = make_vae("vamp")
    vae.prior.inputs.init = "data"

    for examples in (True, False):
        made = make_entry(vae, X, "VampPrior", examples=examples)
        assert about_examples([made]).startswith("It shows examples" if examples else "It shows no")
        seen = page_data([made], Pictures.of(X, (0, 1), None))["models"][0]
        shown = [seen[name]["count"] for name in ("data", "reconstructions")]
        shown += [0 if seen["paths"] is None else seen["paths"]["ends"]["count"]]
        shown += [seen["components"]["nearData"]["count"], int(seen["components"]["pseudo"])]
        assert all(shown) if examples else not any(shown)
        write_page(tmp_path / "page.html", [made], SUBJECT)
        page = (tmp_path / "page.html").read_text()
        assert ("Reconstructions" in page) == examples
        (tmp_path / "VampPrior").mkdir()
        write_figures(tmp_path, [made], (0, 1))
        drawn = {path.stem for path in (tmp_path / "VampPrior").iterdir()}
        assert ({"reconstructions", "pseudo_inputs"} <= drawn) == examples
        shutil.rmtree(tmp_path / "VampPrior")


def test_the_page_needs_nothing_else_and_stays_small(entry, tmp_path):
    write_page(tmp_path / "page.html", [entry], SUBJECT)
    page, data = page_of(tmp_path / "page.html")
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert len(page) < 500_000  # beside Plotly
    (model,) = data["models"]
    (plane,) = model["planes"]
    assert plane["grid"]["count"] == plane["side"] ** 2 == 81
    assert len(model["hole"]) == 40
    assert model["components"]["total"] == 3
    assert len(model["components"]["near"][0]) == 4


def test_the_grid_holds_what_the_model_decodes(entry):
    vae = make_vae()
    plane = entry.exploration.planes[0]
    z = plane.plane.embed(plane.plane.grid(9))[7, 2]
    step = (plane.plane.high - plane.plane.low) / 9
    at = torch.tensor([plane.plane.low + 2.5 * step, plane.plane.low + 7.5 * step])
    assert z.allclose(at, atol=1e-5)
    assert plane.decoded[7, 2].allclose(vae.likelihood(at[None]).mean[0], atol=1e-5)


def test_components_are_shown_with_what_is_theirs():
    vae = make_vae("vamp")
    x = X[:12]
    entry = make_entry(vae, x, "VampPrior")
    view, p = entry.exploration.components, vae.prior_distribution()
    order = p.logits.argsort(descending=True, stable=True)
    assert view.picture.equal(vae.prior.pseudo_inputs[order])
    codes = vae.encode(x)
    distance = (view.loc[:, None] - codes).norm(dim=-1)
    assert view.near.equal(distance.argsort(dim=1)[:, :4])
    assert view.share.sum().item() == pytest.approx(1, abs=1e-5)
    assert view.samples.shape == (3, 4, 6, 5)


def test_more_than_two_dimensions_are_shown_in_planes_of_principal_directions(tmp_path):
    entry = make_entry(make_vae(latent_dim=4), X)
    first, second, third = (shown.plane for shown in entry.exploration.planes)
    for plane in (first, second, third):
        assert (plane.directions.mT @ plane.directions).allclose(torch.eye(2), atol=1e-5)
        point = torch.tensor([0.3, -0.2])
        assert plane.project(plane.embed(point)).allclose(point, atol=1e-5)
    variance = first.project(entry.exhibit.z).var(0)
    assert variance[0] >= variance[1] >= third.project(entry.exhibit.z).var(0)[1]
    write_page(tmp_path / "page.html", [entry], SUBJECT)
    assert len(page_of(tmp_path / "page.html")[1]["models"][0]["planes"]) == 3


def test_vectors_in_one_latent_dimension_are_bars_over_a_line(tmp_path):
    torch.manual_seed(0)
    vae = VAE(
        GaussianEncoder(MLP((5,), (2,), (8,)), data_range=(-3, 3)),
        GaussianDecoder(MLP((1,), (5,), (8,))),
        priory.StandardPrior(1),
    ).eval()
    x = torch.randn(20, 5)
    write_page(tmp_path / "page.html", [make_entry(vae, x, "StandardPrior")], SUBJECT)
    _, data = page_of(tmp_path / "page.html")
    assert data["bars"]["names"][0] == "x₁"
    plane = data["models"][0]["planes"][0]
    assert len(plane["points"]) == 1
    assert len(plane["grid"]["values"]) == plane["side"] == 9
    assert data["models"][0]["components"] is None


def test_of_many_points_a_part_is_shown(entry, tmp_path):
    count = MOST_POINTS + 500
    shown = replace(entry.exhibit, z=torch.randn(count, 2))
    write_page(tmp_path / "page.html", [replace(entry, exhibit=shown)], SUBJECT)
    page, data = page_of(tmp_path / "page.html")
    assert f"Maps show {MOST_POINTS:,} of the test data" in page
    (model,) = data["models"]
    assert len(model["planes"][0]["points"][0]) == MOST_POINTS
    assert model["numData"] == count


def test_the_expected_example():
    table = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    p = torch.distributions.Independent(torch.distributions.Categorical(probs=table), 1)
    assert expected(p).allclose(torch.tensor([1.3, 0.0]))
    vae = make_vae()
    z = torch.randn(3, 2, 2)
    assert decode_expected(vae, z).allclose(vae.likelihood(z).mean, atol=1e-6)
