"""Mixture priors, composed of components and weights."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from priory.arguments import at_least, one_of
from priory.arrays import Array
from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.networks.calls import Encoder
from priory.networks.context import Context, given, given_labels
from priory.networks.home import taken
from priory.priors.base import Prior
from priory.priors.parts.base import Components, ComponentsPart, Weights, part_of
from priory.priors.parts.usage import Mixture, Pruned, explain, move_dead, prune
from priory.priors.registry import rename_states

MIXTURES: dict[str, type[Mixture]] = {
    "joint": GaussianMixture,
    "factorized": FactorizedGaussianMixture,
}


class LearnedWeights(Weights):
    """Trainable weights of K components, `num_components`, initially equal."""

    kind = "learned"

    def __init__(self, num_components: int) -> None:
        super().__init__()
        self.num_components = num_components
        self.logits = nn.Parameter(torch.zeros(num_components))

    def forward(self, loc: Float[Tensor, "*C K L"]) -> Tensor:
        """Return the log-weights, `(K,)`."""
        return self.logits

    @torch.no_grad()
    def start(self, log_weights: Tensor) -> None:
        """Set these initial log-weights."""
        self.logits.copy_(log_weights)

    @torch.no_grad()
    def give(self, at: Tensor, mass: float) -> None:
        """Give components at these positions this mass each; the others keep their proportions."""
        living = self.logits.index_fill(-1, at, -torch.inf).log_softmax(-1)
        rest = living + math.log1p(-mass * len(at))
        self.logits.copy_(rest.index_fill(-1, at, math.log(mass)))

    def select(self, kept: Int[Tensor, " K"]) -> "LearnedWeights":
        """Return the weights at these positions; they are renormalised when used."""
        return self._with(self.logits[kept], len(kept))

    def _with(self, logits: Tensor, *arguments: int) -> "LearnedWeights":
        new = type(self)(*arguments).to(logits)
        new.logits.data.copy_(logits)
        return new


class LabelWeights(LearnedWeights):
    """Trainable weights of K components for each of C labels, `num_labels`, initially equal."""

    kind = "per-label"

    def __init__(self, num_components: int, num_labels: int) -> None:
        super().__init__(num_components)
        at_least(1, num_labels=num_labels)
        self.num_labels = num_labels
        self.logits = nn.Parameter(torch.zeros(num_labels, num_components))

    def select(self, kept: Int[Tensor, " K"]) -> "LearnedWeights":
        """Return the weights at these positions; they are renormalised when used."""
        return self._with(self.logits[:, kept], len(kept), len(self.logits))


class UniformWeights(Weights):
    """Equal weights 1/K, where K is `num_components` or not yet known."""

    kind = "uniform"

    def __init__(self, num_components: int | None = None) -> None:
        super().__init__()
        self.num_components = num_components

    @property
    def logits(self) -> Tensor:
        """Log-weights of zero, `(K,)`."""
        if self.num_components is None:
            raise AttributeError("the number of components is not known before fit_data.")
        return torch.zeros(self.num_components)

    def forward(self, loc: Float[Tensor, "*C K L"]) -> Tensor:
        """Return log-weights of zero, `(K,)`."""
        return loc.new_zeros(loc.shape[-2])

    def select(self, kept: Int[Tensor, " K"]) -> "UniformWeights":
        """Return uniform weights for fewer components."""
        return type(self)(None if self.num_components is None else len(kept))


class MixturePrior(Prior):
    r"""A mixture of diagonal Gaussians, composed of components and weights.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$$

    The named mixture priors are such compositions: a VampPrior consists of posteriors at free
    inputs with learned weights. The attributes of the parts are available on the prior:
    `prior.logits`, `prior.pseudo_inputs`.

    If components or weights depend on the label, the prior is called with `Context(labels=labels)`
    and returns a distribution with batch shape `(B,)`: for each example, the mixture of its label.
    Components with learned shares of labels, $c_{ky}$, get each label's weights by Bayes' rule,
    $w_k(y) \propto w_k\, c_{ky}$. If components are training examples, a context with positions
    leaves out each example's own component, which would only be copied in training.

    Args:
        components: The components, as a part or a mapping: `free`, `sheet` or `posteriors` (at
            inputs that are `free`, `generated`, `grid`, `labelled` or `exemplars`).
        weights: The weights, as a part, a kind or a mapping: `learned`, `uniform` or `per-label`.
        mixture: `"joint"` for the equation; `"factorized"` for the product of one-dimensional
            mixtures,
            [`FactorizedGaussianMixture`][priory.distributions.FactorizedGaussianMixture].

    Raises:
        ValueError: If a part, the mixture or an argument of a part is unknown.

    Reference:
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1.

    Examples:
        >>> from priory import MLP, GaussianEncoder, MixturePrior
        >>> inputs = {"kind": "generated", "num_components": 5, "data_shape": (8, 8)}
        >>> prior = MixturePrior({"kind": "posteriors", "inputs": inputs}, weights="uniform")
        >>> prior(GaussianEncoder(MLP((8, 8), (2 * 2,)))).sample((100,)).shape
        torch.Size([100, 2])
    """

    components: ComponentsPart
    weights: Weights

    def __init__(
        self,
        components: ComponentsPart | Mapping[str, Any],
        weights: Weights | Mapping[str, Any] | str = "learned",
        mixture: Literal["joint", "factorized"] = "joint",
    ) -> None:
        super().__init__()
        one_of(MIXTURES, mixture=mixture)
        self.components = part_of("components", components)
        number = getattr(self, "num_components", None)
        self.weights = part_of("weights", weights, num_components=number)
        self.mixture = mixture
        numbers = (self.components.num_labels, self.weights.num_labels)
        self.num_labels = next((number for number in numbers if number is not None), None)
        self.needs_labels = self.num_labels is not None
        self.needs_encoder = self.components.needs_encoder
        rename_states(self)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of a part."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            for part in self._parts():
                if hasattr(part, name):
                    return getattr(part, name)
            raise

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs u within the data's range, `(K, *data_shape)`, if the prior has any."""
        u: Tensor = self.inputs.pseudo_inputs
        return u

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a tensor of a part, or another attribute of the prior."""
        for part in self._parts():
            if name in part._parameters or name in part._buffers:
                return setattr(part, name, value)
        return super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def forward(self, encoder: Encoder | None = None, context: Context | None = None) -> Mixture:
        """Compute the components once and return their mixture.

        Args:
            encoder: The module that returns q(z|x) as a diagonal Gaussian, if the components are
                its posteriors.
            context: The labels, if components or weights depend on them; the positions of examples,
                if components are examples.

        Raises:
            RuntimeError: If the components are exemplars and `fit_data` has not been called.
            TypeError: If an encoder is needed and missing, or it returns anything but a diagonal
                Gaussian.
            ValueError: If labels are needed and missing, or one is not among 0, ..., C - 1.
        """
        context = given(context)
        components: Components = self.components(encoder, context)
        loc, scale = components.loc, components.scale
        logits = self.weights(loc)
        if components.log_shares is not None:
            logits = logits + components.log_shares.mT
        num_labels = len(loc) if loc.dim() > 2 else self.num_labels
        if num_labels is not None:
            call = "prior(encoder, Context(labels=labels))"
            labels = given_labels(context, num_labels, call).to(loc.device)
            logits = logits if logits.dim() == 1 else logits[labels]
            loc, scale = (t if t.dim() == 2 else t[labels] for t in (loc, scale))
        if components.index is not None and context.index is not None:
            is_own = context.index.to(loc.device).unsqueeze(-1) == components.index  # (B, K)
            logits = logits.expand(is_own.shape).masked_fill(is_own, -torch.inf)
        return MIXTURES[self.mixture](logits, loc, scale)

    @torch.no_grad()
    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Pass the training data to the parts, which check them and may initialise from them.

        Raises:
            ValueError: If the data do not suit the parts.
        """
        x = x if isinstance(x, Tensor) and not x.is_complex() else taken(x, encoder)
        log_weights = self.components.fit_data(x, encoder, given(context))
        if log_weights is not None:
            self.weights.start(log_weights)

    @torch.no_grad()
    def reseed(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> int:
        """Replace dead components with ones at poorly explained examples; return their number.

        A component is dead if its mean responsibility over samples of q(z|x) is below a hundredth
        of an equal share. Examples are chosen by their log p(z), lowest first, each as if those
        before it were already components. With learned weights each gets 1/K, but together at most
        half of the mass; the others keep their proportions.

        Raises:
            ValueError: If the components cannot be placed individually, or the data have a
                different shape or are out of range.
        """
        if not self.can_be_placed:
            got = " at ".join(f"{part} {part.role}" for part in self._parts()[:-1])
            raise ValueError(f"expected components that can be placed at examples, got {got}.")
        x = taken(x, encoder)
        self.components.check(x)
        return move_dead(explain(self, encoder, x, context), x, self.components, self.weights)

    def prune(
        self,
        encoder: Encoder,
        data: Tensor | Array,
        keep: int | float,
        context: Context | None = None,
    ) -> Pruned:
        """Keep the components that the data use most; the arguments are those of `priors.prune`."""
        return prune(self, encoder, data, keep, context)

    @torch.no_grad()
    def select(self, kept: Int[Tensor, " K"]) -> "MixturePrior":
        """Return a new prior with the components at these positions and renormalised weights.

        Raises:
            ValueError: If components cannot be selected individually.
        """
        new = type(self).__new__(type(self))
        MixturePrior.__init__(
            new, self.components.select(kept), self.weights.select(kept), self.mixture
        )
        return new.train(self.training)

    def _parts(self) -> list[nn.Module]:
        modules = vars(self).get("_modules", {})
        components, weights = (modules.get(role) for role in ("components", "weights"))
        parts = (components, getattr(components, "inputs", None), weights)
        return [part for part in parts if part is not None]
