"""Any prior for any trained encoder."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.data.splits import assign_parts
from priory.evaluation import Estimate
from priory.extras import needs
from priory.networks.context import Context, Encoder, call
from priory.networks.contract import wrong_part
from priory.networks.divided_encoder import DividedEncoder
from priory.networks.home import taken
from priory.printing import plain_console
from priory.priors import Prior, make_prior
from priory.processes import Processes
from priory.training.latents import Latents, frozen
from priory.training.maximum_likelihood import maximise_likelihood

with needs("train"):
    from rich import box
    from rich.table import Table


@dataclass(frozen=True)
class CrossEntropy:
    r"""The cross-entropy $E_{q(z)}[-\log p(z)]$ of a prior, in nats.

    Attributes:
        train: On the data that it was fitted to.
        held_out: On data that it was not.
    """

    train: Estimate
    held_out: Estimate


@dataclass(frozen=True)
class PriorFit:
    r"""A prior that was fitted, and how well it does.

    Attributes:
        prior: The prior, in evaluation mode.
        before: Its cross-entropy where it started: after `fit_data`, before the first step.
        after: Its cross-entropy in the end.
        bound: The entropy $E_{q(z)}[-\log q(z)]$ of the exact aggregated posterior of the training
            data, which on these data no prior is below; None where the encoder returns points or
            anything but diagonal Gaussians.
        epochs: Epochs trained.
    """

    prior: Prior
    before: CrossEntropy
    after: CrossEntropy
    bound: Estimate | None
    epochs: int

    def table(self) -> Table:
        """Return the numbers as a table to print."""
        table = Table(
            title=f"{type(self.prior).__name__}: E[-log p(z)] under q(z), in nats",
            caption="± a standard error over data",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for head in ("", "training data", "held out"):
            table.add_column(head, justify="right" if head else "left")
        table.add_row("at the start", str(self.before.train), str(self.before.held_out))
        table.add_row("fitted", str(self.after.train), str(self.after.held_out))
        if self.bound is not None:
            table.add_row("bound: q(z) itself", str(self.bound), "")
        return table


def fit_prior(
    prior: str | Prior,
    encoder: Encoder,
    data: Tensor | Array,
    *,
    held_out: Tensor | Array | None = None,
    labels: Tensor | Array | None = None,
    held_out_labels: Tensor | Array | None = None,
    num_components: int | None = None,
    init: str = "data",
    max_epochs: int = 1000,
    patience: int = 20,
    batch_size: int | None = None,
    learning_rate: float = 5e-3,
    seed: int = 0,
    verbose: bool = True,
    processes: Processes | None = None,
) -> PriorFit:
    r"""Fit a prior to the aggregated posterior of an encoder that stays as it is.

    $$\max_p \; E_{q(z)}[\log p(z)], \qquad q(z) = \frac{1}{N} \sum_n q(z \mid x_n)$$

    As the encoder and the decoder stay, this is all that a prior can do for the ELBO. The data are
    encoded once, and each epoch draws a new z for each of them; an encoder that returns anything
    but diagonal Gaussians encodes them again in each epoch. Numbers are estimated from at most
    10,000 data of each part.

    Args:
        prior: The name of a prior, which then starts as `init` says, or a prior, which starts as
            its own options say; it is fitted in place.
        encoder: A trained module whose call returns q(z|x) as a distribution. It is run in
            evaluation mode, gets no gradient, and is left as it was.
        data: The data, `(N, *data_shape)`, as the encoder takes them.
        held_out: Data to stop by; by default one example in ten, drawn by the seed.
        labels: The labels of the data, whole numbers `(N,)`, for a prior or an encoder that needs
            them. The numbers of such a prior are those given the label, and without a bound.
        held_out_labels: The labels of the data held out.
        num_components: The number of components K of a prior by name; by default one for every 20
            data, at most 500.
        init: Where the components of a prior by name start, in its own words: `"random"`, from
            `"data"`; for a `MoGPrior` also by `"em"`, for a `VampPrior` also by `"kmeans"`.
        max_epochs: The most epochs to train.
        patience: Epochs without a better held-out cross-entropy after which to stop.
        batch_size: The size of a batch; by default a hundredth of the data, between 64 and 1000.
        learning_rate: The step size of Adam.
        seed: The seed of the split, the start, the order and the noise; the caller's generator is
            left as it was.
        verbose: Whether to show progress and print the result.
        processes: Processes among which the examples of each batch and the inputs to be encoded are
            divided, all of which get the prior; by default this one alone.

    Returns:
        The prior with the best held-out cross-entropy, its start included, and the numbers.

    Raises:
        FloatingPointError: If the cross-entropy is no longer finite.
        ImportError: If an extra that it takes is not installed.
        TypeError: If the prior is none, or the encoder returns no distribution, or none that the
            prior can use.
        ValueError: If an argument is out of range.

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
    """
    if not isinstance(prior, str | Prior):
        raise wrong_part(prior, "prior")
    if max_epochs < 1 or patience < 1 or not learning_rate > 0:
        raise ValueError(
            "expected at least one epoch, a patience of at least one and a learning rate above "
            f"zero, got {max_epochs}, {patience} and {learning_rate}."
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"expected batches of at least one example, got batch_size={batch_size}.")
    parts = _two_parts(encoder, data, labels, held_out, held_out_labels, seed)
    (x, context), (held_x, _) = parts
    if not (len(x) and len(held_x)):
        raise ValueError(
            f"expected data to fit to and data held out, got {len(x)} and {len(held_x)}."
        )
    processes = processes or Processes.alone()
    console = plain_console(quiet=not verbose or processes.rank > 0)
    with torch.random.fork_rng(), frozen(encoder, but=None if isinstance(prior, str) else prior):
        torch.manual_seed(seed)
        together = DividedEncoder(encoder, processes) if processes.count > 1 else encoder
        train, held = (Latents.of(together, *part) for part in parts)
        if isinstance(prior, str):
            prior = prior_for(
                prior,
                encoder,
                x,
                num_components=num_components,
                init=init,
                labels=context.labels,
            )
        prior.fit_data(x, together, context)
        processes.copy_first(*prior.state_dict().values())
        seen, unseen = train.samples(processes), held.samples(processes)
        before = CrossEntropy(*(part.score(prior, together) for part in (seen, unseen)))
        epochs = maximise_likelihood(
            prior,
            together,
            train,
            unseen,
            batch_size=batch_size or min(1000, max(64, len(x) // 100)),
            max_epochs=max_epochs,
            patience=patience,
            learning_rate=learning_rate,
            seed=seed,
            console=console,
        )
        after = CrossEntropy(*(part.score(prior, together) for part in (seen, unseen)))
        q = None if prior.needs_labels else train.aggregated_posterior()
        bound = None if q is None else seen.cross_entropy(lambda _: q)
    fit = PriorFit(prior, before, after, bound, epochs)
    console.print(fit.table())
    return fit


def prior_for(
    name: str,
    encoder: Encoder,
    x: Tensor | Array,
    *,
    num_components: int | None = None,
    init: str = "data",
    labels: Tensor | Array | None = None,
    **options: Any,
) -> Prior:
    """Build a prior by its name from what an encoder and its data show.

    Args:
        name: The name of the prior.
        encoder: The module that returns q(z|x); its `data_range` counts where it has one.
        x: The data, `(N, *data_shape)`.
        num_components: The number of components K; by default one for every 20 data, at most 500.
        init: Where its components start.
        labels: The labels of the data, `(N,)`, for a prior that needs them.
        **options: Further arguments of the prior's own.

    Raises:
        ValueError: If the name or an option is unknown, or a fact is out of range.
    """
    x, y = taken(x, encoder), _labels(labels)
    with torch.no_grad(), frozen(encoder):
        z = call(encoder, x[:1], Context(labels=y)[:1]).mean
    facts = facts_for(encoder, z, x, num_components, init, y)
    return make_prior(name, **facts, **options).to(z)


def facts_for(
    encoder: Encoder,
    z: Tensor,
    x: Tensor,
    num_components: int | None = None,
    init: str = "data",
    labels: Tensor | None = None,
) -> dict[str, Any]:
    """Return what a prior may be told of an encoder, its codes and its data."""
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
    labels: Tensor | Array | None,
    held_out: Tensor | Array | None,
    held_out_labels: Tensor | Array | None,
    seed: int,
) -> tuple[tuple[Tensor, Context], tuple[Tensor, Context]]:
    """Return the examples to fit to and those held out, with what is known of each."""
    x, context = taken(data, encoder), Context(labels=_labels(labels))
    if context.labels is not None and len(context.labels) != len(x):
        raise ValueError(f"expected a label for each of {len(x)} data, got {len(context.labels)}.")
    if held_out is not None:
        return (x, context), (taken(held_out, encoder), Context(labels=_labels(held_out_labels)))
    part = assign_parts(len(x), test=0.0, seed=seed).to(x.device)
    train, held = ((part == number).nonzero().squeeze(-1) for number in (0, 1))
    return (x[train], context[train]), (x[held], context[held])


def _labels(labels: Tensor | Array | None) -> Tensor | None:
    return None if labels is None else as_tensor(labels)
