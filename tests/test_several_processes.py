"""Evaluation and fits by several processes give each of them the numbers of one."""

from dataclasses import is_dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import Laplace, Normal

from linear import Affine
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    ConditionalMoGPrior,
    Context,
    ExemplarPrior,
    GaussianEncoder,
    MoGPrior,
    ResampledPrior,
    VampPrior,
    fit_prior,
)
from priory.evaluation import evaluate, measure, model_holes, negative_log_likelihood, surgery
from priory.processes import Processes
from processes import together

LABELS = torch.arange(90) % 3
NOISE = torch.Generator().manual_seed(2)
DATA = (torch.rand(90, 9, generator=NOISE) < 0.4).float()
POINTS = torch.randn(203, 2, generator=NOISE) + 3 * (torch.rand(203, 1, generator=NOISE) < 0.3)
PRIORS = {
    "mixture": lambda: MoGPrior(2, 12),
    "pseudo-inputs": lambda: VampPrior(7, (9,)),
    "an estimate": lambda: ResampledPrior(2),
    "labels": lambda: ConditionalMoGPrior(2, 4, num_labels=3),
}
# 183 examples in batches of 45 and 60 end in batches of 3, fewer than the processes.
FITS = {
    "mixture": ("MoGPrior", Normal, {"num_components": 3, "init": "em", "batch_size": 45}),
    "pseudo-inputs": ("VampPrior", Normal, {"num_components": 5, "batch_size": 60}),
    "fewer inputs": (lambda: VampPrior(1, (2,), (-9.0, 9.0)), Normal, {"batch_size": 60}),
    "exemplars": (lambda: ExemplarPrior(subset_size=30), Normal, {"batch_size": 60}),
    "labels": ("ConditionalVampPrior", Normal, {"labels": torch.arange(203) % 3}),
    "few held out": ("MoGPrior", Normal, {"held_out": POINTS[:3]}),
    "Laplace": ("MoGPrior", Laplace, {"num_components": 3}),
    "nothing to learn": ("StandardPrior", Normal, {}),
}


def model(name: str) -> tuple[VAE, Context]:
    torch.manual_seed(0)
    encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
    context = Context(labels=LABELS) if name == "labels" else Context()
    return VAE(encoder, decoder, PRIORS[name]()).eval(), context


def evaluated(processes: Processes | None, *names: str) -> dict[str, object]:
    """Return what is measured; generators that are out of step are brought in step."""
    answers: dict[str, object] = {}
    tails = 5 if len(names) > 1 else 0  # which take ArviZ, and seconds to import it
    for name in names:
        vae, context = model(name)
        together = {"context": context, "processes": processes}
        torch.manual_seed(7 + (processes.rank if processes else 0))
        for samples in (1, 64):
            answers[f"nll {name} {samples}"] = negative_log_likelihood(
                vae, DATA, samples, pareto_data=tails, max_components=3, **together
            )
        if len(names) == 1:
            return answers
        answers[f"surgery {name}"] = surgery(vae, DATA, 2, **together)
        answers[f"row {name}"] = evaluate(vae, DATA, 16, **together).as_json()
        answers[f"holes {name}"] = model_holes(vae, DATA, prior=MoGPrior(2, 3)(), **together)
    settings = {"num_samples": 30, "max_points": 9, "pareto_data": 0}
    answers["measures"] = measure(vae, DATA, **settings, **together).as_json()
    answers["noise"] = torch.randn(3)
    return answers


def fitted(processes: Processes | None, *names: str) -> dict[str, object]:
    answers: dict[str, object] = {}
    for name in names:
        prior, family, options = FITS[name]
        torch.manual_seed(processes.rank if processes else 0)  # where the first starts, all do
        fit = fit_prior(
            prior if isinstance(prior, str) else prior(),
            Affine(0.3, family),
            POINTS,
            max_epochs=3,
            learning_rate=0.02,
            verbose=False,
            processes=processes,
            **options,
        )
        answers[name] = {**vars(fit), "prior": dict(fit.prior.state_dict())}
    return answers


def little(processes: Processes | None) -> list[dict[str, object]]:
    return [evaluated(processes, "mixture"), fitted(processes, "pseudo-inputs")]


def everything(processes: Processes | None) -> list[dict[str, object]]:
    return [evaluated(processes, *PRIORS), fitted(processes, *FITS)]


def share_of_little() -> list[dict[str, object]]:
    return little(Processes())


def share_of_everything() -> list[dict[str, object]]:
    return everything(Processes())


def check(found: object, expected: object, at: str) -> None:
    if is_dataclass(expected):
        found, expected = vars(found), vars(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            check(found[key], value, f"{at}, {key}")
    elif isinstance(expected, Tensor):
        torch.testing.assert_close(
            found, expected, rtol=2e-5, atol=2e-5, equal_nan=True, msg=lambda m: f"{at}: {m}"
        )
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=2e-5, abs=2e-5, nan_ok=True), at
    elif isinstance(expected, tuple) and expected and isinstance(expected[0], float):
        assert found == pytest.approx(expected, rel=2e-5, abs=2e-5), at
    else:
        assert found == expected, at


@pytest.mark.parametrize(
    ("count", "share", "whole"),
    [
        (2, share_of_little, little),
        pytest.param(2, share_of_everything, everything, marks=pytest.mark.slow),
        pytest.param(4, share_of_everything, everything, marks=pytest.mark.slow),
    ],
)
def test_each_process_has_the_numbers_of_one(count, share, whole):
    expected = whole(None)
    for rank, answers in enumerate(together(count, share)):
        for answer, value in zip(answers, expected, strict=True):
            check(answer, value, f"process {rank}")
