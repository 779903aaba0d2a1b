"""The conformance kit rejects every wrong prior for its own reason, and passes every right one."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Cauchy, Independent

from cases import CASES, Case, make_encoder, over_kinds
from faulty_priors import FAULTS, RIGHT, Fault
from more_faulty_priors import MORE_FAULTS
from priory import MoGPrior, StandardPrior
from priory.testing import CHECKS, Report, TinyEncoder, check_prior, conformance_test

# The run-time check of shapes, on in this process, cannot be traced: these have their own below.
TRACED = ("compile", "export")

ALL_FAULTS = [fault for fault in FAULTS + MORE_FAULTS if fault.name != "a branch on values"]


@cache
def report_of(fault: Fault) -> Report:
    return check_prior(
        fault.make,
        reference=fault.reference,
        latent_dim=fault.latent_dim,
        skip=TRACED,
        context=fault.context,
    )


@pytest.mark.parametrize("fault", ALL_FAULTS, ids=lambda fault: fault.name)
def test_wrong_prior_is_rejected_for_its_own_reason(fault: Fault):
    report = report_of(fault)
    assert not report.passed
    assert report.failures
    assert report.causes[0] == fault.cause
    assert fault.cause in str(report)


def test_every_check_rejects_some_prior():
    failing = {result.check for fault in ALL_FAULTS for result in report_of(fault).failures}
    assert failing == set(CHECKS) - set(TRACED)


@over_kinds
def test_right_prior_passes(case: Case):
    report = check_prior(
        case.make, make_encoder(), case.reference, skip=TRACED, context=case.context
    )
    assert report.passed, str(report)


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_faulty_priors_without_their_faults_pass(make):
    report = check_prior(make, skip=TRACED)
    assert report.passed, str(report)


@pytest.mark.parametrize("latent_dim", [1, 8])
def test_right_prior_passes_in_any_dimension(latent_dim: int):
    report = check_prior(lambda: MoGPrior(latent_dim, 5, spread=2.0), skip=TRACED)
    assert report.passed, str(report)


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
    lines = "\n".join(line[8:] for line in script.splitlines())
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", lines, *names],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class HeavyTailed(nn.Module):
    def forward(self, encoder: nn.Module) -> Independent:
        zero = torch.zeros(2)
        return Independent(Cauchy(zero.double(), zero.double() + 1), 1)


def test_undecided_is_not_passed():
    report = check_prior(HeavyTailed, skip={*TRACED, "dtype"})
    assert "normalisation" in [result.check for result in report.inconclusive]
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
