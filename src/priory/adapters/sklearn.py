"""A prior as a scikit-learn density estimator."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from priory.blockwise import blocks
from priory.extras import needs
from priory.networks.contract import wrong_part
from priory.priors import Prior, make_prior
from priory.training.fit_latents import FOR_EACH_COMPONENT
from priory.training.fit_prior import fit_prior

with needs("train"):
    from sklearn.base import BaseEstimator, DensityMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.validation import check_is_fitted, validate_data


def _is_mixture(estimator: "PriorDensity") -> bool:
    fitted = getattr(estimator, "prior_", None)
    if fitted is None:  # not known yet
        return True
    if not hasattr(fitted(), "responsibilities"):
        raise AttributeError(
            f"expected a mixture to predict components of, got a {type(fitted).__name__}; use "
            "MoGPrior."
        )
    return True


class PriorDensity(DensityMixin, BaseEstimator):  # type: ignore[misc]
    r"""Any prior that does not need an encoder, fitted to points by maximum likelihood.

    $$\max_p \sum_n \log p(x_n)$$

    Everything uses double precision. One point in ten is held out to decide when to stop.

    Args:
        prior: The name of a prior, or a prior, which is copied and fitted.
        num_components: The number of components K of a prior given by name; by default one for
            every 20 points, at most 500.
        init: How to initialise the components of a prior given by name: `"random"`, from `"data"`,
            or with `"em"`.
        prior_options: Other arguments of a prior given by name.
        max_epochs: The maximum number of epochs.
        patience: Stop after this many epochs without a better held-out density.
        batch_size: The size of a batch; by default a hundredth of the points, from 64 to 1000.
        learning_rate: The step size of Adam.
        random_state: The random seed of the initial values, the order, and the samples.

    Attributes:
        prior_: The fitted prior.
        fit_: The result of `priory.fit_prior`, with the cross-entropies before and after.
        n_features_in_: The number of dimensions.

    Examples:
        >>> import numpy as np
        >>> from priory.adapters.sklearn import PriorDensity
        >>> x = np.random.default_rng(0).normal(size=(100, 2))
        >>> density = PriorDensity(num_components=3, max_epochs=5, random_state=0).fit(x)
        >>> density.score_samples(x).shape, density.predict_proba(x).shape
        ((100,), (100, 3))
    """

    def __init__(
        self,
        prior: Any = "MoGPrior",  # scikit-learn wants any value to be accepted; fit checks it
        *,
        num_components: Any = None,
        init: Any = "data",
        prior_options: Any = None,
        max_epochs: Any = 1000,
        patience: Any = 20,
        batch_size: Any = None,
        learning_rate: Any = 5e-3,
        random_state: Any = None,
    ) -> None:
        self.prior = prior
        self.num_components = num_components
        self.init = init
        self.prior_options = prior_options
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "PriorDensity":  # noqa: N803 (scikit-learn's)
        """Fit the prior to points, `(N, L)`; `y` is not used."""
        x = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.random_ = check_random_state(self.random_state)
        seed = int(self.random_.randint(2**31 - 1))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            prior = self._make(len(x)).double()
        self.fit_ = fit_prior(
            prior,
            latents=x,
            max_epochs=self.max_epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            verbose=False,
        )
        self.prior_ = self.fit_.prior
        return self

    @torch.no_grad()
    def score_samples(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return log p(x) of each point, in nats, `(N,)`."""
        return self._for_each(X, lambda p, x: p.log_prob(x))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Return the mean of log p(x) over points, in nats; `y` is not used."""
        return float(self.score_samples(X).mean())

    @torch.no_grad()
    def sample(self, n_samples: int = 1) -> NDArray[np.float64]:
        """Draw new points, `(n_samples, L)`; each call draws different ones."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"expected at least one sample, got n_samples={n_samples}.")
        with torch.random.fork_rng():
            torch.manual_seed(int(self.random_.randint(2**31 - 1)))
            drawn: NDArray[np.float64] = self.prior_().sample((n_samples,)).numpy()
        return drawn

    @available_if(_is_mixture)  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the probability of each mixture component given each point, `(N, K)`."""
        return self._for_each(X, lambda p, x: p.responsibilities(x))

    @available_if(_is_mixture)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """Return the most probable mixture component for each point, `(N,)`."""
        most: NDArray[np.int64] = self.predict_proba(X).argmax(-1)
        return most

    def _make(self, number: int) -> Prior:
        if isinstance(self.prior, Prior):
            return copy.deepcopy(self.prior)
        if not isinstance(self.prior, str):
            raise wrong_part(self.prior, "prior")
        default = min(500, max(1, number // FOR_EACH_COMPONENT))
        return make_prior(
            self.prior,
            latent_dim=self.n_features_in_,
            num_components=default if self.num_components is None else self.num_components,
            init=self.init,
            data_shape=(self.n_features_in_,),
            data_range=(0.0, 1.0),  # for priors that are refused
            **(self.prior_options or {}),
        )

    def _for_each(self, X: Any, function: Any) -> NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        x = torch.from_numpy(validate_data(self, X, dtype=np.float64, reset=False).copy())
        p = self.prior_()
        parts = [function(p, x[rows]) for rows in blocks(len(x), x.shape[1])]
        values: NDArray[np.float64] = torch.cat(parts).numpy()
        return values
