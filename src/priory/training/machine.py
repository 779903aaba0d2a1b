"""Where to train: the devices, the number of processes and threads, and the precision."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from priory.arguments import within
from priory.extras import needs
from priory.suggestions import did_you_mean
from priory.vae import VAE

if TYPE_CHECKING:
    from lightning.fabric import Fabric

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
PRECISIONS = ("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true")
OLDER_PRECISIONS = {"32": "32-true", "64": "64-true", "16": "16-mixed", "bf16": "bf16-mixed"}

KEPT = ("accelerator", "devices", "num_nodes", "strategy", "precision")
TRANSLATED = (*KEPT, "check_val_every_n_epoch", "logger")
"""Arguments of Lightning's Trainer that 0.1.0 accepted and that are still supported."""

REPLACED = {
    "max_epochs": "max_epochs",
    "gradient_clip_val": "gradient_clip",
    "enable_checkpointing": "checkpoint_seconds",
    "enable_progress_bar": "quiet",
    "callbacks": "a logger, whose log_metrics is called after each epoch",
    "default_root_dir": "out",
    "limit_val_batches": "validation, the fraction of the data for validation",
}
"""Others, and what to use instead; for anything else users need their own loop."""

MOST_PROCESSES = 1024
SMALL_STEP = 2e8
"""Below this number of multiplications in a step, more threads cost more than they gain."""


@dataclass(frozen=True)
class Machine:
    """Where to train.

    Under `torchrun`, it determines the number of processes.

    Args:
        accelerator: The kind of device: `"cpu"`, `"gpu"`, `"cuda"` or `"mps"`; `"auto"` uses the
            best one available.
        devices: The number of devices on each machine, with one process each; `"auto"` uses all of
            them, and `"0,2"` those two.
        num_nodes: The number of machines.
        strategy: How processes work together: `"auto"` uses `"ddp"` for several processes;
            `"ddp_find_unused_parameters_true"` is for models that do not use all parameters in
            every step.
        precision: The precision of the weights (`"32-true"`, `"64-true"`, `"bf16-true"`,
            `"16-true"`), or of only the computation (`"bf16-mixed"`, `"16-mixed"`).
        compile: Whether to compile the loss with `torch.compile` after the first epoch; the random
            draws are the same, and sums are equal up to rounding.
        threads: The number of threads of each process; None does not change it.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> from priory.training import Machine
        >>> Machine(precision="bf16-mixed", threads=1).threads
        1
        >>> Machine(accelerator="gpuu")
        Traceback (most recent call last):
        ...
        ValueError: expected accelerator auto, cpu, gpu, cuda, mps, got 'gpuu'; did you mean gpu?
    """

    accelerator: str = "auto"
    devices: int | str = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    compile: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        choices = {"accelerator": ACCELERATORS, "strategy": STRATEGIES, "precision": PRECISIONS}
        for name, names in choices.items():
            value = getattr(self, name)
            if value not in names:
                raise ValueError(
                    f"expected {name} {', '.join(names)}, got {value!r}"
                    f"{did_you_mean(str(value), names)}"
                )
        if not re.fullmatch(r"auto|-1|0*[1-9]\d*|\d+(,\d+)*,|\d+(,\d+)+", str(self.devices)):
            raise ValueError(
                "expected a number of devices, 'auto' for all, or their positions, such as '0,2', "
                f"got devices={self.devices!r}."
            )
        within(1, MOST_PROCESSES, num_nodes=self.num_nodes, threads=self.threads)
        if str(self.devices).isdecimal():
            within(1, MOST_PROCESSES, devices=int(self.devices))

    @staticmethod
    def from_trainer(
        options: Mapping[str, Any],
    ) -> tuple[dict[str, Any], str | bool | None, int | None]:
        """Translate what 0.1.0 passed on to Lightning's `Trainer`, with a warning.

        Args:
            options: The arguments: `precision`, `devices`, `num_nodes`, `strategy`, `accelerator`,
                `logger` and `check_val_every_n_epoch`, each a plain value.

        Returns:
            The arguments of a `Machine`, the logger and the epochs between validations; None for
            those not given.

        Raises:
            ValueError: If there is any other argument, or a value is not plain.

        Examples:
            >>> import warnings
            >>> from priory.training import Machine
            >>> with warnings.catch_warnings(action="ignore"):
            ...     Machine.from_trainer({"precision": 16, "check_val_every_n_epoch": 5})
            ({'precision': '16-mixed'}, None, 5)
        """
        for name, value in options.items():
            whole, _, part = name.partition(".")
            if whole in REPLACED:
                raise ValueError(f"expected no trainer.{name}; use {REPLACED[whole]}.")
            if part or name not in TRANSLATED:
                near = did_you_mean(name, TRANSLATED, "trainer.{}".format, "")
                raise ValueError(
                    f"expected only {', '.join(TRANSLATED)} of Lightning's Trainer, got "
                    f"trainer.{name}{near or '; write your own loop with priory.loss for it.'}"
                )
            if not isinstance(value, str | int | float | None):
                raise ValueError(
                    f"expected text, a number, true or false for trainer.{name}, got "
                    f"{type(value).__name__}; use the option of that name, which for the logger "
                    "also accepts your own."
                )
        given = {name: value for name, value in options.items() if value is not None}
        if not given:
            return {}, None, None
        every, logger = given.get("check_val_every_n_epoch"), given.get("logger")
        changes = {name: given[name] for name in KEPT if name in given}
        if "precision" in changes:
            precision = str(changes["precision"])
            changes["precision"] = OLDER_PRECISIONS.get(precision, precision)
        Machine(**changes)  # an error is more informative than the warning
        words = [f"{name}={value!r}" for name, value in changes.items()]
        words += [f"logger={logger!r}"] * (logger is not None)
        words += [f"validate_every={every!r}"] * (every is not None)
        warnings.warn(
            f"the mapping trainer is from 0.1.0 and will be removed; use {', '.join(words)} "
            "instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return changes, logger, every

    @property
    def device(self) -> torch.device:
        """Where a trained model is measured: the GPU it was trained on, with CUDA, or the CPU.

        Examples:
            >>> from priory.training import Machine
            >>> Machine(accelerator="cpu").device
            device(type='cpu')
        """
        on_gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return torch.device("cuda" if on_gpu else "cpu")

    def fabric(self) -> "Fabric":
        """Start the processes and return the Lightning Fabric of this machine.

        Raises:
            ImportError: If Lightning is not installed.
            ValueError: If these devices do not exist.
        """
        make, misconfigured = _lightning()
        devices, num_nodes = self.devices, self.num_nodes
        outside = torch.distributed.is_torchelastic_launched()
        if outside:
            local = int(os.environ["LOCAL_WORLD_SIZE"])
            if devices not in (1, local, str(local), "auto", -1, "-1"):
                raise ValueError(
                    f"expected as many devices as torchrun has processes here, {local}, got "
                    f"devices={devices!r}; leave out devices."
                )
            devices, num_nodes = local, int(os.environ["WORLD_SIZE"]) // local
        try:
            with quiet_lightning():
                fabric: Fabric = make(
                    accelerator=self.accelerator,
                    devices=devices,
                    num_nodes=num_nodes,
                    strategy=self.strategy,
                    precision=self.precision,
                )
                on_cpu = self.accelerator == "auto" and fabric.device.type == "cpu"
                if on_cpu and devices not in (1, "1", "auto") and not outside:
                    raise ValueError("only its CPU was found")
                fabric.launch()
        except (misconfigured, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()).partition(". ")[0].rstrip(".!")
            raise ValueError(
                f"expected devices that this machine has, got accelerator={self.accelerator!r}, "
                f"devices={self.devices!r} and strategy={self.strategy!r} ({reason}); choose "
                "others, or accelerator='cpu' with a number of processes."
            ) from error
        return fabric

    def check_compiler(self) -> None:
        """Check that there is a compiler if one is needed.

        Raises:
            ValueError: If there is none.
        """
        if not self.compile:
            return
        try:
            torch.compile(torch.sin)(torch.zeros(2))
        except Exception as error:
            raise ValueError(
                "expected a compiler that torch.compile can use, such as g++ or, on a GPU, Triton, "
                f"got {type(error).__name__}; install one, or train without compile."
            ) from error

    @contextmanager
    def own_threads(self) -> Iterator[None]:
        """Set torch's number of threads within a block, and restore it afterwards."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def _lightning() -> tuple[Any, Any]:
    with needs("train"):
        from lightning.fabric import Fabric
        from lightning.fabric.utilities.exceptions import MisconfigurationException
    return Fabric, MisconfigurationException


def threads_for(vae: VAE, batch_size: int) -> int:
    """Return the fastest number of threads for a training step: one for a small model.

    Args:
        vae: The model.
        batch_size: The number of examples in a batch.

    Returns:
        One if a step has fewer than two hundred million multiplications, and otherwise torch's
        default.

    Examples:
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.training import threads_for
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> threads_for(VAE(encoder, decoder, StandardPrior(latent_dim=2)), batch_size=64)
        1
    """
    return 1 if multiplications(vae, batch_size) < SMALL_STEP else torch.get_num_threads()


def multiplications(vae: VAE, batch_size: int) -> int:
    """Estimate the multiplications of a forward pass, with each weight per example or component."""
    encoder, decoder = (sum(p.numel() for p in n.parameters()) for n in (vae.encoder, vae.decoder))
    components = int(getattr(vae.prior, "num_components", None) or 0)
    return (batch_size + components) * encoder + batch_size * decoder


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's messages below a warning."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
