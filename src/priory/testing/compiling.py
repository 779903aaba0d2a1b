"""What torch.compile and torch.export make of a prior agrees with eager."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.testing.errors import relative_error
from priory.testing.report import Result, by_error
from priory.testing.seeding import seeded
from priory.testing.subject import Subject

TRACED = "control flow or a call that torch cannot trace: a branch on values, NumPy, a generator"


class _LogProb(nn.Module):
    """The density of a prior as a module, as it is compiled and exported."""

    def __init__(self, prior: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.prior = prior
        self.encoder = encoder

    def forward(self, z: Tensor) -> Tensor:
        log_p: Tensor = self.prior(self.encoder).log_prob(z)
        return log_p


def compiles(subject: Subject) -> Result:
    """Check that `torch.compile` (`aot_eager`) gives the density of eager, and its gradient."""
    module = _LogProb(subject.new_prior(), subject.new_encoder())
    parameters = [p for p in module.parameters() if p.requires_grad]
    torch._dynamo.reset()  # its cache forgets after eight models
    with _quiet():
        compiled = torch.compile(module, backend="aot_eager")
        answers = []
        for function in (module, compiled):
            with seeded(subject.seed):
                log_p = function(subject.points)
            gradients = (
                torch.autograd.grad(log_p.sum(), parameters, allow_unused=True)
                if log_p.requires_grad
                else ()
            )
            used = [g.flatten() for g in gradients if g is not None]
            answers.append(torch.cat([log_p.detach(), *used]))
    return by_error(relative_error(*answers), 1e-9, "largest relative difference", (TRACED,))


def exports(subject: Subject) -> Result:
    """Check that `torch.export` gives a program with the density of eager."""
    module = _LogProb(subject.new_prior(), subject.new_encoder())
    with _quiet():
        program = torch.export.export(module, (subject.points,))
        with seeded(subject.seed):
            actual = program.module()(subject.points)
    return by_error(
        relative_error(actual, module(subject.points)),
        1e-9,
        "largest relative difference",
        (TRACED,),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what cannot be traced, the validation of values, and what the compiler says."""
    validates = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Distribution.set_default_validate_args(validates)
