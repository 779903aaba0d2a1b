"""Priors as estimators of scikit-learn."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from priory import MoGPrior, StandardPrior
from priory.adapters.sklearn import PriorDensity

QUICK = {"max_epochs": 1, "random_state": 0}


def two_heaps(count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 2)) * 0.3 + 4 * (np.arange(count) % 4 == 0)[:, None]


def test_it_passes_the_checks_of_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks that are skipped, and of k-means
        results = check_estimator(PriorDensity(**QUICK), on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 30


def test_densities_components_and_samples():
    x = two_heaps()
    density = PriorDensity(num_components=2, init="em", **QUICK).fit(x)
    p = density.prior_()
    parts = norm(p.loc.detach().numpy(), p.scale.detach().numpy()).logpdf(x[:, None]).sum(-1)
    joint = parts + p.logits.detach().numpy()
    expected = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(density.score_samples(x), expected, rtol=1e-10)
    assert density.score(x) == pytest.approx(expected.mean())
    probabilities = density.predict_proba(x)
    np.testing.assert_allclose(probabilities, np.exp(joint - expected[:, None]), atol=1e-10)
    assert (density.predict(x) == joint.argmax(1)).all()
    one, other = density.sample(300), density.sample(300)
    assert one.shape == (300, 2)
    assert not np.array_equal(one, other)
    assert one.mean(0) == pytest.approx(x.mean(0), abs=0.5)
    again = PriorDensity(num_components=2, init="em", **QUICK).fit(x)
    assert np.array_equal(again.sample(300), one)


def test_it_is_searched_piped_cloned_and_pickled():
    x = two_heaps()
    pipeline = make_pipeline(StandardScaler(), PriorDensity(init="em", **QUICK))
    grid = {"priordensity__num_components": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(x)
    assert search.best_params_ == {"priordensity__num_components": 2}
    fitted = search.best_estimator_
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.score_samples(x), fitted.score_samples(x))
    prior = MoGPrior(2, 2)
    own = clone(PriorDensity(prior, **QUICK)).fit(x)
    assert own.prior_.loc.detach().numpy() != pytest.approx(prior.loc.detach().numpy())


def test_what_cannot_be_had_is_one_sentence():
    flow = PriorDensity("standard", **QUICK).fit(two_heaps())
    assert flow.score_samples(np.zeros((1, 2))) == pytest.approx(-np.log(2 * np.pi))
    assert not hasattr(flow, "predict_proba")
    with pytest.raises(AttributeError, match="predict"):
        flow.predict(two_heaps())
    with pytest.raises(TypeError, match="does not need an encoder"):
        PriorDensity("exemplar").fit(two_heaps())
    with pytest.raises(TypeError, match="expected a prior"):
        PriorDensity(3).fit(two_heaps())
    with pytest.raises(NotFittedError):
        PriorDensity(StandardPrior(2)).sample()
