"""Configurations in YAML, read as plain values that can never name a class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from priory.extras import needs
from priory.suggestions import short
from priory.training import Machine

with needs("cli"):
    import yaml

MOST_BYTES, MOST_DEPTH = 1_000_000, 20
CLASSES = ("encoder", "decoder", "prior", "priors", "logger")
"""Options whose value may be the user's own class, as `module:Name`, only on the command line."""
GIVEN = "given"
"""What a configuration contains in place of such a class, which is given again on the command line.
"""


def read_plain(file: str | Path) -> dict[str, Any]:
    """Read a mapping of plain values.

    Args:
        file: The file. It must be small, not deeply nested, and without aliases, with which a few
            lines of YAML can expand to any size.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not such a file.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"expected a YAML file of options at {file}, found none.")
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"expected a file of options of at most {MOST_BYTES:,} bytes, got {file}.")
    try:
        text = file.read_text()
        _check_events(text, file)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if str(error).startswith("expected"):
            raise
        place = f" (line {mark.line + 1})" if (mark := getattr(error, "problem_mark", None)) else ""
        raise ValueError(
            f"expected a YAML file of options, got {file}, which is not valid YAML{place}."
        ) from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ValueError(
            f"expected a file of options by name, such as `latent_dim: 2`, got {file}."
        )
    return values


def _check_events(text: str, file: Path) -> None:
    """Refuse anything that would expand or nest without limit, before any value is created."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > MOST_DEPTH:
            mark: Any = event.start_mark
            place = f"line {mark.line + 1} of {file}"
            raise ValueError(
                f"expected plain values without aliases (*name), nested at most {MOST_DEPTH} "
                f"levels deep, got something else in {place}; write the values out."
            )


def without_classes(values: dict[str, Any], file: str | Path, *, refuse: bool) -> dict[str, Any]:
    """Return a configuration with `given` in place of every class that it names.

    Args:
        values: The configuration.
        file: Where it was read.
        refuse: Whether to refuse it instead, and print the option to type.

    Raises:
        ValueError: If a class is named where none is possible, or is to be refused.
    """
    plain = dict(values)
    for name, value in values.items():
        named = _class_in(value, name in CLASSES)
        if named is None:
            continue
        if refuse or name not in CLASSES:
            advice = f"; if you trust it, type --{name} {short(named)}" if name in CLASSES else ""
            raise ValueError(
                f"expected plain values in {file}, because no file names a class, got "
                f"{short(repr(named))} for {short(name)}{advice}."
            )
        if name == "priors":
            words = value.split(",") if isinstance(value, str) else value
            plain[name] = ",".join(GIVEN if ":" in str(word) else str(word) for word in words)
        else:
            plain[name] = GIVEN
    return plain


def _class_in(value: Any, is_class: bool = False) -> str | None:
    """Return the class that a value names, as `module:Name`, or None."""
    if isinstance(value, dict):
        if "class_path" in value:
            module, _, name = str(value["class_path"]).rpartition(".")
            return f"{module}:{name}"
        values = [*value.values()]
    elif isinstance(value, list):
        values = value
    else:
        return value if is_class and isinstance(value, str) and ":" in value else None
    return next(filter(None, (_class_in(one, is_class) for one in values)), None)


def without_trainer(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of 0.1.0 with its options for Lightning's Trainer translated.

    Raises:
        ValueError: If it has options that are no longer supported.
    """
    plain = dict(values)
    trainer = plain.pop("trainer", None) or {}
    if not isinstance(trainer, dict):
        raise ValueError(f"expected a mapping for trainer, got {short(trainer)}; leave it out.")
    machine, logger, every = Machine.from_trainer(trainer)
    others = {"logger": "csv" if logger in (True, False) else logger, "validate_every": every}
    return plain | machine | {name: value for name, value in others.items() if value is not None}
