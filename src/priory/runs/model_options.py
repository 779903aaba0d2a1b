"""The options of a model, and how it is built from them and the data."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from torch import nn

from priory.arguments import within
from priory.data import Splits
from priory.likelihoods import Likelihood, LikelihoodName, choose_likelihood
from priory.priors import prior_class, prior_classes
from priory.runs.plain_yaml import GIVEN
from priory.training.build import build, facts_of, level_sizes
from priory.vae import VAE

MOST_LAYERS = 100

Factory = Callable[..., nn.Module]
"""The user's own class or function that returns an encoder, a decoder or a prior."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Model.

    Args:
        prior: The name of the prior, such as `vamp`, or your own class, as `module:Name`; with
            several levels of latents, the prior of the top.
        prior_options: Its other arguments, such as `{weights: uniform}`.
        latent_dim: The number of latent dimensions, per level if there are several; by default a
            quarter of the data's, between 2 and 40.
        levels: The number of levels of latents, such as `2`, or their sizes, such as `[40,20]`,
            starting next to the data.
        inference: How several levels are inferred: with separate networks for each level, or as a
            ladder, which shares its downward networks with the prior.
        num_components: The number of components of the prior; by default one for every 20 examples,
            at most 500.
        init: Whether to initialise its components randomly or from the training data.
        network: The kind of networks: fully connected, gated, normalised (for counts), or
            convolutional (for images).
        hidden_sizes: The widths of their hidden layers, such as `[300,300]`.
        encoder: Your own encoder, as `module:Name`.
        encoder_options: Its arguments.
        decoder: Your own decoder, as `module:Name`.
        decoder_options: Its arguments.
        likelihood: The likelihood of the data; `auto` chooses one from their values and prints the
            reason.
        num_values: The number of values of a categorical or discretized logistic likelihood.
        dispersion: Whether negative binomial counts have one dispersion per gene (dimension of the
            data), or per gene and batch.
        batch_in_encoder: Whether the encoder also takes the batch.
    """

    prior: str = "VampPrior"
    prior_options: dict[str, Any] | None = None
    latent_dim: int | None = None
    levels: int | Sequence[int] = 1
    inference: Literal["direct", "ladder"] = "direct"
    num_components: int | None = None
    init: Literal["random", "data"] = "data"
    network: Literal["mlp", "gated-mlp", "normed-mlp", "conv"] = "mlp"
    hidden_sizes: Sequence[int] = (256, 256)
    encoder: str | None = None
    encoder_options: dict[str, Any] | None = None
    decoder: str | None = None
    decoder_options: dict[str, Any] | None = None
    likelihood: LikelihoodName = "auto"
    num_values: int | None = None
    dispersion: Literal["gene", "gene-batch"] = "gene"
    batch_in_encoder: bool = False

    def __post_init__(self) -> None:
        sizes = ("latent_dim", "num_components", "num_values")
        within(1, **{name: getattr(self, name) for name in sizes})
        within(0, MOST_LAYERS, layers=len(self.hidden_sizes))
        for width in self.hidden_sizes:
            within(1, hidden_sizes=width)
        for size in self.levels if isinstance(self.levels, Sequence) else ():
            within(1, levels=size)
        within(1, 100, levels=self.levels if isinstance(self.levels, int) else len(self.levels))

    def each(self, splits: Splits) -> "list[ModelOptions]":
        """Return the options of each model to build for the data: this one."""
        return [self]

    def choose(self, splits: Splits, exposure: str = "total") -> Likelihood:
        """Return the likelihood of the data, with their exposures or the requested kind."""
        spans = None if splits.columns is None else splits.columns.spans
        given = splits.of_modelled("exposure")
        how: Any = ("none" if exposure == "none" else "total") if given is None else given
        return choose_likelihood(
            splits.modelled,
            self.likelihood,
            self.num_values,
            spans=spans,
            exposure=how,
            batch_label=splits.of_modelled("batch_label"),
            options={} if self.dispersion == "gene" else {"dispersion": self.dispersion},
        )

    def named_by(self, part: str) -> str:
        """Return the option that names the user's own part."""
        return f"--{part}"

    def resolved(
        self, splits: Splits, likelihood: Likelihood, classes: Mapping[str, Factory]
    ) -> "ModelOptions":
        """Return the options that rebuild this model, and what the user's own classes receive.

        The user's own class receives those facts about the data and the model that its arguments
        name (`latent_dim`, `num_components`, `data_shape`, `data_range`, `num_labels`, `init`). If
        there are several levels of latents, a prior receives the size of the top, and networks
        receive the total size and, as `latent_dims`, that of each.

        Args:
            splits: The data.
            likelihood: Their likelihood.
            classes: The user's own encoder, decoder and prior, by these names.

        Raises:
            ValueError: If a class is needed but not given, or takes different arguments.
        """
        named = None if self.prior == GIVEN else self.prior
        asked = level_sizes(self.levels, self.latent_dim, named)
        facts = facts_of(splits, likelihood, asked[-1], self.num_components, self.init)
        sizes = tuple(facts["latent_dim"] if size is None else size for size in asked)
        of_all = {**facts, "latent_dims": sizes, "latent_dim": sum(sizes)}
        changed: dict[str, Any] = {}
        for name in ("encoder", "decoder", "prior"):
            options = getattr(self, f"{name}_options")
            if name in classes:
                part_facts = facts if name == "prior" else of_all
                arguments = arguments_for(classes[name], options, part_facts)
                changed |= {name: GIVEN, f"{name}_options": arguments}
            elif getattr(self, name) == GIVEN:
                raise ValueError(
                    f"expected your own {name} to be named again, because no file names a class, "
                    f"got none; add {self.named_by(name)} module:Name."
                )
            elif name != "prior" and options is not None:
                raise ValueError(
                    f"expected --{name} module:Name for {name}_options, got no class of your own; "
                    "leave them out."
                )
        return replace(self, **changed)

    def build(
        self, splits: Splits, likelihood: Likelihood, seed: int, classes: Mapping[str, Factory]
    ) -> VAE:
        """Build the model from `resolved` options."""
        factories: dict[str, Any] = {
            name: partial(factory, **getattr(self, f"{name}_options"))
            for name, factory in classes.items()
        }
        return build(
            splits,
            likelihood,
            factories.get("prior", self.prior),
            latent_dim=self.latent_dim,
            num_components=self.num_components,
            init=self.init,
            prior_options=self.prior_options,
            levels=self.levels,
            inference=self.inference,
            network=self.network,
            hidden_sizes=self.hidden_sizes,
            encoder=factories.get("encoder"),
            decoder=factories.get("decoder"),
            batch_in_encoder=self.batch_in_encoder,
            seed=seed,
        )


def arguments_for(
    factory: Factory, options: Mapping[str, Any] | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of the user's own class: the options, and the facts that it asks for.

    Raises:
        ValueError: If it does not take one of the options, or needs another.
    """
    takes = inspect.signature(factory).parameters
    arguments = {name: fact for name, fact in facts.items() if name in takes} | dict(options or {})
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        name = getattr(factory, "__name__", str(factory))
        raise ValueError(
            f"expected arguments of {name} among {', '.join(takes) or 'none'}, got "
            f"{', '.join(arguments) or 'none'} ({error}); give them by its options."
        ) from error
    return arguments


@dataclass(frozen=True, kw_only=True)
class ComparedOptions(ModelOptions):
    """Models.

    Args:
        priors: The priors, separated by commas, or `all`; your own classes as `module:Name`.
        prior_options: Their other arguments by name, such as `{VampPrior: {weights: uniform}}`.
    """

    priors: str | list[str] = "StandardPrior,MoGPrior,VampPrior"
    prior: str = field(default="", metadata={"hidden": True})
    latent_dim: int | None = 2
    num_components: int | None = 16

    def named_by(self, part: str) -> str:
        """Return the option that names the user's own part."""
        return "--priors with" if part == "prior" else f"--{part}"

    def each(self, splits: Splits) -> list[ModelOptions]:
        """Return the options of each model; without labels, `all` skips priors that need them."""
        if self.priors == "all":
            labelled = splits.num_labels is not None
            names = [n for n, cls in prior_classes().items() if labelled or not cls.needs_labels]
        else:
            given = self.priors.split(",") if isinstance(self.priors, str) else self.priors
            names = [_full_name(name.strip()) for name in given]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"expected one or more priors, each once, got {', '.join(names) or 'none'}."
            )
        sized = isinstance(self.levels, Sequence)  # so that nothing depends on the default
        latent_dim = None if sized and self.latent_dim == 2 else self.latent_dim
        options = {_full_name(name): value for name, value in (self.prior_options or {}).items()}
        return [
            replace(self, prior=name, prior_options=options.get(name), latent_dim=latent_dim)
            for name in names
        ]


def _full_name(name: str) -> str:
    return name if ":" in name or name == GIVEN else prior_class(name).__name__
