"""All questions asked of a trained model at once."""

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.aggregate import marginal_prior, posterior_of_all
from priory.arrays import Array
from priory.distributions import loc_and_scale
from priory.evaluation.components import components_in_use, dead_components
from priory.evaluation.exhibit import sample_data
from priory.evaluation.holes import model_holes
from priory.evaluation.latent_use import latent_use
from priory.evaluation.measures import Measures
from priory.evaluation.memorisation import memorisation
from priory.evaluation.nearest import Nearest, nearest
from priory.evaluation.nll import negative_log_likelihood
from priory.evaluation.samples import Features, sample_quality
from priory.evaluation.summary import given_labels
from priory.evaluation.surgery import surgery
from priory.evaluation.two_sample import (
    classifier_test,
    maximum_mean_discrepancy,
)
from priory.networks.context import Context, given
from priory.networks.home import taken
from priory.processes import Processes
from priory.vae import VAE

FEWEST = 10


@torch.no_grad()
def measure(
    vae: VAE,
    x: Tensor | Array,
    training: Tensor | Array | None = None,
    *,
    context: Context | None = None,
    training_context: Context | None = None,
    num_samples: int = 5000,
    max_training: int = 20_000,
    max_points: int = 1000,
    pareto_data: int = 500,
    max_components: int | None = None,
    features: Features | None = None,
    seed: int = 0,
    processes: Processes | None = None,
) -> Measures:
    """Measure a model on held-out data, with noise of its own from the seed.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Held-out data, `(N, *data_shape)`.
        training: The data it was trained on, where they are at hand.
        context: What is known of the held-out data. With labels, the NLL is that given the label,
            and everything else is of the prior over all labels.
        training_context: What is known of the training data.
        num_samples: The importance samples per datum for the NLL.
        max_training: The most training data to take, the first of a random order.
        max_points: The most samples, and held-out data, for what compares points in pairs.
        pareto_data: The number of data to fit the tails of importance weights of.
        max_components: The most components of a mixture to take for the NLL of a datum, as for
            `negative_log_likelihood`.
        features: What to compare samples by; by default the values themselves.
        seed: The seed of the noise; the generator of the caller is left as it was.
        processes: Processes among which the NLL, the surgery and the holes, which take longest, are
            divided; by default this one alone.

    Raises:
        ImportError: If ArviZ or scikit-learn is not installed.
        ValueError: If there are no data, or `num_samples` is below one.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import measure
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> found = measure(vae, torch.zeros(5, 9), num_samples=16)
        >>> found.latent_use.active_units, found.samples
        (0, None)

    """
    x = taken(x, vae.encoder)
    training = None if training is None else taken(training, vae.encoder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        nll = negative_log_likelihood(
            vae, x, num_samples, context, pareto_data, max_components, processes=processes
        )
        p = marginal_prior(vae, context)
        if training is not None:
            chosen = torch.randperm(len(training), device=training.device)[:max_training]
            training = training[chosen]
            training_context = given(training_context)[chosen]
        seen, known = (x, context) if training is None else (training, training_context)
        z = posterior_of_all(vae, x, context).sample()
        gaussian = _is_gaussian(vae.posterior(x[:1], given(context)[:1]))
        per_datum = max(1, min(10, 10_000 // len(seen)))
        pseudo_inputs: Tensor | None = getattr(vae.prior, "pseudo_inputs", None)
        near = None
        if pseudo_inputs is not None:
            found = nearest(pseudo_inputs, seen)
            index = found.index if training is None else chosen[found.index.to(chosen.device)]
            near = Nearest(found.distance, index)
        points = torch.randperm(len(x), device=x.device)[:max_points]
        of_prior = p.sample(torch.Size((len(points),)))
        samples = sample_data(vae, len(points), context)
        several, enough = len(x) > 1, len(points) >= FEWEST
        error = getattr(vae.prior_distribution(context), "log_prob_standard_error", None)
        return Measures(
            num_data=len(x),
            num_training=None if training is None else len(training),
            given_labels=given_labels(vae, vae.prior_distribution(context), context),
            nll=nll,
            surgery=surgery(vae, seen, per_datum, context=known, processes=processes)
            if gaussian
            else None,
            latent_use=latent_use(vae, seen, context=known) if gaussian and len(seen) > 1 else None,
            components_in_use=components_in_use(p, z),
            dead_components=dead_components(p, posterior_of_all(vae, seen, known).sample()),
            nearest_to_pseudo_inputs=near,
            holes=model_holes(vae, x, context, p, processes=processes),
            classifier=classifier_test(of_prior, z[points], seed=seed) if enough else None,
            discrepancy=maximum_mean_discrepancy(of_prior, z[points]) if several else None,
            samples=sample_quality(samples, x[points], features=features) if enough else None,
            memorisation=None
            if training is None
            else memorisation(samples, training, x[points], features),
            prior_standard_error=None if error is None else float(error(z).mean()),
        )


def _is_gaussian(posterior: Distribution) -> bool:
    try:
        loc_and_scale(posterior)
    except TypeError:
        return False
    return True
