"""The exemplar prior."""

from typing import Literal

from priory.priors.mixture import MixturePrior
from priory.priors.parts.exemplars import Exemplars
from priory.priors.parts.posteriors import Posteriors


class ExemplarPrior(MixturePrior):
    r"""A mixture of the encoder's posteriors at the training data themselves, the exemplars.

    $$p(z) = \frac{1}{N} \sum_{n=1}^N \mathcal{N}(z \mid \mu(x_n), \sigma^2 I)$$

    In training, an example that is a component of its own prior would only be copied. A call with
    `Context(index=...)` therefore leaves out the component of each example itself, and draws the
    subset of the step; a call without it takes all exemplars, which is the prior to evaluate and to
    sample from. `priory.fit` and `priory compare` give the context in training.

    The exemplars arrive with `fit_data`. They move with the prior but are not saved with it: a
    loaded prior has to be given its data again.

    Args:
        scale: `"shared"` learns one standard deviation for all components and dimensions;
            `"posterior"` takes that of q(z|x) at each exemplar.
        subset_size: How many exemplars, drawn anew for each step, a step in training uses; None
            takes all of them.

    Raises:
        ValueError: If `scale` is unknown, or `subset_size` is below two.

    Reference:
        Norouzi, Fleet & Norouzi, *Exemplar VAE*, NeurIPS 2020.

    Examples:
        >>> import torch
        >>> from priory import MLP, Context, ExemplarPrior, GaussianEncoder
        >>> encoder, prior = GaussianEncoder(MLP((9,), (2 * 2,))), ExemplarPrior()
        >>> prior.fit_data(torch.rand(50, 9), encoder)
        >>> prior(encoder).sample((100,)).shape
        torch.Size([100, 2])
        >>> prior(encoder, Context(index=torch.tensor([0, 7, 8]))).batch_shape
        torch.Size([3])
    """

    def __init__(
        self, scale: Literal["shared", "posterior"] = "shared", subset_size: int | None = None
    ) -> None:
        super().__init__(Posteriors(Exemplars(subset_size), scale), weights="uniform")
