"""A prior from any distribution, or any module that returns one."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Transform

from priory.arrays import Array
from priory.networks.calls import Encoder, num_arguments, num_labels_of, requires_encoder
from priory.networks.context import Context, given
from priory.networks.contract import kind_of
from priory.networks.modes import modules_behind
from priory.priors.base import Prior


def as_prior(x: Any) -> Prior:
    """Make a prior from a torch distribution, a zuko flow, or a module that returns a distribution.

    - A **prior** is returned unchanged.
    - In a **distribution**, tensors that are `nn.Parameter`s are trained; all others are constants,
      which are saved and move with the prior.
    - A **module** is called at each step, and its parameters are trained. It gets the encoder, and
      the context, if it requires them or has parameters of these names; a zuko flow is called
      without arguments. Its `fit_data` is called if it has one.

    Args:
        x: The distribution or the module. Its distribution has event shape `(L,)`, and no batch
            shape unless the module takes a context.

    Raises:
        TypeError: If it is anything else, or a module that cannot be called like this.
        ValueError: If the distribution has the wrong shape, or its tensors were computed from
            parameters, because it cannot recompute them when the parameters change.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from torch.distributions import Independent, Normal
        >>> import priory
        >>> loc = nn.Parameter(torch.zeros(2))
        >>> prior = priory.adapters.as_prior(Independent(Normal(loc, torch.ones(2)), 1))
        >>> [name for name, _ in prior.named_parameters()]
        ['tensors.base_dist_loc']
        >>> prior().sample((100,)).shape
        torch.Size([100, 2])
    """
    if isinstance(x, Prior):
        return x
    if isinstance(x, Distribution):
        return DistributionPrior(x)
    if isinstance(x, nn.Module):
        return ModulePrior(x)
    raise TypeError(
        "expected a prior, a torch Distribution, a zuko flow or another nn.Module whose call "
        f"returns a distribution, got {kind_of(x)}; wrap it in such a module."
    )


class ModulePrior(Prior):
    """A prior that is the distribution returned by a module, which must be over vectors."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.num_labels = num_labels_of(module)
        self.needs_labels = bool(getattr(module, "needs_labels", self.num_labels is not None))
        self.latent_dim: int | None = getattr(module, "latent_dim", None)
        self._num_arguments = num_arguments(module)
        self.needs_encoder = requires_encoder(module)
        if self._num_arguments == 0:
            self.latent_dim = self._tried().event_shape[0]

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> Distribution:
        """Return the distribution of the module."""
        p = self.module(*(encoder, given(context))[: self._num_arguments])
        if not isinstance(p, Distribution):
            raise TypeError(
                f"expected a torch Distribution from the call of {type(self.module).__name__}, got "
                f"{type(p).__name__}; let it return one."
            )
        _check_shapes(p, batch=self._num_arguments == 2)
        return p

    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Pass the training data to the module, if it has a method with this name."""
        if hasattr(self.module, "fit_data"):
            self.module.fit_data(x, encoder, context)  # type: ignore[operator]

    def extra_repr(self) -> str:
        """Return nothing: the module prints itself."""
        return ""

    @torch.no_grad()
    def _tried(self) -> Distribution:
        try:
            with torch.random.fork_rng():
                p: Distribution = self()
                p.log_prob(p.sample())  # a flow without its context fails here
        except (AttributeError, RuntimeError) as error:
            why = str(error).partition("\n")[0]
            raise TypeError(
                "expected a module whose call without arguments returns a distribution, got "
                f"{type(self.module).__name__}, which fails ({why}); use a flow without a context, "
                "or let the call take the encoder."
            ) from error
        return p


class DistributionPrior(Prior):
    """A distribution as a prior: parameters are trained, and its other tensors are constants."""

    def __init__(self, distribution: Distribution) -> None:
        super().__init__()
        _check_shapes(distribution, batch=False)
        self.latent_dim = distribution.event_shape[0]
        self.tensors = nn.Module()
        self._shown = repr(distribution)
        self._names: dict[int, str] = {}  # for tensors by identity, while all are alive
        self._emptied = self._without_tensors(distribution, "")
        del self._names

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> Distribution:
        """Return the distribution with its current tensors; the encoder is not used."""
        return self._with_tensors(self._emptied)  # type: ignore[no-any-return]

    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Do nothing: the distribution needs no initialisation."""

    def extra_repr(self) -> str:
        """Return the original distribution."""
        return self._shown

    def _without_tensors(self, value: Any, path: str) -> Any:
        """Return a copy in which each tensor is registered here and replaced by its name."""
        if isinstance(value, Tensor):
            return self._registered(value, path)
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return type(value)(self._without_tensors(v, f"{path}_{i}") for i, v in enumerate(value))
        if not isinstance(value, Distribution | Transform):
            if modules_behind(value):
                raise ValueError(
                    "expected a distribution of tensors, got one that a module computes; give "
                    "priory.adapters.as_prior the module that returns it."
                )
            return value
        emptied = copy.copy(value)
        for name, inner in vars(emptied).items():
            inner_path = f"{path}_{name.strip('_')}".strip("_")
            vars(emptied)[name] = self._without_tensors(inner, inner_path)
        return emptied

    def _registered(self, tensor: Tensor, path: str) -> "_Slot":
        leaf = _leaf_of(tensor, path)
        learned = leaf.requires_grad
        name = self._names.get(id(leaf))
        if name is None:
            name = self._names[id(leaf)] = path + "_" * hasattr(self.tensors, path)
            if not learned:
                self.tensors.register_buffer(name, leaf.clone())
            elif isinstance(leaf, nn.Parameter):
                self.tensors.register_parameter(name, leaf)
            else:
                self.tensors.register_parameter(name, nn.Parameter(leaf.detach()))
        return _Slot(name, tensor.shape if learned else None)

    def _with_tensors(self, value: Any) -> Any:
        if isinstance(value, _Slot):
            tensor: Tensor = getattr(self.tensors, value.name)
            return tensor if value.shape is None else tensor.expand(value.shape)
        if type(value) in (list, tuple):
            return type(value)(map(self._with_tensors, value))
        if not isinstance(value, Distribution | Transform):
            return value
        whole = copy.copy(value)
        for name, inner in vars(whole).items():
            vars(whole)[name] = self._with_tensors(inner)
        return whole


class _Slot:
    """A reference to a tensor: its registered name, and the shape to expand it to."""

    def __init__(self, name: str, shape: torch.Size | None) -> None:
        self.name, self.shape = name, shape


def _leaf_of(tensor: Tensor, path: str) -> Tensor:
    """Return the tensor itself, or the parameter that it is an expansion of; refuse others."""
    if tensor.grad_fn is None:
        return tensor
    before = [function for function, _ in tensor.grad_fn.next_functions if function is not None]
    leaf = getattr(before[0], "variable", None) if len(before) == 1 else None
    if leaf is not None and leaf.data_ptr() == tensor.data_ptr():
        try:
            if leaf.expand(tensor.shape).stride() == tensor.stride():
                return leaf  # type: ignore[no-any-return]
        except RuntimeError:  # its shape does not expand to this one
            pass
    raise ValueError(
        f"expected a distribution whose tensors are constants or parameters, got {path}, which was "
        "computed from parameters and would never be updated; give priory.adapters.as_prior a "
        "module whose call returns the distribution, or detach the tensor."
    )


def _check_shapes(p: Distribution, batch: bool) -> None:
    """Refuse a distribution whose event is not a vector, or with a batch where none is allowed."""
    if len(p.event_shape) == 1 and (batch or not p.batch_shape):
        return
    got, advice = type(p).__name__, "let each z be one vector"
    if not p.event_shape and p.batch_shape:
        advice = f"write Independent({got}(...), 1), whose last dimension is that of z"
    elif p.batch_shape:
        advice = "for a mixture over the batch use MixtureSameFamily(Categorical(logits=...), ...)"
    raise ValueError(
        "expected a distribution over vectors, with event shape (L,) and no batch shape, got "
        f"{got} with event shape {tuple(p.event_shape)} and batch shape {tuple(p.batch_shape)}; "
        f"{advice}."
    )
