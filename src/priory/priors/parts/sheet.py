"""The start of a sheet: a network that maps a grid to a plane of the latent space."""

import torch
from torch import Tensor, nn

from priory.networks.mlp import MLP

RIDGE = 1e-4


@torch.no_grad()
def plane_start(grid: Tensor, latent_dim: int) -> tuple[Tensor, float]:
    """Return where the points of a square grid start, `(K, L)`, and the scale of components there.

    That is the grid itself with a standard deviation of one along each side, in the plane of the
    first two dimensions out of two and in a random plane out of more. The scale is that of the
    standard prior across the plane, or half the distance of neighbours where nothing is across.
    """
    spread = grid[:, 0].std(correction=0)
    if spread == 0:  # one point
        return grid.new_zeros(len(grid), latent_dim), 1.0
    if latent_dim == 2:
        plane = torch.eye(2)
    elif latent_dim > 2:
        plane = torch.linalg.qr(torch.randn(latent_dim, 2)).Q.mT
    else:
        plane = nn.functional.normalize(torch.randn(2, 1), dim=0)
    across = 1.0 if latent_dim > 2 else float((grid[1] - grid[0]).norm() / spread) / 2
    return grid / spread @ plane.to(grid), across


@torch.no_grad()
def fit_last_layer(network: MLP, x: Tensor, y: Tensor) -> None:
    """Choose the last layer of a network so that x maps to y, by least squares with a small ridge.

    Args:
        network: The network; the other layers are left as they are.
        x: Inputs, `(N, *in_shape)`.
        y: Outputs, `(N, C)`.

    """
    *hidden, last = network.layers
    assert isinstance(last, nn.Linear)
    features = nn.Sequential(*hidden)(x.flatten(1)).double()
    features = torch.cat([features, torch.ones_like(features[:, :1])], dim=-1)
    gram = features.mT @ features
    penalty = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    penalty[-1, -1] = 1e-9  # the offset is free
    weights = torch.linalg.solve(gram + penalty.to(gram), features.mT @ y.double())
    last.weight.copy_(weights[:-1].mT)
    last.bias.copy_(weights[-1])
