"""`priory check`: a prior of one's own, from a file of one's own."""

from pathlib import Path

import pytest

from priory.commands.check import check

RIGHT = """
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

class Mine(nn.Module):
    kind = MixtureSameFamily
    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(4))
        self.loc = nn.Parameter(2 * torch.randn(4, 2))
        self.log_scale = nn.Parameter(torch.zeros(4, 2))

    def forward(self, encoder):
        parts = Independent(Normal(self.loc, self.log_scale.exp()), 1)
        return self.kind(Categorical(logits=self.logits), parts)
"""

# The density is right; the sampler draws a component for each dimension.
WRONG = (
    RIGHT
    + """
class Crossed(MixtureSameFamily):
    def sample(self, sample_shape=()):
        z = self.component_distribution.sample(sample_shape)
        k = self.mixture_distribution.sample((*sample_shape, z.shape[-1]))
        return z.gather(-2, k.unsqueeze(-2)).squeeze(-2)

class Wrong(Mine):
    kind = Crossed
"""
)

SKIP = ("compile", "export")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_right_prior_passes(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "right_prior.py").write_text(RIGHT)
    check("right_prior:Mine", skip=SKIP)
    assert "Mine: passed" in capsys.readouterr().out


def test_wrong_prior_exits_with_one_and_says_why(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "wrong_prior.py").write_text(WRONG)
    with pytest.raises(SystemExit) as stop:
        check("wrong_prior:Wrong", skip=SKIP)
    assert stop.value.code == 1
    out = capsys.readouterr().out
    assert "Wrong: NOT PASSED" in out
    assert "1. the sampler chooses a component for each latent dimension" in out


def test_errors_say_what_was_expected(here: Path):
    with pytest.raises(ValueError, match=r"expected a prior as package.module:make_prior, got 'x'"):
        check("x")
    with pytest.raises(ImportError, match="no module 'no_such_module'"):
        check("no_such_module:make")
    with pytest.raises(ValueError, match="expected a function 'make' in 'math'"):
        check("math:make")
