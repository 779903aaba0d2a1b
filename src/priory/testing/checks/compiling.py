"""What torch.compile and torch.export make of a prior agrees with eager."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import cast

import torch
from torch import Tensor, nn

from priory.distributions.torch_distributions import without_argument_checks
from priory.testing import causes
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, failed, first_line, relative_error
from priory.testing.subject import Subject


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

    def compiled(module: _LogProb) -> Callable[[Tensor], Tensor]:
        torch._dynamo.reset()  # its cache forgets after eight models
        return cast(Callable[[Tensor], Tensor], torch.compile(module, backend="aot_eager"))

    return _agrees(subject, compiled, gradients=True)


def exports(subject: Subject) -> Result:
    """Check that `torch.export` gives a program with the density of eager."""

    def exported(module: _LogProb) -> Callable[[Tensor], Tensor]:
        program = torch.export.export(module, (subject.points,))
        return cast(Callable[[Tensor], Tensor], program.module())

    return _agrees(subject, exported, gradients=False)


def _agrees(
    subject: Subject, build: Callable[[_LogProb], Callable[[Tensor], Tensor]], gradients: bool
) -> Result:
    module = _LogProb(subject.new_prior(), subject.new_encoder())
    parameters = [p for p in module.parameters() if p.requires_grad]

    def answer(function: Callable[[Tensor], Tensor]) -> Tensor:
        with seeded(subject.seed):
            log_p = function(subject.points)
        if not (gradients and log_p.requires_grad):
            return log_p.detach()
        parts = torch.autograd.grad(log_p.sum(), parameters, allow_unused=True)
        return torch.cat([log_p.detach(), *(part.flatten() for part in parts if part is not None)])

    eager = answer(module)
    try:
        with _quiet():
            traced = answer(build(module))
    except Exception as error:
        return failed(f"{type(error).__name__}: {first_line(error)}", causes.UNTRACEABLE)
    gap = relative_error(traced, eager)
    return by_error(gap, 1e-9, "largest relative difference", (causes.UNTRACEABLE,))


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what cannot be traced, the validation of values, and what the compiler says."""
    logs = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    out = io.StringIO()
    try:
        with (
            without_argument_checks(),
            warnings.catch_warnings(),
            redirect_stdout(out),
            redirect_stderr(out),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logs)
