"""How to train: the settings, and the optimisers that they name."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from priory.arguments import MOST_SEED, above_zero, within
from priory.vae import VAE

MOST_SAMPLES = 10_000


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: the objective, the duration and the steps.

    Args:
        max_epochs: The maximum number of epochs.
        patience: Stop after this many epochs without a better validation ELBO; none trains all
            epochs.
        batch_size: The number of examples in a batch, over all processes; by default a hundredth of
            the data, between 64 and 1000.
        optimizer: The optimiser; `muon` needs far fewer steps if the networks are fully connected.
        learning_rate: Its step size.
        weight_decay: How much weights shrink in each step, independent of the loss, as a fraction
            of the step size: the weight matrices of the networks with `muon`, all parameters
            including the prior's with `adamw`; none means 0.01 for `adamw` and zero for `muon`.
        schedule: Whether the step size stays constant or falls to zero along half a cosine.
        gradient_clip: The largest norm of the gradient; none does not clip.
        ema_decay: Validate and keep an exponential moving average of the weights, with this decay
            per step; none uses the weights themselves.
        beta: The weight of the rate in the loss; one is the ELBO.
        warmup_epochs: The number of epochs over which that weight rises from zero, in equal steps;
            with several levels of latents, one number for all or one for each, such as `[20,100]`.
        free_bits: The mean rate of a level of latents, in nats, below which the loss does not fall
            further; one number for all levels or one for each.
        gradient: The gradient of the rate for the posterior: the full one, or only that along the
            path through z, which has the same mean and less noise.
        objective: What to maximise: the evidence lower bound, or the importance-weighted bound with
            the doubly reparameterised gradient.
        num_samples: The number of samples of z per example in a step.
        reseed_every: How often, in epochs, to look for components that no example uses, and to
            restart them from the data that the prior explains worst; none never does.
        seed: The random seed of the order and the noise.
        validate_every: How often to validate, in epochs.

    Raises:
        ValueError: If a setting is out of range, or two settings exclude each other.
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
                f"expected to validate at least once in {self.max_epochs} epochs, because the best "
                "validation ELBO determines which weights to keep, got "
                f"validate_every={self.validate_every}; train longer or validate more often."
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"expected ema_decay between 0 and 1, got {self.ema_decay}.")
        if self.weight_decay is not None and self.optimizer not in ("adamw", "muon"):
            raise ValueError(
                "expected optimizer='adamw' or 'muon' to shrink weights, got "
                f"weight_decay={self.weight_decay:g} with {self.optimizer!r}; the others would "
                "treat it as a gradient."
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
                "expected no choice of gradient with the importance-weighted bound, whose "
                f"gradient is the doubly reparameterised one, got gradient={self.gradient!r}."
            )

    def __str__(self) -> str:
        """Return the settings in one line."""
        length = f"at most {self.max_epochs} epochs"
        if self.patience is not None:
            length += f", stopping after {self.patience} without a better validation ELBO"
        size = "" if self.batch_size is None else f"batches of {self.batch_size}, "
        decay = f" with decay {self.weight_decay:g}" if self.weight_decay else ""
        return f"{self.optimizer} at {self.learning_rate:g}{decay}, {size}{length}"

    def batch_size_for(self, num_data: int) -> int:
        """Return the number of examples in a batch, for this many training examples."""
        return self.batch_size or min(1000, max(64, num_data // 100))

    def epochs_left(self, epoch: int, without_better: int) -> int:
        """Return the number of epochs left if the validation ELBO does not rise again."""
        left = self.max_epochs - epoch
        if self.patience is not None:
            left = min(left, self.patience - without_better)
        return max(left, 0)

    def share_at(self, progress: float) -> float:
        """Return the fraction of the step size after a fraction of all steps, by the schedule."""
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def beta_at(self, epoch: int) -> float | tuple[float, ...]:
        """Return the weight of the rate in an epoch, from zero; one per level if several."""

        def after(warmup: int) -> float:
            return self.beta * min(1.0, (epoch + 1) / (warmup + 1))

        if isinstance(self.warmup_epochs, int):
            return after(self.warmup_epochs)
        return tuple(map(after, self.warmup_epochs))

    def check_levels(self, number: int) -> None:
        """Check that settings for each level of latents have one value per level.

        Raises:
            ValueError: If they do not.
        """
        for name in ("warmup_epochs", "free_bits"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and len(value) != number:
                raise ValueError(
                    f"expected {name} as one number, or one for each of {number} levels of "
                    f"latents, got {len(value)} numbers."
                )


class Muon(Optimizer):
    r"""Muon for the weight matrices of a model's networks, Adam for everything else.

    A matrix moves along its momentum with all singular values set to one, approximated by a few
    Newton-Schulz iterations,

    $$W \leftarrow W - 0.2\,\eta \sqrt{\max(m, n)}\; U V^\top, \qquad U S V^\top = M,$$

    so that its entries move as far, in the mean square, as with Adam at the same rate $\eta$.
    Matrices are the weights of the linear layers of the encoder and the decoder; Adam updates
    biases, convolutions and the whole prior, including its pseudo-inputs.

    Args:
        vae: The model.
        lr: The step size η for both.
        weight_decay: The weight decay λ: matrices shrink by the factor $1 - \eta \lambda$ before
            each step.

    Raises:
        ValueError: If there are no linear layers.

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
        layers = chain(vae.encoder.modules(), vae.decoder.modules())
        matrices = list(dict.fromkeys(m.weight for m in layers if isinstance(m, nn.Linear)))
        if not matrices:
            raise ValueError(
                "expected an encoder or a decoder with linear layers for the optimiser muon, got "
                "none; use adam."
            )
        in_matrices = set(matrices)
        others = [p for p in vae.parameters() if p not in in_matrices]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others}]
        super().__init__(groups, {"lr": lr})
        self.parts: tuple[Optimizer, ...] = (
            torch.optim.Muon(matrices, lr, weight_decay or 0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.Adam(others, lr, foreach=True),
        )
        self.param_groups = [part.param_groups[0] for part in self.parts]
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters, with the gradients from the closure if there is one."""
        with torch.enable_grad():
            loss: Tensor | None = None if closure is None else closure()
        matrices, others = self.parts
        with _Float32() if self._bfloat16_is_slow else nullcontext():
            matrices.step()
        others.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of an optimiser for the same model."""
        super().load_state_dict(state_dict)
        self._share()

    @property
    def _bfloat16_is_slow(self) -> bool:
        """Whether products in bfloat16 are emulated, which takes 30 times as long as in float32."""
        on_cpu = self.param_groups[0]["params"][0].device.type == "cpu"
        return on_cpu and "AVX512" not in torch.backends.cpu.get_cpu_capability()

    def _share(self) -> None:
        """Let both parts use the groups and the state of the whole optimiser."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state


class _Float32(TorchFunctionMode):
    """Keep what is converted to bfloat16, as torch's Muon does before it multiplies, in float32."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.bfloat16:
            return args[0].to(torch.float32, copy=True)
        return func(*args, **(kwargs or {}))


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
