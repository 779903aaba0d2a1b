"""Any prior in scvi-tools' SCVI and SysVI, or fitted to them after training."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution, Normal, kl_divergence, register_kl

from priory.adapters.scvi_cells import ScviEncoder, cells_of, facts_of, library_of
from priory.extras import needs
from priory.networks.calls import call
from priory.networks.context import Context
from priory.networks.modes import evaluation_mode
from priory.priors import Prior, make_prior
from priory.priors.parts import Exemplars
from priory.training import PriorFit
from priory.training import fit_prior as fit_to_data

with needs("scvi"):
    from anndata import AnnData
    from scvi import REGISTRY_KEYS
    from scvi.external import SysVI
    from scvi.model import SCVI
    from scvi.module.base import auto_move_data
    from scvi.train import TrainingPlan


@functools.cache
def with_prior(model_class: Any) -> Any:
    """Return SCVI or SysVI with any prior: the class also takes `prior=` and `prior_options=`.

    Everything else works as before: signatures, normalised and differential expression, `save` and
    `load`, minified data, and query data, which use the prior of the reference. The rate is that of
    the decoded sample z, `get_marginal_ll` uses the prior, and Adam's epsilon for its parameters is
    1e-8, because that of scvi-tools, 0.01, halves their steps. Pseudo-inputs are cells in the form
    that the encoder takes, log(1 + counts), within the range of the registered counts; if the
    encoder takes batches, they are followed by shares of each batch. The prior is initialised from
    at most 20,000 cells when training starts, and is the module's `prior`.

    Args:
        model_class: `scvi.model.SCVI` or `scvi.external.SysVI`.

    Raises:
        ImportError: If scvi-tools is not installed.
        TypeError: If it is a different model.

    Examples:
        >>> import priory
        >>> from scvi.model import SCVI
        >>> model_class = priory.adapters.scvi.with_prior(SCVI)  # SCVI.setup_anndata(adata) before
        >>> model_class.__name__
        'SCVI'
    """
    if model_class not in (SCVI, SysVI):
        raise TypeError(
            f"expected scvi.model.SCVI or scvi.external.SysVI, got {model_class!r}; SCANVI builds "
            "its own module from a trained SCVI, with its own priors."
        )
    of_system = model_class is SysVI

    class WithPrior(model_class):  # type: ignore[misc]
        _training_plan_cls = _Plan

        def __init__(
            self,
            adata: Any = None,
            *args: Any,
            prior: str | Prior = "VampPrior",
            prior_options: Mapping[str, Any] | None = None,
            **kwargs: Any,
        ) -> None:
            if adata is None and not args and "registry" not in kwargs:
                raise ValueError("expected adata, whose counts the prior is built for, got none.")
            system_options = {"prior": "standard_normal"} if of_system else {}
            model_class.__init__(self, adata, *args, **system_options, **kwargs)
            made, resolved = _make(self, prior, prior_options)
            if of_system:
                self.module.prior = _SysPrior(made)
                vars(self.module.prior)["owner"] = self.module  # and no child of it
            else:
                self.module.prior = made
            self.module.register_buffer("prior_started", torch.tensor(False))
            given = inspect.signature(model_class.__init__).bind(self, adata, *args, **kwargs)
            named = {n: v for n, v in given.arguments.items() if n not in ("self", "adata")}
            more = {k: v for k in ("kwargs", "model_kwargs") for k, v in named.pop(k, {}).items()}
            named.pop("registry", None)
            mine = {"prior": prior, "prior_options": resolved}
            self.init_params_ = {"non_kwargs": named | mine, "kwargs": {"kwargs": more}}

        @functools.wraps(model_class.train)
        def train(self, *args: Any, **kwargs: Any) -> Any:
            if not self.module.prior_started:
                _start(self)
            return model_class.train(self, *args, **kwargs)

    if not of_system:
        WithPrior._module_cls = _module_with_prior(model_class._module_cls)
    base = inspect.signature(model_class.__init__)
    taken = [p for n, p in base.parameters.items() if not (of_system and n in SYSTEM_PRIOR)]
    ours = inspect.signature(WithPrior.__init__).parameters
    mine = [ours[name] for name in ("prior", "prior_options")]
    at = next((i for i, p in enumerate(taken) if p.kind is p.VAR_KEYWORD), len(taken))
    signature = base.replace(parameters=[*taken[:at], *mine, *taken[at:]])
    WithPrior.__init__.__signature__ = signature  # type: ignore[attr-defined]
    WithPrior.__name__ = WithPrior.__qualname__ = model_class.__name__  # as saved files say
    WithPrior.__doc__ = model_class.__doc__
    WithPrior._setup_adata_manager_store = model_class._setup_adata_manager_store
    return WithPrior


SYSTEM_PRIOR = ("prior", "n_prior_components", "pseudoinputs_data_indices")


def fit_prior(model: Any, prior: str | Prior = "MoGPrior", **options: Any) -> PriorFit:
    """Fit a prior to the posteriors of a trained model, which is not changed.

    Args:
        model: A trained scvi-tools model with `get_latent_representation`.
        prior: The prior, or its name, as in [`fit_prior`][priory.training.fit_prior]; one built
            from an encoder's posteriors is fitted to at most 20,000 cells of an SCVI or a SysVI.
        **options: Other arguments of `priory.fit_prior`.
    """
    named = make_prior(prior, **facts_of(model, {})) if isinstance(prior, str) else prior
    if not named.needs_encoder:
        mean, variance = model.get_latent_representation(return_dist=True)
        return fit_to_data(prior, latents=mean, scales=np.sqrt(variance), **options)
    encoder = ScviEncoder(model.module)
    encoder.check()
    return fit_to_data(prior, encoder, cells_of(model)[0], **options)


@torch.no_grad()
def sample_counts(
    model: Any, num_cells: int, *, prior: Prior | PriorFit | None = None, seed: int = 0
) -> AnnData:
    """Generate cells from a model, with counts drawn from its likelihood.

    Each z is drawn from the prior. The other inputs of the decoder (library size, batch,
    covariates, labels) are those of a randomly chosen cell of the data, and are stored with the
    generated cell.

    Args:
        model: A trained SCVI, with or without a prior from `with_prior`.
        num_cells: The number of cells.
        prior: The prior to draw from, such as a result of `fit_prior`; by default that of the
            model.
        seed: The random seed.

    Returns:
        Counts `(num_cells, genes)`, the columns of `obs` of the cells that provided the size and
        batch, and z in `obsm["z"]`.

    Raises:
        TypeError: If the model is not an SCVI, which models counts.
        ValueError: If there is no prior except N(0, I), or no cells are requested.
    """
    if not isinstance(model, SCVI):
        raise TypeError(f"expected an SCVI, which models counts, got {type(model).__name__}.")
    module = model.module.eval()
    prior = prior.prior if isinstance(prior, PriorFit) else prior or getattr(module, "prior", None)
    if prior is None:
        raise ValueError("expected a prior for a model without one; give prior=fit.prior.")
    if num_cells < 1:
        raise ValueError(f"expected at least one cell, got num_cells={num_cells}.")
    counts, codes = [], []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        lenders = torch.randint(model.adata.n_obs, (num_cells,)).numpy()
        prior.to(module.device)
        for tensors in model._make_data_loader(adata=model.adata, indices=lenders):
            tensors = {k: v.to(module.device) for k, v in tensors.items() if v is not None}
            labels = tensors[REGISTRY_KEYS.LABELS_KEY].flatten().long()
            context = Context(labels=labels) if prior.needs_labels else Context()
            p = call(prior, ScviEncoder(module), context, "prior")
            z = p.sample(() if p.batch_shape else (len(labels),))
            inputs = module._get_generative_input(
                tensors, {"z": z, "library": library_of(module, tensors)}
            )
            counts.append(module.generative(**inputs)["px"].sample().cpu())
            codes.append(z.cpu())
    obs = model.adata.obs.iloc[lenders].reset_index(drop=True)
    obs.index = obs.index.astype(str)
    cells = AnnData(torch.cat(counts).numpy(), obs=obs, var=model.adata.var[[]].copy())
    cells.obsm["z"] = torch.cat(codes).numpy()
    return cells


class SampledPrior(Distribution):
    """A prior for samples z: its divergence from q(z|x) is log q(z|x) - log p(z) at these."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch's own declaration)

    def __init__(self, p: Distribution, z: Tensor) -> None:
        self.p, self.z = p, z
        super().__init__(Size(z.shape[:-1]), Size(z.shape[-1:]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(z) in nats."""
        log_prob: Tensor = self.p.log_prob(value)
        return log_prob

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw samples."""
        drawn: Tensor = self.p.expand(self.batch_shape).sample(sample_shape)
        return drawn


@register_kl(Normal, SampledPrior)  # type: ignore[untyped-decorator]
def _rate(q: Normal, p: SampledPrior) -> Tensor:
    """Return the rate of each sample, `(*samples, 1)`, which scvi-tools sums over the last."""
    rate: Tensor = q.log_prob(p.z).sum(-1) - p.log_prob(p.z)
    return rate.unsqueeze(-1)


def _module_with_prior(module_class: Any) -> Any:
    """Return the module of SCVI with a prior that is set later."""
    takes = inspect.signature(module_class.generative)

    class WithPrior(module_class):  # type: ignore[misc]
        @functools.wraps(module_class.generative)
        def generative(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            outputs: dict[str, Any] = module_class.generative(self, *args, **kwargs)
            given = takes.bind(self, *args, **kwargs).arguments
            p = _call(self.prior, self, given.get("y"))
            outputs["pz"] = SampledPrior(p, given["z"])
            return outputs

        @torch.inference_mode()
        @auto_move_data  # type: ignore[untyped-decorator]
        def marginal_ll(
            self,
            tensors: dict[str, Tensor],
            n_mc_samples: int,
            return_mean: bool = False,
            n_mc_samples_per_pass: int = 1,
        ) -> Any:
            parts, left = [], n_mc_samples
            while left > 0:
                number = min(left, n_mc_samples_per_pass)
                left -= number
                q, p, losses = self.forward(
                    tensors,
                    inference_kwargs={"n_samples": number},
                    get_inference_input_kwargs={"full_forward_pass": True},
                )
                log_weights = -losses.dict_sum(losses.reconstruction_loss)
                log_weights = log_weights - kl_divergence(q["qz"], p["pz"]).sum(-1)
                if not self.use_observed_lib_size:
                    library = q["library"]
                    log_weights += (p["pl"].log_prob(library) - q["ql"].log_prob(library)).sum(-1)
                parts.append(log_weights if number > 1 else log_weights.unsqueeze(0))
            log_px = torch.cat(parts).logsumexp(0) - np.log(n_mc_samples)
            return log_px.mean().item() if return_mean else log_px.cpu()

    WithPrior.__name__ = WithPrior.__qualname__ = module_class.__name__
    return WithPrior


class _SysPrior(nn.Module):
    """A prior with the interface that SysVI's module uses for its divergence."""

    owner: Any

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def kl(self, qz: Normal, z: Tensor) -> Tensor:
        """Return the rate of each sample, `(B,)`."""
        return kl_divergence(qz, SampledPrior(_call(self.prior, self.owner, None), z)).sum(-1)


class _Plan(TrainingPlan):  # type: ignore[misc]
    """Training with a separate epsilon for the prior's parameters."""

    def configure_optimizers(self) -> Any:
        config = super().configure_optimizers()
        group = config["optimizer"].param_groups[0]
        prior_ids = {id(parameter) for parameter in self.module.prior.parameters()}
        prior = [p for p in group["params"] if id(p) in prior_ids]
        if prior and "eps" in group:
            group["params"] = [p for p in group["params"] if id(p) not in prior_ids]
            config["optimizer"].add_param_group({"params": prior, "eps": 1e-8})
        return config


def _call(prior: Prior, module: Any, labels: Tensor | None) -> Distribution:
    used = labels if prior.needs_labels else None
    context = Context() if used is None else Context(labels=used.flatten().long())
    return call(prior, ScviEncoder(module) if prior.needs_encoder else None, context, "prior")


def _make(
    model: Any, prior: str | Prior, options: Mapping[str, Any] | None
) -> tuple[Prior, dict[str, Any] | None]:
    """Return the prior of a model, and the options that rebuild it without counts."""
    if getattr(model.module, "latent_distribution", "normal") != "normal":
        raise ValueError(
            "expected latent_distribution='normal' for a prior of Priory's, got "
            f"{model.module.latent_distribution!r}, whose latents are on a simplex."
        )
    facts = facts_of(model, options or {}) if isinstance(prior, str) else None
    made = prior if isinstance(prior, Prior) else make_prior(prior, **(facts or {}))
    if any(isinstance(part, Exemplars) for part in made.modules()):
        raise ValueError(
            "expected a prior that does not need the positions of cells, which scvi-tools does "
            f"not provide, got {type(made).__name__}; use VampPrior with init='kmedoids'."
        )
    if made.needs_labels and isinstance(model, SysVI):
        raise ValueError(
            f"expected a prior without labels for SysVI, which has none, got {type(made).__name__}."
        )
    if made.needs_encoder:
        ScviEncoder(model.module).check()
    return made, facts


def _start(model: Any) -> None:
    """Pass the cells to the prior, once."""
    (x, labels), module = cells_of(model), model.module
    prior: Prior = getattr(module.prior, "prior", module.prior)
    context = Context(labels=labels.to(module.device))
    with evaluation_mode(module.modules()):
        prior.fit_data(x.to(module.device), ScviEncoder(module), context)
    module.prior_started.fill_(True)
