"""Every test but those of the compiler runs with the shapes of all signatures checked."""

import jaxtyping
import pytest
import torch

jaxtyping.install_import_hook("priory", "typechecker.check")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
