"""Do clusters of the latents match the labels?"""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from priory.arrays import Array, as_points, as_tensor, to_numpy
from priory.evaluation.measure import Measure
from priory.evaluation.study import Study
from priory.extras import needs

STARTS, NEIGHBOURS = 5, 15


@dataclass(frozen=True)
class Clusters:
    """How well clusters agree with labels.

    Attributes:
        ari: The adjusted Rand index of k-means, with as many clusters as there are labels: 1 if
            they match the labels, 0 for chance.
        nmi: Its normalised mutual information with the labels, from 0 to 1.
        leiden_ari: The same for Leiden clusters; None if leidenalg is not installed.
        leiden_nmi: The same for the normalised mutual information.
        num_clusters: The number of clusters of k-means.
    """

    ari: float
    nmi: float
    leiden_ari: float | None
    leiden_nmi: float | None
    num_clusters: int


def clusters_and_labels(
    z: Float[Tensor, "N L"] | Array, labels: Int[Tensor, " N"] | Array, seed: int = 0
) -> Clusters:
    """Cluster latents and compare the clusters with labels.

    K-means has five random starts. Leiden clusters, if leidenalg is installed, use the graph of
    fifteen nearest neighbours and resolution 1.

    Args:
        z: Latents, such as the means of q(z|x).
        labels: The label of each.
        seed: The seed for both.

    Raises:
        ImportError: If scikit-learn is not installed.

    Reference:
        Hubert & Arabie, *Comparing partitions*, Journal of Classification 2, 1985; Traag et al.,
        *From Louvain to Leiden*, Scientific Reports 9, 2019.

    Examples:
        >>> import torch
        >>> from priory.evaluation.clusters import clusters_and_labels
        >>> labels = torch.arange(60) % 3
        >>> round(clusters_and_labels(9.0 * labels[:, None] + torch.rand(60, 2), labels).ari, 6)
        1.0
    """
    with needs("measure"):
        from sklearn.cluster import KMeans
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    points, y = to_numpy(as_points(z)).astype(np.float64), to_numpy(as_tensor(labels))
    k = len(np.unique(y))
    groupings = [KMeans(k, n_init=STARTS, random_state=seed).fit_predict(points)]
    if find_spec("leidenalg") is not None:
        groupings.append(_leiden(points, seed))
    scores = [
        float(score(y, clusters))
        for clusters in groupings
        for score in (adjusted_rand_score, normalized_mutual_info_score)
    ]
    more = scores if len(scores) > 2 else [None] * 4
    return Clusters(scores[0], scores[1], more[2], more[3], k)


def _leiden(points: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    import igraph
    import leidenalg
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(points, min(NEIGHBOURS, len(points) - 1))
    edges = list(zip(*graph.nonzero(), strict=True))
    network = igraph.Graph(len(points), edges).simplify()
    kind = leidenalg.RBConfigurationVertexPartition
    return np.asarray(leidenalg.find_partition(network, kind, seed=seed).membership)


def clusters_of(study: Study) -> Clusters | None:
    """Compare clusters of held-out examples with their labels, if there are at least two."""
    labels = study.annotations.labels
    if labels is None or not study.is_gaussian:
        return None
    if not 1 < len(labels.unique()) < len(labels) / 2:
        return None
    z = study.posterior.mean
    return study.once("clusters", lambda: clusters_and_labels(z, labels, study.seed))


_agreement = partial(
    Measure, compute=clusters_of, better="higher", perfect=1.0, of_counts=True, form=".3f"
)
ARI = _agreement(
    "clusters.ari", "ARI", "adjusted Rand index of k-means on the latents and the labels"
)
NMI = _agreement(
    "clusters.nmi", "NMI", "normalised mutual information of k-means on the latents and the labels"
)
LEIDEN_ARI = _agreement("clusters.leiden_ari", "ARI, Leiden", "the same for Leiden clusters")
LEIDEN_NMI = _agreement("clusters.leiden_nmi", "NMI, Leiden", "the same for Leiden clusters")
