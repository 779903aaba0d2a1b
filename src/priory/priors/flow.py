"""A normalising flow as a prior."""

import importlib
import inspect
import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from priory.arguments import at_least, check_size, within
from priory.arrays import Array
from priory.distributions.torch_distributions import Expandable, log_prob_of, unchecked_in_export
from priory.extras import needs
from priory.networks.calls import Encoder
from priory.networks.context import Context
from priory.priors.base import Prior
from priory.suggestions import did_you_mean, short

REFUSED = ("Flow", "NCSF", "GF", "SOSPF", "UNAF")
MOST_OF_A_FLOW = 10_000


class FlowPrior(Prior):
    r"""Standard Gaussian noise transformed by an invertible network, using any flow of zuko.

    $$p(z) = \mathcal{N}(f(z) \mid 0, I) \, \left|\det \frac{\partial f(z)}{\partial z}\right|$$

    With one latent dimension, a coupling or an autoregression has nothing to depend on, and zuko
    uses transformations of only that dimension. Splines transform only the interval from -5 to 5.

    Args:
        latent_dim: The number of latent dimensions L, odd or even.
        flow: The name of the flow in `zuko.flows`: `"NSF"` for neural splines, `"RealNVP"`,
            `"MAF"`, ... `"NCSF"` is refused because its density is zero outside a box; `"GF"`,
            `"SOSPF"` and `"UNAF"` are refused because their inverses, and so their samples, are
            wrong in the tails.
        options: Other arguments of the flow by name, such as `{"transforms": 5, "hidden_features":
            [128, 128]}`; plain values, as in JSON.

    Raises:
        ImportError: If zuko is not installed.
        ValueError: If `latent_dim` is below one, the flow is unknown, or it does not take these
            options.

    Reference:
        Rezende & Mohamed, *Variational Inference with Normalizing Flows*, ICML 2015; Durkan et al.,
        *Neural Spline Flows*, NeurIPS 2019; Tomczak, *Deep Generative Modeling*, 2022, section
        4.4.1.

    Examples:
        >>> from priory import FlowPrior
        >>> p = FlowPrior(latent_dim=3, flow="RealNVP", options={"transforms": 2})()
        >>> p.log_prob(p.sample((100,))).shape
        torch.Size([100])
    """

    def __init__(
        self, latent_dim: int, flow: str = "NSF", options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim)
        self.latent_dim = latent_dim
        self.flow = flow
        self.options = dict(options or {})
        make, device = _flow_class(flow), torch.get_default_device()
        _check_sizes(latent_dim, self.options)
        try:
            with torch.device("cpu"):  # zuko looks at values, which the meta device does not have
                self.network: Any = make(latent_dim, **self.options).to(device)
        except TypeError as error:
            raise ValueError(
                f"expected options of zuko's {flow}, got {short(self.options)}: {short(error)}."
            ) from error

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> Distribution:
        """Return the distribution of the transformed noise; the encoder is not used."""
        steps = getattr(self.network.transform, "transforms", [self.network.transform])
        return unchecked_in_export(
            lambda: TransformedNoise([step() for step in steps], self.network.base())
        )

    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Do nothing: the network is initialised randomly."""


def _check_sizes(latent_dim: int, options: Mapping[str, Any]) -> None:
    """Refuse flows that would need too much memory, by an upper bound; building allocates it."""
    counts = {"transforms": 3, "hidden_features": (64, 64), "bins": 8, **options}
    several = {n: c for n, c in counts.items() if isinstance(c, list | tuple)}
    alone = {n: c for n, c in counts.items() if isinstance(c, int) and not isinstance(c, bool)}
    within(1, MOST_OF_A_FLOW, latent_dim=latent_dim)
    for name, numbers in (*several.items(), *((n, (c,)) for n, c in alone.items())):
        within(0, 100, **{f"entries_of_{name}": len(numbers)})
        for number in numbers:
            if isinstance(number, int | float):
                within(0, MOST_OF_A_FLOW, **{name: number})
    hidden = [n for n in several.get("hidden_features", ()) if isinstance(n, int)]
    others = [c for n, c in alone.items() if n != "transforms"]
    widths = [latent_dim, *hidden, 3 * latent_dim * max([1, *others])]
    layers = sum(a * b for a, b in itertools.pairwise(widths))
    check_size(alone.get("transforms", 1) * layers, "in the flow")


# zuko's class has no support, no argument constraints and no `_instance` in `expand`.
class TransformedNoise(Expandable, expands={"noise": 0}, keeps=("transforms",)):
    """The distribution of vectors whose image under a chain of zuko's transforms is noise."""

    arg_constraints = {}  # noqa: RUF012 (torch's own declaration)
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, transforms: Sequence[Any], noise: Distribution, validate_args: bool | None = None
    ) -> None:
        self.transforms, self.noise = transforms, noise
        super().__init__(noise.batch_shape, noise.event_shape, validate_args=validate_args)

    def log_prob(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        """Return log p(z) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args and value.numel():  # torch cannot validate an empty set of vectors
            self._validate_sample(value)
        volume = value.new_zeros(())
        for transform in (
            self.transforms if value.numel() else ()
        ):  # zuko cannot handle an empty set of values
            value, change = transform.call_and_ladj(value)
            volume = volume + (change if transform.domain.event_dim else change.sum(-1))
        return log_prob_of(self.noise, value) + volume

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw noise and apply the inverse transforms."""
        z: Tensor = self.noise.rsample(Size(sample_shape))
        for transform in reversed(self.transforms):
            z = transform.inv(z)
        return z


def _import_zuko() -> Any:
    """Import zuko, and limit what it switches off for all distributions to its own classes.

    Importing it sets `Distribution._validate_args` and `Distribution.arg_constraints`; its own
    classes have no constraints and need these settings.
    """
    with needs("flows"):
        if "zuko" in sys.modules:
            return importlib.import_module("zuko")
        kept = {key: vars(Distribution)[key] for key in ("_validate_args", "arg_constraints")}
        try:
            zuko = importlib.import_module("zuko")
            switched = {key: vars(Distribution)[key] for key in kept}
        finally:
            for key, value in kept.items():
                setattr(Distribution, key, value)
    for cls in vars(zuko.distributions).values():
        if inspect.isclass(cls) and cls.__module__ == zuko.distributions.__name__:
            for key, value in switched.items():
                if key not in vars(cls):
                    setattr(cls, key, value)
    return zuko


def _flow_class(name: str) -> Any:
    flows = _import_zuko().flows
    classes = {
        key: cls
        for key, cls in vars(flows).items()
        if inspect.isclass(cls) and issubclass(cls, flows.Flow) and key not in REFUSED
    }
    if name not in classes:
        raise ValueError(
            f"expected one of zuko's flows {', '.join(sorted(classes))}, got {name!r}"
            + did_you_mean(name, classes)
        )
    return classes[name]
