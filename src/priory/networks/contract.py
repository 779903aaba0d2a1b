"""What the parts of a model must be and return, with one-sentence errors."""

from typing import Literal

import torch
from torch import nn
from torch.distributions import Distribution

Role = Literal["encoder", "decoder", "prior"]

PARTS: dict[Role, tuple[str, str]] = {
    "encoder": (
        "an encoder, called as encoder(x, context=None)",
        "give a module or a function whose call returns a distribution over z, or "
        "priory.adapters.posterior(model.encode, mean=..., scale=...)",
    ),
    "decoder": (
        "a decoder, called as decoder(z, context=None)",
        "give a module or a function whose call returns a distribution over x, such as "
        "BernoulliDecoder(network)",
    ),
    "prior": (
        "a prior, called as prior(encoder, context=None)",
        "use one of Priory's, or priory.adapters.as_prior(x) with a Distribution, a zuko flow or "
        "a module that returns a distribution",
    ),
}
"""What each part is, and what to give instead of something else."""

RESULTS: dict[Role, tuple[str, str]] = {
    "encoder": (
        "a distribution over vectors from the encoder, such as Independent(Normal(loc, scale), 1)",
        "priory.adapters.posterior(model.encode, mean=..., scale=...) makes an encoder from a "
        "model that returns moments",
    ),
    "decoder": (
        "a distribution over x from the decoder",
        "a likelihood turns a network into a decoder, such as BernoulliDecoder(network)",
    ),
    "prior": (
        "a distribution over vectors from the prior, such as Independent(Normal(loc, scale), 1)",
        "let its call return a torch Distribution, or use one of Priory's priors",
    ),
}
"""What each part returns, and what to do if it returns anything else."""


def kind_of(thing: object) -> str:
    """Describe an object, for messages."""
    return f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__


def wrong_part(part: object, role: Role) -> TypeError:
    """Return the error for an object that is not a part of a model."""
    expected, advice = PARTS[role]
    return TypeError(f"expected {expected}, got {kind_of(part)}; {advice}.")


def wrong_result(result: object, role: Role) -> TypeError:
    """Return the error for a part that did not return the right distribution."""
    expected, advice = RESULTS[role]
    got = type(result).__name__
    if isinstance(result, Distribution):
        batch, event = tuple(result.batch_shape), tuple(result.event_shape)
        got += f" of batch shape {batch} and event shape {event}"
        if not event:
            advice = "return Independent(distribution, 1), whose last dimension is that of z"
        elif role == "encoder":
            adapter = 'priory.adapters.posterior(encoder, mean="mean", scale="stddev")'
            advice = f"{adapter} flattens its latents"
        else:
            advice = "let each z be one vector"
    return TypeError(f"expected {expected}, got {got}; {advice}.")


def name_the_adapter(prior: object, error: Exception) -> None:
    """Suggest the adapter for a module that can only be called without arguments."""
    if isinstance(prior, nn.Module) and _returns_one_without_arguments(prior):
        raise wrong_part(prior, "prior") from error


def _returns_one_without_arguments(module: nn.Module) -> bool:
    try:
        with torch.no_grad(), torch.random.fork_rng():
            return isinstance(module(), Distribution)
    except Exception:  # for any other error, the adapter does not help
        return False
