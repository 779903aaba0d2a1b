"""The checks by name, and the functions that put a prior through them."""

from collections.abc import Callable, Collection
from dataclasses import replace

from torch import nn

from priory.extras import needs
from priory.networks.context import Context
from priory.testing import causes
from priory.testing.checks import (
    batches,
    claims,
    compiling,
    contexts,
    density,
    effects,
    extremes,
    gradients,
    manners,
    round_trip,
    sampler,
    stein,
    training,
)
from priory.testing.encoder import TinyEncoder
from priory.testing.p_values import seeded
from priory.testing.results import Report, Result, failed, first_line, skipped
from priory.testing.subject import Reference, Subject

Check = Callable[[Subject], Result]

STATISTICAL: dict[str, Check] = {
    "binned mass": sampler.binned_mass,
    "stein moments": stein.stein_moments,
    "kernel stein": stein.kernel_stein,
    "reciprocal": sampler.reciprocal,
    "marginals": sampler.marginals,
    "independent draws": sampler.independent_draws,
    "training samples": sampler.training_samples,
    "rsample": batches.rsample,
    "mean": claims.mean,
    "variance": claims.variance,
    "entropy": claims.entropy,
    "kl": claims.kl,
}
"""Checks whose threshold is a significance level; a right prior fails one now and then."""

CHECKS: dict[str, Check] = {
    "shapes": density.shapes,
    "reference": density.reference,
    "normalisation": density.normalisation,
    "batching": density.batching,
    "context": contexts.context,
    "dtype": density.dtype,
    "repeatable": density.repeatable,
    "random numbers": effects.random_numbers,
    "in place": effects.in_place,
    "follows": effects.follows,
    "flat": extremes.flat,
    **STATISTICAL,
    "expand": batches.expand,
    "batch claims": batches.batch_claims,
    "gradient of z": gradients.gradient_of_z,
    "gradient of parameters": gradients.gradient_of_parameters,
    "trainable": training.trainable,
    "border": training.border,
    "extremes": extremes.extremes,
    "moves": round_trip.moves,
    "state_dict": round_trip.state_dict,
    "other encoder": round_trip.other_encoder,
    "copies": round_trip.copies,
    "modes": round_trip.modes,
    "encodes once": manners.encodes_once,
    "global state": manners.global_state,
    "generator": manners.generator,
    "compile": compiling.compiles,
    "export": compiling.exports,
}
"""All checks, in the order in which they run."""

SEVERITY = {"skipped": 0, "passed": 1, "inconclusive": 2, "failed": 3}
"""Which answer counts where a check is made several times."""

FALSE_ALARMS = 1e-3
"""How often a right prior may fail any statistical check, by design."""


def check_prior(
    make_prior: Callable[[], nn.Module],
    encoder: nn.Module | None = None,
    reference: Reference | None = None,
    *,
    latent_dim: int = 2,
    seed: int = 0,
    jitter: float = 0.4,
    skip: Collection[str] = (),
    context: Context | None = None,
    num_samples: int = 20_000,
) -> Report:
    r"""Put a prior through every check of the kit.

    Args:
        make_prior: Returns a new prior: a module whose call `prior(encoder)` returns a
            distribution over vectors.
        encoder: What the prior is called with; the kit's own `TinyEncoder` by default. It is
            copied, never changed.
        reference: The prior's log-density at one point, in nats, from first principles, called as
            `reference(prior, encoder, z)` with z a list of L numbers.
        latent_dim: The number of latent dimensions L of the kit's encoder.
        seed: The seed of all that is random here. The caller's generators are left alone.
        jitter: The standard deviation by which every parameter is moved from where `make_prior`
            leaves it: equal weights and means at the origin hide faults.
        skip: Names of checks to leave out.
        num_samples: How many samples the statistical checks share. Fewer are quicker, and see
            larger faults only.
        context: Where the prior depends on labels: the labels of a few data, in a
            context. The prior is then called as `prior(encoder, context)`, every check is made for
            each of these data, and the worst answer counts; a reference is called as
            `reference(prior, encoder, z, context)` with the context of one.

    Returns:
        A report that prints as a table.

    Raises:
        ValueError: If a check to skip is unknown.

    Examples:
        >>> from priory import StandardPrior
        >>> from priory.testing import check_prior
        >>> report = check_prior(lambda: StandardPrior(latent_dim=2), skip=["compile", "export"])
        >>> report.passed
        True
    """
    subject = new_subject(
        make_prior, encoder, reference, latent_dim, seed, jitter, context, num_samples
    )
    if unknown := set(skip) - set(CHECKS):
        raise ValueError(
            f"expected checks among {', '.join(CHECKS)}, got {', '.join(sorted(unknown))}."
        )
    results: list[Result] = []
    for name in CHECKS:
        if name in skip:
            results.append(replace(skipped("left out"), check=name))
        elif results and results[0].verdict == "failed":  # nothing else would mean anything
            results.append(replace(skipped("the shapes are wrong"), check=name))
        else:
            results.append(run_check(name, subject))
    return Report(getattr(make_prior, "__qualname__", repr(make_prior)), tuple(results))


def conformance_test(
    make_prior: Callable[[], nn.Module],
    encoder: nn.Module | None = None,
    reference: Reference | None = None,
    *,
    latent_dim: int = 2,
    seed: int = 0,
    jitter: float = 0.4,
    skip: Collection[str] = (),
    context: Context | None = None,
    num_samples: int = 20_000,
) -> Callable[[str], None]:
    """Return a pytest function, parametrised over the checks, that puts a prior through them.

    A check that fails or cannot decide fails its test, and one with nothing to check is skipped.
    The checks share their samples, so that all tests together cost what `check_prior` costs.

    The arguments are those of `check_prior`.

    Raises:
        ImportError: If pytest is not installed.

    Examples:
        In a test file, this is all that it takes:

        >>> from priory import MoGPrior
        >>> from priory.testing import conformance_test
        >>> test_my_prior = conformance_test(lambda: MoGPrior(latent_dim=2, num_components=5))
    """
    with needs("test"):
        import pytest
    subject = new_subject(
        make_prior, encoder, reference, latent_dim, seed, jitter, context, num_samples
    )

    @pytest.mark.parametrize("check", [name for name in CHECKS if name not in skip])
    def test(check: str) -> None:
        result = run_check(check, subject)
        if result.verdict == "skipped":
            pytest.skip(result.note)
        if result.verdict != "passed":
            pytest.fail(_in_words(result), pytrace=False)

    return test


def new_subject(
    make_prior: Callable[[], nn.Module],
    encoder: nn.Module | None = None,
    reference: Reference | None = None,
    latent_dim: int = 2,
    seed: int = 0,
    jitter: float = 0.4,
    context: Context | None = None,
    num_samples: int = 20_000,
) -> Subject:
    """Return what the checks share, with the arguments of `check_prior`."""
    encoder = TinyEncoder(latent_dim) if encoder is None else encoder
    level = FALSE_ALARMS / (len(STATISTICAL) + (context is not None))
    return Subject(make_prior, encoder, reference, seed, level, jitter, num_samples, context)


def run_check(name: str, subject: Subject) -> Result:
    """Run one check; an error that the prior raises is a failure of the check.

    With a context it is run for each example, and the worst answer is returned.
    """
    if subject.context is not None and name != "context":
        results = [run_check(name, one) for one in subject.each]
        row, worst = max(enumerate(results), key=lambda r: (SEVERITY[r[1].verdict], -r[0]))
        bad = worst.verdict in ("failed", "inconclusive")
        return replace(worst, note=f"{worst.note} (example {row} of the context)") if bad else worst
    try:
        with seeded(subject.seed):
            result = CHECKS[name](subject)
    except Exception as error:  # whatever a prior raises is an answer
        of_dtype = ("dtype", "same device", "Double", "double")
        guess = (causes.NO_BUFFER,) if any(word in str(error) for word in of_dtype) else ()
        result = failed(f"{type(error).__name__}: {first_line(error)}", *guess)
    return replace(result, check=name)


def _in_words(result: Result) -> str:
    """Return the answer of one check and its likely causes, a line each."""
    numbers = ""
    if result.statistic is not None and result.threshold is not None:
        side = "above" if result.is_p_value else "below"
        numbers = f": {result.statistic:.3g}, expected {side} {result.threshold:.3g}"
    causes = [f"  likely: {cause}" for cause in result.causes]
    return "\n".join([f"{result.check} {result.verdict}{numbers} ({result.note})", *causes])
