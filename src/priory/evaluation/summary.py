"""The row of numbers by which priors are compared."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.aggregate import marginal_prior, posterior_of_all
from priory.arrays import Array
from priory.evaluation.components import components_in_use
from priory.evaluation.cost import samples_at_once
from priory.evaluation.holes import model_holes
from priory.evaluation.nll import negative_log_likelihood
from priory.networks.context import Context, given, num_labels_of
from priory.networks.home import brought, taken
from priory.notebook import html_table
from priory.objectives import ELBO
from priory.processes import Processes
from priory.vae import VAE

ELBO_SAMPLES = 10


@dataclass(frozen=True)
class Evaluation:
    r"""What a model does on held-out data: means over data, in nats per datum.

    Attributes:
        nll: The negative log-likelihood, by importance sampling.
        nll_standard_error: Its standard error over data.
        num_samples: The importance samples per datum behind it.
        elbo: The evidence lower bound.
        reconstruction: Its first term, $E_q[\log p(x|z)]$.
        rate: Its second term, $E_q[\log q(z|x) - \log p(z)]$.
        components_in_use: The perplexity of the mean responsibilities; None if there are none.
        num_data: The number of data.
        share_in_holes: The share of the prior's samples in holes of q(z), where 0.01 is perfect, as
            [`holes`][priory.evaluation.holes] has it; None where q(z) is no mixture of Gaussians.
        share_in_holes_standard_error: Its standard error over samples, not over data.
        given_labels: Whether these are numbers for a known label: $-\log p(x|y)$ and its bound, and
            not $-\log p(x)$.
        prior_standard_error: Where the prior's density holds an estimate (of its normaliser), the
            standard error that this leaves in the NLL, the ELBO and the rate, whatever the number
            of data; None for a density that is exact.
        elbo_standard_error: The ELBO's standard error over data.
        reconstruction_standard_error: That of its first term.
        rate_standard_error: That of its second.
        nll_per_datum: The NLL of each datum, where it was kept: what two models are compared by.

    """

    nll: float
    nll_standard_error: float
    num_samples: int
    elbo: float
    reconstruction: float
    rate: float
    components_in_use: float | None
    num_data: int
    share_in_holes: float | None = None
    share_in_holes_standard_error: float | None = None
    given_labels: bool = False
    prior_standard_error: float | None = None
    elbo_standard_error: float | None = None
    reconstruction_standard_error: float | None = None
    rate_standard_error: float | None = None
    nll_per_datum: tuple[float, ...] | None = field(default=None, repr=False, compare=False)

    @property
    def numbers(self) -> dict[str, Any]:
        """The numbers of a run's `metrics.json`: all but those of each datum."""
        found = asdict(self)
        del found["nll_per_datum"]
        return found

    def _repr_html_(self) -> str:
        return html_table("Nats per datum", self.numbers)


@torch.no_grad()
def evaluate(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 512,
    seed: int = 0,
    context: Context | None = None,
    *,
    processes: Processes | None = None,
) -> Evaluation:
    """Evaluate a model on held-out data, with noise of its own from the seed.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Data, `(N, *data_shape)`.
        num_samples: The number of importance samples per datum for the NLL; the ELBO takes ten.
        seed: The seed of the noise; the generator of the caller is left as it was.
        context: What is known of these data. With labels, in a model whose prior or decoder depends
            on them, the numbers are those given the label; components are counted under the prior
            over all labels.
        processes: Processes among which the NLL and the holes, which take longest, are divided; by
            default this one alone.

    Raises:
        ValueError: If there are no data, or `num_samples` is below one.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import evaluate
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> evaluate(vae, torch.zeros(5, 9)).num_data
        5

    """
    x = taken(x, vae.encoder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        nll = negative_log_likelihood(vae, x, num_samples, context, processes=processes)
        p, q = vae.prior_distribution(context), posterior_of_all(vae, x, context)
        terms = _elbo(vae, x, context, p, q)
        z = q.sample()
        of_all = marginal_prior(vae, context)
        found = model_holes(vae, x, context, of_all, processes=processes)
    error = getattr(p, "log_prob_standard_error", None)
    return Evaluation(
        nll=nll.mean,
        nll_standard_error=nll.standard_error,
        num_samples=num_samples,
        elbo=float(terms.elbo.mean()),
        reconstruction=float(terms.reconstruction.mean()),
        rate=float(terms.rate.mean()),
        components_in_use=components_in_use(of_all, z),
        num_data=len(x),
        share_in_holes=found.prior_in_holes if found else None,
        share_in_holes_standard_error=found.prior_in_holes_standard_error if found else None,
        given_labels=given_labels(vae, p, context),
        prior_standard_error=None if error is None else float(error(z).mean()),
        elbo_standard_error=_standard_error(terms.elbo),
        reconstruction_standard_error=_standard_error(terms.reconstruction),
        rate_standard_error=_standard_error(terms.rate),
        nll_per_datum=tuple(nll.per_datum.tolist()),
    )


def _elbo(vae: VAE, x: Tensor, context: Context | None, p: Distribution, q: Distribution) -> ELBO:
    """Return the ELBO by ten samples of each datum, decoded in blocks."""
    z = q.sample(torch.Size((ELBO_SAMPLES,)))
    size = max(1, samples_at_once(vae, x, context) // ELBO_SAMPLES)
    parts = []
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        likelihood = vae.likelihood(z[:, rows], given(context)[rows])
        parts.append(likelihood.log_prob(brought(x[rows], vae.encoder)).mean(0))
    return ELBO(reconstruction=torch.cat(parts), rate=(q.log_prob(z) - p.log_prob(z)).mean(0))


def _standard_error(values: Tensor) -> float | None:
    return float(values.std()) / len(values) ** 0.5 if len(values) > 1 else None


def given_labels(vae: VAE, p: Distribution, context: Context | None) -> bool:
    """Return whether p(x) depends on labels: through the prior, or a decoder that takes them."""
    if given(context).about_labels is None:
        return False
    return bool(p.batch_shape) or num_labels_of(vae.decoder) is not None
