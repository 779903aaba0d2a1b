"""Cells in the form that the networks of SCVI and SysVI take, and what a prior needs of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import one_hot, pad

from priory.extras import needs
from priory.training.fit_latents import FOR_EACH_COMPONENT

with needs("scvi"):
    from scvi import REGISTRY_KEYS

MOST_CELLS = 20_000
"""The maximum number of cells for initialising a prior, or for fitting one built from posteriors.
"""


class ScviEncoder:
    """The encoder of an SCVI or a SysVI, called with cells in the form that its network takes.

    A cell consists of its genes (log(1 + counts) for SCVI) and, if the network takes batches, its
    shares of each, which may be between zero and one.
    """

    def __init__(self, module: Any) -> None:
        self.of_system = not hasattr(module, "z_encoder")
        self.network = module.encoder if self.of_system else module.z_encoder
        self.latent_dim = self.network.mean_encoder.out_features
        layers = self.network.decoder_y if self.of_system else self.network.encoder
        self.num_shares = next(iter(layers.n_cat_list), 0)
        self.num_genes = layers.fc_layers[0][0].in_features - layers.n_cov
        self.takes_more = layers.n_cov > self.num_shares

    def check(self) -> None:
        """Refuse to encode cells by only their genes and batches if the network takes more."""
        if self.takes_more:
            raise ValueError(
                "expected an encoder that takes only the batch, for a prior built from its "
                "posteriors, got one that takes other covariates too; use a prior that does not "
                "need an encoder, such as MoGPrior."
            )

    def __call__(self, x: Tensor) -> Distribution:
        """Return q(z|x)."""
        genes, batch = x[:, : self.num_genes], x[:, self.num_genes :]
        if self.num_shares:  # those of query data follow those of the reference
            batch = pad(batch, (0, self.num_shares - batch.shape[1]))
            batch = batch / batch.sum(-1, keepdim=True).clamp(min=1e-6)
        else:
            batch = x.new_zeros(len(x), 1)
        if self.of_system:
            q = self.network(genes, batch_index=batch, cat_list=[])["q_dist"]
        else:
            q, _ = self.network(genes, batch)
        return Independent(Normal(q.loc, q.scale, validate_args=False), 1, validate_args=False)


def cells_of(model: Any) -> tuple[Tensor, Tensor]:
    """Return at most this many randomly chosen cells in the encoder's form, and their labels."""
    manager, module = model.adata_manager, model.module
    x = manager.get_from_registry(REGISTRY_KEYS.X_KEY)
    chosen = np.sort(torch.randperm(x.shape[0])[:MOST_CELLS].numpy())
    rows = x[chosen]
    dense = torch.from_numpy(np.asarray(getattr(rows, "toarray", lambda: rows)(), np.float32))
    dense = dense.log1p() if getattr(module, "log_variational", False) else dense

    def codes(key: str) -> Tensor:
        array = np.asarray(manager.get_from_registry(key)).reshape(-1)[chosen]
        return torch.from_numpy(array.astype(np.int64))

    if shares := ScviEncoder(module).num_shares:
        batch = one_hot(codes(REGISTRY_KEYS.BATCH_KEY), shares)
        dense = torch.cat([dense, batch.to(dense)], 1)
    named = REGISTRY_KEYS.LABELS_KEY in manager.data_registry
    return dense, codes(REGISTRY_KEYS.LABELS_KEY) if named else torch.zeros(len(dense)).long()


def facts_of(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about a model that a prior can use, and their replacements."""
    encoder, number = ScviEncoder(model.module), model.summary_stats.n_cells
    facts = {
        "latent_dim": encoder.latent_dim,
        "num_components": min(500, max(1, number // FOR_EACH_COMPONENT)),
        "init": "data",
        "num_labels": n if (n := model.summary_stats.get("n_labels", 1)) > 1 else None,
        **options,
    }
    if "data_shape" not in facts:
        x, shares = model.adata_manager.get_from_registry(REGISTRY_KEYS.X_KEY), encoder.num_shares
        low, high = float(min(x.min(), 0)), float(x.max())
        if getattr(model.module, "log_variational", False):
            low, high = 0.0, float(np.log1p(high))
        facts["data_shape"] = (x.shape[1] + shares,)
        ends = [[end] * x.shape[1] + [share] * shares for end, share in ((low, 0.0), (high, 1.0))]
        facts["data_range"] = tuple(ends) if shares else (low, high)
    return facts


def library_of(module: Any, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the logarithms of the library sizes of cells, as the decoder takes them, `(B, 1)`."""
    if not module.use_observed_lib_size:
        loc, variance = module._compute_local_library_params(tensors[REGISTRY_KEYS.BATCH_KEY])
        return torch.normal(loc, variance.sqrt())
    if module.minified_data_type is not None:
        return tensors[REGISTRY_KEYS.OBSERVED_LIB_SIZE].log()
    return tensors[REGISTRY_KEYS.X_KEY].sum(1, keepdim=True).log()
