"""What a configuration may build by class path: the user's own modules, and Lightning's."""

import inspect
import re
from typing import Any, cast

from torch import nn

from priory.extras import needs
from priory.suggestions import did_you_mean

with needs("cli"):
    import jsonargparse
    from jsonargparse import ArgumentError

OURS = {
    "max_epochs": "--max-epochs",
    "gradient_clip_val": "--gradient-clip",
    "enable_checkpointing": "--checkpoint-seconds",
    "enable_progress_bar": "--quiet",
    "num_sanity_val_steps": "nothing",
    "use_distributed_sampler": "nothing",
}
"""Arguments of Lightning's Trainer that are set by Priory, and by what a user sets them."""


def build_module(what: str, described: dict[str, Any] | None) -> nn.Module | None:
    """Build a module of the user's own from its class path and arguments.

    Args:
        what: What to call it in an error.
        described: `{"class_path": ..., "init_args": {...}}`; None builds nothing.

    Raises:
        ValueError: If there is no such class, it is no module, or it takes other arguments.

    """
    if described is None:
        return None
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(nn.Module, what, required=True)
    return cast(nn.Module, _instantiate(parser, {what: described})[what])


def trainer_options(given: dict[str, Any] | None) -> dict[str, Any]:
    """Check arguments of Lightning's Trainer and build what they name by class path.

    Args:
        given: The arguments; None is none.

    Raises:
        ValueError: If there is no such argument, a value does not fit, or Priory sets it itself.

    """
    if not given:
        return {}
    if taken := OURS.keys() & given.keys():
        name = sorted(taken)[0]
        raise ValueError(f"expected no trainer.{name}, which Priory sets itself; use {OURS[name]}.")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(_trainer(), "trainer", instantiate=False, skip=set(OURS))
    options = _instantiate(parser, {"trainer": given})["trainer"]
    return {name: options[name] for name in given}


def names_a_class(config: object) -> bool:
    """Whether a configuration names a class to be imported."""
    if isinstance(config, dict):
        return "class_path" in config or any(map(names_a_class, config.values()))
    return isinstance(config, list) and any(map(names_a_class, config))


def _trainer() -> Any:
    with needs("train"):
        from lightning.pytorch import Trainer  # which takes seconds
    return Trainer


def _instantiate(parser: Any, described: dict[str, Any]) -> Any:
    build = getattr(parser, "instantiate", None) or parser.instantiate_classes  # its older name
    try:
        return build(parser.parse_object(described))
    except ArgumentError as error:
        raise ValueError(_wording(str(error), described)) from error


def _wording(message: str, described: dict[str, Any]) -> str:
    """Say in one sentence what the parser says in many."""
    if found := re.search(r"Problem with given class_path '([^']*)':\s*(.*)", message):
        return (
            f"expected a class that can be imported for {next(iter(described))}, got {found[1]} "
            f"({found[2].strip().rstrip('.')}); run the command from the directory that holds its "
            "module, or install its package."
        )
    if found := re.match(r"Group 'trainer' does not accept option '([^']*)'", message):
        known = inspect.signature(_trainer()).parameters
        return (
            "expected arguments of Lightning's Trainer, got "
            f"trainer.{found[1]}{did_you_mean(found[1], known, 'trainer.{}'.format)}"
        )
    return message
