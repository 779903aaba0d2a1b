"""The checks by name, and the functions that run them on a prior."""

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
"""Checks whose threshold is a significance level, which a correct prior occasionally fails."""

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
"""Which result counts if a check runs several times."""

FALSE_ALARMS = 1e-3
"""The probability, by design, that a correct prior fails any statistical check."""


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
    r"""Test a prior with every check of the kit.

    Args:
        make_prior: Returns a new prior: a module whose call `prior(encoder)` returns a
            distribution over vectors.
        encoder: The encoder that the prior is called with; by default the kit's `TinyEncoder`. It
            is copied, never changed.
        reference: The prior's log-density at one point, in nats, from first principles, called as
            `reference(prior, encoder, z)` with z a list of L numbers.
        latent_dim: The number of latent dimensions L of the kit's encoder.
        seed: The random seed. The global random state is not changed.
        jitter: The standard deviation of the random change to every initial parameter, because
            equal weights and means at the origin hide faults.
        skip: Names of checks to leave out.
        num_samples: The number of samples that the statistical checks share. Fewer are faster, but
            detect only larger faults.
        context: If the prior depends on labels: a few labels, in a context. The prior is then
            called as `prior(encoder, context)`, every check runs for each of these labels, and the
            worst result counts; a reference is called as `reference(prior, encoder, z, context)`
            with the context of one.

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
        elif results and results[0].verdict == "failed":  # other results would be meaningless
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
    """Return a pytest function, parametrised over the checks, that tests a prior.

    A check that fails or cannot decide fails its test, and one with nothing to check is skipped.
    The checks share their samples, so all tests together cost the same as `check_prior`.

    The arguments are those of `check_prior`.

    Raises:
        ImportError: If pytest is not installed.

    Examples:
        In a test file, this is all you need:

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
    """Return the data that the checks share, with the arguments of `check_prior`."""
    encoder = TinyEncoder(latent_dim) if encoder is None else encoder
    level = FALSE_ALARMS / (len(STATISTICAL) + (context is not None))
    return Subject(make_prior, encoder, reference, seed, level, jitter, num_samples, context)


def run_check(name: str, subject: Subject) -> Result:
    """Run one check; an error raised by the prior is a failure of the check.

    With a context it runs for each example, and the worst result is returned.
    """
    if subject.context is not None and name != "context":
        results = [run_check(name, one) for one in subject.each]
        row, worst = max(enumerate(results), key=lambda r: (SEVERITY[r[1].verdict], -r[0]))
        bad = worst.verdict in ("failed", "inconclusive")
        return replace(worst, note=f"{worst.note} (example {row} of the context)") if bad else worst
    try:
        with seeded(subject.seed):
            result = CHECKS[name](subject)
    except Exception as error:  # anything a prior raises is a result
        of_dtype = ("dtype", "same device", "Double", "double")
        guess = (causes.NO_BUFFER,) if any(word in str(error) for word in of_dtype) else ()
        result = failed(f"{type(error).__name__}: {first_line(error)}", *guess)
    return replace(result, check=name)


def _in_words(result: Result) -> str:
    """Return the result of one check and its likely causes, one line each."""
    numbers = ""
    if result.statistic is not None and result.threshold is not None:
        side = "above" if result.is_p_value else "below"
        numbers = f": {result.statistic:.3g}, expected {side} {result.threshold:.3g}"
    causes = [f"  likely: {cause}" for cause in result.causes]
    return "\n".join([f"{result.check} {result.verdict}{numbers} ({result.note})", *causes])
