"""The recipes for loops that need a library of their own."""

import numpy as np
import pytest
import torch

from pages import blocks

pytestmark = pytest.mark.filterwarnings("ignore")
PAGE = "docs/recipes/loops.md"


def run(word, names):
    (found,) = [block for block in blocks(PAGE) if word in block]
    exec(found, names)
    return names


def test_accelerate_trains():
    pytest.importorskip("accelerate")
    names = run("class Loss", {})
    data = torch.utils.data.TensorDataset(names["x"])
    names["loader"] = torch.utils.data.DataLoader(data, batch_size=32)
    run("accelerator.prepare", names)
    assert names["loss"].isfinite()
    assert type(names["vae"]).__name__ == "VAE"


def test_a_frozen_mixture_is_numpyros():
    pytest.importorskip("numpyro")
    names = run("numpyro", run("class Loss", {}))
    z = torch.randn(5, 2)
    expected = names["p"].log_prob(z).detach().numpy()
    np.testing.assert_allclose(names["frozen"].log_prob(z.numpy()), expected, rtol=1e-4)
