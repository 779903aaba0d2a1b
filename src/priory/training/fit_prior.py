"""Any prior for any trained encoder."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.data.latent_sources import LatentSource, open_latents
from priory.data.splits import assign_parts
from priory.networks.calls import Encoder, call
from priory.networks.context import Context
from priory.networks.contract import wrong_part
from priory.networks.divided_encoder import DividedEncoder
from priory.networks.home import taken
from priory.printing import plain_console
from priory.priors import Prior, make_prior
from priory.processes import Processes
from priory.training.fit_latents import fit_latents
from priory.training.latents import Latents, frozen
from priory.training.maximum_likelihood import maximise_likelihood
from priory.training.prior_fit import CrossEntropy, HowToFit, PriorFit


def fit_prior(
    prior: str | Prior,
    encoder: Encoder | None = None,
    data: Tensor | Array | None = None,
    *,
    latents: Any = None,
    scales: Any = None,
    held_out: Any = None,
    labels: Tensor | Array | Context | None = None,
    held_out_labels: Tensor | Array | Context | None = None,
    num_components: int | None = None,
    init: str = "data",
    max_epochs: int | None = None,
    patience: int = 20,
    batch_size: int | None = None,
    learning_rate: float = 5e-3,
    seed: int = 0,
    verbose: bool = True,
    processes: Processes | None = None,
) -> PriorFit:
    r"""Fit a prior to a fixed encoder, or to existing latents.

    $$\max_p \; E_{q(z)}[\log p(z)], \qquad q(z) = \frac{1}{N} \sum_n q(z \mid x_n)$$

    With a fixed encoder and decoder, this is all that a prior can do for the ELBO. The data are
    encoded once, and each epoch draws a new z for each example; an encoder that returns anything
    but diagonal Gaussians encodes them again in each epoch. Numbers are estimated from at most
    10,000 examples of each part.

    With `latents` instead of an encoder and data, only blocks of them are in memory. An array, a
    tensor, a `.npy` file (also memory-mapped) or a folder of such files is read in chunks, in a new
    random order in each epoch. Parquet is first copied to a temporary file. An iterable of batches,
    such as a DataLoader, is iterated once to choose the latents that numbers are estimated from,
    and then once per epoch. An iterator can be read only once and is fitted in one epoch;
    components initialised from data then use its first block, 262,144 latents with 16 dimensions.

    Args:
        prior: The name of a prior, which is initialised according to `init`, or a prior, which is
            initialised according to its own options and fitted in place.
        encoder: A trained module whose call returns q(z|x) as a distribution. It runs in evaluation
            mode, gets no gradient, and is not changed.
        data: The data, `(N, *data_shape)`, in the form that the encoder takes.
        latents: Latents `(N, *latent_shape)` instead, or batches of them, each optionally a tuple
            of latents, their standard deviations and their labels. The prior must not need an
            encoder.
        scales: The standard deviations of the latents' posteriors, in the same format as the
            latents; None if the latents are points.
        held_out: Data, or latents, for early stopping; by default one in ten, chosen randomly.
            Latents with scales are given as a tuple of both.
        labels: The labels of the data, whole numbers `(N,)`, for a prior or an encoder that needs
            them; or a context, for an encoder that takes more, such as batches. The numbers for a
            prior that needs labels are those given the label, without a bound.
        held_out_labels: The labels, or the context, of the held-out data.
        num_components: The number of components K of a prior given by name; by default one for
            every 20 examples, at most 500.
        init: How to initialise the components of a prior given by name: `"random"` or from
            `"data"`; for a `MoGPrior` also with `"em"`, for a `VampPrior` also with `"kmeans"`.
        max_epochs: The maximum number of epochs, by default 1000, or one for an iterator.
        patience: Stop after this many epochs without a better held-out cross-entropy.
        batch_size: The size of a batch; by default a hundredth of the data, between 64 and 1000.
        learning_rate: The step size of Adam.
        seed: The random seed of everything; the global random state is not changed.
        verbose: Whether to show progress and print the result.
        processes: Processes among which the examples of each batch and the inputs to be encoded are
            divided; all of them get the prior. By default only this one.

    Returns:
        The prior with the best held-out cross-entropy, including its initial state, and the
        numbers.

    Raises:
        FloatingPointError: If the cross-entropy is no longer finite.
        ImportError: If an extra that it needs is not installed.
        TypeError: If the prior is not a prior, or the encoder does not return a distribution that
            the prior can use; if the latents have an unknown type, or the prior needs an encoder.
        ValueError: If an argument is out of range, or more than one epoch is requested for an
            iterator.

    Reference:
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1; Hoffman & Johnson, *ELBO surgery*,
        2016; Engel et al., *Latent constraints*, ICLR 2018, and Ghosh et al., *From variational to
        deterministic autoencoders*, ICLR 2020, fit priors after training.

    Examples:
        >>> import torch
        >>> from priory import MLP, GaussianEncoder, fit_prior
        >>> encoder = GaussianEncoder(MLP((9,), (2 * 2,)))
        >>> fit = fit_prior("mog", encoder, torch.rand(200, 9), max_epochs=5, verbose=False)
        >>> fit.prior().sample((100,)).shape
        torch.Size([100, 2])
        >>> fit = fit_prior("mog", latents=torch.randn(200, 2), max_epochs=5, verbose=False)
        >>> fit.bound is None
        True
    """
    if not isinstance(prior, str | Prior):
        raise wrong_part(prior, "prior")
    processes = processes or Processes.alone()
    console = plain_console(quiet=not verbose or processes.rank > 0)
    most = 1000 if max_epochs is None else max_epochs
    how = HowToFit(most, patience, batch_size, learning_rate, seed, processes, console)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if latents is not None:
            if encoder is not None or data is not None:
                raise ValueError(
                    "expected an encoder and data, or latents, got both; leave out one of them."
                )
            source, held = _opened(latents, scales, labels, held_out, held_out_labels, seed)
            if source.once and max_epochs not in (None, 1):
                raise ValueError(
                    f"expected max_epochs=1 for latents from a {type(latents).__name__}, which can "
                    f"be read only once, got {max_epochs}; give a list of batches, a DataLoader, "
                    "an array or a file."
                )
            fit = fit_latents(prior, source, held, how, num_components, init)
        elif encoder is None or data is None:
            raise TypeError(
                "expected an encoder and its data, or latents, got neither; call fit_prior(prior, "
                "encoder, data) or fit_prior(prior, latents=z)."
            )
        elif scales is not None:
            raise ValueError("expected scales together with latents, got them with an encoder.")
        else:
            parts = _two_parts(encoder, data, labels, held_out, held_out_labels, seed)
            fit = _fit_encoded(prior, encoder, *parts, how, num_components, init)
    console.print(fit.table())
    return fit


def _fit_encoded(
    prior: str | Prior,
    encoder: Encoder,
    fitted: tuple[Tensor, Context],
    held_out: tuple[Tensor, Context],
    how: HowToFit,
    num_components: int | None,
    init: str,
) -> PriorFit:
    """Fit a prior to the codes of data."""
    (x, context), processes = fitted, how.processes
    if not (len(x) and len(held_out[0])):
        raise ValueError(
            f"expected data to fit and held-out data, got {len(x)} and {len(held_out[0])} examples."
        )
    with frozen(encoder, but=None if isinstance(prior, str) else prior):
        together = DividedEncoder(encoder, processes) if processes.count > 1 else encoder
        train, held = (Latents.of(together, *part) for part in (fitted, held_out))
        if isinstance(prior, str):
            prior = prior_for(
                prior,
                encoder,
                x,
                num_components=num_components,
                init=init,
                labels=context,
            )
        prior.fit_data(x, together, context)
        processes.copy_first(*prior.state_dict().values())
        fitted_samples, held_samples = train.samples(processes), held.samples(processes)
        before = CrossEntropy(
            *(part.score(prior, together) for part in (fitted_samples, held_samples))
        )
        batches = partial(train.batches, how.batch_size_for(len(x)))
        epochs = maximise_likelihood(prior, together, batches, held_samples, how)
        after = CrossEntropy(
            *(part.score(prior, together) for part in (fitted_samples, held_samples))
        )
        q = None if prior.needs_labels else train.aggregated_posterior()
        bound = None if q is None else fitted_samples.cross_entropy(lambda _: q)
    return PriorFit(prior, before, after, bound, epochs)


def _opened(
    latents: Any,
    scales: Any,
    labels: Tensor | Array | Context | None,
    held_out: Any,
    held_out_labels: Tensor | Array | Context | None,
    seed: int,
) -> tuple[LatentSource, LatentSource | None]:
    """Return the latents to fit, and those held out if they are given."""
    source = latents
    if not isinstance(latents, LatentSource):
        source = open_latents(
            latents, scales, _context(labels).labels, seed, hold_out=held_out is None
        )
    if held_out is None:
        return source, None
    held, spread = held_out if isinstance(held_out, tuple) else (held_out, None)
    return source, open_latents(
        held, spread, _context(held_out_labels).labels, seed, hold_out=False
    )


def prior_for(
    name: str,
    encoder: Encoder,
    x: Tensor | Array,
    *,
    num_components: int | None = None,
    init: str = "data",
    labels: Tensor | Array | Context | None = None,
    **options: Any,
) -> Prior:
    """Build a prior by name, with sizes and shapes from an encoder and its data.

    Args:
        name: The name of the prior.
        encoder: The module that returns q(z|x); its `data_range` is used if it has one.
        x: The data, `(N, *data_shape)`.
        num_components: The number of components K; by default one for every 20 examples, at most
            500.
        init: How to initialise its components.
        labels: The labels of the data, `(N,)`, for a prior that needs them, or their context.
        **options: Other arguments of the prior.

    Raises:
        ValueError: If the name or an option is unknown, or a value is out of range.
    """
    x, context = taken(x, encoder), _context(labels)
    with torch.no_grad(), frozen(encoder):
        z = call(encoder, x[:1], context[:1]).mean
    facts = facts_for(encoder, z, x, num_components, init, context.labels)
    return make_prior(name, **facts, **options).to(z)


def facts_for(
    encoder: Encoder,
    z: Tensor,
    x: Tensor,
    num_components: int | None = None,
    init: str = "data",
    labels: Tensor | None = None,
) -> dict[str, Any]:
    """Return the facts about an encoder, its codes and its data that a prior can use."""
    return {
        "latent_dim": z.shape[-1],
        "num_components": num_components or min(500, max(1, len(x) // 20)),
        "init": init,
        "data_shape": tuple(x.shape[1:]),
        "data_range": getattr(encoder, "data_range", (float(x.min()), float(x.max()))),
        "num_labels": None if labels is None else int(labels.max()) + 1,
    }


def _two_parts(
    encoder: Encoder,
    data: Tensor | Array,
    labels: Tensor | Array | Context | None,
    held_out: Tensor | Array | None,
    held_out_labels: Tensor | Array | Context | None,
    seed: int,
) -> tuple[tuple[Tensor, Context], tuple[Tensor, Context]]:
    """Return the examples to fit and those held out, with their context."""
    x, context = taken(data, encoder), _context(labels)
    if context.labels is not None and len(context.labels) != len(x):
        raise ValueError(
            f"expected a label for each of {len(x)} examples, got {len(context.labels)}."
        )
    if held_out is not None:
        return (x, context), (taken(held_out, encoder), _context(held_out_labels))
    part = assign_parts(len(x), test=0.0, seed=seed).to(x.device)
    train, held = ((part == number).nonzero().squeeze(-1) for number in (0, 1))
    return (x[train], context[train]), (x[held], context[held])


def _context(labels: Tensor | Array | Context | None) -> Context:
    if isinstance(labels, Context):
        return labels
    return Context(labels=None if labels is None else as_tensor(labels))
