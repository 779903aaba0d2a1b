"""Draw every prior under q(z): `python benchmarks/gallery.py`, for the pictures of docs/gallery.md.

Each prior trains the same VAE on the rings, from the same seed, with two latent dimensions and 16
components where it has some (of each label, where it is conditional): two minutes on one core.
"""

from pathlib import Path

import torch

from priory.data import open_data
from priory.evaluation import exhibit
from priory.likelihoods import choose_likelihood
from priory.priors import prior_classes
from priory.report import density_figure, latent_map
from priory.training import TrainingSettings, build, train

PICTURES = Path(__file__).parents[1] / "docs" / "images" / "gallery"


def draw(prior: str) -> None:
    """Train a model with a prior, and write its picture."""
    splits = open_data("rings")
    levels = (4, 2) if prior == "HierarchicalPrior" else 1
    vae = build(
        splits,
        choose_likelihood(splits.modelled),
        "VampPrior" if levels != 1 else prior,
        latent_dim=None if levels != 1 else 2,
        levels=levels,
        num_components=16,
    )
    train(vae, splits, TrainingSettings(max_epochs=80, batch_size=250, learning_rate=5e-3))
    shown = exhibit(vae, splits.test.tensor(), context=vae.context_of(splits.test.labels))
    figure = density_figure(latent_map(prior, shown.prior, shown.z))
    figure.savefig(PICTURES / f"{prior}.png", dpi=100)
    print(prior, flush=True)


def main() -> None:
    """Draw them all."""
    torch.set_num_threads(1)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for prior in (*prior_classes(), "HierarchicalPrior"):
        draw(prior)


if __name__ == "__main__":
    main()
