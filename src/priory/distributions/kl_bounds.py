"""Bounds of divergences between mixtures, which have no closed form."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence
from torch.utils.checkpoint import checkpoint

from priory.blockwise import blocks
from priory.distributions.gaussian_kl import entropy, mixture_of
from priory.distributions.mixture import kernel
from priory.distributions.mixture.gaussian_mixture import GaussianMixture


def kl_upper_bound(
    q: Distribution, p: Distribution, num_iterations: int = 20
) -> Float[Tensor, "*batch"]:
    r"""Return an upper bound of $KL(q \| p)$ for a mixture p, in nats.

    For a Gaussian q the log-sum-exp over components is convex, and Jensen's inequality gives

    $$KL(q \| p) \le -\log \sum_k w_k \, e^{-KL(q \| p_k)}.$$

    The sum is itself the density of a mixture, in 2L dimensions at the mean and scale of q, so the
    kernel computes it in constant memory and with its gradient. With one component the bound is
    exact.

    For a mixture q it is the smaller of two bounds. One pairs the components of q and p, by the
    convexity of KL, optimised over some iterations; it is tight if they are similar. The other
    separates the two expectations,

    $$\sum_a \pi_a \Big[\log \sum_{a'} \pi_{a'} \!\int\! q_a q_{a'} + H(q_a)
    - \log \sum_k w_k \, e^{-KL(q_a \| p_k)}\Big],$$

    and is better if the components of q overlap. They need memory for all pairs of components.

    Args:
        q: A diagonal Gaussian with any batch shape, or a `GaussianMixture` without one.
        p: A `GaussianMixture`, or a diagonal Gaussian; for a Gaussian q it may have a batch shape.
        num_iterations: The number of iterations for the pairing, for a mixture q.

    Raises:
        NotImplementedError: If q or p has a different type, or a mixture q has a batch shape.

    Reference:
        Hershey & Olsen, *Approximating the Kullback Leibler divergence between Gaussian mixture
        models*, ICASSP 2007 (the variational upper bound); Durrieu, Thiran & Kelly, *Lower and
        upper bounds for approximation of the Kullback-Leibler divergence between Gaussian mixture
        models*, ICASSP 2012.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.distributions import kl_upper_bound
        >>> p = GaussianMixture(torch.zeros(2), torch.tensor([[-2.0], [2.0]]), torch.ones(2, 1))
        >>> bool(kl_upper_bound(p, p) < 1e-3)
        True
    """
    q_mixture, p_mixture = _mixtures(q, p)
    if not isinstance(q, GaussianMixture):
        loc, scale = q_mixture.loc.squeeze(-2), q_mixture.scale.squeeze(-2)
        expected = kernel.log_prob(*_expected_log_prob(loc, scale, p_mixture))
        return -entropy(scale) - expected.to(loc.dtype)
    q_mixture, p_mixture = _with_finite_weights(q_mixture), _with_finite_weights(p_mixture)
    weights = q_mixture.logits.exp()
    overlap = _log_overlap(q_mixture.loc, q_mixture.scale, q_mixture) + entropy(q_mixture.scale)
    divergences = _pairwise_kl(q_mixture, p_mixture)
    apart = weights @ (overlap - (p_mixture.logits - divergences).logsumexp(-1))
    paired = _paired_bound(q_mixture.logits, p_mixture.logits, divergences, num_iterations)
    return torch.minimum(apart, paired)


def kl_lower_bound(q: Distribution, p: Distribution) -> Float[Tensor, "*batch"]:
    r"""Return a lower bound of $KL(q \| p)$ for a mixture p, in nats.

    For a Gaussian q the logarithm is concave, and Jensen's inequality gives

    $$KL(q \| p) \ge -H(q) - \log \sum_k w_k \int q(z) \, p_k(z) \, dz.$$

    The integral is the density of a Gaussian whose variances are the sums of both. With one
    component the divergence itself is returned. For a mixture q its own term is bounded in the same
    way,

    $$\sum_a \pi_a \Big[\log \sum_{a'} \pi_{a'} \, e^{-KL(q_a \| q_{a'})} - H(q_a)
    - \log \sum_k w_k \!\int\! q_a p_k\Big].$$

    A divergence is never negative; the bound can be, and then it says nothing. If a Gaussian q
    equals a component of p, the bound is loose by (1 - log 2)/2, or 0.153 nats, per dimension; if q
    is far from p, by much more.

    The types of q and p, and the errors, are those of `kl_upper_bound`.

    Reference:
        Durrieu, Thiran & Kelly, *Lower and upper bounds for approximation of the Kullback-Leibler
        divergence between Gaussian mixture models*, ICASSP 2012.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from priory import GaussianMixture
        >>> from priory.distributions import kl_lower_bound
        >>> p = GaussianMixture(torch.zeros(2), torch.tensor([[-2.0], [2.0]]), torch.ones(2, 1))
        >>> q = Independent(Normal(torch.zeros(5, 1), torch.full((5, 1), 0.1)), 1)
        >>> kl_lower_bound(q, p).shape
        torch.Size([5])
    """
    q_mixture, p_mixture = _mixtures(q, p)
    if isinstance(q, GaussianMixture):
        q_mixture, p_mixture = _with_finite_weights(q_mixture), _with_finite_weights(p_mixture)
        log_overlap = (q_mixture.logits - _pairwise_kl(q_mixture, q_mixture)).logsumexp(-1)
        cross = _log_overlap(q_mixture.loc, q_mixture.scale, p_mixture)
        return q_mixture.logits.exp() @ (log_overlap - entropy(q_mixture.scale) - cross)
    if p_mixture.loc.shape[-2] == 1:
        return kl_divergence(q_mixture, p_mixture)
    loc, scale = q_mixture.loc.squeeze(-2), q_mixture.scale.squeeze(-2)
    return -entropy(scale) - _log_overlap(loc, scale, p_mixture)


def kl_variational(q: GaussianMixture, p: Distribution) -> Float[Tensor, ""]:
    r"""Return Hershey and Olsen's variational approximation of $KL(q \| p)$, in nats.

    $$\sum_a \pi_a \log \frac{\sum_{a'} \pi_{a'} \, e^{-KL(q_a \| q_{a'})}}
    {\sum_k w_k \, e^{-KL(q_a \| p_k)}}$$

    It is the difference of two lower bounds and so not a bound itself; it is zero if q = p.

    Args:
        q: A `GaussianMixture` without a batch shape.
        p: Another, or a diagonal Gaussian.

    Raises:
        NotImplementedError: If q or p has a different type, or has a batch shape.

    Reference:
        Hershey & Olsen, *Approximating the Kullback Leibler divergence between Gaussian mixture
        models*, ICASSP 2007 (the variational approximation).

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.distributions import kl_variational
        >>> p = GaussianMixture(torch.zeros(2), torch.tensor([[-2.0], [2.0]]), torch.ones(2, 1))
        >>> bool(kl_variational(p, p).abs() < 1e-5)
        True
    """
    q, p = map(_with_finite_weights, _mixtures(q, p))
    log_mass = (q.logits - _pairwise_kl(q, q)).logsumexp(-1)
    cross = (p.logits - _pairwise_kl(q, p)).logsumexp(-1)
    return q.logits.exp() @ (log_mass - cross)


def _mixtures(q: Distribution, p: Distribution) -> tuple[GaussianMixture, GaussianMixture]:
    mixtures = mixture_of(q), mixture_of(p)
    for name, given, mixture in zip("qp", (q, p), mixtures, strict=True):
        if mixture is None:
            raise NotImplementedError(
                "bounds of KL(q‖p) are known for diagonal Gaussians and their mixtures, "
                f"and {name} is a {type(given).__name__}; estimate it from samples."
            )
    as_q, as_p = mixtures
    assert as_q is not None
    assert as_p is not None
    if isinstance(q, GaussianMixture) and (q.batch_shape or p.batch_shape):
        raise NotImplementedError(
            "bounds of KL(q‖p) for a mixture q need a single q and a single p, got batches of "
            f"{tuple(q.batch_shape)} and {tuple(p.batch_shape)}; call them one by one."
        )
    return as_q, as_p


def _with_finite_weights(mixture: GaussianMixture) -> GaussianMixture:
    """Return the same mixture with very low log-weights in place of -inf.

    Differences of two -inf would be NaN, and under vmap dropping components cannot depend on
    values.
    """
    logits = mixture.logits.clamp_min(torch.finfo(mixture.logits.dtype).min / 16)
    return GaussianMixture(logits, mixture.loc, mixture.scale, validate_args=False)


def _expected_log_prob(loc: Tensor, scale: Tensor, p: GaussianMixture) -> tuple[Tensor, ...]:
    """Return arguments of the kernel for which a component's density is exp E_q log(w_k p_k).

    E log N(z | μ, σ²) = log N(m | μ, σ²) - s²/2σ², and the last term is also a Gaussian density:
    that of s around zero, except for its normalisation.
    """
    dims = p.loc.shape[-1]
    log_volume = p.scale.log().sum(-1) + 0.5 * math.log(2 * math.pi) * dims
    return (
        torch.cat((loc, scale), -1),
        p.logits + log_volume,
        torch.cat((p.loc, torch.zeros_like(p.loc)), -1),
        torch.cat((p.scale, p.scale), -1),
    )


def _pairwise_kl(q: GaussianMixture, p: GaussianMixture) -> Tensor:
    """Return the divergence of each component of q from each of p, `(A, K)`."""
    expected = kernel.component_log_prob(*_expected_log_prob(q.loc, q.scale, p))
    return p.logits - expected.to(q.loc.dtype) - entropy(q.scale).unsqueeze(-1)


def _paired_bound(log_q: Tensor, log_p: Tensor, divergences: Tensor, num_iterations: int) -> Tensor:
    """Return KL(φ‖ψ) + Σ φ_ab KL(q_a‖p_b), lowered over φ with margin q and ψ with margin p."""
    log_psi = log_q.unsqueeze(-1) + log_p
    for _ in range(num_iterations):
        log_phi = log_q.unsqueeze(-1) + (log_psi - divergences).log_softmax(-1)
        log_psi = log_p + log_phi.log_softmax(0)
    return log_q.exp() @ (log_q - (log_psi - divergences).logsumexp(-1))


def _log_overlap(loc: Tensor, scale: Tensor, p: GaussianMixture) -> Tensor:
    """Return log ∫ q p for Gaussians q: its scales differ by pair, so that nothing is a product."""
    components = p.loc.shape[-2]
    parts: list[Any] = []
    for some in blocks(components, loc.numel(), most=components):
        arguments = (
            loc.unsqueeze(-2),
            scale.unsqueeze(-2),
            p.logits[..., some],
            p.loc[..., some, :],
            p.scale[..., some, :],
        )
        if some.stop - some.start == components:
            return _log_overlap_of(*arguments)
        parts.append(
            checkpoint(_log_overlap_of, *arguments, use_reentrant=False, preserve_rng_state=False)
        )
    return torch.stack(parts).logsumexp(0)


def _log_overlap_of(
    loc: Tensor, scale: Tensor, logits: Tensor, means: Tensor, scales: Tensor
) -> Tensor:
    variance = scale.square() + scales.square()
    log_density = ((loc - means).square() / variance + (2 * math.pi * variance).log()).sum(-1)
    return (logits - 0.5 * log_density).logsumexp(-1)
