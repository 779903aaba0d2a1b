"""A mixture whose components are shared out is the mixture of all of them, in every process."""

import math

import pytest
import torch
from torch import Tensor

from priory import GaussianMixture
from priory.distributions import ShardedGaussianMixture
from priory.processes import Processes
from processes import together

# Batches of points, of weights and of mixtures; few components (the small form of the kernel) and
# more; a process without components, and one without weight.
SHARES = {2: (5, 7), 4: (3, 0, 1, 8)}
CASES = {
    "one": {},
    "many": {"components": 60},
    "weights of their own": {"batch": (4,), "of_weights": True},
    "mixtures of their own": {"batch": (2, 4)},
    "double": {"dtype": torch.float64},
    "no weight in one process": {"weightless": True},
}


def parameters(
    batch: tuple[int, ...] = (),
    components: int = 1,
    dtype: torch.dtype = torch.float32,
    of_weights: bool = False,
    weightless: bool = False,
    count: int = 2,
) -> tuple[list[Tensor], list[int]]:
    """Return logits, means and scales of all components, and how many each process has."""
    noise = torch.Generator().manual_seed(3)
    sizes = [components * size for size in SHARES[count]]
    of_components = () if of_weights else batch
    logits = torch.randn(*batch, sum(sizes), generator=noise, dtype=dtype)
    loc = 2 * torch.randn(*of_components, sum(sizes), 3, generator=noise, dtype=dtype)
    scale = torch.rand(*of_components, sum(sizes), 3, generator=noise, dtype=dtype) + 0.3
    if weightless:
        logits[..., : sizes[0]] = -math.inf
    return [logits, loc, scale], sizes


def asked(p, leaves: list[Tensor], z: Tensor) -> dict[str, Tensor]:
    """Return all that a mixture of parameters says of points."""
    density = p.log_prob(z)
    loss = (density.sin() + p.variance.sum(-1).sqrt() + p.mean.square().sum(-1)).sum()
    of_logits, of_loc, of_scale, of_points = torch.autograd.grad(loss, [*leaves, z])
    torch.manual_seed(11)
    return {
        "density": density,
        "mean": p.mean,
        "variance": p.variance,
        "of_points": of_points,
        "sample": p.sample((2, 50)),
        "again": p.sample((7,)),
        "none": p.sample((0,)),
        "noise": torch.randn(3),
        "logits": p.logits,
        "responsibilities": p.responsibilities(z),
        "of_logits": of_logits,
        "of_loc": of_loc,
        "of_scale": of_scale,
    }


ALONG_COMPONENTS = {"logits": -1, "responsibilities": -1}
OF_PARAMETERS = {"of_logits": -1, "of_loc": -2, "of_scale": -2}


def points(p) -> Tensor:
    noise = torch.Generator().manual_seed(4)
    z = torch.randn(6, *p.batch_shape, 3, generator=noise, dtype=p.loc.dtype)
    return z.requires_grad_()


def shared() -> list[dict[str, Tensor]]:
    """What a process of a group says of its share."""
    processes = Processes()
    answers = []
    for case in CASES.values():
        whole, sizes = parameters(**case, count=processes.count)
        dims = (-1, -2, -2)
        leaves = [
            t.split(sizes, d)[processes.rank].clone().requires_grad_()
            for t, d in zip(whole, dims, strict=True)
        ]
        p = ShardedGaussianMixture(*leaves)
        answer = asked(p, leaves, points(p))
        with torch.no_grad():
            wide = p.expand((3, *p.batch_shape))
            answer["expanded"] = wide.log_prob(points(wide))
            answer["of expanded"] = wide.sample((4,))
        answers.append({name: t.detach() for name, t in answer.items()})
    return [*answers, *refusals(processes)]


def refusals(processes: Processes) -> list[str]:
    nothing = torch.full((2,), -math.inf), torch.zeros(2, 3), torch.ones(2, 3)
    with pytest.raises(ValueError, match="expected a weight above zero in some process") as error:
        ShardedGaussianMixture(*nothing)
    # Others than those of its group go on alone.
    alone = ShardedGaussianMixture(torch.zeros(2), *nothing[1:], processes=Processes.alone())
    return [str(error.value), f"{alone.logits.exp().sum():.1f}"]


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_density_gradients_and_samples_are_those_of_one_process(count):
    answers = together(count, shared)
    assert all(answer[-1] == "1.0" for answer in answers)
    for number, (name, case) in enumerate(CASES.items()):
        whole, sizes = parameters(**case, count=count)
        leaves = [t.requires_grad_() for t in whole]
        p = GaussianMixture(*leaves)
        expected = asked(p, leaves, points(p))
        wide = p.expand((3, *p.batch_shape))
        expected["expanded"], expected["of expanded"] = (
            wide.log_prob(points(wide)),
            wide.sample((4,)),
        )
        for rank, answer in enumerate(answers):
            for key, value in expected.items():
                dim = {**ALONG_COMPONENTS, **OF_PARAMETERS}.get(key)
                own = value if dim is None else value.split(sizes, dim)[rank]
                message = f"{key} of {name} in process {rank}"
                torch.testing.assert_close(
                    answer[number][key], own.detach(), msg=lambda m, at=message: f"{at}: {m}"
                )
            for key in ("sample", "again", "noise", "of expanded"):
                assert answer[number][key].equal(expected[key]), (key, name, rank)


def test_in_one_process_it_is_the_mixture():
    for case in CASES.values():
        whole, _ = parameters(**case)
        leaves = [t.requires_grad_() for t in whole]
        z = points(GaussianMixture(*leaves))
        ours, theirs = (
            asked(cls(*leaves), leaves, z) for cls in (ShardedGaussianMixture, GaussianMixture)
        )
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value)
        assert ours["sample"].equal(theirs["sample"])


def test_anything_but_a_mixture_is_refused():
    with pytest.raises(ValueError, match="expected a weight above zero"):
        ShardedGaussianMixture(torch.full((2,), -math.inf), torch.zeros(2, 3), torch.ones(2, 3))
    with pytest.raises(ValueError, match="GreaterThan"):
        ShardedGaussianMixture(torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="put the components in the dimension before the last"):
        ShardedGaussianMixture(torch.zeros(2), torch.zeros(2), torch.zeros(2))
