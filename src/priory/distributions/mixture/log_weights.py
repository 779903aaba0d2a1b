"""Log-weights of components: one set for a mixture, or R sets that its points take in turn.

The kernel knows both by their shapes: `(*P, K)` beside scales of shape `(*P, K, L)` is one set for
all points, and `(*P, R, K)` holds R. With S times R points, point n has the weights n modulo R.
"""

import math
from typing import cast

from torch import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def are_per_point(logits: Tensor, scale: Tensor) -> bool:
    """Return whether there are several sets."""
    return logits.dim() == scale.dim()


def in_turn(joint: Tensor, logits: Tensor) -> Tensor:
    """Return what belongs to points and components, `(*P, S·R, K)`, as `(*P, S, R, K)`."""
    points, sets = joint.shape[-2], logits.shape[-2]
    return cast(Tensor, joint.unflatten(-2, (points // max(1, sets), sets)))


def weighted(log_peak: Tensor, logits: Tensor, scale: Tensor, points: int) -> Tensor:
    """Return the sum of log-weights and what components alone decide, `(*P, 1 or S·R, K)`."""
    if not are_per_point(logits, scale):
        return (logits + log_peak).unsqueeze(-2)
    joint = logits + log_peak.unsqueeze(-2)
    turns = points // max(1, logits.shape[-2])
    return joint if turns == 1 else joint.repeat(*(1,) * (joint.dim() - 2), turns, 1)
