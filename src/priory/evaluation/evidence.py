"""How probable are held-out data, and what are the terms of the bound?"""

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import Size, Tensor

from priory.distributions import rates
from priory.evaluation.cost import samples_at_once
from priory.evaluation.measure import MINUS, Measure, Value
from priory.evaluation.study import Study
from priory.networks.home import brought
from priory.objectives import ELBO

ELBO_SAMPLES = 10
OVER_DATA = "over the held-out examples"


def elbo_terms(study: Study) -> ELBO:
    """Return the ELBO of each held-out example, from ten samples, decoded in blocks."""
    return study.once("elbo", partial(_elbo_terms, study))


def _elbo_terms(study: Study) -> ELBO:
    vae, x, p, q = study.vae, study.x, study.given_prior, study.posterior
    z = q.sample(Size((ELBO_SAMPLES,)))
    size = max(1, samples_at_once(vae, x, study.context) // ELBO_SAMPLES)
    parts = []
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        likelihood = vae.likelihood(z[:, rows], study.context[rows])
        parts.append(likelihood.log_prob(brought(x[rows], vae.encoder)).mean(0))
    levels = torch.stack([rate.mean(0) for rate in rates(q, p, z)])
    return ELBO(torch.cat(parts), levels.sum(0), levels)


def mean_over_data(values: Tensor) -> Value:
    """Return the mean over examples, with its standard error."""
    error = float(values.std()) / len(values) ** 0.5 if len(values) > 1 else None
    return Value(float(values.mean()), error)


def _estimated(record: Mapping[str, Any]) -> dict[str, str]:
    """Mark numbers that depend on an estimated density of the prior."""
    return {"mark": "≈ "} if record.get("prior_standard_error") is not None else {}


def _about_the_nll(record: Mapping[str, Any]) -> dict[str, str]:
    nll = record["nll"]
    if isinstance(nll, Mapping):
        sizes = nll["effective_sample_size"]
        note = (
            f"from {nll['num_samples']} importance samples per example, with an effective sample "
            f"size of {sizes['median']:.0f} (median) and {sizes['least']:.1f} (minimum)"
        )
    else:
        note = f"from {record.get('num_samples')} importance samples per example"
    if record.get("given_labels"):
        note = f"given the label of x, {MINUS}log p(x|y), {note}"
    return {**_estimated(record), "note": note}


def _term(name: str, study: Study) -> Value:
    return mean_over_data(getattr(elbo_terms(study), name))


_of_data = partial(Measure, unit="nats", covers=OVER_DATA, quick=True)
NLL = _of_data(
    "nll",
    "NLL",
    f"how unexpected examples are, {MINUS}log p(x)",
    attrgetter("nll"),
    better="lower",
    remark=_about_the_nll,
)
ELBO_OF_DATA = _of_data(
    "elbo",
    "ELBO",
    "the bound on log p(x): reconstruction minus rate",
    partial(_term, "elbo"),
    better="higher",
    remark=_estimated,
)
RECONSTRUCTION = _of_data(
    "reconstruction",
    "reconstruction",
    "how well examples are reconstructed from their codes",
    partial(_term, "reconstruction"),
)
RATE = _of_data(
    "rate",
    "rate",
    "the cost of the code under the prior",
    partial(_term, "rate"),
    remark=_estimated,
)
