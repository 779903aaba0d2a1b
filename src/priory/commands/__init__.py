"""The commands of the shell: functions whose signatures are the options, one a file."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

SUMMARIES = {
    "check": "Put any prior through the conformance kit, print the report, and exit with 1 if it "
    "fails.",
    "compare": "Train the same small VAE with several priors and show what each prior did.",
    "encode": "Write the latents of data: the mean of q(z|x), a row for each datum.",
    "evaluate": "Ask a trained model all questions that have a number for an answer.",
    "interpolate": "Go from one datum to another along the prior's density, with the straight line "
    "beside it.",
    "refit": "Fit a new prior to a trained model and show what it changed; the old run stays as it "
    "is.",
    "report": "Write one page that shows what the prior of a run did, or sets several runs side by "
    "side.",
    "sample": "Write data drawn from a model, as a picture or in the data's own units.",
    "score": "Write log p(x) of data in nats, a row for each datum; the lowest are the least "
    "expected.",
    "train": "Train a VAE on data, and measure it on data that it has not seen.",
}
"""What each command does, the first line of its docstring, to be read without importing it."""


class Commands(Mapping[str, Callable[..., None]]):
    """The commands by name; each is imported when it is asked for."""

    def __getitem__(self, name: str) -> Callable[..., None]:
        if name not in SUMMARIES:
            raise KeyError(name)
        command: Callable[..., None] = getattr(import_module(f"{__name__}.{name}"), name)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)

    def __contains__(self, name: object) -> bool:
        return name in SUMMARIES


COMMANDS = Commands()


def for_parser(words: list[str]) -> dict[str, Any]:
    """Return the command that is asked for, and in the place of each other one its summary."""
    asked = next((word for word in words if word in COMMANDS), None)
    return {name: COMMANDS[name] if name == asked else _summary(name) for name in COMMANDS}


def _summary(name: str) -> Callable[..., None]:
    def summary() -> None:
        """Say what a command does."""

    summary.__name__, summary.__doc__ = name, SUMMARIES[name]
    return summary
