"""The table of priors for the kit: the right ones, and the wrong ones with the cause of each."""

import pytest

from faulty_priors import FAULTS, Fault
from hidden_faults import HIDDEN_FAULTS
from more_faulty_priors import MORE_FAULTS
from numeric_faults import NUMERIC_FAULTS
from right_priors import LARGE, RIGHT_PRIORS

WRONG: list[Fault] = [*FAULTS, *MORE_FAULTS, *HIDDEN_FAULTS, *NUMERIC_FAULTS]
RIGHT = RIGHT_PRIORS

ALWAYS = {
    "z detached in training",
    "wider samples in training",
    "cached forever in evaluation",
    "antithetic halves",
    "rsample without its scales",
    "expand does nothing",
    "divergence summed",
    "log_prob draws",
    "parameters projected in place",
    "labels sorted",
    "clamped at -50",
    "the square expanded",
    "narrow modes",
    "Student, 1 degree",
    "one component",
    "a box",
}
"""What every run of the suite puts through the kit; the other hidden faults are slow together."""


def rows(priors):
    """Return the rows for pytest; those that not every run needs are marked slow."""
    quick = {fault.name for fault in FAULTS + MORE_FAULTS} | ALWAYS
    return [
        pytest.param(prior, id=prior.name, marks=() if prior.name in quick else pytest.mark.slow)
        for prior in priors
    ]


__all__ = ["LARGE", "RIGHT", "WRONG", "rows"]
