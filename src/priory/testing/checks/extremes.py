"""Nothing overflows."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from priory.testing import causes
from priory.testing.results import Result, failed, passed
from priory.testing.subject import Subject


def extremes(subject: Subject) -> Result:
    """Check that nothing is NaN far from the mass, or at extreme weights and scales (float32)."""
    encoder = subject.new_encoder(torch.float32)
    prior = subject.new_prior(dtype=torch.float32)
    z = subject.points.float()
    if found := _not_a_number(prior, encoder, torch.cat([1e2 * z, 1e4 * z])):
        return failed(f"{found} far from the mass", causes.OVERFLOW)
    for name in [name for name, _ in _direct_parameters(prior)]:
        for value in (-20.0, 20.0):
            moved = subject.new_prior(dtype=torch.float32)
            with torch.no_grad():  # half of the components, against the other half
                parameter = torch.atleast_1d(moved.get_parameter(name))
                parameter[: (len(parameter) + 1) // 2] = value
            if found := _not_a_number(moved, encoder, z):
                return failed(f"{found} with {name} at {value:g}", causes.OVERFLOW)
    return passed()


def _not_a_number(prior: nn.Module, encoder: nn.Module, z: Tensor) -> str:
    """Say what is NaN, or nothing; values that are refused with an error are no silent NaN."""
    points = z.clone().requires_grad_(True)
    try:
        log_p = prior(encoder).log_prob(points)
    except (RuntimeError, ValueError):
        return ""
    if log_p.isnan().any():
        return "log_prob is NaN"
    leaves = [points, *(p for p in prior.parameters() if p.requires_grad)]
    gradients = torch.autograd.grad(log_p.sum(), leaves, allow_unused=True)
    return "a gradient is NaN" if any(g is not None and g.isnan().any() for g in gradients) else ""


def _direct_parameters(prior: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Weights, means and scales; what a layer of torch.nn owns is none of these."""
    for prefix, module in prior.named_modules():
        container = isinstance(module, nn.ParameterList | nn.ParameterDict)
        if type(module).__module__.startswith("torch.nn") and not container:
            continue
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{prefix}.{name}" if prefix else name, parameter
