"""An encoder from any callable that returns the moments of a Gaussian."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from priory.networks.calls import num_labels_of, tell
from priory.networks.context import Context, given
from priory.networks.contract import kind_of
from priory.networks.modes import evaluation_mode, modules_behind
from priory.suggestions import did_you_mean

Where = str | int | Callable[[Any], Tensor]
"""Where a moment is in the result of a call: a key, an attribute, an index, or a function."""

MEANINGS: dict[str, str] = {
    "scale": "a standard deviation",
    "variance": "a variance",
    "log_variance": "the logarithm of a variance",
}

KINDS = {(False, False): "scale", (False, True): "variance", (True, True): "log_variance"}
"""The kinds by whether they are logarithms, and whether they are variances."""

NAMED_FOR = re.compile(r"(log_?)?(?:(var|variance|cov|covariance)|std|stddev|scale)$")
"""Names that reveal a logarithm, a variance or a standard deviation."""


def posterior(
    call: Callable[..., Any],
    *,
    mean: Where,
    scale: Where | None = None,
    variance: Where | None = None,
    log_variance: Where | None = None,
    eval_mode: bool = True,
) -> "GaussianFromMoments":
    r"""Make an encoder from anything that returns the moments of a diagonal Gaussian.

    $$q(z \mid x) = \mathcal{N}(z \mid \mu(x), \mathrm{diag}\,\sigma(x)^2)$$

    Give the spread as exactly one of three arguments, because only you can tell them apart: if a
    variance is taken for a standard deviation, nothing raises an error, and the numbers look better
    than the true ones. Each moment is a key of the call's result, the name of an attribute (with
    dots for nested ones), a position in a tuple, or a function.

    The encoder registers the modules behind the call, so that optimisers, `.to(device)` and
    `fit_prior` find their parameters: the module itself, the owner of a method, or the modules that
    a `partial` or a function captures; also those behind `mean` and the spread. A network that is
    reached in another way, such as through a list, is not found.

    Args:
        call: A module, a method such as `model.encode`, or a function, called with a batch x. It
            receives labels only if it declares `num_labels`.
        mean: Where the means are, `(B, *latent_shape)`.
        scale: Where the standard deviations are. Zeros everywhere give points, for a deterministic
            encoder.
        variance: Where the variances are, instead of `scale`.
        log_variance: Where the logarithms of the variances are, instead of `scale`.
        eval_mode: Whether the modules behind the call run in evaluation mode during the call. Their
            modes are restored afterwards. Use False to train batch statistics or dropout with the
            model.

    Raises:
        TypeError: If `call` cannot be called.
        ValueError: If not exactly one of `scale`, `variance` and `log_variance` is given, or its
            name reveals a different one of them.

    Examples:
        >>> import torch
        >>> import priory
        >>> net = torch.nn.Linear(9, 4)
        >>> def encode(x):
        ...     mu, log_variance = net(x).chunk(2, dim=-1)
        ...     return {"mu": mu, "log_variance": log_variance}
        >>> encoder = priory.adapters.posterior(encode, mean="mu", log_variance="log_variance")
        >>> encoder(torch.rand(5, 9)).event_shape
        torch.Size([2])
        >>> len(list(encoder.parameters()))
        2
    """
    if not callable(call) or isinstance(call, type):
        raise TypeError(
            "expected a module, a method or a function that returns moments, such as model.encode, "
            f"got {kind_of(call)}."
        )
    spreads = {"scale": scale, "variance": variance, "log_variance": log_variance}
    chosen = {kind: where for kind, where in spreads.items() if where is not None}
    if len(chosen) != 1:
        raise ValueError(
            "expected exactly one of scale (a standard deviation), variance and log_variance, got "
            f"{' and '.join(chosen) or 'none'}; say which of them the model returns."
        )
    ((kind, where),) = chosen.items()
    _check_name(kind, where)
    return GaussianFromMoments(call, mean, kind, where, eval_mode)


class GaussianFromMoments(nn.Module):
    """An encoder whose posteriors have the moments that a call returns.

    The callable, the places of the moments in its result, and the `kind` of the spread are those
    passed to `posterior`.

    Raises:
        TypeError: When it is copied or unpickled, if the copy would still call the original
            modules.

    Attributes:
        latent_shape: The shape of one example's latents in the last result, such as `(4, 8, 8)`;
            None before the first call. `z.unflatten(-1, encoder.latent_shape)` restores it, for the
            model's own decoder.
    """

    takes_context = True

    def __init__(
        self, function: Callable[..., Any], mean: Where, kind: str, spread: Where, eval_mode: bool
    ) -> None:
        super().__init__()
        self.function: Callable[..., Any]
        vars(self)["function"] = function  # not a child: its module is one of those behind
        self.places = {"mean": mean, kind: spread}
        self.kind, self.eval_mode = kind, eval_mode
        self.behind = nn.ModuleList(modules_behind(function, mean, spread))
        self.latent_shape: tuple[int, ...] | None = None

    @property
    def num_labels(self) -> int | None:
        """The number of labels that the function declares to take; None if it takes none."""
        return num_labels_of(self.function)

    def forward(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`.

        Latents with more than one dimension are flattened, and `latent_shape` is their shape. The
        function receives the context only if it declares that it takes it.
        """
        with evaluation_mode([*self.behind.modules()] if self.eval_mode else []):
            result = tell(self.function, x, given(context))
            loc, spread = (_moment(result, name, at) for name, at in self.places.items())
        _check_shapes(loc, spread, len(x), self.kind)
        self.latent_shape = tuple(loc.shape[1:])
        loc, spread = loc.flatten(1), spread.expand_as(loc).flatten(1)
        if torch.is_autocast_enabled(
            loc.device.type
        ):  # a density sums too many terms for half precision
            loc, spread = loc.float(), spread.float()
        scale = self._scale(spread)
        # A scale of zero, a point, is allowed; there is no density to validate.
        checks = (
            None if torch.compiler.is_compiling() or self._is_positive(scale, spread) else False
        )
        return Independent(Normal(loc, scale, validate_args=checks), 1, validate_args=checks)

    def extra_repr(self) -> str:
        """Return where the moments are."""
        return ", ".join(f"{name}={at!r}" for name, at in self.places.items())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        reached = modules_behind(self.function, *self.places.values())
        if {id(module) for module in reached} != {id(module) for module in self.behind}:
            raise TypeError(
                "expected a callable that is copied with its modules, got a function that would "
                "still use the original ones; give priory.adapters.posterior a module or its "
                "method."
            )

    def _scale(self, spread: Tensor) -> Tensor:
        if self.kind == "log_variance":
            return (spread / 2).exp()
        return spread.sqrt() if self.kind == "variance" else spread

    def _is_positive(self, scale: Tensor, spread: Tensor) -> bool:
        """Return whether a scale is above zero, or zero everywhere; refuse all others.

        This is always checked, not only if torch validates arguments: a library that switches
        validation off would let a logarithm pass as a scale.
        """
        if (scale > 0).all():
            return True
        if (scale == 0).all():
            return False
        got = spread[~(scale > 0)][0].item()
        others = " or ".join(f"{kind}=" for kind in MEANINGS if kind != self.kind)
        raise ValueError(
            f"expected {MEANINGS[self.kind]} of a scale above zero from "
            f"{self.kind}={self.places[self.kind]!r}, got {got:.6g}; if the model returns "
            f"something else there, say so with {others}."
        )


def _check_name(kind: str, where: Where) -> None:
    """Refuse a name that reveals something else, such as scale="logvar"."""
    match = NAMED_FOR.search(where.lower()) if isinstance(where, str) else None
    if match is None:
        return
    log, variance = bool(match[1]), bool(match[2])
    named_for = KINDS.get((log, variance))
    if named_for == kind:
        return
    meaning = MEANINGS.get(named_for or "", "the logarithm of a standard deviation")
    advice = f"{named_for}={where!r}, or " if named_for else ""
    raise ValueError(
        f"expected {MEANINGS[kind]} for {kind}, got {where!r}, which is named for {meaning}; give "
        f"{advice}{kind}=lambda out: ... that returns {MEANINGS[kind]}."
    )


def _moment(result: Any, name: str, where: Where) -> Tensor:
    """Return a moment, a tensor of floating-point numbers, from what a call returned."""
    if isinstance(where, str):
        value = _by_name(result, name, where)
    elif isinstance(where, int):
        value = _by_position(result, name, where)
    else:
        value = where(result)
    if isinstance(value, Tensor) and value.is_floating_point():
        return value
    got = value.dtype if isinstance(value, Tensor) else type(value).__name__
    at = "" if callable(where) else f"={where!r}"
    raise ValueError(f"expected a tensor of floating-point numbers at {name}{at}, got {got}.")


def _by_name(result: Any, name: str, where: str) -> Any:
    if isinstance(result, Mapping) and where in result:
        return result[where]
    value = result
    for part in where.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif hasattr(value, part):
            value = getattr(value, part)
        else:
            raise ValueError(
                f"expected {name}={where!r} in what the call returns, got {_described(value)}"
                + did_you_mean(part, _names(value))
            )
    return value


def _by_position(result: Any, name: str, where: int) -> Any:
    if not isinstance(result, tuple | list):
        raise ValueError(
            f"expected a tuple from the call for {name}={where}, got {_described(result)}; give a "
            f"key, or a function such as {name}=lambda out: ..."
        )
    if not -len(result) <= where < len(result):
        raise ValueError(f"expected {name}={where} to be in a tuple of {len(result)}.")
    return result[where]


def _names(result: Any) -> list[str]:
    names = result if isinstance(result, Mapping) else getattr(result, "__dict__", {})
    return [name for name in names if isinstance(name, str) and not name.startswith("_")]


def _described(result: Any) -> str:
    if isinstance(result, Tensor):
        return f"a tensor of shape {tuple(result.shape)}"
    if type(result) in (tuple, list):
        return f"a {type(result).__name__} of {len(result)}"
    names = _names(result)[:8]
    return type(result).__name__ + (f" with {', '.join(names)}" if names else "")


def _check_shapes(loc: Tensor, spread: Tensor, batch_size: int, kind: str) -> None:
    """Refuse means or spreads whose shapes do not match the batch."""
    if loc.dim() < 2 or len(loc) != batch_size:
        raise ValueError(
            f"expected means of shape ({batch_size}, L), one row per example of the batch, got "
            f"{tuple(loc.shape)}; give mean=lambda out: ... that returns this shape."
        )
    fits = spread.dim() in (0, loc.dim()) and all(
        size in (1, full) for size, full in zip(spread.shape, loc.shape, strict=False)
    )
    if not fits:
        raise ValueError(
            f"expected {kind} of shape {tuple(loc.shape)}, like the means, or with ones where it "
            f"is shared, got {tuple(spread.shape)}; give {kind}=lambda out: ... that returns this "
            "shape."
        )
