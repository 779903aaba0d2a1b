"""Priors fitted to latents that are there already, wherever they come from."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal
from torch.utils.data import DataLoader, TensorDataset

import priory
from cases import CASES, DATA_SHAPE, Case
from priory import ExemplarPrior, MixturePrior, MoGPrior, ResampledPrior, VampPrior, fit_prior
from priory.adapters import as_prior
from priory.data import latent_rows
from priory.data.latent_sources import StoredLatents, StreamedLatents, open_latents
from priory.processes import Processes
from processes import together

QUIET = {"verbose": False}
QUICK = {"num_components": 2, "max_epochs": 2, **QUIET}
pyarrow = pytest.importorskip("pyarrow")


def two_heaps(count: int = 400) -> torch.Tensor:
    """A quarter of the latents about (4, 4), the last of them: as sorted shards are."""
    return torch.randn(count, 2) * 0.3 + 4 * (torch.arange(count) >= count * 3 // 4)[:, None]


class Once:
    """An iterator."""

    def __init__(self, batches):
        self.batches = iter(batches)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.batches)


def write_parquet(path, z, as_list=False):
    columns = (
        {"z": pyarrow.FixedSizeListArray.from_arrays(z.reshape(-1), z.shape[1])}
        if as_list
        else {f"z{number}": column for number, column in enumerate(z.T)}
    )
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=50)


def origins(tmp_path, z):
    """The same latents in every form."""
    import pyarrow.parquet  # noqa: F401
    from pandas import DataFrame

    tmp_path.mkdir(exist_ok=True)
    array = z.numpy()
    np.save(tmp_path / "z.npy", array)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(array.astype(">f8")))
    for name in ("shards", "tables", "lists"):
        (tmp_path / name).mkdir()
    for number, part in enumerate(np.split(array, [130, 131])):
        np.save(tmp_path / "shards" / f"{number}.npy", part)
        write_parquet(tmp_path / "tables" / f"{number}.parquet", part)
        write_parquet(tmp_path / "lists" / f"{number}.parquet", part, as_list=True)
    loader = DataLoader(TensorDataset(z), batch_size=30)
    return {
        "array": array,
        "tensor": z,
        "list": array.tolist(),
        "frame": DataFrame(array),
        "mapped": np.load(tmp_path / "z.npy", mmap_mode="r"),
        "file": str(tmp_path / "z.npy"),
        "other order": tmp_path / "fortran.npy",
        "shards": tmp_path / "shards",
        "tables": tmp_path / "tables",
        "lists": tmp_path / "lists",
        "loader": loader,
        "batches": list(z.split(30)),
        "arrays": [part.numpy() for part in z.split(30)],
    }


def test_latents_of_any_origin_are_fitted_alike(tmp_path):
    z = two_heaps()
    for name, latents in origins(tmp_path, z).items():
        fit = fit_prior("standard", latents=latents, seed=1, **QUIET)
        assert fit.after.train.value == pytest.approx(6.1, abs=1.0), name
        source = open_latents(latents)
        rows = [*source.blocks(torch.Generator().manual_seed(3))]
        every = torch.cat([block.z for block, _ in rows]).float()
        assert every.sort(0).values.equal(z.sort(0).values), name
        held = sum(int(mask.sum()) for _, mask in rows)
        assert 20 <= held <= 60, name
    for kind in ("mapped", "loader"):
        latents = origins(tmp_path / kind, z)[kind]
        fit = fit_prior("mog", latents=latents, held_out=two_heaps(60), learning_rate=0.05, **QUICK)
        weights = fit.prior().logits.exp().sort().values
        assert weights.tolist() == pytest.approx([0.25, 0.75], abs=0.1)
        assert fit.after.held_out.value < 2.0


@pytest.mark.parametrize("kind", [list, Once])
def test_scales_and_labels_come_along(kind):
    z, labels = two_heaps(), (torch.arange(400) >= 300).long()
    scale = torch.full_like(z, 0.2)
    prior = priory.ConditionalMoGPrior(2, 1, num_labels=2, init="data")
    batches = kind([*zip(z.split(64), scale.split(64), labels.split(64), strict=True)])
    fit = fit_prior(prior, latents=batches, **QUIET, max_epochs=1)
    assert prior.loc[:, 0].detach().mean(-1).tolist() == pytest.approx([0, 4], abs=0.3)
    together = fit_prior("mog", latents=z, scales=scale, **QUICK, learning_rate=0.05)
    expected = math.log(0.3**2 + 0.2**2) + 1 + math.log(2 * math.pi) + 0.5623  # of the weights
    assert together.after.train.value == pytest.approx(expected, abs=0.2)
    assert together.bound.value < together.after.train.value + 0.1
    labelled = fit_prior("ConditionalMoG", latents=z, labels=labels, **QUICK)
    assert labelled.prior.num_labels == 2
    assert fit.epochs == 1


def test_a_stand_alone_prior_is_saved_loaded_sampled_and_scored(tmp_path):
    z = two_heaps()
    fit = fit_prior(MoGPrior(2, 2, init="data"), latents=z, max_epochs=1, **QUIET)
    priory.save(fit.prior, tmp_path)
    loaded = priory.load(tmp_path)
    assert loaded().log_prob(z).equal(fit.prior().log_prob(z))
    assert loaded().sample((5,)).shape == (5, 2)


WITHOUT_ENCODER = [case for case in CASES if not (case.encodes or case.labels)]


@pytest.mark.parametrize("case", WITHOUT_ENCODER, ids=lambda case: case.name)
def test_every_prior_that_needs_no_encoder_is_fitted(case: Case):
    prior = case.build()
    z = 2 + torch.randn(100, 2)
    fit = fit_prior(prior, latents=z, max_epochs=3, learning_rate=0.02, **QUIET)
    assert fit.prior is prior
    assert not prior.needs_encoder
    learned = any(parameter.requires_grad for parameter in prior.parameters())
    better = fit.after.held_out.value < fit.before.held_out.value
    assert better if learned else fit.epochs == 0


class NeedsEncoder(torch.nn.Module):
    def forward(self, encoder):
        return encoder(torch.zeros(1, 2))


def test_a_prior_that_needs_an_encoder_is_refused_and_others_named():
    posteriors = {"kind": "posteriors", "inputs": {"kind": "exemplars"}}
    for prior in (
        "vamp",
        "GTMVampPrior",
        "exemplar",
        VampPrior(3, DATA_SHAPE),
        ExemplarPrior(),
        MixturePrior(posteriors, weights="uniform"),
        ResampledPrior(2, VampPrior(3, DATA_SHAPE)),
        as_prior(NeedsEncoder()),
    ):
        with pytest.raises(
            TypeError, match=r"not need an encoder .*FlowPrior.*MoGPrior.*, got \w+"
        ) as info:
            fit_prior(prior, latents=two_heaps(), **QUIET)
        assert "VampPrior" not in str(info.value).partition("got")[0]
    loc = torch.nn.Parameter(torch.zeros(2))
    foreign = as_prior(Independent(Normal(loc, torch.ones(2)), 1))
    fit = fit_prior(foreign, latents=2 + two_heaps(), max_epochs=2, learning_rate=0.1, **QUIET)
    assert fit.after.held_out.value < fit.before.held_out.value


def test_an_iterator_is_fitted_in_one_pass_and_more_are_refused():
    z = two_heaps(3000)
    batches = z.split(100)
    for latents in (Once(batches), (part for part in batches), iter(list(batches))):
        with pytest.raises(ValueError, match=r"max_epochs=1 .* which can be read only once, got 5"):
            fit_prior("mog", latents=latents, max_epochs=5, **QUIET)
    latents = Once(batches)
    fit = fit_prior("mog", latents=latents, num_components=2, learning_rate=0.02, **QUIET)
    assert fit.epochs == 1
    assert next(latents.batches, None) is None
    assert fit.after.held_out.value < 1.2
    again = fit_prior("mog", latents=Once(batches), num_components=2, learning_rate=0.02, **QUIET)
    assert again.after == fit.after
    with pytest.raises(ValueError, match="got none; give an iterable"):
        fit_prior("mog", latents=latents, **QUIET)


def test_the_start_is_kept_where_one_pass_makes_it_worse():
    prior = MoGPrior(2, 1, init="em")
    fit = fit_prior(prior, latents=Once(two_heaps().split(40)), learning_rate=5.0, **QUIET)
    assert fit.after == fit.before
    assert fit.epochs == 1


def test_a_loader_that_shuffles_never_trains_on_what_is_held_out():
    z = two_heaps(1000)
    loader = DataLoader(TensorDataset(z), batch_size=40, shuffle=True)
    source = StreamedLatents(loader)
    held = {tuple(row) for row in source.some(1000)[1].z.tolist()}
    assert 60 < len(held) < 140
    for epoch in range(3):
        rows = [row for batch in source.batches(32, epoch, z.device, z.dtype) for row in batch.z]
        assert len(rows) == 1000 - len(held)
        assert not held & {tuple(row.tolist()) for row in rows}


def test_sorted_latents_are_mixed_and_one_in_ten_of_each_stretch_is_held_out(monkeypatch):
    monkeypatch.setattr(latent_rows, "NUMBERS", 2048)
    z = torch.arange(40_000.0)[:, None].expand(-1, 2)
    source = StoredLatents([z[:13_000], z[13_000:]], seed=5)
    rows, held = (
        torch.cat(parts)
        for parts in zip(
            *((block.z[:, 0], mask) for block, mask in source.blocks(torch.Generator())),
            strict=True,
        )
    )
    where = rows[held].sort().values
    assert len(where) == 4000
    assert (where // 10).equal(torch.arange(4000.0))
    assert (where % 10).unique().tolist() == list(range(10))
    batches = [batch.z[:, 0] for batch in source.batches(100, 7, z.device, z.dtype)]
    assert torch.cat(batches).sort().values.equal(rows[~held].sort().values)
    means = torch.stack([batch.mean() for batch in batches[:-1]])
    assert (means / 40_000 - 0.5).abs().max() < 0.35
    assert means.std() / 40_000 < 2.5 * 12**-0.5 / 10  # of independent rows 12^-0.5 / 10
    again = [batch.z[:, 0] for batch in source.batches(100, 7, z.device, z.dtype)]
    assert all(one.equal(other) for one, other in zip(batches, again, strict=True))
    other = next(source.batches(100, 8, z.device, z.dtype)).z[:, 0]
    assert not other.equal(batches[0])


@pytest.mark.parametrize("count", [2, 3, 11, 25])
def test_few_latents_leave_one_to_hold_out(count):
    z = torch.randn(count, 2)
    for latents in (z, [z[:1], z[1:]], Once(z.split(1))):
        fit = fit_prior("mog", latents=latents, max_epochs=1, init="random", **QUIET)
        assert math.isfinite(fit.after.held_out.value)
    with pytest.raises(ValueError, match="got 0 and 1"):
        fit_prior("mog", latents=z[:1], **QUIET)


def test_latents_of_more_dimensions_are_flattened():
    fit = fit_prior("mog", latents=torch.randn(50, 2, 3, 1), **QUICK)
    assert fit.prior.latent_dim == 6


BAD = [
    (
        lambda z: {"latents": z[:, 0]},
        "shape \\(N, L\\), got \\(60,\\); for a single dimension give z",
    ),
    (lambda z: {"latents": [z[:, 0]]}, "got one of shape \\(60,\\)"),
    (lambda z: {"latents": z.index_fill(0, torch.tensor(7), math.nan)}, "finite.* in row 7;"),
    (lambda z: {"latents": [z, z + math.inf]}, "finite latents, got inf in row 60"),
    (lambda z: {"latents": z, "scales": -z.abs()}, "standard deviations .* exp\\(log_variance"),
    (lambda z: {"latents": z, "scales": z[:, :1]}, "\\(60, 2\\), got \\(60, 1\\)"),
    (lambda z: {"latents": [z], "scales": z}, "in the batches of a list"),
    (lambda z: {"latents": z, "labels": torch.arange(9)}, "label for each of 60"),
    (lambda z: {"latents": [(z, z[:, 0])]}, "give batches of \\(z, scale\\)"),
    (lambda z: {"latents": [z, (z, z.abs())]}, "all batches with 2 latent dim"),
    (lambda z: {"latents": 3}, "got int"),
    (lambda z: {"latents": TensorDataset(z)}, "in a DataLoader"),
    (lambda z: {"latents": z, "scales": [z]}, "expected scales as an array"),
    (lambda z: {"latents": z.to(torch.complex64)}, "complex"),
    (lambda z: {"latents": []}, "got none"),
    (lambda z: {"latents": z, "encoder": NeedsEncoder(), "data": z}, "got both"),
    (lambda z: {"encoder": NeedsEncoder()}, "or latents, got neither"),
    (lambda z: {"latents": "nowhere.npy"}, "no such file"),
    (lambda z: {"latents": "tests/cases.py"}, "a .npy or .parquet"),
    (lambda z: {"latents": "tests"}, "got neither"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_latents_are_refused_in_one_sentence(arguments, message):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message) as info:
        fit_prior("mog", **arguments(two_heaps(60)), **QUICK)
    assert str(info.value).endswith(".")


def test_latents_of_another_size_than_the_prior_are_refused():
    with pytest.raises(ValueError, match=r"latents with 3 dimensions, .* got 2"):
        fit_prior(MoGPrior(3, 2), latents=two_heaps(), **QUIET)


def fitted_together():
    torch.manual_seed(0)
    z = two_heaps(200)
    options = {"num_components": 2, "max_epochs": 2, "processes": Processes(), **QUIET}
    once = fit_prior("mog", latents=iter(z.split(50)), **{**options, "max_epochs": None})
    fit = fit_prior("mog", latents=z, scales=torch.full_like(z, 0.1), **options)
    return fit.prior.loc.detach(), fit.after, once.prior.loc.detach()


def test_several_processes_fit_what_one_does():
    loc, after, once = fitted_together()
    first, second = together(2, fitted_together)
    assert first[0].equal(second[0])
    torch.testing.assert_close(first[0], loc, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(first[2], once, rtol=1e-3, atol=1e-3)
    assert first[1].held_out.value == pytest.approx(after.held_out.value, abs=1e-3)
