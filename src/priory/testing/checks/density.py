"""The density integrates to one, and does not depend on how it is computed."""

import math

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.networks.contract import name_the_adapter
from priory.testing import causes
from priory.testing.checks.extremes import direct_parameters
from priory.testing.checks.training import why_blocked
from priory.testing.diagnosis import why_not_normalised
from priory.testing.free import score_at
from priory.testing.p_values import seeded
from priory.testing.results import (
    Result,
    by_error,
    failed,
    inconclusive,
    passed,
    relative_error,
    skipped,
)
from priory.testing.subject import BARS, Subject, standard_error


def shapes(subject: Subject) -> Result:
    """Check that the prior returns a distribution over vectors, with shapes as torch's have."""
    prior = subject.new_prior()
    try:
        p = prior(subject.new_encoder())
    except (AttributeError, TypeError) as error:
        name_the_adapter(prior, error)
        raise
    if not isinstance(p, Distribution):
        return failed(f"expected a torch Distribution from prior(encoder), got {type(p).__name__}")
    if len(p.event_shape) != 1:
        shape = tuple(p.event_shape)
        return failed(f"expected an event shape (L,), got {shape}", causes.NOT_OF_VECTORS)
    if p.batch_shape:
        return failed(f"expected no batch shape, got {tuple(p.batch_shape)}")
    for lead in ((), (1,), (7,), (7, 3)):
        z = p.sample(Size(lead))
        if z.shape != (*lead, *p.event_shape):
            cause = causes.SAMPLE_SHAPE if z.shape[-1:] == p.event_shape else causes.REDUCED
            return failed(
                f"expected samples of shape {(*lead, *p.event_shape)}, got {z.shape}", cause
            )
        if (value := p.log_prob(z)).shape != lead:
            return failed(
                f"expected log_prob of shape {lead}, got {tuple(value.shape)}", causes.REDUCED
            )
    return passed()


def reference(subject: Subject) -> Result:
    """Check that the density is that of the reference, to double precision."""
    if subject.reference is None:
        return skipped("no reference was given")
    prior, encoder = subject.new_prior().requires_grad_(False).eval(), subject.new_encoder()
    encoder.requires_grad_(False)
    actual = prior(encoder).log_prob(subject.points)
    values = [subject.reference(prior, encoder, z) for z in subject.points.tolist()]
    expected = torch.tensor(values, dtype=torch.float64)
    gap = actual - expected
    constant = float(gap.std()) < 1e-9 * float(gap.abs().max())
    guess = (causes.CONSTANT, causes.WEIGHTS_UNNORMALISED) if constant else (causes.WRONG_DENSITY,)
    return by_error(relative_error(actual, expected), 1e-8, "largest relative error", guess)


def normalisation(subject: Subject) -> Result:
    """Check that the density integrates to one."""
    mass = subject.mass
    if mass.trouble:
        return inconclusive(mass.trouble)
    gap = abs(mass.total - 1)
    z = subject.free.from_free(mass.u)
    estimated = BARS * float((mass.weight * standard_error(subject.p, z)).sum())
    guess = why_not_normalised(subject) if gap > 1e-3 + estimated else ()
    if mass.cells is not None:
        tolerance = 1e-3 + estimated
        return by_error(gap, tolerance, "|integral - 1|, by quadrature", guess, bar=mass.error)
    # Twice the one-sided level of a normal, with its error bar; a wide bar settles nothing.
    bar = mass.error * math.sqrt(2 * math.log(2 / subject.level)) + estimated
    if bar > 0.1 and gap <= bar:
        return inconclusive(f"the integral is only known to within {bar:.2g}")
    return by_error(gap, bar, "|integral - 1|, by importance sampling", guess)


def batching(subject: Subject) -> Result:
    """Check that points alone, together, reordered or reshaped have the same density."""
    p, z = subject.p, subject.points
    together = p.log_prob(z)
    order = torch.arange(len(z)).flip(0)
    answers = [
        torch.stack([p.log_prob(point) for point in z]),
        p.log_prob(z[order])[order],
        p.log_prob(z.reshape(6, -1, z.shape[1])).reshape(-1),
        p.log_prob(z.T.contiguous().T),
        p.log_prob(z[:, None].expand(-1, 2, -1))[:, 1],
    ]
    error = max(relative_error(answer, together) for answer in answers)
    return by_error(error, 1e-9, "largest relative difference", (causes.ENTANGLED, causes.REDUCED))


def dtype(subject: Subject) -> Result:
    """Check that single and double precision agree, and each returns its own kind.

    Both have the same parameters and points, of single precision, so that nothing but the
    arithmetic differs; and where a parameter moves the density in space, also far from the origin.
    """
    single, double = _both_precisions(subject)
    z = subject.points.float()
    low, high = single.log_prob(z), double.log_prob(z.double())
    if low.dtype != torch.float32 or high.dtype != torch.float64:
        if low.dtype == high.dtype and not [*subject.new_prior().state_dict()]:
            return inconclusive(f"without parameters or buffers the prior stays in {low.dtype}")
        return failed(
            f"expected float32 and float64, got {low.dtype} and {high.dtype}", causes.SINGLE
        )
    if (drawn := subject.p.sample().dtype) != torch.float64:
        return failed(f"expected samples in float64, got {drawn}", causes.NO_BUFFER)
    error = _rounding(subject, single, double, z)
    if not error <= 1e-3:
        near = single.log_prob(z * (1 + 1e-4)) == low
        far_off = float((z.abs() / (1e-9 + z.std(0))).median()) > 30
        guess = causes.CANCELLATION if far_off else causes.NO_BUFFER
        guess = causes.SINGLE if float(near.double().mean()) > 0.3 else guess
        return by_error(error, 1e-3, "float32 against float64", (guess, causes.OVERFLOW))
    for name in _locations(subject):
        single, double = _both_precisions(subject, name)
        with seeded(subject.seed + 16):
            z = double.sample(Size((64,))).float()
        far = _rounding(subject, single, double, z)
        if not far <= 1e-3:
            note = f"float32 against float64, with {name} {FAR:g} further out"
            return by_error(far, 1e-3, note, (causes.CANCELLATION,))
    return by_error(error, 1e-3, "float32 against float64", ())


FAR = 1000.0
"""How far from the origin a density is tried."""


def _both_precisions(subject: Subject, moved: str = "") -> tuple[Distribution, Distribution]:
    """Return the distribution in single precision, and in double with the same parameters."""
    both = []
    for kind in (torch.float32, torch.float64):
        prior = subject.new_prior(dtype=torch.float32).requires_grad_(False).eval()
        if moved:
            prior.get_parameter(moved).add_(FAR)
        encoder = subject.new_encoder(torch.float32).requires_grad_(False)
        with seeded(subject.seed):
            both.append(prior.to(kind)(encoder.to(kind)))
    return both[0], both[1]


def _rounding(subject: Subject, single: Distribution, double: Distribution, z: Tensor) -> float:
    """Return the largest difference relative to the density, beyond what rounding must leave.

    That is the rounding of z, and of a covariance whose smallest and largest axis are far apart.
    """
    low, high = single.log_prob(z).double(), double.log_prob(z.double())
    score = score_at(double.log_prob, z.double())
    root = subject.clusters.root
    root = root / root.norm(dim=-1, keepdim=True)  # of the correlations
    condition = float(torch.linalg.cond(root).square().max())
    eps = 16 * torch.finfo(torch.float32).eps
    slack = eps * (score * z.double()).abs().sum(-1)
    slack = slack + eps * (condition - 1) * (1 + high.abs())
    errors = standard_error(single, z).double() + standard_error(double, z.double())
    allowed = 1e-3 * (1 + high.abs()) + slack + BARS * errors
    gap = torch.where(low == high, 0.0, (low - high).abs())
    return 1e-3 * float((gap / allowed).detach().max())


def _locations(subject: Subject) -> list[str]:
    """Return the parameters that move the whole density in space, and nothing else."""
    names, z = [], subject.points
    for name, _ in direct_parameters(subject.new_prior()):
        prior = subject.new_prior().requires_grad_(False).eval()
        prior.get_parameter(name).add_(1.0)
        try:
            with seeded(subject.seed):
                moved = prior(subject.new_encoder()).log_prob(z + 1)
        except (RuntimeError, ValueError):
            continue
        if relative_error(moved, subject.p.log_prob(z)) < 1e-6:
            names.append(name)
    return names


def repeatable(subject: Subject) -> Result:
    """Check that the same prior and encoder give the same density every time.

    In training a density that says it is an estimate may be another one, within its error.
    """
    error = _spread_of_calls(subject, training=True)
    if standard_error(subject.p, subject.points).any():
        error = max(error, _spread_of_calls(subject, training=False))
    guess: tuple[str, ...] = ()
    if error > 1e-12:
        once = _spread_of_calls(subject, training=False) == 0.0
        guess = (causes.MODE,) if once else (*why_blocked(subject), causes.RANDOM_DENSITY)
    return by_error(error, 1e-12, "largest relative difference", guess)


def _spread_of_calls(subject: Subject, training: bool) -> float:
    """Return how far the densities of two calls of the prior lie apart."""
    prior, encoder = subject.new_prior().requires_grad_(False), subject.new_encoder()
    prior.train(training)
    z, p = subject.points, prior(encoder)
    first, again, later = (q.log_prob(z) for q in (p, p, prior(encoder)))
    slack = 2 * BARS * float(standard_error(p, z).max()) if training else 0.0
    return max(relative_error(again, first), relative_error(later, first) - slack)
