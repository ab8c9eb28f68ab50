"""Which kinds of real images have no synthetic ones? Clusters of both together, and who is missing from them."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import hypergeom
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor

IMAGES_PER_CLUSTER = 15  # points, about
MOST, DIMENSIONS = 12, 32


@dataclass(frozen=True)
class Mode:
    """A cluster of points. real, synthetic: how many of each it holds; p: of so few synthetic ones by chance.

    examples: the real points nearest to its middle, nearest first.
    """

    real: int
    synthetic: int
    p: float
    examples: Tensor


def modes(real: Tensor, synthetic: Tensor, *, seed: int = 0) -> list[Mode]:
    """Clusters of real (N, D) and synthetic (M, D) points together, those lacking synthetic points most first.

    k-means on 32 principal components, one cluster for 15 points, at most 12. Clusters are found without looking at who
    is synthetic, so the hypergeometric test of each is exact: were both alike, any of its points could be either.
    """
    points = torch.cat([real, synthetic]).double().numpy()
    n_clusters = max(1, min(MOST, len(points) // IMAGES_PER_CLUSTER))
    if n_clusters > 1:
        points = PCA(min(DIMENSIONS, *points.shape), random_state=seed).fit_transform(points)
    clusters = KMeans(n_clusters, n_init=4, random_state=seed).fit(points)
    found = []
    for cluster, middle in enumerate(clusters.cluster_centers_):
        own = np.flatnonzero(clusters.labels_ == cluster)
        of_real = own[own < len(real)]
        p = float(hypergeom.cdf(len(own) - len(of_real), len(points), len(synthetic), len(own)))
        order = np.argsort(np.linalg.norm(points[of_real] - middle, axis=1))
        found.append(Mode(len(of_real), len(own) - len(of_real), p, torch.from_numpy(of_real[order])))
    return sorted(found, key=lambda mode: mode.p)
