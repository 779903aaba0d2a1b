"""Save and load trained models: safetensors and a JSON description."""

import inspect
import json
import logging
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor, nn

from priory import likelihoods, networks
from priory.arguments import check_size
from priory.files import write_whole
from priory.priors import Prior, prior_classes
from priory.priors.parts import Exemplars, InputsPart, Part, mapping_of
from priory.priors.registry import translated
from priory.suggestions import short
from priory.vae import VAE

FORMAT_VERSION = 2
MOST_BYTES = 2**26
"""The maximum size of a description; that of a table with ten thousand columns is a fiftieth of it.
"""
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in FLOATS}
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
PARTS = ("encoder", "decoder", "prior")


def save(model: nn.Module, path: str | Path, *, exemplars: bool = False) -> None:
    """Save a model, or a prior on its own, to a directory: its weights, and a description.

    Anything saved there before is replaced. Priory's modules are described by their constructor
    arguments. The user's own modules are described only by name, and must be passed to `load`. If
    the weights contain training examples, that is exemplars or pseudo-inputs initialised from data,
    the logger `priory` says so.

    Args:
        model: The model, a `VAE`, or a `Prior`.
        path: The directory, created if it does not exist.
        exemplars: Whether to save the exemplars of an `ExemplarPrior`, which are training data;
            without them, a loaded prior needs its data again.

    Raises:
        TypeError: If it is neither a model nor a prior.
        ValueError: If its weights have a dtype that cannot be read again.

    Examples:
        >>> import tempfile, priory
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> with tempfile.TemporaryDirectory() as path:
        ...     priory.save(VAE(encoder, decoder, StandardPrior(latent_dim=2)), path)
        ...     priory.load(path).prior.latent_dim
        2
    """
    if not isinstance(model, VAE | Prior):
        raise TypeError(
            f"expected a VAE or a Prior to save, got {type(model).__name__}; save another module's "
            "state_dict() with safetensors."
        )
    parts = PARTS if isinstance(model, VAE) else ("prior",)
    description = {part: _describe(getattr(model, part, model)) for part in parts}
    state = model.state_dict() | (_data(model) if exemplars else {})
    state = {key: value.cpu().clone().contiguous() for key, value in state.items()}
    dtypes = [value.dtype for value in state.values() if value.is_floating_point()]
    if refused := set(dtypes) - set(FLOATS):
        raise ValueError(
            f"expected weights of type {', '.join(DTYPES)}, got {', '.join(map(str, refused))}; "
            "convert the model first, for example with model.float()."
        )
    dtype = Counter(dtypes).most_common(1)[0][0] if dtypes else torch.float32
    text = {
        "format": "priory",
        "version": FORMAT_VERSION,
        "dtype": str(dtype).removeprefix("torch."),
        "model": description,
    }
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    write_whole(path / WEIGHTS, safetensors.save(state))
    write_whole(path / DESCRIPTION, (json.dumps(text, indent=2) + "\n").encode())
    inputs = [part for part in model.modules() if isinstance(part, InputsPart)]
    if any(p.holds_examples and (exemplars or not isinstance(p, Exemplars)) for p in inputs):
        logging.getLogger("priory").warning(
            "%s contains training examples, or pseudo-inputs initialised from them.",
            Path(path.name) / WEIGHTS,  # as a run is written under another name at first
        )


def load(
    path: str | Path,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    prior: nn.Module | None = None,
) -> Any:
    """Load a saved model, or a prior saved on its own, in evaluation mode.

    Only Priory's own classes are built, and no name in the file is imported. The shapes of the
    weights are compared with the description before memory is allocated.

    Args:
        path: The directory written by `save`, or `hf://user/repo` on the hub, also with a revision,
            `hf://user/repo@v1`; `priory.hub.from_pretrained` has more options.
        encoder: The encoder, if it is the user's own class; its weights are loaded.
        decoder: The same for the decoder.
        prior: The same for the prior.

    Returns:
        A `VAE`, or the `Prior`.

    Raises:
        FileNotFoundError: If there is no saved model at the path.
        ValueError: If a file is truncated, not Priory's or from a later version, if a part is the
            user's own class and was not given, or if a given part does not match the weights.
    """
    if str(path).startswith("hf://"):  # from a package above this one
        path = import_module("priory.hub").download(path)
    path = Path(path)
    for name in (DESCRIPTION, WEIGHTS):
        if not (path / name).is_file():
            raise FileNotFoundError(f"expected a saved model at {path}, found no {name} there.")
    version, parts, dtype = _read_description(path / DESCRIPTION)
    given = {"encoder": encoder, "decoder": decoder, "prior": prior}

    def built() -> nn.Module:
        modules = {part: given[part] or _build(part, parts[part]) for part in parts}
        return (VAE(**modules) if "encoder" in modules else modules["prior"]).to(dtype)

    with torch.device("meta"):
        model = built()
    _check_shapes(model, path, exact=version > 1)
    if version == 1:  # these states lack the constants, which the meta device does not have either
        model = built()
    try:
        state = safetensors.load_file(path / WEIGHTS)
    except SafetensorError as error:
        raise _damaged(path / WEIGHTS) from error
    if bad := [name for name, t in state.items() if t.is_floating_point() and t.isnan().any()]:
        raise ValueError(
            f"expected numbers in {path / WEIGHTS}, got NaN in {bad[0]}; the model diverged in "
            "training or its file is damaged, so load an earlier one."
        )
    _give_data(model, state)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise _unfit(path, short(error)) from error
    return model.eval()


def _check_shapes(model: nn.Module, path: Path, *, exact: bool) -> None:
    """Compare the weights in a file with a model on the meta device, before memory is allocated.

    Args:
        model: The model.
        path: The directory.
        exact: Whether the file contains all of them, which it did not before version 2.
    """
    try:
        with safe_open(path / WEIGHTS, "pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise _damaged(path / WEIGHTS) from error
    absent = 0
    for name, tensor in model.state_dict().items():
        if name not in shapes and exact:
            raise _unfit(path, f"none for {name}")
        if name not in shapes:
            absent += tensor.numel()
        elif shapes[name] != tuple(tensor.shape):
            raise _unfit(path, f"shape {shapes[name]} for {tuple(tensor.shape)} in {name}")
    check_size(absent, f"in the model described in {path / DESCRIPTION} beyond those in its file")


def _damaged(file: Path) -> ValueError:
    return ValueError(
        f"expected the weights of a model in {file}, got a file that is truncated or damaged; save "
        "the model again."
    )


def _unfit(path: Path, got: str) -> ValueError:
    return ValueError(
        f"expected weights that fit the model described in {path / DESCRIPTION}, got {got}; save "
        "the model again."
    )


def _data(model: nn.Module) -> dict[str, Tensor]:
    """Return the exemplars of a model, by the names that they would have in its state."""
    return {
        f"{name}.{kind}": data
        for name, module in model.named_modules()
        if isinstance(module, Exemplars)
        for kind, data in (("exemplars", module.exemplars), ("labels", module.labels))
        if data is not None and len(data)
    }


def _give_data(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Remove the exemplars from a state, and set them in the model."""
    for name, module in model.named_modules():
        if isinstance(module, Exemplars) and f"{name}.exemplars" in state:
            module.exemplars = state.pop(f"{name}.exemplars")
            module.labels = state.pop(f"{name}.labels", None)


def _read_description(file: Path) -> tuple[int, dict[str, Any], torch.dtype]:
    """Return the format version, the descriptions of the parts, and the dtype of the weights."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"{file.stat().st_size} bytes")
        description = json.loads(file.read_text())
        ours, version = description["format"] == "priory", description["version"]
        names = ("prior",) if list(description["model"]) == ["prior"] else PARTS
        parts = {part: dict(description["model"][part]) for part in names}
        dtype = DTYPES[description["dtype"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"expected the description of a saved model in {file}, got a file that is damaged or "
            "not Priory's; save the model again."
        ) from error
    if not ours or version not in range(1, FORMAT_VERSION + 1):
        raise ValueError(
            f"expected a model in Priory's format, version {FORMAT_VERSION} or earlier, got "
            f"{description['format']} {version} in {file}; update Priory to load a later version."
        )
    return version, parts, dtype


def _buildable() -> Mapping[str, type[nn.Module]]:
    rooms = (networks, likelihoods)
    ours = {name: getattr(room, name) for room in rooms for name in room.__all__}
    modules = {n: c for n, c in ours.items() if inspect.isclass(c) and issubclass(c, nn.Module)}
    return {**modules, **prior_classes(composed=True)}


def _describe(value: Any) -> Any:
    if isinstance(value, Part):
        return mapping_of(value)
    if isinstance(value, list | tuple | nn.ModuleList):
        return [_describe(one) for one in value]
    if not isinstance(value, nn.Module):
        return value
    cls = type(value)
    if _buildable().get(cls.__name__) is not cls:
        return {"foreign": f"{cls.__module__}.{cls.__qualname__}"}
    arguments = {
        name: _describe(getattr(value, name)) for name in inspect.signature(cls).parameters
    }
    return {"class": cls.__name__, "arguments": arguments}


def _made(part: str, value: Any) -> Any:
    """Return an argument with its modules built."""
    if isinstance(value, list):
        return [_made(part, one) for one in value]
    if isinstance(value, dict) and ("class" in value or "foreign" in value):
        return _build(part, value)
    return value


def _build(part: str, description: dict[str, Any]) -> Any:
    if "foreign" in description:
        raise ValueError(
            f"expected the {part} as an argument, because it is or contains "
            f"{description['foreign']}, which is not one of Priory's classes; load the model with "
            f"load(path, {part}=...), or give a command --{part}."
        )
    cls = _buildable().get(str(description.get("class")))
    arguments = description.get("arguments")
    if cls is None or not isinstance(arguments, dict):
        raise ValueError(
            f"expected the {part} to be described as a class of Priory with its arguments, "
            f"got {description.get('class')!r}; update Priory, or load with load(path, {part}=...)."
        )
    arguments = translated(cls.__name__, arguments, warn=False)
    try:
        return cls(**{name: _made(part, value) for name, value in arguments.items()})
    except TypeError as error:
        raise ValueError(
            f"expected arguments of {cls.__name__} for the {part}, got {sorted(arguments)}; "
            "the description is damaged."
        ) from error
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        ValueError,
    ) as error:
        if isinstance(error, ValueError) and str(error).startswith("expected"):
            raise
        raise ValueError(
            f"expected arguments of {cls.__name__} for the {part} that a model can have, got "
            f"{short(arguments)}; the description is damaged."
        ) from error
