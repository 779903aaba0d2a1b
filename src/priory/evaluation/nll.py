"""How probable are the data under the model?"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from priory.networks.context import Context
from priory.objectives import log_weights
from priory.vae import VAE

SAMPLES_AT_ONCE = 8192


@dataclass(frozen=True)
class NLL:
    """An estimate of −log p(x) by importance sampling, in nats.

    Attributes:
        per_datum: The estimate for each datum, `(N,)`.
        num_samples: The number of importance samples S behind each.

    """

    per_datum: Float[Tensor, " N"]
    num_samples: int

    @property
    def mean(self) -> float:
        """The mean over data."""
        return float(self.per_datum.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, over data; NaN for a single datum."""
        return float(self.per_datum.std()) / math.sqrt(len(self.per_datum))


@torch.no_grad()
def negative_log_likelihood(
    vae: VAE, x: Tensor, num_samples: int = 512, context: Context | None = None
) -> NLL:
    r"""Estimate the negative log-likelihood of each datum by importance sampling from q(z|x).

    $$-\log p(x) \approx -\log \frac{1}{S} \sum_{s=1}^S
    \frac{p(x \mid z_s)\, p(z_s)}{q(z_s \mid x)}, \qquad z_s \sim q(z \mid x)$$

    On average the estimate lies above the true value, by less the more samples there are. The prior
    is called once, or once a block where it depends on labels; data are taken in blocks that bound
    the memory. With labels, in a model that depends on them, it is the likelihood given the label,
    $-\log p(x \mid y)$.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Data, `(N, *data_shape)`.
        num_samples: The number of importance samples S per datum.
        context: What is known of these data.

    Raises:
        ValueError: If there are no data, or `num_samples` is below one.

    Reference:
        Burda et al., *Importance Weighted Autoencoders*, ICLR 2016; Rezende et al., 2014,
        appendix E.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import negative_log_likelihood
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> negative_log_likelihood(vae, torch.zeros(5, 9)).per_datum.shape
        torch.Size([5])

    """
    if len(x) == 0:
        raise ValueError("expected at least one datum, got none.")
    size = max(1, SAMPLES_AT_ONCE // max(1, num_samples))
    first = vae.prior_distribution(None if context is None else context[:1])
    prior = None if first.batch_shape else first
    parts = []
    for start in range(0, len(x), size):
        block = slice(start, start + size)
        known = None if context is None else context[block]
        weights = log_weights(vae, x[block], num_samples, context=known, prior=prior)
        parts.append(math.log(num_samples) - weights.logsumexp(0))
    return NLL(torch.cat(parts), num_samples)
