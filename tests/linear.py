"""A linear Gaussian model, of which everything is known."""

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from priory import VAE


class Linear(nn.Module):
    """N(A x, s²), as an encoder or a decoder."""

    def __init__(self, matrix: Tensor, scale: float) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)
        self.scale = scale

    def forward(self, x, context=None):
        loc = x @ self.matrix.mT
        return Independent(Normal(loc, torch.full_like(loc, self.scale)), 1)


class Affine(nn.Module):
    """Posteriors about the data themselves, of one scale and any family."""

    def __init__(self, scale=0.2, family=Normal, stretch=1.0):
        super().__init__()
        self.scale, self.family = scale, family
        self.stretch = nn.Parameter(torch.tensor(stretch))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        z = self.stretch * self.dropout(x)
        return Independent(self.family(z, torch.full_like(z, self.scale), validate_args=False), 1)


WEIGHT = torch.tensor([[1.0, 0.3], [0.2, -0.8], [0.5, 0.5]])
NOISE = 0.6


def exact_encoder(widen: float = 1.0) -> Linear:
    """The posterior under the standard prior, but for its correlation and a wider scale."""
    precision = torch.eye(2) + WEIGHT.mT @ WEIGHT / NOISE**2
    covariance = torch.linalg.inv(precision)
    matrix = covariance @ WEIGHT.mT / NOISE**2
    return Linear(matrix, widen * float(covariance.diagonal().max().sqrt()))


def linear_vae(prior: nn.Module, encoder: nn.Module | None = None) -> VAE:
    return VAE(exact_encoder() if encoder is None else encoder, Linear(WEIGHT, NOISE), prior)


def data_distribution() -> MultivariateNormal:
    """p(x) under the standard prior."""
    return MultivariateNormal(torch.zeros(3), WEIGHT @ WEIGHT.mT + NOISE**2 * torch.eye(3))


def linear_data(count: int) -> Tensor:
    """Draw from p(x), always the same."""
    noise = torch.randn(count, 3, generator=torch.Generator().manual_seed(5))
    return noise @ torch.linalg.cholesky(data_distribution().covariance_matrix).mT


def normal_data(count: int) -> Tensor:
    """Return draws from N(0, I) in three dimensions whose moments are exact."""
    x = torch.randn(count, 3)
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.mT @ x / count)).mT
