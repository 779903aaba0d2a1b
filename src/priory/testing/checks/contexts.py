"""With labels, each example has the prior of its own label."""

from operator import itemgetter

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.networks.context import Context
from priory.testing import causes, p_values
from priory.testing.checks.batches import CLAIMS, difference
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, by_p_value, failed, relative_error, skipped
from priory.testing.subject import Subject


def context(subject: Subject) -> Result:
    """Check that a batch of labels has the densities, closed forms and samples of each label alone.

    The labels are given in their order, in the reverse of it, and with some twice.
    """
    if subject.context is None:
        return skipped("no context was given")
    alone = [one.p for one in subject.each]
    z = torch.stack([one.points for one in subject.each], dim=1)  # (P, B, L)
    if subject.jitter and _ignores_labels(subject.context, alone, z):
        return failed("every label has the same density", causes.LABEL_IGNORED)
    prior = subject.new_prior().requires_grad_(False).eval()
    encoder, count = subject.new_encoder().requires_grad_(False), len(alone)
    for rows in ([*range(count)], [*range(count)][::-1], [count - 1, *range(count), count - 1]):
        with seeded(subject.seed):
            p: Distribution = prior(encoder, subject.context[torch.tensor(rows)])
        if not p.batch_shape:
            return skipped("the prior is the same for all data")
        if p.batch_shape != (len(rows),):
            wanted = f"a batch shape ({len(rows)},) from the context"
            return failed(f"expected {wanted}, got {tuple(p.batch_shape)}", causes.ONE_FOR_ALL)
        members = [alone[row] for row in rows]
        x = z[:, rows]
        expected = torch.stack([q.log_prob(x[:, b]) for b, q in enumerate(members)], dim=1)
        error = relative_error(p.log_prob(x), expected)
        if not error <= 1e-9:
            guess = (_whose_density(subject, rows, p, alone, x),)
            return by_error(error, 1e-9, f"together against alone, in the order {rows}", guess)
        claims = [difference(name, p, members) for name in CLAIMS]
        name, error = max(
            (claim for claim in claims if claim), default=("", 0.0), key=itemgetter(1)
        )
        if not error <= 1e-6:
            return by_error(error, 1e-6, f"{name} of a batch", (causes.BATCH_CLAIM,))
        with seeded(subject.seed + 19):
            drawn = p.sample(Size((50,))).flatten(0, -2)
        if len(drawn.unique(dim=0)) < 0.98 * len(drawn):
            return failed("data of one label share their samples", causes.ONE_FOR_ALL)
        if rows == [*range(count)]:
            result = _samples(subject, p, alone)
            if result.verdict == "failed":
                return result
    return result


def _ignores_labels(context: Context, alone: list[Distribution], z: Tensor) -> bool:
    """Whether data of different labels, of which there are some, all have the same density."""
    labels = context.about_labels
    if labels is None or len(labels.unique(dim=0)) < 2:
        return False
    x = z.flatten(0, 1)
    first = alone[0].log_prob(x)
    return all(torch.equal(first, other.log_prob(x)) for other in alone[1:])


def _whose_density(
    subject: Subject, rows: list[int], p: Distribution, alone: list[Distribution], x: Tensor
) -> str:
    """Tell labels that are moved from a distribution that is kept, and from one for all."""
    fresh = subject.new_prior().requires_grad_(False).eval()
    assert subject.context is not None
    with seeded(subject.seed):
        again = fresh(subject.new_encoder(), subject.context[torch.tensor(rows)])
    log_p = p.log_prob(x)
    if relative_error(again.log_prob(x), log_p) > 1e-9:
        return causes.CACHED
    whose = []
    for b in range(len(rows)):
        gaps = [relative_error(log_p[:, b], q.log_prob(x[:, b])) for q in alone]
        whose.append(min(range(len(gaps)), key=gaps.__getitem__) if min(gaps) < 1e-9 else None)
    moved = None not in whose and len({*whose}) == len({*rows})
    return causes.LABELS_MOVED if moved else causes.ONE_FOR_ALL


def _samples(subject: Subject, p: Distribution, alone: list[Distribution]) -> Result:
    n, level = 300, subject.level / len(alone)
    with seeded(subject.seed + 20):
        together = p.sample(Size((n,))).double()
    if together.shape[:2] != (n, len(alone)):
        return failed(f"expected samples of shape ({n}, {len(alone)}, L), got {together.shape}")

    def p_value(sample: Tensor, b: int) -> float:
        with seeded(subject.seed + 21 + b):
            other = alone[b].sample(Size((n,))).double()
        return p_values.of_signs(p_values.energy_matrix(sample, other), level, subject.seed + 22)

    least = min(p_value(together[:, b], b) for b in range(len(alone)))
    note = "energy distance of samples, together against alone"
    return by_p_value(least, level, note, (causes.ONE_FOR_ALL,))
