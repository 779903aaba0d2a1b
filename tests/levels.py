"""A linear Gaussian hierarchy of two levels, of which everything is known."""

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from linear import Linear
from priory import MLP, VAE, HierarchicalPrior, Prior
from priory.networks import HierarchicalEncoder, JoinedGaussian, LadderEncoder, LevelGaussian

SLOPE, INNER = 0.7, 0.8  # z1 given z2 is N(0.7 z2, 0.8²)
NOISE = 0.5
BESIDE = torch.tensor([[0.9, 0.3], [-0.4, 0.6], [0.5, -0.2]])  # of z1 and of z2
BELOW = BESIDE * torch.tensor([1.0, 0.0])  # x depends on z1 alone


def covariance_of_z() -> Tensor:
    inner = SLOPE**2 + INNER**2
    return torch.tensor([[inner, SLOPE], [SLOPE, 1.0]])


def data_distribution(weight: Tensor = BESIDE) -> MultivariateNormal:
    """p(x)."""
    covariance = weight @ covariance_of_z() @ weight.mT + NOISE**2 * torch.eye(3)
    return MultivariateNormal(torch.zeros(3).double(), covariance.double())


def linear(rows: Tensor, log_scale: float) -> MLP:
    """A network to the means of one dimension, whose scale is the same for all inputs."""
    network = MLP((rows.shape[-1],), (2,), ())
    layer = network.layers[0]
    with torch.no_grad():
        layer.weight.copy_(torch.stack((rows, torch.zeros_like(rows))))
        layer.bias.copy_(torch.tensor([0.0, log_scale]))
    return network


def exact_parts(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The posterior of both levels: the matrix from x to its means, and its covariance."""
    precision = torch.linalg.inv(covariance_of_z()) + weight.mT @ weight / NOISE**2
    covariance = torch.linalg.inv(precision)
    return covariance @ weight.mT / NOISE**2, covariance


def hierarchical_encoder(weight: Tensor = BESIDE) -> HierarchicalEncoder:
    """The exact posterior, q(z2|x) q(z1|x, z2)."""
    means, covariance = exact_parts(weight)
    slope = covariance[0, 1] / covariance[1, 1]
    rest = covariance[0, 0] - slope * covariance[0, 1]
    features = MLP((3,), (1,), ())
    with torch.no_grad():
        features.layers[0].weight.copy_(means[:1] - slope * means[1:])
        features.layers[0].bias.zero_()
    joint = linear(torch.stack((torch.tensor(1.0), slope)), 0.5 * math.log(rest))
    top = linear(means[1], 0.5 * math.log(covariance[1, 1]))
    return HierarchicalEncoder((1, 1), top, [JoinedGaussian(features, joint)], (-1, 1))


def ladder_encoder() -> LadderEncoder:
    """The exact posterior where x depends on the first level alone."""
    means, covariance = exact_parts(BELOW)
    precision = BELOW[:, 0].square().sum() / NOISE**2
    first = linear(BELOW[:, 0] / NOISE**2 / precision, -0.5 * math.log(precision))
    second = linear(means[1], 0.5 * math.log(covariance[1, 1]))
    same = [torch.nn.Identity(), torch.nn.Identity()]
    down = LevelGaussian(linear(torch.tensor([SLOPE]), math.log(INNER)))
    return LadderEncoder((1, 1), same, [first, second], [down], (-1, 1))


def hierarchical_prior(top: Prior | str = "StandardPrior") -> HierarchicalPrior:
    prior = HierarchicalPrior((1, 1), top, hidden_sizes=())
    prior.levels[0].network = linear(torch.tensor([SLOPE]), math.log(INNER))
    return prior


def hierarchical_vae(moved: float = 0.0) -> VAE:
    """The model with its exact posterior, of which the parameters may be moved."""
    encoder = hierarchical_encoder()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        for parameter in encoder.parameters():
            parameter += moved * torch.randn(parameter.shape, generator=generator)
    return VAE(encoder, Linear(BESIDE, NOISE), hierarchical_prior()).double()


def ladder_vae() -> VAE:
    """The same with a ladder, of which the prior shares the way down."""
    prior = HierarchicalPrior((1, 1), conditionals="encoder")
    return VAE(ladder_encoder(), Linear(BELOW, NOISE), prior).double()


def exact_terms(vae: VAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The reconstruction and the rates of both levels, of a linear posterior of any parameters."""
    encoder, level = vae.encoder, vae.encoder.below[0]
    loc_2, log_scale_2 = encoder.network(x).unbind(-1)
    var_2 = (2 * log_scale_2).exp()
    joint = level.joint.layers[0]
    weight, (bias, log_scale_1) = joint.weight, joint.bias
    inner = vae.prior.levels[0].network.layers[0]
    slope, log_inner = inner.weight[0, 0], inner.bias[1]
    h = level.features(x).squeeze(-1)
    at_zero, by_z = weight[0, 0] * h + bias, weight[0, 1]
    rate_2 = 0.5 * (loc_2.square() + var_2 - 1) - log_scale_2
    # The logarithm of the scale is linear in h and z2, so that its moments are those of a Gaussian.
    log_scale = weight[1, 0] * h + log_scale_1 + weight[1, 1] * loc_2
    mean_var_1 = (2 * log_scale + 2 * weight[1, 1].square() * var_2).exp()
    gap = at_zero - inner.bias[0] + (by_z - slope) * loc_2
    expected = mean_var_1 + gap.square() + (by_z - slope).square() * var_2
    rate_1 = 0.5 * (expected * (-2 * log_inner).exp() - 1) + log_inner - log_scale
    loc = torch.stack((at_zero + by_z * loc_2, loc_2), -1)
    cross = by_z * var_2
    covariance = torch.stack((mean_var_1 + by_z * cross, cross, cross, var_2), -1)
    covariance = covariance.unflatten(-1, (2, 2))
    matrix = vae.decoder.matrix
    spread = torch.einsum("di,nij,dj->n", matrix, covariance, matrix)
    error = (x - loc @ matrix.mT).square().sum(-1) + spread
    reconstruction = -0.5 * error / NOISE**2 - 3 * math.log(NOISE * math.sqrt(2 * math.pi))
    return reconstruction, rate_1, rate_2
