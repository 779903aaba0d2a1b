"""Training, from an array or from splits."""

import pytest
import torch
from torch import nn

import priory
from priory import MoGPrior, StandardPrior, VampPrior
from priory.data import Source, split
from priory.data.splits import mix
from priory.likelihoods import choose_likelihood
from priory.objectives import elbo
from priory.training import TrainingSettings, make_networks, new_run_directory, next_free, train
from priory.training.epoch import Step
from priory.training.settings import OPTIMIZERS
from priory.vae import VAE


def stripes(count: int = 300) -> torch.Tensor:
    """Data of four kinds, each two of nine values on."""
    kind = torch.randint(4, (count,))
    x = torch.zeros(count, 9)
    x[torch.arange(count), kind] = 1
    x[torch.arange(count), kind + 4] = 1
    return x


def make_vae(splits, prior, seed=0) -> VAE:
    torch.manual_seed(seed)
    likelihood = choose_likelihood(splits.train.values)
    return VAE(*make_networks(likelihood, splits.data_shape, 2, (16,)), prior)


@pytest.mark.parametrize("prior", ["StandardPrior", "mog", "VampPrior"])
def test_fit_learns_the_data(prior, capsys):
    torch.manual_seed(1)
    x = stripes()
    state = torch.get_rng_state()
    settings = {"hidden_sizes": (32,), "learning_rate": 0.02, "batch_size": 64}
    vae = priory.fit(x, prior, max_epochs=40, num_components=4, **settings)
    assert torch.get_rng_state().equal(state)
    assert not vae.training
    out = capsys.readouterr().out
    assert "bernoulli likelihood (only zeros and ones)" in " ".join(out.split())
    assert elbo(vae, x, 20).elbo.mean() > -2.5  # log 4 = 1.39; independent pixels lose 4.6
    assert (vae.sample(200).sum(-1) == 2).float().mean() > 0.45  # independent pixels: 0.31


def test_fit_takes_a_prior_as_well_as_its_name():
    prior = MoGPrior(3, 2)
    vae = priory.fit(stripes(), prior, max_epochs=1, verbose=False)
    assert vae.prior is prior
    assert vae.encode(stripes(5)).shape == (5, 3)


def test_fit_takes_an_array_of_numpy():
    x = stripes().numpy().astype("uint8")
    vae = priory.fit(x, max_epochs=1, verbose=False)
    assert vae.encode(x).equal(vae.encode(x.astype("float64")))
    assert vae.reconstruct(x).shape == vae.sample(300).shape == (300, 9)


def test_fit_is_silent_when_asked(capsys):
    priory.fit(stripes(), max_epochs=1, verbose=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_seed_repeats_a_run():
    splits = split(Source("stripes", stripes()))

    def run(seed):
        torch.manual_seed(7)
        vae = make_vae(splits, VampPrior(4, (9,)))
        train(vae, splits, TrainingSettings(max_epochs=3, seed=seed))
        return torch.nn.utils.parameters_to_vector(vae.parameters())

    assert run(0).equal(run(0))
    assert not run(0).equal(run(1))


def test_every_epoch_has_all_data_in_an_order_of_its_own(monkeypatch):
    splits = split(Source("rows", torch.eye(120)), test=0.0)
    shown, forward = [], Step.forward

    def watch(self, batch, beta):
        assert batch.x.equal(splits.train.tensor()[batch.position])
        shown.extend(batch.x.argmax(-1).tolist())
        return forward(self, batch, beta)

    monkeypatch.setattr(Step, "forward", watch)
    train(make_vae(splits, MoGPrior(2, 4)), splits, TrainingSettings(max_epochs=4))
    orders = torch.tensor(shown).view(4, len(splits.train)).tolist()
    assert len({tuple(order) for order in orders}) == 4
    assert len({tuple(sorted(order)) for order in orders}) == 1


def test_modules_that_know_no_context_can_be_trained():
    class Plain(nn.Module):
        def __init__(self, encoder):
            super().__init__()
            self.encoder = encoder

        def forward(self, x):
            return self.encoder(x)

    splits = split(Source("stripes", stripes(60)))
    vae = make_vae(splits, MoGPrior(2, 4))
    vae.encoder = Plain(vae.encoder)
    train(vae, splits, TrainingSettings(max_epochs=1))


def test_the_best_weights_are_kept_and_training_stops():
    splits = split(Source("stripes", stripes(60)))
    vae = make_vae(splits, MoGPrior(2, 4))
    history = train(vae, splits, TrainingSettings(max_epochs=500, patience=3, learning_rate=0.05))
    assert 4 <= history.epochs < 500
    torch.manual_seed(mix(0, 0))
    with torch.no_grad():
        assert elbo(vae, splits.validation.tensor()).elbo.mean().item() == pytest.approx(
            history.best_elbo
        )


def test_curves_are_written(tmp_path):
    splits = split(Source("stripes", stripes()))
    train(make_vae(splits, MoGPrior(2, 4)), splits, TrainingSettings(max_epochs=3), curves=tmp_path)
    header, *rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert {"elbo", "rate", "reconstruction", "train_loss"} < set(header.split(","))
    assert len(rows) >= 3


def test_beta_lowers_the_rate():
    splits = split(Source("stripes", stripes()))

    def rate(beta):
        vae = make_vae(splits, MoGPrior(2, 4))
        train(vae, splits, TrainingSettings(max_epochs=12, beta=beta, learning_rate=0.03))
        return elbo(vae, splits.validation.tensor(), 10).rate.mean()

    assert rate(4.0) < rate(0.25) - 0.5


def test_training_that_diverges_says_where():
    splits = split(Source("stripes", stripes()))
    vae = make_vae(splits, MoGPrior(2, 4))
    with pytest.raises((FloatingPointError, ValueError)):
        train(vae, splits, TrainingSettings(max_epochs=50, learning_rate=1e6))


@pytest.mark.parametrize(
    ("optimizer", "decay", "found"),
    [
        ("adamw", None, [0.01]),
        ("adamw", 0.2, [0.2]),
        ("muon", None, [0, 0]),
        ("muon", 0.2, [0.2, 0]),
    ],
)
def test_weight_decay_reaches_the_optimiser(optimizer, decay, found):
    splits = split(Source("stripes", stripes()))
    settings = TrainingSettings(optimizer=optimizer, weight_decay=decay)
    made = OPTIMIZERS[optimizer](make_vae(splits, MoGPrior(2, 4)), 0.1, settings.weight_decay)
    assert [group["weight_decay"] for group in made.param_groups] == found


class Poisoned(MoGPrior):
    """A prior that asks whether arguments are checked, and has no number to give at last."""

    def __init__(self, last: int) -> None:
        super().__init__(2, 4)
        self.last, self.checked = last, []

    def forward(self, encoder=None, context=None):
        if self.training:
            self.checked.append(torch.distributions.Normal(0.0, 1.0)._validate_args)
            if len(self.checked) == abs(self.last):
                self.loc.data.fill_(torch.nan)
                if self.last < 0:
                    torch.multinomial(self.loc.flatten(), 1)
        return super().forward(encoder, context)


def test_arguments_are_checked_in_the_first_epoch_alone_and_nan_is_found_in_any():
    splits = split(Source("stripes", stripes()))
    steps = -(-len(splits.train) // 16)
    for last in (2, steps + 2, 3 * steps, -steps - 2):  # a negative one fails in torch itself
        prior = Poisoned(last)
        at = abs(last) - 1
        with pytest.raises(FloatingPointError, match=f"epoch {at // steps}, batch {at % steps}"):
            train(make_vae(splits, prior), splits, TrainingSettings(max_epochs=9, batch_size=16))
        assert prior.checked[:at] == [step < steps for step in range(at)]
        assert torch.distributions.Normal(0.0, 1.0)._validate_args


def test_fit_refuses_a_prior_of_another_range():
    with pytest.raises(ValueError, match="within \\[0, 1\\], got"):
        priory.fit(2 * stripes(), VampPrior(4, (9,), data_range=(0, 1)), verbose=False)


def test_bad_settings_are_refused():
    splits = split(Source("stripes", stripes()))
    vae = make_vae(splits, MoGPrior(2, 4))
    for settings in ({"max_epochs": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="expected"):
            train(vae, splits, TrainingSettings(**settings))
    for settings in ({"weight_decay": -1.0, "optimizer": "muon"}, {"weight_decay": 0.1}):
        with pytest.raises(ValueError, match="weight"):
            TrainingSettings(**settings)
    with pytest.raises(ValueError, match="validate at least once in 2 epochs"):
        TrainingSettings(max_epochs=2, validate_every=3)
    with pytest.raises(ValueError, match="got nan"):
        priory.fit(stripes() * torch.nan)
    with pytest.raises(ValueError, match="did you mean"):
        priory.fit(stripes(), "VapmPrior")


def test_a_run_directory_is_whole_or_not_there(tmp_path):
    with new_run_directory(tmp_path / "a" / "run") as scratch:
        (scratch / "file").write_text("done")
    assert (tmp_path / "a" / "run" / "file").read_text() == "done"

    def interrupted():
        with new_run_directory(tmp_path / "other") as scratch:
            (scratch / "file").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(FileExistsError, match="does not exist yet"), new_run_directory(tmp_path):
        pass
    (tmp_path / "file").touch()
    with (
        pytest.raises(OSError, match="a writable directory"),
        new_run_directory(tmp_path / "file" / "run"),
    ):
        pass
    assert next_free(tmp_path / "a", "x").name == "x-1"


def test_components_that_no_example_uses_are_reseeded():
    splits = split(Source("stripes", stripes()))
    prior = VampPrior(8, (9,))
    vae = make_vae(splits, prior)
    with torch.no_grad():
        prior.logits[4:] = -50.0  # as good as unused
    train(vae, splits, TrainingSettings(max_epochs=2, reseed_every=1))
    assert prior.logits.softmax(-1).min() > 1e-3
    with pytest.raises(ValueError, match="got StandardPrior"):
        train(make_vae(splits, StandardPrior(2)), splits, TrainingSettings(reseed_every=1))


def test_beta_warms_up_in_equal_steps():
    settings = TrainingSettings(beta=2.0, warmup_epochs=3)
    assert [settings.beta_at(epoch) for epoch in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert TrainingSettings().beta_at(0) == 1


def test_free_bits_keep_a_rate():
    splits = split(Source("stripes", stripes()))

    def rate(free_bits):
        vae = make_vae(splits, StandardPrior(2))
        settings = TrainingSettings(max_epochs=18, free_bits=free_bits, beta=20, learning_rate=0.02)
        train(vae, splits, settings)
        return elbo(vae, splits.validation.tensor(), 20).rate.mean()

    assert rate(0.0) < 0.1
    assert rate(1.5) > 0.5


def test_the_average_of_weights_is_kept():
    splits = split(Source("stripes", stripes()))

    def weights(**settings):
        vae = make_vae(splits, StandardPrior(2))
        how = TrainingSettings(max_epochs=3, learning_rate=0.05, **settings)
        train(vae, splits, how)
        return torch.nn.utils.parameters_to_vector(vae.parameters())

    start = torch.nn.utils.parameters_to_vector(make_vae(splits, StandardPrior(2)).parameters())
    plain, slow = weights(), weights(ema_decay=0.99)
    assert (slow - start).norm() < 0.7 * (plain - start).norm()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_epochs": 0}, "max_epochs from 1 to 1,000,000, got 0"),
        ({"patience": 0}, "patience from 1 to 1,000,000, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate above zero, got nan"),
        ({"gradient_clip": 0.0}, "gradient_clip above zero"),
        ({"ema_decay": 1.0}, "ema_decay between 0 and 1"),
        ({"objective": "importance-weighted", "beta": 0.5}, "no rate to weigh, got beta=0.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**settings)
