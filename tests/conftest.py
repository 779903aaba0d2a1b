"""Every test but those of the compiler runs with the shapes of all signatures checked."""

import importlib
import os
from functools import partial

os.environ["OMP_NUM_THREADS"] = "1"  # tensors are small, and processes run side by side

import jaxtyping
import pytest
import torch
from torch.distributions import Distribution

jaxtyping.install_import_hook("priory", "typechecker.check")

for backend in (torch.cuda, torch.xpu, torch.mtia):
    if not backend.is_available():  # where a seed is queued, with the whole stack as text
        backend.manual_seed_all = lambda seed: None


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    Distribution.set_default_validate_args(True)  # which torch.compile switches off


@pytest.fixture
def few_permutations(monkeypatch):
    """Let a classifier be tested against few divisions; all of them take seconds."""
    two_sample = importlib.import_module("priory.evaluation.two_sample")
    quick = partial(two_sample.classifier_test, num_permutations=3)
    monkeypatch.setattr(two_sample, "classifier_test", quick)


@pytest.fixture
def unrendered():
    """Run commands without figures and pages."""
    from shell import without_pictures

    with without_pictures():
        yield
