"""The table of priors: every test file runs over it, and a new prior adds its row here.

All cases share two latent dimensions and data of four values between 0 and 1. A reference is the
prior's density written again, in double precision and with explicit loops, from its parameters.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory import (
    MLP,
    VAE,
    ConditionalMoGPrior,
    ConditionalVampPrior,
    Context,
    ExemplarPrior,
    FlowPrior,
    GaussianEncoder,
    GTMPrior,
    GTMVampPrior,
    HierarchicalPrior,
    MixturePrior,
    MoGPrior,
    Prior,
    ResampledPrior,
    StandardPrior,
    VampPrior,
)
from priory.aggregate import marginal_prior

LATENT_DIM = 2
DATA_SHAPE = (4,)
DATA = torch.tensor([[0.0, 0, 1, 1], [1, 0, 1, 0], [0.5, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0.5]])


@dataclass(frozen=True)
class Case:
    """One row: how to make the prior, and its log-density at one point z, from first principles.

    `encodes` is the number of data that the prior sends through the encoder for one distribution,
    and `kinks` how far a sum over a grid may miss the integral of a density that has some, or that
    is an estimate, which `estimate` says. `labels` are those of a few data, for a prior that needs
    them; the reference is then given those of the one example too.
    """

    name: str
    make: Callable[[], Prior]
    reference: Callable[..., float]
    encodes: int = 0
    kinks: float = 1e-6
    estimate: bool = False
    labels: tuple[int, ...] = ()

    @property
    def context(self) -> Context | None:
        """What every call of the prior is given, for as many data as there are labels."""
        return self.context_of(*self.labels)

    def context_of(self, *labels: int) -> Context | None:
        """Return the context of data of some of these labels; None where none are needed."""
        return Context(labels=torch.tensor(labels)) if self.labels else None

    def context_for(self, count: int) -> Context | None:
        """Return the context of so many data, with labels in turn; None where none are needed."""
        return self.context_of(*islice(cycle(self.labels), count))

    def contexts(self) -> list[Context | None]:
        """Return the context of one example for each label; a single None where none are needed."""
        return [self.context_of(label) for label in self.labels] or [None]

    def distribution(self) -> Distribution:
        """Return p(z) in double precision; for a prior that needs labels, of data of any."""
        vae = VAE(make_encoder(), nn.Identity(), self.build()).double()
        return marginal_prior(vae, self.context)

    def build(self, seed: int = 0) -> Prior:
        """Return the prior, in evaluation mode, with no parameter at its symmetric start."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            prior = self.make()
            with torch.no_grad():
                for parameter in prior.parameters():
                    parameter.add_(0.4 * torch.randn_like(parameter))
        return prior.eval()


def make_encoder(seed: int = 0) -> GaussianEncoder:
    """Return a tiny encoder whose posteriors lie well apart."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = GaussianEncoder(MLP(DATA_SHAPE, (2 * LATENT_DIM,), (8,)))
        with torch.no_grad():
            encoder.network.layers[-1].weight.mul_(4)
    return encoder


class CountingEncoder(nn.Module):
    """The tiny encoder, with a record of how many data each call has encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = make_encoder()
        self.calls: list[int] = []

    def forward(self, x, context=None):
        self.calls.append(len(x))
        return self.encoder(x)


def normal_log_prob(z: float, loc: float, scale: float) -> float:
    return -0.5 * ((z - loc) / scale) ** 2 - math.log(scale) - 0.5 * math.log(2 * math.pi)


def log_sum_exp(terms: list[float]) -> float:
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))


def mixture_log_prob(
    z: list[float], logits: Tensor, loc: Tensor, scale: Tensor, factorized: bool
) -> float:
    """A mixture over whole vectors, or in each dimension, with loops over both."""
    logits, loc, scale = (t.detach().double().tolist() for t in (logits, loc, scale))
    log_weights = [logit - log_sum_exp(logits) for logit in logits]
    table = [
        [normal_log_prob(z[d], loc[k][d], scale[k][d]) for d in range(len(z))]
        for k in range(len(logits))
    ]
    if factorized:
        return sum(
            log_sum_exp([log_weights[k] + table[k][d] for k in range(len(logits))])
            for d in range(len(z))
        )
    return log_sum_exp([log_weights[k] + sum(table[k]) for k in range(len(logits))])


def standard_reference(prior: Prior, encoder: nn.Module, z: list[float]) -> float:
    return sum(normal_log_prob(value, 0.0, 1.0) for value in z)


def mog_reference(prior: MoGPrior, encoder: nn.Module, z: list[float]) -> float:
    return mixture_log_prob(
        z, prior.logits, prior.loc, prior.log_scale.double().exp(), prior.mixture == "factorized"
    )


def vamp_reference(prior: VampPrior, encoder: nn.Module, z: list[float]) -> float:
    posteriors = [encoder(u.unsqueeze(0)).base_dist for u in prior.pseudo_inputs]
    loc = torch.cat([q.loc for q in posteriors])
    scale = torch.cat([q.scale for q in posteriors])
    return mixture_log_prob(z, prior.logits, loc, scale, prior.mixture == "factorized")


def generated_vamp_reference(prior: VampPrior, encoder: nn.Module, z: list[float]) -> float:
    posteriors = []
    low, high = prior.data_range
    for k in range(prior.num_components):
        code = torch.zeros(1, prior.num_components).to(prior.logits)
        code[0, k] = torch.tensor(prior.num_components).sqrt()  # a buffer made in float32
        t = (0.5 + prior.inputs.network.network(code)).flatten().tolist()
        u = [a + (b - a) * min(v % 2, 2 - v % 2) for v, a, b in zip(t, low, high, strict=True)]
        posteriors.append(encoder(torch.tensor([u], dtype=prior.logits.dtype)).base_dist)
    loc = torch.cat([q.loc for q in posteriors])
    scale = torch.cat([q.scale for q in posteriors])
    return mixture_log_prob(z, prior.logits, loc, scale, factorized=False)


def grid_points(side: int, extent: float) -> list[Tensor]:
    """The points of a grid over a square, a row of one point each, with loops over both axes."""
    line = [extent * (2 * i / (side - 1) - 1) for i in range(side)]
    return [torch.tensor([[x, y]]) for x in line for y in line]


def gtm_reference(prior: GTMPrior, encoder: nn.Module, z: list[float]) -> float:
    out = [prior.network(g.to(prior.grid)) for g in grid_points(prior.grid_side, prior.grid_extent)]
    loc, log_scale = torch.cat([row.double() for row in out]).chunk(2, dim=-1)
    return mixture_log_prob(z, prior.logits, loc, log_scale.exp(), factorized=False)


def gtm_vamp_reference(prior: GTMVampPrior, encoder: nn.Module, z: list[float]) -> float:
    posteriors = []
    for g in grid_points(prior.grid_side, prior.grid_extent):
        t = (0.5 + prior.network(g.to(prior.grid))).flatten().tolist()
        u = [min(v % 2, 2 - v % 2) for v in t]  # the data of these tests lie between 0 and 1
        posteriors.append(encoder(torch.tensor([u]).to(prior.grid)).base_dist)
    loc = torch.cat([q.loc for q in posteriors])
    scale = torch.cat([q.scale for q in posteriors])
    return mixture_log_prob(z, prior.logits, loc, scale, factorized=False)


def composed_reference(prior: MixturePrior, encoder: nn.Module, z: list[float]) -> float:
    loc = torch.cat([encoder(u.unsqueeze(0)).base_dist.loc for u in prior.pseudo_inputs])
    scale = torch.full_like(loc, math.exp(prior.log_scale.item()))
    return mixture_log_prob(z, torch.zeros(len(loc)), loc, scale, factorized=False)


def flow_reference(prior: FlowPrior, encoder: nn.Module, z: list[float]) -> float:
    point = torch.tensor(z, dtype=torch.float64).to(next(prior.parameters()))
    transform = prior.network.transform()
    jacobian = torch.autograd.functional.jacobian(transform, point)
    (a, b), (c, d) = jacobian.double().tolist()
    noise = transform(point).double().tolist()
    return sum(normal_log_prob(x, 0.0, 1.0) for x in noise) + math.log(abs(a * d - b * c))


def hierarchical_reference(prior: HierarchicalPrior, encoder: nn.Module, z: list[float]) -> float:
    above = torch.tensor(z[1:], dtype=torch.float64).to(prior.top.loc)
    loc, log_scale = prior.levels[0].network(above).double().tolist()
    below = normal_log_prob(z[0], loc, math.exp(log_scale))
    return below + mog_reference(prior.top, encoder, z[1:])


def exemplars(**options) -> ExemplarPrior:
    prior = ExemplarPrior(**options)
    prior.fit_data(DATA, make_encoder())
    return prior


def exemplar_reference(prior: ExemplarPrior, encoder: nn.Module, z: list[float]) -> float:
    posteriors = [encoder(x.unsqueeze(0)).base_dist for x in prior.exemplars]
    loc = torch.cat([q.loc for q in posteriors])
    scale = torch.cat([q.scale for q in posteriors])
    if prior.scale == "shared":
        scale = torch.full_like(loc, math.exp(prior.log_scale.item()))
    return mixture_log_prob(z, torch.zeros(len(loc)), loc, scale, factorized=False)


def resampled_reference(prior: ResampledPrior, encoder: nn.Module, z: list[float]) -> float:
    p = prior(encoder)  # for its estimate of the normaliser, and for the density of the proposal
    point = torch.tensor(z, dtype=torch.float64).to(p.log_normaliser)
    log_proposal, chance = p.proposal.log_prob(point).item(), prior.acceptance(point).sigmoid()
    rate, forced = p.log_normaliser.exp().item(), 1.0
    for _ in range(prior.truncation - 1):
        forced *= 1 - rate
    return log_proposal + math.log((1 - forced) * chance.item() / rate + forced)


def conditional_mog_reference(
    prior: ConditionalMoGPrior, encoder: nn.Module, z: list[float], context: Context
) -> float:
    y = context.labels.item()
    scale = prior.log_scale[y].double().exp()
    return mixture_log_prob(z, prior.logits[y], prior.loc[y], scale, factorized=False)


def conditional_vamp_reference(
    prior: ConditionalVampPrior, encoder: nn.Module, z: list[float], context: Context
) -> float:
    y, log_weights, loc, scale = context.labels.item(), [], [], []
    for k in range(len(prior.pseudo_inputs)):
        if prior.labels == "fixed" and k // prior.num_components != y:
            continue
        log_weight = prior.logits.double().flatten()[k].item()
        if prior.labels == "learned":
            row = prior.covariate_logits.double()[k].tolist()
            log_weight += row[y] - log_sum_exp(row)
        told = prior.pseudo_labels[k : k + 1]
        beside = Context(**{"label_shares" if told.is_floating_point() else "labels": told})
        q = encoder(prior.pseudo_inputs[k : k + 1], beside).base_dist
        log_weights.append(log_weight)
        loc.append(q.loc[0])
        scale.append(q.scale[0])
    parts = (torch.stack(loc), torch.stack(scale))
    return mixture_log_prob(z, torch.tensor(log_weights), *parts, factorized=False)


SMALL_NSF = {"transforms": 1, "hidden_features": [4], "bins": 4}
SMALL_NVP = {"transforms": 2, "hidden_features": [8]}

CASES = [
    Case("standard", lambda: StandardPrior(LATENT_DIM), standard_reference),
    Case("mog", lambda: MoGPrior(LATENT_DIM, 5, spread=2.0), mog_reference),
    Case("mog-factorized", lambda: MoGPrior(LATENT_DIM, 5, mixture="factorized"), mog_reference),
    Case("vamp", lambda: VampPrior(5, DATA_SHAPE), vamp_reference, 5),
    Case("vamp-uniform", lambda: VampPrior(5, DATA_SHAPE, weights="uniform"), vamp_reference, 5),
    Case(
        "vamp-factorized",
        lambda: VampPrior(5, DATA_SHAPE, mixture="factorized"),
        vamp_reference,
        5,
    ),
    Case(
        "vamp-generated",
        lambda: VampPrior(
            5,
            DATA_SHAPE,
            ([0, 0, -1, 0], [1, 1, 1, 2]),
            inputs={"kind": "generated", "hidden_sizes": (3,)},
        ),
        generated_vamp_reference,
        5,
    ),
    Case(
        "composed",
        lambda: MixturePrior(
            {
                "kind": "posteriors",
                "scale": "shared",
                "inputs": {
                    "kind": "grid",
                    "num_components": 4,
                    "data_shape": DATA_SHAPE,
                    "hidden_sizes": (4,),
                },
            },
            weights="uniform",
        ),
        composed_reference,
        4,
    ),
    Case("gtm", lambda: GTMPrior(LATENT_DIM, 9, hidden_sizes=(4,)), gtm_reference),
    Case("gtm-vamp", lambda: GTMVampPrior(4, DATA_SHAPE, hidden_sizes=(4,)), gtm_vamp_reference, 4),
    Case("flow-nsf", lambda: FlowPrior(LATENT_DIM, "NSF", SMALL_NSF), flow_reference, kinks=2e-3),
    Case(
        "flow-realnvp",
        lambda: FlowPrior(LATENT_DIM, "RealNVP", SMALL_NVP),
        flow_reference,
        kinks=2e-3,
    ),
    Case(
        "hierarchical",
        lambda: HierarchicalPrior((1, 1), MoGPrior(1, 5, spread=2.0), hidden_sizes=(4,)),
        hierarchical_reference,
        kinks=1e-3,
    ),
    Case("exemplar", exemplars, exemplar_reference, 5),
    Case("exemplar-own", lambda: exemplars(scale="posterior"), exemplar_reference, 5),
    Case(
        "resampled",
        lambda: ResampledPrior(
            LATENT_DIM, truncation=5, hidden_sizes=(8,), num_evaluation_samples=2**14
        ),
        resampled_reference,
        kinks=0.02,
        estimate=True,
    ),
    Case(
        "conditional-mog",
        lambda: ConditionalMoGPrior(LATENT_DIM, 2, num_labels=3, spread=2.0),
        conditional_mog_reference,
        labels=(2, 0),
    ),
    Case(
        "conditional-vamp",
        lambda: ConditionalVampPrior(2, 3, DATA_SHAPE),
        conditional_vamp_reference,
        6,
        labels=(2, 0),
    ),
    Case(
        "conditional-vamp-learned",
        lambda: ConditionalVampPrior(4, 3, DATA_SHAPE, labels="learned"),
        conditional_vamp_reference,
        4,
        labels=(2, 0),
    ),
]

over_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

# One row for each reference; those that differ from an earlier one in an option alone are slow.
_references = [case.reference for case in CASES]
over_kinds = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow if case.reference in _references[:row] else ())
        for row, case in enumerate(CASES)
    ],
    ids=lambda case: case.name,
)
