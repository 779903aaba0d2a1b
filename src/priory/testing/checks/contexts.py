"""With labels, each datum has the prior of its own label."""

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.testing import causes, p_values
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, by_p_value, failed, relative_error, skipped
from priory.testing.subject import Subject


def context(subject: Subject) -> Result:
    """Check that a batch of labels has the densities and the samples of each label alone."""
    if subject.context is None:
        return skipped("no context was given")
    alone = [one.p for one in subject.each]
    prior = subject.new_prior().requires_grad_(False).eval()
    with seeded(subject.seed):
        p: Distribution = prior(subject.new_encoder().requires_grad_(False), subject.context)
    if not p.batch_shape:
        return skipped("the prior is the same for all data")
    if p.batch_shape != (len(alone),):
        wanted = f"a batch shape ({len(alone)},) from the context"
        return failed(f"expected {wanted}, got {tuple(p.batch_shape)}", causes.ONE_FOR_ALL)
    z = torch.stack([one.points for one in subject.each], dim=1)  # (P, B, L)
    expected = torch.stack([q.log_prob(z[:, b]) for b, q in enumerate(alone)], dim=1)
    error = relative_error(p.log_prob(z), expected)
    if error > 1e-9:
        return by_error(error, 1e-9, "together against alone", (causes.ONE_FOR_ALL,))
    return _samples(subject, p, alone)


def _samples(subject: Subject, p: Distribution, alone: list[Distribution]) -> Result:
    n, level = 300, subject.level / len(alone)
    with seeded(subject.seed + 20):
        together = p.sample(Size((n,))).double()
    if together.shape[:2] != (n, len(alone)):
        return failed(f"expected samples of shape ({n}, {len(alone)}, L), got {together.shape}")

    def p_value(own: Tensor, b: int) -> float:
        with seeded(subject.seed + 21 + b):
            other = alone[b].sample(Size((n,))).double()
        return p_values.of_signs(p_values.energy_matrix(own, other), level, subject.seed + 22)

    least = min(p_value(together[:, b], b) for b in range(len(alone)))
    note = "energy distance of samples, together against alone"
    return by_p_value(least, level, note, (causes.ONE_FOR_ALL,))
