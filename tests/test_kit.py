"""The conformance kit rejects every wrong prior for its own reason, and passes every right one."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Cauchy, Independent

from cases import CASES, Case, make_encoder, over_kinds
from faulty_priors import FAULTS, Fault
from kit_priors import LARGE, RIGHT, WRONG, rows
from priory import MoGPrior, StandardPrior
from priory.testing import CHECKS, Report, TinyEncoder, check_prior, conformance_test
from right_priors import Right

# The run-time check of shapes, on in this process, cannot be traced: these have their own below.
TRACED = ("compile", "export")

WRONG_HERE = [fault for fault in WRONG if fault.name != "a branch on values"]

FEW = 8_000
"""How many samples are enough for faults as large as those of the table."""


def in_a_process_of_its_own(script: str, *arguments: str) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", dedent(script), *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@cache
def report_of(fault: Fault) -> Report:
    return check_prior(
        fault.make,
        reference=fault.reference,
        latent_dim=fault.latent_dim,
        skip=TRACED,
        context=fault.context,
        num_samples=FEW,
    )


@pytest.mark.parametrize("fault", rows(WRONG_HERE))
def test_wrong_prior_is_rejected_for_its_own_reason(fault: Fault):
    report = report_of(fault)
    assert not report.passed
    assert report.failures
    assert report.causes[0] == fault.cause
    assert fault.cause in str(report)


def test_every_check_rejects_some_prior():
    quick = [row.values[0] for row in rows(WRONG_HERE) if not row.marks]
    failing = {result.check for fault in quick for result in report_of(fault).failures}
    assert failing == set(CHECKS) - set(TRACED)


@over_kinds
def test_right_prior_passes(case: Case):
    report = check_prior(
        case.make, make_encoder(), case.reference, skip=TRACED, context=case.context
    )
    assert report.passed, str(report)


@pytest.mark.parametrize("right", rows(RIGHT))
def test_right_prior_of_any_shape_passes_or_says_why_not(right: Right):
    report = check_prior(right.make, latent_dim=right.latent_dim, skip=TRACED, num_samples=FEW)
    assert not report.failures, str(report)
    assert report.passed or not right.decided, str(report)
    assert all(result.note for result in report.inconclusive)


@pytest.mark.slow
@pytest.mark.parametrize("right", LARGE, ids=lambda right: right.name)
def test_large_prior_is_checked_within_a_minute_and_two_gib(right: Right):
    # In a process of its own, whose peak is its own.
    script = f"""
        import resource, time, torch
        from kit_priors import LARGE
        from priory.testing import check_prior
        torch.set_num_threads(1)
        (right,) = [right for right in LARGE if right.name == {right.name!r}]
        report = check_prior(right.make, latent_dim=right.latent_dim, skip={TRACED})
        assert not report.failures, str(report)
        assert report.passed or not right.decided, str(report)
        assert time.process_time() < 60, time.process_time()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**20
    """
    in_a_process_of_its_own(script)


@pytest.mark.parametrize(
    "names",
    [
        ["mog"],
        pytest.param([case.name for case in CASES if case.name != "mog"], marks=pytest.mark.slow),
    ],
)
def test_compiler_and_exporter_agree_or_are_reported(names):
    # In a process of its own, where nothing checks shapes at run time.
    script = """
        import sys
        import torch
        from cases import CASES, make_encoder
        from more_faulty_priors import BranchOnValues
        from priory.testing import CHECKS, check_prior
        torch.set_num_threads(1)
        others = set(CHECKS) - {"compile", "export"}
        for case in [case for case in CASES if case.name in sys.argv]:
            report = check_prior(case.make, make_encoder(), skip=others, context=case.context)
            assert report.passed, str(report)
        report = check_prior(BranchOnValues, skip=others)
        assert [r.check for r in report.failures] == ["export"], str(report)
        assert "torch cannot trace the density" in report.causes[0]
    """
    in_a_process_of_its_own(script, *names)


class HeavyTailed(nn.Module):
    def forward(self, encoder: nn.Module) -> Independent:
        zero = torch.zeros(2)
        return Independent(Cauchy(zero.double(), zero.double() + 1), 1)


def test_undecided_is_not_passed():
    report = check_prior(HeavyTailed, skip={*TRACED, "dtype"})
    assert [result.check for result in report.inconclusive] == ["mean", "variance"]
    assert "too heavy" in report.inconclusive[0].note
    assert not report.passed
    assert "inconclusive" in str(report)


def test_error_of_a_prior_is_a_failure():
    class Broken(nn.Module):
        def forward(self, encoder: nn.Module) -> None:
            raise RuntimeError("no prior today")

    report = check_prior(Broken, skip=TRACED)
    assert [result.check for result in report.failures] == ["shapes"]
    assert "no prior today" in report.failures[0].note


def test_same_seed_gives_the_same_report():
    others = set(CHECKS) - {"stein moments", "normalisation", "mean"}
    first, second, other = (
        check_prior(lambda: MoGPrior(2, 3), seed=seed, skip=others) for seed in (4, 4, 5)
    )
    assert first.results == second.results
    assert first.results != other.results


def test_kit_leaves_everything_as_it_was():
    encoder = TinyEncoder()
    parameters = [parameter.clone() for parameter in encoder.parameters()]
    torch_state, numpy_state = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    check_prior(CASES[3].make, encoder, skip=TRACED)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert numpy_state == repr(np.random.get_state())  # noqa: NPY002
    for before, after in zip(parameters, encoder.parameters(), strict=True):
        assert torch.equal(before, after)


def test_unknown_check_is_an_error():
    with pytest.raises(ValueError, match="got no such check"):
        check_prior(lambda: StandardPrior(2), skip=["no such check"])


test_helper_passes_a_right_prior = conformance_test(lambda: StandardPrior(2), skip=TRACED)


def test_helper_fails_a_wrong_prior():
    test = conformance_test(FAULTS[0].make)
    with pytest.raises(pytest.fail.Exception, match="likely: the log-sum-exp"):
        test("stein moments")
    with pytest.raises(pytest.skip.Exception, match="no reference"):
        test("reference")
    test("normalisation")
