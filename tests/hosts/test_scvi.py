"""Every prior in SCVI and SysVI of scvi-tools 1.4.2."""

import importlib.metadata
import inspect
import warnings

import numpy as np
import pytest
import torch

import priory
from pages import blocks
from priory import MoGPrior
from priory.networks.context import Context

pytest.importorskip("scvi")
warnings.filterwarnings("ignore")

import anndata  # noqa: E402
import pandas as pd  # noqa: E402
import scvi  # noqa: E402
from scvi.external import SysVI  # noqa: E402
from scvi.model import SCANVI, SCVI  # noqa: E402

from priory.adapters.scvi import ScviEncoder, fit_prior, sample_counts, with_prior  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = {"n_hidden": 16, "n_latent": 3}
QUICK = {
    "max_epochs": 2,
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "logger": False,
    "enable_model_summary": False,
}


def cells(count=240, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, count)
    means = np.exp(rng.normal(size=(1, 12)) * 0 + np.linspace(-1, 2, 12)) * (1 + 3 * kind[:, None])
    obs = {"batch": rng.choice(["a", "b"], count), "kind": [f"k{k}" for k in kind]}
    index = [f"cell{number}" for number in range(count)]
    made = anndata.AnnData(rng.poisson(means).astype(np.float32), pd.DataFrame(obs, index=index))
    made.var_names = [f"gene{number}" for number in range(12)]
    return made


def scvi_model(prior="VampPrior", options=None, adata=None, train=True, **more):
    adata = cells() if adata is None else adata
    SCVI.setup_anndata(adata, batch_key="batch", labels_key="kind")
    model = with_prior(SCVI)(adata, prior=prior, prior_options=options, **SMALL, **more)
    if train:
        model.train(**QUICK)
    return model


@pytest.fixture(scope="module")
def vamp():
    return scvi_model(options={"num_components": 7})


def test_the_version_is_the_one_that_is_read():
    assert importlib.metadata.version("scvi-tools") == "1.4.2"


@pytest.mark.parametrize(
    ("prior", "options"),
    [
        ("StandardPrior", {}),
        ("MoGPrior", {"num_components": 4}),
        ("GTMPrior", {}),
        ("GTMVampPrior", {"num_components": 4}),
        ("FlowPrior", {"options": {"transforms": 1}}),
        ("ResampledPrior", {}),
        ("ConditionalMoGPrior", {"num_components": 2}),
        (MoGPrior(3, 5), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_any_prior_trains_in_scvi(prior, options):
    model = scvi_model(prior, options)
    assert np.isfinite(model.get_elbo())
    assert np.isfinite(model.get_marginal_ll(n_mc_samples=4))
    assert sample_counts(model, 5).shape == (5, 12)


def test_standard_priors_give_scvis_own_numbers():
    adata = cells()
    SCVI.setup_anndata(adata, batch_key="batch", labels_key="kind")
    plain = SCVI(adata, **SMALL)
    plain.train(**QUICK)
    ours = with_prior(SCVI)(adata, prior="StandardPrior", **SMALL)
    state = plain.module.state_dict()
    missing = ours.module.load_state_dict(state, strict=False).missing_keys
    assert all(name.startswith("prior") for name in missing)
    ours.is_trained_ = True
    ours.module.eval()
    options = {"n_mc_samples": 300, "n_mc_samples_per_pass": 100}
    torch.manual_seed(0)
    theirs = plain.get_marginal_ll(**options)
    torch.manual_seed(0)
    assert ours.get_marginal_ll(**options) == pytest.approx(theirs, abs=1e-3)
    assert float(ours.get_elbo()) == pytest.approx(float(plain.get_elbo()), abs=0.3)
    np.testing.assert_allclose(
        ours.get_latent_representation(), plain.get_latent_representation(), rtol=1e-5
    )


def test_the_marginal_likelihood_is_under_the_prior(vamp):
    module = vamp.module.eval()
    loader = vamp._make_data_loader(adata=vamp.adata, indices=np.arange(20), batch_size=20)
    tensors = next(iter(loader))
    torch.manual_seed(0)
    value = module.marginal_ll(tensors, 2000, n_mc_samples_per_pass=500)
    x = tensors["X"]
    with torch.no_grad():
        q = ScviEncoder(module)(x.log1p())
        z = q.sample((2000,))
        inputs = module._get_generative_input(
            tensors, {"z": z, "library": x.sum(1, keepdim=True).log().expand(2000, -1, -1)}
        )
        px = module.generative(**inputs)["px"].log_prob(x).sum(-1)
        p = module.prior(ScviEncoder(module))
        expected = (px + p.log_prob(z) - q.log_prob(z)).logsumexp(0) - np.log(2000)
    assert value.numpy() == pytest.approx(expected.numpy(), abs=1.0)
    assert value.mean().item() == pytest.approx(expected.mean().item(), abs=0.1)


def test_signatures_expression_and_saving_are_scvis(vamp, tmp_path):
    for method in ("train", "get_normalized_expression", "get_marginal_ll"):
        ours, theirs = (getattr(cls, method) for cls in (type(vamp), SCVI))
        assert inspect.signature(ours) == inspect.signature(theirs)
    assert inspect.signature(vamp.module.generative) == inspect.signature(
        super(type(vamp.module), vamp.module).generative
    )
    assert {"registry", "n_hidden", "prior"} <= set(inspect.signature(type(vamp)).parameters)
    expression = vamp.get_normalized_expression(transform_batch="a", n_samples=2, return_mean=True)
    assert expression.shape == (240, 12)
    table = vamp.differential_expression(groupby="kind", silent=True)
    assert len(table) == 24
    vamp.save(tmp_path / "model", overwrite=True)
    again = with_prior(SCVI).load(tmp_path / "model", adata=vamp.adata, accelerator="cpu")
    z = torch.randn(9, 3)
    one, other = (m.module.prior(ScviEncoder(m.module.eval())).log_prob(z) for m in (vamp, again))
    assert one.equal(other)
    starts = again.module.prior.pseudo_inputs.clone()
    again.train(**{**QUICK, "max_epochs": 1})
    assert not again.module.prior.pseudo_inputs.equal(starts)
    assert (again.module.prior.pseudo_inputs - starts).abs().max() < 1.0  # not started anew


def test_pseudo_inputs_stay_in_the_range_of_the_counts_and_out_of_the_batch_statistics(vamp):
    adata = cells()
    model = scvi_model(options={"num_components": 7}, adata=adata, train=False)
    high = np.log1p(adata.X.max())
    assert model.module.prior.data_range == (0.0, pytest.approx(high, rel=1e-6))
    u = vamp.module.prior.pseudo_inputs
    assert (u >= 0).all()
    assert (u <= high + 1e-5).all()
    module = model.module.train()
    norm = next(m for m in module.z_encoder.modules() if isinstance(m, torch.nn.BatchNorm1d))
    before = norm.running_mean.clone()
    module.prior(ScviEncoder(module))
    assert norm.running_mean.equal(before)
    assert norm.training


def test_the_prior_has_an_epsilon_of_its_own_and_sees_the_data_once(monkeypatch):
    model, seen = scvi_model(options={"num_components": 3}, train=False), []
    fit_data = model.module.prior.fit_data
    monkeypatch.setattr(model.module.prior, "fit_data", lambda *a: seen.append(fit_data(*a)))
    plan = model._training_plan_cls(model.module)
    groups = plan.configure_optimizers()["optimizer"].param_groups
    assert [group["eps"] for group in groups] == [0.01, 1e-8]
    own = {id(p) for p in model.module.prior.parameters()}
    assert {id(p) for p in groups[1]["params"]} == own
    model.train(**QUICK)
    model.train(**QUICK)
    assert len(seen) == 1


def test_minified_and_query_data_keep_the_prior(tmp_path):
    model = scvi_model(options={"num_components": 3}, encode_covariates=True)
    query = cells(60, seed=1)
    query.obs["batch"] = "c"
    mapped = with_prior(SCVI).load_query_data(query, model, accelerator="cpu")
    before = mapped.module.prior.pseudo_inputs.clone()
    mapped.train(**{**QUICK, "plan_kwargs": {"weight_decay": 0.0}})
    assert mapped.module.prior.pseudo_inputs.equal(before)
    assert mapped.get_latent_representation().shape == (60, 3)
    qzm, qzv = model.get_latent_representation(give_mean=False, return_dist=True)
    model.adata.obsm["X_latent_qzm"], model.adata.obsm["X_latent_qzv"] = qzm, qzv
    model.minify_adata()
    assert sample_counts(model, 4).shape == (4, 12)
    model.save(tmp_path / "small", overwrite=True, save_anndata=True)
    small = with_prior(SCVI).load(tmp_path / "small", accelerator="cpu")
    assert small.module.prior.pseudo_inputs.equal(model.module.prior.pseudo_inputs)


@pytest.mark.parametrize(
    ("prior", "options"),
    [("VampPrior", {"num_components": 4}), ("MoGPrior", None)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sysvi_is_saved_with_its_prior_and_loaded(prior, options, tmp_path):
    adata = cells()
    adata.X = np.log1p(adata.X)
    SysVI.setup_anndata(adata, batch_key="batch")
    model = with_prior(SysVI)(adata, prior=prior, prior_options=options, **SMALL)
    model.train(**QUICK)
    model.save(tmp_path / "model", overwrite=True)
    again = with_prior(SysVI).load(tmp_path / "model", adata=adata, accelerator="cpu")
    z = torch.randn(9, 3)
    both = [m.module.prior.prior(ScviEncoder(m.module.eval())).log_prob(z) for m in (model, again)]
    assert both[0].equal(both[1])
    fit = fit_prior(model, "MoGPrior", num_components=2, max_epochs=2, verbose=False)
    assert fit.bound is not None
    with pytest.raises(TypeError, match="an SCVI, which models counts"):
        sample_counts(model, 3)


def test_a_prior_is_fitted_to_a_trained_model_and_counts_are_drawn():
    adata = cells()
    SCVI.setup_anndata(adata, batch_key="batch")
    plain = SCVI(adata, gene_likelihood="nb", **SMALL)  # whose counts keep the size of the cell
    plain.train(**QUICK)
    with pytest.raises(ValueError, match=r"prior=fit\.prior"):
        sample_counts(plain, 3)
    for name in ("MoGPrior", "VampPrior"):
        fit = fit_prior(plain, name, num_components=3, max_epochs=3, verbose=False)
        assert fit.after.held_out.value <= fit.before.held_out.value
        made = sample_counts(plain, 30, prior=fit)
        assert made.X.min() >= 0
        assert (made.X.round() == made.X).all()
        assert set(made.obs["batch"]) == {"a", "b"}
        assert made.obsm["z"].shape == (30, 3)
        assert np.array_equal(sample_counts(plain, 30, prior=fit.prior).X, made.X)
    assert made.X.sum(1).mean() == pytest.approx(adata.X.sum(1).mean(), rel=0.5)


def test_what_cannot_be_had_is_one_sentence():
    with pytest.raises(TypeError, match="SCANVI builds its own module"):
        with_prior(SCANVI)
    with pytest.raises(ValueError, match="positions of cells"):
        scvi_model("ExemplarPrior", train=False)
    with pytest.raises(ValueError, match="on a simplex"):
        scvi_model("MoGPrior", latent_distribution="ln", train=False)
    with pytest.raises(ValueError, match="expected adata"):
        with_prior(SCVI)()
    assert Context is not None


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"adata": cells()}
    for block in blocks("docs/guides/scvi.md"):
        exec(block.replace("train()", f"train(**{QUICK})"), names)
    assert names["made"].shape == (1000, 12)
    assert scvi is not None
    assert priory is not None
