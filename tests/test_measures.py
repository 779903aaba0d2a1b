"""All measures at once, from Python and from the command line."""

import json

import numpy as np
import pytest
import torch
from torch.distributions import Laplace

import priory
from linear import Linear, data_distribution, linear_data, linear_vae
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    ConditionalMoGPrior,
    Context,
    GaussianEncoder,
    StandardPrior,
    VampPrior,
)
from priory.aggregate import posterior_of_all
from priory.cli import main
from priory.data import DataFormat, open_data
from priory.evaluation import measure

X = linear_data(60)


pytestmark = pytest.mark.usefixtures("few_permutations")


def test_all_measures_of_a_model_and_its_seed():
    vae, state = linear_vae(StandardPrior(2)), torch.get_rng_state()
    found, again = (measure(vae, X[:20], X[20:], num_samples=500, seed=3) for _ in range(2))
    assert torch.get_rng_state().equal(state)
    assert found.nll.mean == again.nll.mean
    assert "<th>active units</th>" in found._repr_html_()
    assert found.memorisation == again.memorisation
    assert found.surgery.num_data == found.num_training == 40
    exact = -float(data_distribution().log_prob(X[:20]).mean())
    assert found.nll.mean == pytest.approx(exact, abs=0.05)
    assert found.components_in_use is None
    assert found.nearest_to_pseudo_inputs is None
    assert found.memorisation.num_held_out == found.samples.num_data == 20
    assert found.holes.prior_in_holes < 0.9


def test_the_nearest_to_pseudo_inputs_keep_their_places():
    vae = linear_vae(VampPrior(4, (3,), data_range=(-9, 9)))
    vae.prior.fit_data(X, vae.encoder)
    with torch.no_grad():
        vae.prior.unfolded.copy_((X[[50, 7, 33, 58]] + 9) / 18)
    found = measure(vae, X[:12], X, num_samples=30, max_training=60)
    near = found.nearest_to_pseudo_inputs
    assert near.index.flatten().tolist() == [50, 7, 33, 58]
    assert near.distance.max() < 1e-5
    assert 1 <= found.components_in_use <= 4


def test_what_cannot_be_measured_is_none():
    class LaplaceEncoder(Linear):
        def forward(self, x, context=None):
            normal = super().forward(x).base_dist
            return torch.distributions.Independent(Laplace(normal.loc, normal.scale), 1)

    vae = linear_vae(StandardPrior(2), LaplaceEncoder(torch.ones(2, 3), 0.5))
    found = measure(vae, X[:5], num_samples=5)
    nothing = ("surgery", "latent_use", "holes", "samples", "memorisation", "classifier")
    assert [getattr(found, name) for name in nothing] == [None] * 6
    assert found.nll.pareto_k is None


def test_a_model_of_labels_is_measured_under_its_prior_over_all():
    encoder = GaussianEncoder(MLP((4,), (4,), (8,), num_labels=3))
    decoder = BernoulliDecoder(MLP((2,), (4,), (8,), num_labels=3))
    vae = VAE(encoder, decoder, ConditionalMoGPrior(2, 2, num_labels=3)).eval()
    x, labels = (torch.rand(30, 4) < 0.5).float(), torch.arange(30) % 3
    contexts = Context(labels=labels[:12]), Context(labels=labels[12:])
    found = measure(
        vae, x[:12], x[12:], context=contexts[0], training_context=contexts[1], num_samples=30
    )
    assert found.given_labels
    assert 1 <= found.components_in_use <= 6
    rest = found.surgery.reconstruction.value - found.surgery.mutual_information.value
    assert found.surgery.elbo.value == pytest.approx(
        rest - found.surgery.marginal_kl.value, abs=1e-4
    )


def test_data_encoded_in_blocks_are_those_encoded_at_once():
    x = torch.rand(1031, 6)
    encoder = GaussianEncoder(MLP((6,), (4,), (8,)))
    vae = VAE(encoder, BernoulliDecoder(MLP((2,), (6,), (8,))), StandardPrior(2))
    sizes = []
    encoder.register_forward_hook(lambda module, given, q: sizes.append(len(given[0])))
    q = posterior_of_all(vae, x)
    assert max(sizes) == 1024
    with torch.random.fork_rng():
        expected = encoder(x).sample()
    assert torch.allclose(q.sample(), expected, atol=1e-6)


def test_the_command_writes_its_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("bits.npy", np.random.default_rng(0).integers(0, 2, (120, 6)))
    encoder = GaussianEncoder(MLP((6,), (4,), (8,)))
    vae = VAE(encoder, BernoulliDecoder(MLP((2,), (6,), (8,))), VampPrior(3, (6,)))
    priory.save(vae, "run")
    (tmp_path / "run" / "config.yaml").write_text("data: bits.npy\nseed: 3\n")
    DataFormat.of(open_data("bits.npy", 3)).write(tmp_path / "run")
    opened = []
    watched = lambda *where: opened.append(where) or open_data(*where)  # noqa: E731
    monkeypatch.setattr("priory.runs.options.open_data", watched)
    main(["evaluate", "run", "--importance-samples", "40"])
    assert len(opened) == 1
    found = json.loads((tmp_path / "run" / "measures.json").read_text())
    assert found["num_data"] == 12
    assert found["num_training"] == 96
    assert found["nll"]["curve"][-1] == {
        "num_samples": 40,
        "nll": pytest.approx(found["nll"]["mean"]),
    }
    assert len(found["nearest_to_pseudo_inputs"]["index"]) == 3
    out = capsys.readouterr().out
    assert f"{found['nll']['mean']:.2f} ± {found['nll']['standard_error']:.2f}" in out
    assert "measures.json" in out
    np.save("other.npy", np.random.default_rng(1).integers(0, 2, (5, 6)))
    main(["evaluate", "run", "--data", "other.npy", "--importance-samples", "1", "--out", "o.json"])
    other = json.loads((tmp_path / "o.json").read_text())
    assert (other["num_data"], other["samples"]) == (5, None)
    assert "negative ELBO" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", "run", "--out", "o.json"])
    assert "does not exist yet" in capsys.readouterr().err
