"""Every test but those of the compiler runs with the shapes of all signatures checked."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # tensors are small, and processes run side by side

import jaxtyping
import pytest
import torch
from torch.distributions import Distribution

jaxtyping.install_import_hook("priory", "typechecker.check")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    Distribution.set_default_validate_args(True)  # which torch.compile switches off
