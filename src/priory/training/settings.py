"""How to train: the settings, and the optimisers that they name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from priory.arguments import MOST_SEED, above_zero, within
from priory.vae import VAE

MOST_SAMPLES = 10_000


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: what is optimised, for how long, in which steps.

    Args:
        max_epochs: The most epochs to train.
        patience: Epochs without a better validation ELBO after which training stops; none trains
            all epochs.
        batch_size: The number of data in a batch, over all processes; by default a hundredth of the
            data, between 64 and 1000.
        optimizer: The optimiser; `muon` takes far fewer steps where networks are fully connected.
        learning_rate: Its step size.
        weight_decay: How much weights shrink in each step beside the loss, as a share of the step
            size: with `muon` the matrices of the networks, with `adamw` all that is learned, the
            prior too; none takes 0.01 for `adamw` and zero for `muon`.
        schedule: Whether the step size stays constant or falls to zero along half a cosine.
        gradient_clip: The largest norm of the gradient; none leaves it as it is.
        ema_decay: Validate and keep an exponential moving average of the weights, with this decay
            per step; none keeps the weights themselves.
        beta: The weight of the rate in the loss; one is the ELBO.
        warmup_epochs: Epochs over which that weight rises from zero, in equal steps; with several
            levels of latents, one number for all or one for each, such as `[20,100]`.
        free_bits: The mean rate of a level of latents, in nats, below which it costs no less; one
            number for all levels or one for each.
        gradient: The gradient of the rate for the posterior: all of it, or that along the path
            through z alone, which has the same mean and less noise.
        objective: What to maximise: the evidence lower bound, or the importance-weighted bound with
            the doubly reparameterised gradient.
        num_samples: Samples of z per example in a step.
        reseed_every: Epochs between searches for components that no example uses, which then start
            again from data that the prior explains worst; none never does.
        seed: The seed of the order and the noise.
        validate_every: Epochs from one validation to the next.

    Raises:
        ValueError: If a setting is out of range, or two exclude each other.
    """

    max_epochs: int = 1000
    patience: int | None = 20
    batch_size: int | None = None
    optimizer: Literal["adamax", "adam", "adamw", "muon"] = "adamax"
    learning_rate: float = 1e-3
    weight_decay: float | None = None
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    ema_decay: float | None = None
    beta: float = 1.0
    warmup_epochs: int | Sequence[int] = 0
    free_bits: float | Sequence[float] = 0.0
    gradient: Literal["reparameterised", "path"] = "reparameterised"
    objective: Literal["elbo", "importance-weighted"] = "elbo"
    num_samples: int = 1
    reseed_every: int | None = None
    seed: int = 0
    validate_every: int = 1

    def __post_init__(self) -> None:
        counts = ("max_epochs", "validate_every", "patience", "batch_size", "reseed_every")
        within(1, **{name: getattr(self, name) for name in counts})
        within(1, MOST_SAMPLES, num_samples=self.num_samples)
        for name in ("warmup_epochs", "beta", "free_bits", "weight_decay"):
            value = getattr(self, name)
            for one in value if isinstance(value, Sequence) else (value,):
                within(0, **{name: one})
        within(0, MOST_SEED, seed=self.seed)
        for name in ("learning_rate", "gradient_clip"):
            if (value := getattr(self, name)) is not None:
                above_zero(**{name: value})
                within(0, **{name: value})
        if self.validate_every > self.max_epochs:
            raise ValueError(
                f"expected to validate at least once in {self.max_epochs} epochs, as the best "
                "validation ELBO says which weights to keep, got validate_every="
                f"{self.validate_every}; train longer or validate more often."
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"expected ema_decay between 0 and 1, got {self.ema_decay}.")
        if self.weight_decay is not None and self.optimizer not in ("adamw", "muon"):
            raise ValueError(
                "expected optimizer='adamw' or 'muon' to shrink weights, got weight_decay="
                f"{self.weight_decay:g} with {self.optimizer!r}; the others would take it for a "
                "gradient."
            )
        for name in ("optimizer", "schedule", "objective", "gradient"):
            choices, value = get_args(TrainingSettings.__annotations__[name]), getattr(self, name)
            if value not in choices:
                raise ValueError(
                    f"expected {name} to be one of {', '.join(choices)}, got {value!r}."
                )
        weighs_rate = (self.beta, self.warmup_epochs, self.free_bits) != (1, 0, 0)
        if self.objective == "importance-weighted" and weighs_rate:
            raise ValueError(
                "expected beta=1, no warm-up and no free bits with the importance-weighted bound, "
                f"which has no rate to weigh, got beta={self.beta:g}, "
                f"warmup_epochs={self.warmup_epochs} and free_bits={self.free_bits}."
            )
        if self.objective == "importance-weighted" and self.gradient != "reparameterised":
            raise ValueError(
                "expected the gradient to be left out with the importance-weighted bound, whose "
                f"gradient is the doubly reparameterised one, got gradient={self.gradient!r}."
            )

    def __str__(self) -> str:
        """Return the settings in a line."""
        length = f"at most {self.max_epochs} epochs"
        if self.patience is not None:
            length += f", stopping after {self.patience} without a better validation ELBO"
        size = "" if self.batch_size is None else f"batches of {self.batch_size}, "
        decay = f" with decay {self.weight_decay:g}" if self.weight_decay else ""
        return f"{self.optimizer} at {self.learning_rate:g}{decay}, {size}{length}"

    def batch_size_for(self, num_data: int) -> int:
        """Return the number of data in a batch, of so many to train on."""
        return self.batch_size or min(1000, max(64, num_data // 100))

    def epochs_left(self, epoch: int, without_better: int) -> int:
        """Return the epochs to go after so many, should the validation ELBO not rise again."""
        left = self.max_epochs - epoch
        if self.patience is not None:
            left = min(left, self.patience - without_better)
        return max(left, 0)

    def share_at(self, progress: float) -> float:
        """Return the share of the step size after a part of all steps, by the schedule."""
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def beta_at(self, epoch: int) -> float | tuple[float, ...]:
        """Return the weight of the rate in an epoch, counted from zero; or that of each level."""

        def after(warmup: int) -> float:
            return self.beta * min(1.0, (epoch + 1) / (warmup + 1))

        if isinstance(self.warmup_epochs, int):
            return after(self.warmup_epochs)
        return tuple(map(after, self.warmup_epochs))

    def check_levels(self, number: int) -> None:
        """Check that what is given for each level of latents is given for as many as there are.

        Raises:
            ValueError: If it is not.
        """
        for name in ("warmup_epochs", "free_bits"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and len(value) != number:
                raise ValueError(
                    f"expected {name} as one number, or one for each of {number} levels of "
                    f"latents, got {len(value)} numbers."
                )


class Muon(Optimizer):
    r"""Muon for the matrices of a model's networks, Adam for all else.

    A matrix moves along its momentum with all singular values made one, which a few steps of
    Newton and Schulz approximate,

    $$W \leftarrow W - 0.2\,\eta \sqrt{\max(m, n)}\; U V^\top, \qquad U S V^\top = M,$$

    so that its entries move as far, in the mean square, as Adam would move them at the same rate
    $\eta$. Matrices are the weights of the linear layers of the encoder and the decoder; biases,
    convolutions and the whole prior, with its pseudo-inputs, are left to Adam.

    Args:
        vae: The model.
        lr: The step size η of both.
        weight_decay: The share λ by which matrices shrink in each step before they move, by the
            factor $1 - \eta \lambda$.

    Raises:
        ValueError: If torch has no Muon, before version 2.9, or there is no linear layer.

    Reference:
        Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al.,
        *Muon is Scalable for LLM Training*, 2025, equation 4.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior, loss
        >>> from priory.training import Muon
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> optimizer = Muon(vae, lr=1e-3)
        >>> loss(vae, torch.zeros(5, 9)).backward()
        >>> optimizer.step()
    """

    def __init__(self, vae: VAE, lr: float, weight_decay: float | None = None) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise ValueError(
                f"expected torch 2.9 or later for the optimiser muon, got {torch.__version__}; "
                "update it, or take adam."
            )
        layers = chain(vae.encoder.modules(), vae.decoder.modules())
        matrices = list(dict.fromkeys(m.weight for m in layers if isinstance(m, nn.Linear)))
        if not matrices:
            raise ValueError(
                "expected an encoder or a decoder with linear layers for the optimiser muon, got "
                "none; take adam."
            )
        known = set(matrices)
        others = [p for p in vae.parameters() if p not in known]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others}]
        super().__init__(groups, {"lr": lr})
        self.parts: tuple[Optimizer, ...] = (
            torch.optim.Muon(matrices, lr, weight_decay or 0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.Adam(others, lr, foreach=True),
        )
        self.param_groups = [part.param_groups[0] for part in self.parts]
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters, by the gradients that the closure leaves where there is one."""
        with torch.enable_grad():
            loss: Tensor | None = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of an optimiser of the same model."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both parts work on the groups and the state of the whole."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state


def _whole(optimizer: type[Optimizer]) -> Callable[[VAE, float, float | None], Optimizer]:
    def make(vae: VAE, lr: float, weight_decay: float | None) -> Optimizer:
        options: dict[str, Any] = {} if weight_decay is None else {"weight_decay": weight_decay}
        return optimizer(vae.parameters(), lr=lr, foreach=True, **options)  # type: ignore[call-arg]

    return make


OPTIMIZERS: dict[str, Callable[[VAE, float, float | None], Optimizer]] = {
    "adamax": _whole(torch.optim.Adamax),
    "adam": _whole(torch.optim.Adam),
    "adamw": _whole(torch.optim.AdamW),
    "muon": Muon,
}
