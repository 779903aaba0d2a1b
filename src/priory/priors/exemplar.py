"""The exemplar prior."""

from typing import Literal

from priory.priors.mixture import MixturePrior
from priory.priors.parts.exemplars import Exemplars
from priory.priors.parts.posteriors import Posteriors


class ExemplarPrior(MixturePrior):
    r"""A mixture of the encoder's posteriors at the training data themselves, the exemplars.

    $$p(z) = \frac{1}{N} \sum_{n=1}^N \mathcal{N}(z \mid \mu(x_n), \sigma^2 I)$$

    In training, an example that is a component of its own prior would only be copied. So a call
    with `Context(index=...)` leaves out each example's own component, and draws the subset for the
    step; a call without it uses all exemplars, and gives the prior for evaluating and sampling.
    `priory.fit` and `priory compare` pass the context in training.

    `fit_data` sets the exemplars. They move with the prior but are not saved with it: a loaded
    prior needs its data again.

    Args:
        scale: `"shared"` learns one standard deviation for all components and dimensions;
            `"posterior"` uses that of q(z|x) at each exemplar.
        subset_size: The number of randomly chosen exemplars in each training step; None uses all of
            them.

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
