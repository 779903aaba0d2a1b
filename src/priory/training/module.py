"""A VAE as Lightning trains it."""

from typing import Any, cast

import torch
from torch import Tensor

from priory.data.batches import Batches, mix
from priory.extras import needs
from priory.networks.context import Context
from priory.objectives import elbo, loss
from priory.vae import VAE

with needs("train"):
    from lightning.pytorch import LightningModule


class Training(LightningModule):
    """One VAE, its loss, its optimiser and its noise.

    The noise of a training step is drawn anew from (seed, epoch, step), and that of validation is
    the same every time, so that early stopping follows the model and not the dice.

    Args:
        vae: The model.
        learning_rate: The step size of Adamax.
        beta: The weight of the rate in the loss.
        seed: The seed of the noise.

    """

    def __init__(
        self, vae: VAE, learning_rate: float = 1e-3, beta: float = 1.0, seed: int = 0
    ) -> None:
        super().__init__()
        self.vae = vae
        self.learning_rate = learning_rate
        self.beta = beta
        self.seed = seed

    def on_train_epoch_start(self) -> None:
        """Tell the batches which epoch this is."""
        cast(Batches, self.trainer.train_dataloader).set_epoch(self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch, in nats per datum; the model is told which data it has."""
        x, index = batch
        torch.manual_seed(mix(self.seed, self.current_epoch, batch_index))
        value = loss(self.vae, x, beta=self.beta, context=Context(index=index))
        if not value.isfinite():
            raise FloatingPointError(
                f"expected a finite loss, got {float(value)} in epoch {self.current_epoch}, batch "
                f"{batch_index}; lower the learning rate."
            )
        self.log("train_loss", value, on_step=False, on_epoch=True, batch_size=len(x))
        return value

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Log the ELBO and its terms on validation data, in nats per datum."""
        x, _ = batch  # positions in the training set are none of theirs
        torch.manual_seed(mix(self.seed, batch_index))
        terms = elbo(self.vae, x)
        parts = {
            "elbo": terms.elbo.mean(),
            "reconstruction": terms.reconstruction.mean(),
            "rate": terms.rate.mean(),
        }
        self.log_dict(parts, batch_size=len(x))

    def configure_optimizers(self) -> Any:
        """Return Adamax over all that is learned."""
        return torch.optim.Adamax(self.parameters(), lr=self.learning_rate)
