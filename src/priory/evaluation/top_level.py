"""The top of several levels as a model with one level, for measures that expect one level."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import JointDistribution, JointPosterior
from priory.networks.context import Context
from priory.priors import HierarchicalPrior, Prior
from priory.vae import VAE


def top_level(vae: VAE) -> VAE:
    """Return a model of only the top level; a model with one level is returned unchanged.

    Its encoder returns q(z_T|x), its prior p(z_T), and its decoder p(x|z) with the levels below the
    top at their means, each given the one above. Nothing is copied.

    Args:
        vae: The model.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, HierarchicalPrior
        >>> from priory.evaluation import top_level
        >>> from priory.networks import HierarchicalEncoder, JoinedGaussian
        >>> first = JoinedGaussian(MLP((9,), (5,)), MLP((5 + 2,), (2 * 3,)))
        >>> encoder = HierarchicalEncoder((3, 2), MLP((9,), (2 * 2,)), [first])
        >>> vae = VAE(encoder, BernoulliDecoder(MLP((5,), (9,))), HierarchicalPrior((3, 2)))
        >>> top_level(vae).encode(torch.zeros(4, 9)).shape
        torch.Size([4, 2])
    """
    if not has_levels(vae):
        return vae
    assert isinstance(vae.prior, HierarchicalPrior)
    encoder = vae.prior.top_encoder(vae.encoder)
    top = VAE(encoder, FromTop(vae), vae.prior.top)  # type: ignore[arg-type]
    top.training = vae.training
    return top


def has_levels(vae: VAE) -> bool:
    """Return whether a model has several levels of latents, both in q(z|x) and in p(z)."""
    return isinstance(vae.prior, HierarchicalPrior) and hasattr(vae.encoder, "top")


def num_levels(vae: VAE) -> int:
    """Return the number of levels of latents of a model."""
    if not has_levels(vae):
        return 1
    assert isinstance(vae.prior, HierarchicalPrior)
    return len(vae.prior.latent_dims)


def with_top(vae: VAE, prior: Prior) -> VAE:
    """Return a model with the same networks and a different prior (of the top level)."""
    if has_levels(vae):
        assert isinstance(vae.prior, HierarchicalPrior)
        prior = vae.prior.with_top(prior)
    return VAE(vae.encoder, vae.decoder, prior)


class FromTop(nn.Module):
    """The likelihood of the top level, with the levels below at their means given it.

    Args:
        vae: The model of all levels.
    """

    takes_context = True

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae
        self.training = vae.training

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the decoder, such as which annotations it takes."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(cast(VAE, super().__getattr__("vae")).decoder, name)

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z), with the batch shape of the top level."""
        return self.vae.likelihood(from_top(self.vae, z, mean=True), context)


def from_top(
    vae: VAE, top: Float[Tensor, "*points L_T"], mean: bool = False
) -> Float[Tensor, "*points L"]:
    """Return points with this top level and with the levels below drawn from the prior given it.

    Args:
        vae: The model; if it has a single level, the top is everything.
        top: Points of the top level.
        mean: Whether to use the mean of each level given the one above, instead of a sample.
    """
    if not has_levels(vae):
        return top
    p = _given(vae, top)
    return p.completed(top, lambda level, shape: level.mean if mean else level.sample(shape))


def log_prob_given_top(
    vae: VAE, top: Float[Tensor, "*S B L_T"], x: Tensor, context: Context | None = None
) -> Float[Tensor, "*S B"]:
    r"""Return log p(x|z) with one level; with several, a one-sample bound on log p(x|z_T).

    $$\log p(x \mid z_T) \ge E\Big[\log p(x \mid z) - \sum_{l<T}
    \log \frac{q(z_l \mid x, z_{l+1})}{p(z_l \mid z_{l+1})}\Big]$$

    Args:
        vae: The model.
        top: Points of the top level, whose last batch dimension is that of x.
        x: Data, `(B, *data_shape)`, on the device of the model.
        context: The context of these data.
    """
    if not has_levels(vae):
        return vae.likelihood(top, context).log_prob(x)
    q = vae.posterior(x, context)
    assert isinstance(q, JointPosterior)
    z = q.completed(top, lambda level, shape: level.sample(shape))
    of_p, of_q = _given(vae, top).terms_below(z), q.terms_below(z)
    gaps = (one - other for one, other in zip(of_p, of_q, strict=True))
    return sum(gaps, vae.likelihood(z, context).log_prob(x))


def _given(vae: VAE, top: Tensor) -> JointDistribution:
    """Return the levels of the prior below points of the top, for sampling only."""
    assert isinstance(vae.prior, HierarchicalPrior)
    at = torch.distributions.Independent(
        torch.distributions.Normal(top, 1.0, validate_args=False), 1, validate_args=False
    )
    return JointDistribution(at, vae.prior.below(vae.encoder), validate_args=False)
