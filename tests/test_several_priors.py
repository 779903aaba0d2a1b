"""What is said and drawn of several priors, trained with several seeds."""

from dataclasses import replace

import pytest
import torch

from priory.evaluation.evidence import NLL
from priory.report import Entry, density_comparison, latent_map
from priory.report.differences import nll_difference
from priory.report.page_data import apart, side_by_side, spreads_differ
from priory.report.tables import measures_table
from priory.report.verdict import verdict
from report_cases import X, make_entry, make_vae, with_nll, with_numbers, with_seeds


@pytest.fixture(scope="module")
def entry() -> Entry:
    return make_entry(make_vae(), X)


def test_a_prior_is_chosen_only_where_seeds_agree(entry):
    hard, few = torch.randn(24), 0.01 * torch.randn(24)

    def seeds(name, *levels):
        return with_seeds(name, *(with_nll(entry, name, v + hard + few) for v in levels))

    plain = with_seeds("Plain", *(with_nll(entry, "Plain", 50 + hard) for _ in range(3)))
    plain = replace(plain, parameters=0)
    better = seeds("Better", 47.1, 47.0, 46.9)
    found = verdict([plain, better])
    assert found.answer.startswith("Choose Better: its NLL is the lowest, by 3.0")
    assert "3 seeds" in found.caution
    rows = {row.name: row for row in measures_table([plain, better])}
    assert [cell.best for cell in rows["NLL"].cells] == [False, True]
    gap = rows["NLL, difference from the first"].cells[1]
    assert gap.text.startswith("\N{MINUS SIGN}3.0")
    assert gap.error == "± 0.06 over seeds"
    assert gap.note == "± 0.00 over data"
    number = with_seeds("B", better).value(NLL).number
    assert rows["NLL"].cells[1].text == f"{better.value(NLL).number:.2f}" != f"{number:.2f}"
    for levels in ((47.0, 46.0, 50.1), (49.9, 49.0, 46.0)):  # another sign, and a wide spread
        unsure = seeds("Unsure", *levels)
        assert not nll_difference(unsure, plain).is_clear
        found = verdict([plain, unsure])
        assert found.answer.startswith("No reliable difference between Plain and Unsure")
        rows = {row.name: row for row in measures_table([plain, unsure])}
        assert not any(cell.best for cell in rows["NLL"].cells)
        assert "no reliable difference" in rows["NLL, difference from the first"].cells[1].note
    found = verdict([plain, better, seeds("Near", 47.1, 46.9, 47.0)])
    assert found.answer.startswith("Choose ")
    assert " over Plain: " in found.answer
    assert "no reliable difference between them" in found.answer


def test_advice_on_components_follows_the_mutual_information(entry):
    def advice(information, used=3.0):
        surgery = {"num_data": 100, "mutual_information": {"value": information}}
        given = with_numbers(entry, "MoGPrior", surgery=surgery, components_in_use=used)
        return " ".join(verdict([given]).reasons)

    assert "more may help: `--num-components 6`" in advice(2.0)
    assert "0.27 nats" in advice(0.27)
    assert "distinguish about 1 of them. More would not help." in advice(0.27)
    without = with_numbers(entry, "MoGPrior", surgery=None, components_in_use=3.0, rate=0.1)
    assert "0.10 nats, the rate lets a code" in " ".join(verdict([without]).reasons)


def test_a_prior_without_components_says_so():
    pair = [make_entry(make_vae(), X), make_entry(make_vae("standard"), X, "StandardPrior")]
    rows = {row.name: row.cells for row in measures_table(pair)}
    assert rows["components in use"][1].text == "no components"
    assert "components in use" not in {row.name for row in measures_table(pair[1:])}


def test_a_far_panel_does_not_shrink_the_others():
    near = make_entry(make_vae(), X, "Near", torch.arange(24) % 3)
    far = replace(near, name="Far", exhibit=replace(near.exhibit, z=60 * near.exhibit.z))
    assert not spreads_differ([near, near])
    assert spreads_differ([near, far])
    alone, together = apart([near, far]), side_by_side([near, far])
    widths = [float(one.x[-1] - one.x[0]) for one in (*alone, *together)]
    assert widths[0] < 0.2 * widths[1]
    assert widths[2] == widths[3] >= widths[1]
    drawn = density_comparison(together, alone)
    panels = [ax for ax in drawn.axes if ax.get_title()]
    assert len(panels) == 4
    dots = panels[0].collections[-3]
    assert len({tuple(colour) for colour in dots.get_facecolors().tolist()}) == 3
    assert len(panels[0].collections[-1].get_offsets()) == int(near.exploration.in_hole.sum())
    outlier = near.exhibit.z.clone()
    outlier = torch.cat((outlier.repeat(20, 1), torch.tensor([[500.0, 0.0]])))
    shown = latent_map("MoG", near.exhibit.prior, outlier)
    assert float(shown.x[-1]) < 50
    assert shown.outside >= 1
