"""Data made to show holes: eight clusters on a ring, mapped to twenty dimensions."""

import math

import torch

from priory.data.splits import Source

CLUSTERS, DIMENSIONS, EXAMPLES = 8, 20, 3000
RADIUS, SPREAD, NOISE = 2.0, 0.15, 0.05
SEED = 0


def open_rings() -> Source:
    r"""Return the rings: 2,000 examples to train, 500 to validate, 500 to test.

    A toy example with a known answer. Each example lies near one of eight points on a ring,
    $y = 2 (\cos \varphi_c, \sin \varphi_c) + 0.15\, \varepsilon$. The map
    $x = \tanh(y A + b) + 0.05\, \varepsilon'$, with A and b fixed, takes it to twenty dimensions.
    Its label is the cluster c. There are no examples between the clusters or in the middle, but a
    prior that is one round hill has mass in both places.

    The data are the same at every call, and the global random generator is left unchanged.

    Examples:
        >>> from priory.data import open_rings
        >>> source = open_rings()
        >>> source.x.shape, source.part.bincount().tolist(), source.labels.bincount().tolist()[:2]
        (torch.Size([3000, 20]), [2000, 500, 500], [375, 375])
    """
    generator = torch.Generator().manual_seed(SEED)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    lift, shift = normal(2, DIMENSIONS) / math.sqrt(2), 0.5 * normal(DIMENSIONS)
    labels = torch.arange(EXAMPLES) % CLUSTERS
    angle = 2 * math.pi * labels.double() / CLUSTERS
    y = RADIUS * torch.stack((angle.cos(), angle.sin()), 1) + SPREAD * normal(EXAMPLES, 2)
    x = torch.tanh(y @ lift + shift) + NOISE * normal(EXAMPLES, DIMENSIONS)
    part = torch.zeros(EXAMPLES, dtype=torch.int8)
    part[2000:2500] = 1
    part[2500:] = 2
    return Source("rings", x.float(), labels, tuple(f"cluster {n + 1}" for n in range(8)), part)


NAMES = {"rings": open_rings}
