"""Paths along a density, against geodesics that are known."""

import math

import pytest
import torch
from torch.distributions import Distribution

from priory import GaussianMixture, StandardPrior
from priory.evaluation import interpolate

ONES = torch.ones(3, 2)


class Radial(Distribution):
    """An unnormalised density |z|^power in two dimensions."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, power: float) -> None:
        super().__init__(event_shape=torch.Size((2,)), validate_args=False)
        self.power = power

    def log_prob(self, value):
        return self.power * value.norm(dim=-1).log()


def at(angle: float) -> torch.Tensor:
    return torch.tensor([[math.cos(angle), math.sin(angle)]])


def test_under_a_flat_density_the_path_is_the_straight_line():
    found = interpolate(Radial(0.0), at(0.0), at(2.0))
    assert found.z.allclose(found.straight, atol=1e-6)
    assert found.length == pytest.approx(float((at(0.0) - at(2.0)).norm()), rel=1e-5)
    assert found.length.equal(found.straight_length)


@pytest.mark.parametrize("angle", [0.6, 1.4])
def test_the_length_is_that_of_the_geodesic(angle):
    # With p = |z|^-2 a step costs |z| |dz| = |d(z²/2)|: in the plane of z², paths are straight.
    found = interpolate(Radial(-2.0), at(0.0), at(angle))
    exact = abs(1 - complex(math.cos(2 * angle), math.sin(2 * angle))) / 2
    assert found.length.item() == pytest.approx(exact, rel=2e-3)
    assert found.straight_length.item() > 1.01 * exact
    x, y = found.z[0].mT
    square = torch.stack((x**2 - y**2, 2 * x * y), -1)
    along = square[-1] - square[0]
    across = (square - square[0]) @ torch.stack((-along[1], along[0])) / along.norm()
    assert across.abs().max() < 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_path_is_as_short_in_half_precision(dtype):
    p = GaussianMixture(torch.zeros(3), corners := torch.tensor([[-3.0, 0], [0, 3], [3, 0]]), ONES)
    half = GaussianMixture(*(t.to(dtype) for t in (torch.zeros(3), corners, ONES)))
    whole = interpolate(p, corners[:1], corners[2:])
    near = interpolate(half, corners[:1].to(dtype), corners[2:].to(dtype))
    assert near.z.dtype == dtype
    assert near.log_prob.min() > near.straight_log_prob.min() + 1
    torch.testing.assert_close(near.length, whole.length, rtol=0.02, atol=0)


def test_a_path_goes_round_a_gap():
    angles = torch.arange(16) * 2 * math.pi / 16
    ring = 3 * torch.stack((angles.cos(), angles.sin()), -1)
    p = GaussianMixture(torch.zeros(16), ring, torch.full((16, 2), 0.4))
    state = torch.get_rng_state()
    found = interpolate(p, ring[:2], ring[[8, 9]])
    assert torch.get_rng_state().equal(state)
    assert found.straight_log_prob.min() < -25
    assert found.log_prob.min() > -4
    assert (found.z.norm(dim=-1) - 3).abs().max() < 0.5
    assert found.z[:, 0].allclose(ring[:2], atol=1e-5)
    assert found.z[:, -1].allclose(ring[[8, 9]], atol=1e-5)
    steps = found.z.diff(dim=1).norm(dim=-1)
    assert steps.max() < 1.1 * steps.min()
    assert interpolate(p, ring[:2], ring[[8, 9]]).z.equal(found.z)
    path, line = found.at(5)
    assert path.shape == line.shape == (2, 5, 2)
    assert path[:, 0].allclose(line[:, 0], atol=1e-5)


def test_in_one_dimension_there_is_one_path():
    found = interpolate(StandardPrior(1)(), torch.tensor([[-1.0]]), torch.tensor([[2.0]]))
    assert found.z.allclose(found.straight, atol=1e-5)


def test_a_single_point_is_not_a_path():
    with pytest.raises(ValueError, match="two points of a path, got 1"):
        interpolate(StandardPrior(2)(), at(0.0), at(1.0), num_points=1)
