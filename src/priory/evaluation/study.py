"""What the measures of a model share, drawn only once."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import cached_property
from typing import Any, TypeVar, cast
from zlib import crc32

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.aggregate import marginal_prior, posterior_of_all
from priory.arrays import Array
from priory.distributions import loc_and_scale, top_part
from priory.evaluation.exhibit import sample_data
from priory.evaluation.log_prob import LogProb
from priory.evaluation.nearest import Features
from priory.evaluation.nll import NLL, negative_log_likelihood
from priory.evaluation.top_level import top_level
from priory.networks.calls import num_labels_of
from priory.networks.context import Context, given
from priory.networks.home import taken
from priory.processes import Processes
from priory.vae import VAE

T = TypeVar("T")
FEWEST = 10
"""Two samples with fewer points are not compared."""


class Study:
    """A model, the data it is measured on, and what its measures share.

    With several levels of latents, `top` is a model of only the top level; with one level, it is
    the model.

    Random quantities are drawn when they are first needed, and only once. Their noise depends on
    the seed and their name, so it does not depend on which measures are computed or in which order.

    The arguments are those of [`measure`][priory.evaluation.measure].

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import Study
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> study = Study(VAE(encoder, decoder, StandardPrior(latent_dim=2)), torch.zeros(5, 9))
        >>> study.z is study.z, study.nll.per_example.shape
        (True, torch.Size([5]))
    """

    def __init__(
        self,
        vae: VAE,
        x: Tensor | Array,
        training: Tensor | Array | None = None,
        *,
        context: Context | None = None,
        training_context: Context | None = None,
        num_samples: int = 512,
        max_components: int | None = None,
        pareto_data: int = 0,
        max_training: int = 20_000,
        max_points: int = 1000,
        features: Features | None = None,
        seed: int = 0,
        processes: Processes | None = None,
        annotations: Context | None = None,
    ) -> None:
        self.top = top_level(vae)
        self.vae, self.x = vae, taken(x, vae.encoder)
        self.context = vae.with_exposure(self.x, context)
        self.training = None if training is None else taken(training, vae.encoder)
        self.training_context = given(training_context)
        self.num_samples, self.max_components = num_samples, max_components
        self.pareto_data, self.max_training, self.max_points = pareto_data, max_training, max_points
        self.features, self.seed, self.processes = features, seed, processes
        self.annotations = self.context if annotations is None else annotations
        self._kept: dict[str, Any] = {}
        self._one_generator = False

    def once(self, name: str, draw: Callable[[], T]) -> T:
        """Return the quantity with a name, which the first call draws with its own noise.

        Args:
            name: The name.
            draw: The function that draws it, with torch's generator.
        """
        if name not in self._kept:
            with torch.no_grad(), ExitStack() as stack:
                if not self._one_generator:
                    stack.enter_context(torch.random.fork_rng())
                    torch.manual_seed(crc32(f"{self.seed} {name}".encode()))
                self._kept[name] = draw()
        return cast(T, self._kept[name])

    def draw_in_order(self, draws: Iterable[Callable[["Study"], object]]) -> None:
        """Draw several quantities in sequence from one generator with the seed.

        Args:
            draws: The functions that draw them.
        """
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._one_generator = True
            for draw in draws:
                draw(self)
        self._one_generator = False

    @property
    def nll(self) -> NLL:
        """The importance-sampled −log p(x) of each held-out example."""
        return self.once(
            "nll",
            lambda: negative_log_likelihood(
                self.vae,
                self.x,
                self.num_samples,
                self.context,
                self.pareto_data,
                self.max_components,
                processes=self.processes,
            ),
        )

    @property
    def log_prob(self) -> LogProb | None:
        """Log p(x) of each held-out example, if the NLL was requested."""
        return LogProb.of(self.x, -self.nll.per_example) if "nll" in self._kept else None

    @property
    def given_prior(self) -> Distribution:
        """The prior's distribution, given the labels of the held-out data if it takes them."""
        return self.once("given prior", lambda: self.vae.prior_distribution(self.context))

    @property
    def prior(self) -> Distribution:
        """The prior's distribution over all labels, for the top if there are several levels."""
        return self.once("prior", lambda: marginal_prior(self.top, self.context))

    @cached_property
    def posterior(self) -> Distribution:
        """q(z|x) of all held-out data, `(N,)`."""
        return posterior_of_all(self.vae, self.x, self.context)

    @cached_property
    def is_gaussian(self) -> bool:
        """Whether posteriors are diagonal Gaussians, for the top if there are several levels."""
        try:
            loc_and_scale(self.top.posterior(self.x[:1], self.context[:1]))
        except TypeError:
            return False
        return True

    @property
    def given_labels(self) -> bool:
        """Whether p(x) is given labels: through the prior, or a decoder that takes them."""
        if self.context.about_labels is None:
            return False
        return bool(self.given_prior.batch_shape) or num_labels_of(self.vae.decoder) is not None

    @property
    def prior_standard_error(self) -> float | None:
        """The error in the NLL from an estimated density of the prior, in nats."""
        error = getattr(self.given_prior, "log_prob_standard_error", None)
        return None if error is None else float(error(self.z).mean())

    @property
    def z(self) -> Tensor:
        """One sample of q(z|x) for each held-out example, `(N, L)`."""
        return self.once("z", self.posterior.sample)

    @property
    def top_z(self) -> Tensor:
        """The top level of each, `(N, L_T)`; with one level, all of it."""
        return self.z if self.top is self.vae else top_part(self.posterior, self.z)

    @property
    def chosen(self) -> Tensor | None:
        """The positions of the training data that are used; None if there are none."""
        if self.training is None:
            return None
        count, device = len(self.training), self.training.device
        return self.once(
            "chosen", lambda: torch.randperm(count, device=device)[: self.max_training]
        )

    @cached_property
    def fitted(self) -> tuple[Tensor, Context]:
        """These training data and their context, or the held-out data if there are none."""
        if self.training is None or self.chosen is None:
            return self.x, self.context
        return self.training[self.chosen], self.training_context[self.chosen]

    @property
    def points(self) -> Tensor:
        """The positions of the held-out data for measures that compare points in pairs, `(P,)`."""
        return self.once("points", lambda: torch.randperm(len(self.x))[: self.max_points])

    @property
    def prior_samples(self) -> Tensor:
        """The same number of samples of the prior, `(P, L)`."""
        size = Size((len(self.points),))
        return self.once("prior samples", lambda: self.prior.sample(size))

    @property
    def decoded_samples(self) -> Tensor:
        """The same number of examples drawn from the model, `(P, *data_shape)`."""
        count = len(self.points)
        return self.once("decoded samples", lambda: sample_data(self.vae, count, self.context))
