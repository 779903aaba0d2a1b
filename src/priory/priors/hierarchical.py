"""A prior over several levels, with any other prior at the top."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.arguments import one_of
from priory.arrays import Array
from priory.distributions.joint import Conditional, JointDistribution
from priory.distributions.torch_distributions import unchecked_in_export
from priory.networks.calls import Encoder, call
from priory.networks.context import Context, given
from priory.networks.contract import kind_of
from priory.networks.gated_mlp import GatedMLP
from priory.networks.level_encoder import GivenAbove, LevelGaussian, checked_levels
from priory.networks.mlp import MLP
from priory.priors.base import Prior
from priory.priors.parts.usage import Reseedable
from priory.priors.registry import prior_of

NETWORKS = {"mlp": MLP, "gated-mlp": GatedMLP}


class HierarchicalPrior(Prior):
    r"""Any prior at the top, and Gaussians below it, each conditioned on the level above.

    $$p(z) = p(z_T) \prod_{l=1}^{T-1} \mathcal{N}\big(z_l \mid \mu_l(z_{l+1}),
    \mathrm{diag}\,\sigma_l(z_{l+1})^2\big)$$

    The prior of the top is called with `encoder.top`, the encoder of only the top level: a
    VampPrior's pseudo-inputs and an exemplar prior's data go through it, and a flow ignores it. The
    distribution is a [`JointDistribution`][priory.distributions.JointDistribution].

    Args:
        latent_dims: The number of dimensions of each level, starting next to the data.
        top: The prior of the top level: a prior, or its name, or a mapping of `kind` (its name) and
            its arguments.
        network: The kind of the networks of the levels below: `"mlp"` or `"gated-mlp"`.
        hidden_sizes: The widths of their hidden layers.
        conditionals: `"own"` for separate networks; `"encoder"` for those of a
            [`LadderEncoder`][priory.networks.LadderEncoder], which the prior shares.

    Raises:
        ValueError: If there are fewer than two levels, the size of the top differs from that of its
            level, an option is unknown, or the top itself has several levels.

    Reference:
        Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018, section 4; Sønderby et al., *Ladder
        Variational Autoencoders*, NeurIPS 2016.

    Examples:
        >>> import torch
        >>> from priory import HierarchicalPrior, MoGPrior
        >>> p = HierarchicalPrior((3, 2), top=MoGPrior(2, num_components=8))()
        >>> [term.shape for term in p.terms(p.sample((5,)))]
        [torch.Size([5]), torch.Size([5])]
    """

    def __init__(
        self,
        latent_dims: Sequence[int],
        top: Prior | Mapping[str, Any] | str = "StandardPrior",
        network: Literal["mlp", "gated-mlp"] = "mlp",
        hidden_sizes: Sequence[int] = (256, 256),
        conditionals: Literal["own", "encoder"] = "own",
    ) -> None:
        super().__init__()
        one_of(NETWORKS, network=network)
        one_of(("own", "encoder"), conditionals=conditionals)
        self.latent_dims = checked_levels(latent_dims)
        self.top: Prior = prior_of(top, latent_dim=self.latent_dims[-1])
        self.network = network
        self.hidden_sizes = tuple(hidden_sizes)
        self.conditionals = conditionals
        if isinstance(self.top, HierarchicalPrior):
            raise ValueError(
                "expected a prior with one level at the top, got a HierarchicalPrior; give its "
                "sizes in latent_dims, and its top here."
            )
        self._check_top(getattr(self.top, "latent_dim", self.latent_dims[-1]))
        self.needs_labels, self.num_labels = self.top.needs_labels, self.top.num_labels
        self.needs_encoder = self.top.needs_encoder or conditionals == "encoder"
        pairs = zip(self.latent_dims, self.latent_dims[1:], strict=False)
        self.levels = nn.ModuleList(
            LevelGaussian(NETWORKS[network]((above,), (2 * size,), hidden_sizes))
            for size, above in (pairs if conditionals == "own" else ())
        )

    @property
    def title(self) -> str:
        """The display name of the prior, from that of its top."""
        return f"{len(self.latent_dims)}-level-{self.top.title}"

    def __repr__(self) -> str:
        names = ("latent_dims", "top", "network", "hidden_sizes", "conditionals")
        arguments = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({arguments})"

    def __getattr__(self, name: str) -> Any:
        """Return attributes that only some tops have, for re-seeding components."""
        if name == "reseed" and hasattr(self.top, name):
            return self._reseed
        if name == "num_components":
            return getattr(self.top, name)
        return super().__getattr__(name)

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> JointDistribution:
        """Call the top once, and return its distribution with the levels below.

        Args:
            encoder: An encoder with levels of the same sizes, such as a `HierarchicalEncoder`;
                required if the top needs one, or the levels are the encoder's.
            context: The context for the top.

        Raises:
            ValueError: If the encoder has levels of different sizes, or none although they are
                needed, or the size of the top differs from that of its level.
        """
        top = call(self.top, self.top_encoder(encoder), given(context), "prior")
        self._check_top(top.event_shape[0])
        below = self.below(encoder)
        return unchecked_in_export(lambda: JointDistribution(top, below))

    def below(self, encoder: Encoder | None = None) -> tuple[Conditional, ...]:
        """Return the levels below the top, starting with the first, each given the one above.

        Raises:
            ValueError: If they are the encoder's, and it has none.
        """
        if self.conditionals == "own":
            pairs = zip(self.latent_dims, self.levels, strict=False)
            return tuple(GivenAbove(size, level) for size, level in pairs)
        levels: tuple[Conditional, ...] | None = getattr(encoder, "generative", None)
        if levels is None:
            raise ValueError(
                "expected an encoder that shares its levels, such as a LadderEncoder, got "
                f"{kind_of(encoder)}; use conditionals='own'."
            )
        return levels

    def top_encoder(self, encoder: Encoder | None) -> Encoder | None:
        """Return the encoder of the top level, from an encoder with levels of the same sizes."""
        if encoder is None:
            return None
        sizes: tuple[int, ...] | None = getattr(encoder, "latent_dims", None)
        if sizes is None:
            return _OneLevel(encoder, self.latent_dims)
        if tuple(sizes) != self.latent_dims:
            raise ValueError(
                f"expected an encoder with levels of sizes {self.latent_dims}, like the prior, got "
                f"{tuple(sizes)}; use the same sizes for both."
            )
        top: Encoder = encoder.top  # type: ignore[attr-defined]
        return top

    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Pass the training data to the top."""
        top_encoder = self.top_encoder(encoder)
        assert top_encoder is not None
        self.top.fit_data(x, top_encoder, context)

    def with_top(self, top: Prior) -> "HierarchicalPrior":
        """Return the same levels, shared by both priors, below a different top."""
        new = type(self)(self.latent_dims, top, self.network, self.hidden_sizes, self.conditionals)
        new.levels = self.levels
        return new.train(self.training)

    def _reseed(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> int:
        top_encoder = self.top_encoder(encoder)
        assert isinstance(self.top, Reseedable)
        assert top_encoder is not None
        return self.top.reseed(x, top_encoder, context)

    def _check_top(self, size: int) -> None:
        if size != self.latent_dims[-1]:
            raise ValueError(
                f"expected a top prior with {self.latent_dims[-1]} dimensions, the last of "
                f"latent_dims={self.latent_dims}, got {type(self.top).__name__} with {size}; use "
                "the same number for both."
            )


class _OneLevel:
    """An encoder with one level in place of a top encoder, for a top that does not need one."""

    def __init__(self, encoder: Encoder, sizes: Sequence[int]) -> None:
        self.encoder, self.sizes = encoder, sizes

    def __call__(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Raise an error: there is no top."""
        raise ValueError(
            f"expected an encoder with {len(self.sizes)} levels, of sizes {tuple(self.sizes)}, for "
            f"this prior, got {kind_of(self.encoder)} with one; use a HierarchicalEncoder or a "
            "LadderEncoder."
        )
