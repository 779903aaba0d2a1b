"""The checkpoint file with the complete state of training, which is verified when it is read."""

import hashlib
import io
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from priory.files import write_whole
from priory.training.settings import TrainingSettings
from priory.vae import VAE

MARK = b"priory checkpoint "
LONGER = ("max_epochs", "patience")
"""The settings that may differ when training continues."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checksum, tensors and plain values; replace the old file once complete.

    Raises:
        OSError: If it cannot be written; the last good checkpoint is kept.
    """
    content = io.BytesIO()
    torch.save(state, content)
    payload = content.getvalue()
    try:
        write_whole(path, MARK + hashlib.sha256(payload).digest() + payload)
    except OSError as error:
        raise OSError(
            f"expected to write a checkpoint at {path}, got: {error.strerror}; the last good "
            "one is kept, so make room and resume."
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the state in a checkpoint: tensors and plain values, never code.

    Raises:
        ValueError: If a byte is missing or has changed, the file is not a checkpoint, or it is one
            of version 0.1.0.
    """
    content = path.read_bytes()
    if b"pytorch-lightning_version" in content:
        raise ValueError(
            f"expected a checkpoint of this version of Priory in {path}, got one of 0.1.0; remove "
            "it to start the training again, or finish it with 0.1.0."
        )
    checksum, payload = content[len(MARK) :][:32], content[len(MARK) + 32 :]
    try:
        if not content.startswith(MARK) or hashlib.sha256(payload).digest() != checksum:
            raise EOFError
        state: Any = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"expected a checkpoint in {path}, got a file that is truncated, damaged or contains "
            "more than tensors; remove it to start again."
        ) from error
    return dict(state)


def check_state(state: dict[str, Any], vae: VAE, settings: TrainingSettings, path: Path) -> None:
    """Check that the state in a file belongs to this model, trained in the same way.

    Raises:
        ValueError: If it belongs to a different model or to different settings, or weights are
            missing.
    """
    shapes = {name: value.shape for name, value in vae.state_dict().items()}
    kinds = ["weights"] + ["best_weights"] * (state["best_elbo"] > -torch.inf)
    if any({n: w.shape for n, w in state[kind].items()} != shapes for kind in kinds):
        raise ValueError(
            f"expected a checkpoint of this model in {path}, got one of a different model; resume "
            "with the options of the run that wrote it."
        )
    for name, value in asdict(settings).items():
        before = state["settings"].get(name, getattr(TrainingSettings(), name))
        if name not in LONGER and before != value:
            raise ValueError(
                f"expected {name}={before!r}, as in the checkpoint {path}, got {value!r}; resume "
                "with the options of the run that wrote it."
            )
