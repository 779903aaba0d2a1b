"""What a notebook shows of models and numbers."""

import pytest
import torch

from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, MoGPrior
from priory.evaluation import evaluate, negative_log_likelihood
from priory.printing import plain_console


def test_models_and_numbers_show_themselves():
    encoder = GaussianEncoder(MLP((4,), (4,), ()))
    vae = VAE(encoder, BernoulliDecoder(MLP((2,), (4,), ())), MoGPrior(2, num_components=3))
    shown = vae._repr_html_()
    assert "MoGPrior(latent_dim=2, num_components=3" in shown
    assert "47, of which 15 of the prior" in shown  # 4·4 + 4, 2·4 + 4 and 3 (1 + 2 + 2)
    assert repr(vae).startswith("VAE(\n  (encoder)")
    x = torch.zeros(20, 4)
    nll = negative_log_likelihood(vae, x, 1)
    assert f"{nll.mean:.2f} ± {nll.standard_error:.2f} nats" in nll._repr_html_()
    assert nll.warnings[0] in nll._repr_html_()
    found = evaluate(vae, x, 8)
    assert f"<th>NLL</th><td>{found.nll:.2f} ± {found.nll_standard_error:.2f} (" in str(
        found._repr_html_()
    )
    assert "over the held-out examples (NLL, ELBO" in found._repr_html_()


def test_what_is_printed_in_a_notebook_is_plain_text(monkeypatch, capsys):
    monkeypatch.setattr(pytest.importorskip("rich.console"), "_is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as the output of a notebook counts as a terminal
    console = plain_console()
    console.print("fitted")
    assert not console.is_terminal
    assert capsys.readouterr().out == "fitted\n"
