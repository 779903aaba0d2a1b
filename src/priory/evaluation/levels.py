"""How much information does each level of latents carry?"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from priory.distributions import JointPosterior, loc_and_scale, widened
from priory.evaluation.evidence import OVER_DATA, elbo_terms
from priory.evaluation.latent_use import ACTIVE
from priory.evaluation.measure import Measure, Value
from priory.evaluation.study import Study
from priory.evaluation.top_level import has_levels

DEAD_RATE = 0.1
"""A level with a lower rate, in nats, is dead."""


def level_rates(study: Study) -> Value | None:
    """Return the rate of each level, starting next to the data; None for a single level."""
    if not has_levels(study.vae):
        return None
    rates = widened(elbo_terms(study).rates)  # (T, N)
    errors = rates.std(1) / rates.shape[1] ** 0.5 if rates.shape[1] > 1 else None
    return Value(tuple(rates.mean(1).tolist()), None if errors is None else tuple(errors.tolist()))


def active_units(study: Study) -> Value | None:
    r"""Return the active dimensions of each level, starting next to the data; None for one level.

    A dimension of the top is active if the mean of its posterior varies with the data, with a
    variance above 0.01. A dimension of a level below is active if that mean, relative to the prior
    given the level above, does: $\mathrm{Var}_x[(\mu_q(x, z_{l+1}) - \mu_p(z_{l+1})) /
    \sigma_p(z_{l+1})] > 0.01$.

    Reference:
        Burda et al., *Importance Weighted Autoencoders*, ICLR 2016, section 5.2, for one level.
    """
    q, p = study.posterior, study.given_prior
    if not has_levels(study.vae) or not isinstance(q, JointPosterior) or len(study.x) < 2:
        return None
    with torch.no_grad():
        z = q.mean
        departures = [
            (loc_and_scale(of_q)[0] - loc_and_scale(of_p)[0]) / loc_and_scale(of_p)[1]
            for of_q, of_p in zip(q.conditionals(z), p.conditionals(z), strict=True)  # type: ignore[attr-defined]
        ]
        means: list[Tensor] = [*departures, q.top.mean]
    return Value(tuple(int((widened(mean).var(0) > ACTIVE).sum()) for mean in means))


def dead_levels(record: Mapping[str, Any]) -> list[int]:
    """Return the levels with almost no rate, numbered from one, next to the data."""
    rates = record.get("level_rates") or ()
    return [level for level, rate in enumerate(rates, 1) if rate < DEAD_RATE]


def _which(record: Mapping[str, Any]) -> dict[str, str]:
    dead = dead_levels(record)
    names = " and ".join(map(str, dead))
    return {"note": f"level{'s' * (len(dead) > 1)} {names} hardly used" if dead else ""}


LEVEL_RATES = Measure(
    "level_rates",
    "rate of each level",
    "rate of each level of latents, from the one next to the data to the top",
    level_rates,
    unit="nats",
    covers=OVER_DATA,
    quick=True,
    remark=_which,
)
LEVEL_UNITS = Measure(
    "level_active_units",
    "active units of each level",
    "dimensions with information that the level above does not have, in the same order",
    active_units,
    unit="count",
    form=".0f",
    quick=True,
)
OF_LEVELS = (LEVEL_RATES, LEVEL_UNITS)
"""The measures for several levels only."""
