"""Nothing overflows."""

from collections.abc import Iterator

import torch
from torch import Size, Tensor, nn

from priory.testing import causes
from priory.testing.free import free
from priory.testing.p_values import seeded
from priory.testing.results import Result, failed, inconclusive, passed
from priory.testing.subject import Subject


def extremes(subject: Subject) -> Result:
    """Check that nothing is NaN far from the mass, or at extreme weights and scales (float32)."""
    encoder = subject.new_encoder(torch.float32)
    prior = subject.new_prior(dtype=torch.float32)
    z = subject.points.float()
    if subject.free.transform is None:
        far = torch.cat([1e2 * z, 1e4 * z])
        if trouble := _not_a_number(prior, encoder, far):
            return failed(f"{trouble} far from the mass", causes.OVERFLOW)
    for name in [name for name, _ in direct_parameters(prior)]:
        for value in (-20.0, 20.0):
            moved = subject.new_prior(dtype=torch.float32)
            with torch.no_grad():  # half of the components, against the other half
                parameter = torch.atleast_1d(moved.get_parameter(name))
                parameter[: (len(parameter) + 1) // 2] = value
            if trouble := _not_a_number(moved, encoder, z):
                note = f"{trouble} with {name} at {value:g}"
                if subject.free.transform is not None or subject.free.cut:
                    return inconclusive(f"{note}, which may leave no mass inside the support")
                return failed(note, causes.OVERFLOW)
    return passed()


def flat(subject: Subject) -> Result:
    """Check that the density is nowhere constant: not far out, and not where it is highest."""
    u, density = subject.fresh_samples, subject.free
    middle = u.median(0).values
    if density.transform is None:
        reach = (u.quantile(0.75, dim=0) - u.quantile(0.25, dim=0)) / 1.35
        radii = torch.tensor([3.0, 10, 30, 100, 300, 1e3, 1e4], dtype=u.dtype)
        with seeded(subject.seed + 17):
            rays = torch.randn(8, 1, u.shape[1], dtype=u.dtype) * reach
        along = middle + radii.unsqueeze(-1) * rays
        log_p = density.log_prob(along.flatten(0, 1)).reshape(8, -1)
        same = (log_p[:, 1:] - log_p[:, :-1]).abs() <= 1e-12 * log_p[:, 1:].abs()
        if (same & log_p[:, 1:].isfinite()).any():
            value = float(log_p[:, 1:][same & log_p[:, 1:].isfinite()][0])
            return failed(f"log p is {value:.4g} all the way out", causes.DENSITY_CLAMPED)
    if _ties(density.log_prob(u[:2000])):
        return failed("many samples have the same density", causes.DENSITY_CLAMPED)
    for name in [name for name, _ in direct_parameters(subject.new_prior())]:
        for value in (-6.0, 6.0):
            prior = subject.new_prior().requires_grad_(False).eval()
            parameter = torch.atleast_1d(prior.get_parameter(name))
            parameter[: (len(parameter) + 1) // 2] = value
            try:
                p = prior(subject.new_encoder())
                with seeded(subject.seed + 18):
                    moved = free(p, p.sample(Size((64,))).double())
                    z = p.sample(Size((500,))).double()
                log_p = moved.log_prob(moved.to_free(z))
            except (RuntimeError, ValueError):
                continue  # values that the prior does not take
            if len(z.unique(dim=0)) > 490 and _ties(log_p):
                note = f"many samples have the same density with {name} at {value:g}"
                return failed(note, causes.DENSITY_CLAMPED)
    return passed()


def _ties(log_p: Tensor) -> bool:
    """Whether a part of the densities are one and the same; where all are, it is a box."""
    share = float(log_p.unique(return_counts=True)[1].max()) / len(log_p)
    return bool(log_p.isfinite().all()) and 0.02 < share < 0.99


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


def direct_parameters(prior: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Weights, means and scales; what a layer of torch.nn owns is none of these."""
    for prefix, module in prior.named_modules():
        container = isinstance(module, nn.ParameterList | nn.ParameterDict)
        if type(module).__module__.startswith("torch.nn") and not container:
            continue
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{prefix}.{name}" if prefix else name, parameter
