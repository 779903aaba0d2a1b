"""Choose a likelihood for data, and check that the data suit it."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from priory.arguments import at_least, one_of, only
from priory.arrays import Array, as_tensor

# Names imported "as" themselves are exports: those of every likelihood and its decoder.
from priory.likelihoods.base import Likelihood as Likelihood
from priory.likelihoods.base import Spans, observe
from priory.likelihoods.bernoulli import BernoulliDecoder as BernoulliDecoder
from priory.likelihoods.bernoulli import BernoulliLikelihood as BernoulliLikelihood
from priory.likelihoods.categorical import CategoricalDecoder as CategoricalDecoder
from priory.likelihoods.categorical import CategoricalLikelihood as CategoricalLikelihood
from priory.likelihoods.discretized_logistic import (
    DiscretizedLogisticDecoder as DiscretizedLogisticDecoder,
)
from priory.likelihoods.discretized_logistic import (
    DiscretizedLogisticLikelihood as DiscretizedLogisticLikelihood,
)
from priory.likelihoods.gaussian import GaussianDecoder as GaussianDecoder
from priory.likelihoods.gaussian import GaussianLikelihood as GaussianLikelihood
from priory.likelihoods.mixed import MixedDecoder as MixedDecoder
from priory.likelihoods.mixed import MixedLikelihood as MixedLikelihood
from priory.likelihoods.negative_binomial import NegativeBinomialDecoder as NegativeBinomialDecoder
from priory.likelihoods.negative_binomial import (
    NegativeBinomialLikelihood as NegativeBinomialLikelihood,
)
from priory.likelihoods.poisson import PoissonDecoder as PoissonDecoder
from priory.likelihoods.poisson import PoissonLikelihood as PoissonLikelihood

# The first that suits the data is chosen. The likelihoods here are available on the command line,
# are exported, and may be part of a saved model.
LIKELIHOODS: dict[str, type[Likelihood]] = {
    likelihood.name: likelihood
    for likelihood in (
        MixedLikelihood,
        NegativeBinomialLikelihood,
        BernoulliLikelihood,
        CategoricalLikelihood,
        DiscretizedLogisticLikelihood,
        GaussianLikelihood,
        PoissonLikelihood,
    )
}

if TYPE_CHECKING:
    LikelihoodName = str
else:
    LikelihoodName = Literal[("auto", *LIKELIHOODS)]


def choose_likelihood(
    x: Tensor | Array,
    name: str = "auto",
    num_values: int | None = None,
    *,
    spans: Spans | None = None,
    exposure: Tensor | Array | Literal["total", "none"] | None = None,
    batch_label: Tensor | Array | None = None,
    options: Mapping[str, Any] | None = None,
) -> Likelihood:
    """Choose a likelihood for data, and check that the data suit it.

    A table with described columns is mixed; one with only counts is negative binomial. Zeros and
    ones are Bernoulli. Whole numbers from zero are categorical up to 63, grey levels (discretized
    logistic) up to 255 and counts (negative binomial) beyond. Everything else is Gaussian. Poisson
    is available on request.

    Data are read in blocks, and may have any dtype and be memory-mapped.

    Args:
        x: Data, `(N, *data_shape)`.
        name: A likelihood by name, or `"auto"` to choose.
        num_values: The number of values V of a categorical or discretized logistic likelihood; by
            default one more than the largest value for the former, 256 for the latter.
        spans: The blocks of columns of a table, each `(kind, start, stop)`, where the kind is
            `"numeric"`, `"count"` or `"categorical"`.
        exposure: For counts, the exposure of each example, `(N,)`, which scales its means;
            `"total"` for its total, so that z describes the shares; or `"none"`. By default the
            total, unless one is zero.
        batch_label: The batch of each example, `(N,)`, for drawing exposures by batch.
        options: Other attributes of the likelihood by name, such as `{"scale": "network"}` for a
            Gaussian.

    Raises:
        ValueError: If there are no data, they contain NaN or infinite values, they do not suit the
            likelihood, or its name or an option is unknown.

    Examples:
        >>> import torch
        >>> from priory.likelihoods import choose_likelihood
        >>> choose_likelihood(torch.tensor([[0.0, 16.0], [3.0, 1.0]]))
        CategoricalLikelihood(why='whole numbers from 0 to 16', num_values=17)
        >>> print(choose_likelihood(torch.tensor([[0.0, -1.5]])))
        gaussian likelihood (numbers that are not all whole from -1.5 to 0)
    """
    if name != "auto" and name not in LIKELIHOODS:
        raise ValueError(f"expected likelihood auto, {', '.join(LIKELIHOODS)}, got {name!r}.")
    at_least(2, num_values=num_values)
    x = as_tensor(x)
    observed = observe(x, num_values, spans)
    if isinstance(exposure, str):
        one_of(("total", "none"), exposure=exposure)
    observed = replace(
        observed,
        exposure=exposure if isinstance(exposure, str | None) else as_tensor(exposure),
        batch_label=None if batch_label is None else as_tensor(batch_label),
    )
    if name == "auto":
        reasons = ((kind, kind.suits(observed)) for kind in LIKELIHOODS.values())
        kind, why = next((kind, why) for kind, why in reasons if why is not None)
    else:
        kind, why = LIKELIHOODS[name], "as requested"
    likelihood = kind.from_data(observed, why)
    possible = [field.name for field in fields(likelihood) if field.name != "why"]
    given = [*(options or {}), *(["num_values"] if num_values is not None else [])]
    only(given, possible, f"the {kind.name} likelihood")
    likelihood = replace(likelihood, **(options or {}))
    likelihood.check(x)
    return likelihood
