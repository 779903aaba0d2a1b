"""The checks of the kit as parametrised tests."""

from collections.abc import Callable, Collection

from torch import nn

from priory.extras import needs
from priory.networks.context import Context
from priory.testing.kit import CHECKS, new_subject, run_check
from priory.testing.results import Result
from priory.testing.subject import Reference


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
    subject = new_subject(make_prior, encoder, reference, latent_dim, seed, jitter, context)

    @pytest.mark.parametrize("check", [name for name in CHECKS if name not in skip])
    def test(check: str) -> None:
        result = run_check(check, subject)
        if result.verdict == "skipped":
            pytest.skip(result.note)
        if result.verdict != "passed":
            pytest.fail(_in_words(result), pytrace=False)

    return test


def _in_words(result: Result) -> str:
    """Return the answer of one check and its likely causes, a line each."""
    numbers = ""
    if result.statistic is not None and result.threshold is not None:
        side = "above" if result.is_p_value else "below"
        numbers = f": {result.statistic:.3g}, expected {side} {result.threshold:.3g}"
    causes = [f"  likely: {cause}" for cause in result.causes]
    return "\n".join([f"{result.check} {result.verdict}{numbers} ({result.note})", *causes])
