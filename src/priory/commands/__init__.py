"""The commands of the shell: functions whose signatures are the options, one a file."""

from collections.abc import Callable
from importlib import import_module

SUMMARIES = {
    "check": "Put any prior through the conformance kit; the exit status is 1 if it fails.",
    "compare": "Train the same small VAE with several priors and show what each prior did.",
    "encode": "Write the latents of data: the mean of q(z|x), a row for each example.",
    "evaluate": "Ask a trained model every question that has a number for an answer.",
    "interpolate": "Go from one example to another along the prior's density.",
    "refit": "Fit a new prior to a trained model and show what it changed.",
    "report": "Write one page that shows what the prior of a run did, or compares several runs.",
    "sample": "Write data drawn from a model, as a picture or in the data's own units.",
    "score": "Write log p(x) of data in nats, a row for each example.",
    "train": "Train a VAE on data, and measure it on data that it has not seen.",
}
"""What each command does, the first line of its docstring, to be read without importing it."""


def command(name: str) -> Callable[..., None]:
    """Import a command."""
    found: Callable[..., None] = getattr(import_module(f"{__name__}.{name}"), name)
    return found
