"""Modes of real and synthetic images, and which of them lack synthetic ones."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import hypergeom
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor

POINTS_PER_MODE = 15  # on average
MAX_MODES = 12
MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class Mode:
    """A cluster of real and synthetic points.

    Parameters
    ----------
    real, synthetic : int
        Numbers of points in the cluster.
    p : float
        One-sided p value of so few synthetic points: small where the generator leaves this mode out.
    examples : Tensor
        int64, (real,): the real points of the cluster, nearest to its center first.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Mode
    >>> Mode(real=12, synthetic=0, p=0.001, examples=torch.arange(12)).examples[:3].tolist()
    [0, 1, 2]
    """

    real: int
    synthetic: int
    p: float
    examples: Tensor


def find_modes(real: Tensor, synthetic: Tensor, *, seed: int = 0) -> list[Mode]:
    """Cluster real and synthetic points together, and test each cluster for missing synthetic points.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D).
    seed : int
        Seed of the clustering.

    Returns
    -------
    list of Mode
        One mode for 15 points, at most 12. Those with the smallest p value come first. The p values are not adjusted
        for the number of modes.

    Notes
    -----
    k-means runs on at most 32 principal components. It does not use which points are synthetic, so the hypergeometric
    test of each cluster is exact: where both sets come from one distribution, each of its points is equally likely to
    be synthetic.

    References
    ----------
    Richardson & Weiss, "On GANs and GMMs", NeurIPS 2018, compare counts in k-means clusters too (NDB), but cluster the
    real points only and test with a z score.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import find_modes
    >>> generator = torch.Generator().manual_seed(0)
    >>> first, second = torch.randn(2, 30, 4, generator=generator)
    >>> real = torch.cat([first, second + 9])  # two modes
    >>> synthetic = torch.randn(60, 4, generator=generator)  # only the first one
    >>> mode = find_modes(real, synthetic)[0]
    >>> mode.synthetic, mode.p < 0.01
    (0, True)
    """
    points = torch.cat([real, synthetic]).double().numpy()
    n_modes = max(1, min(MAX_MODES, len(points) // POINTS_PER_MODE))
    if n_modes > 1:
        # distances in hundreds of dimensions are nearly equal, and k-means is slow there
        pca = PCA(min(MAX_DIMENSIONS, *points.shape), random_state=seed)
        # an array, whatever output the user has configured for scikit-learn
        points = pca.set_output(transform="default").fit_transform(points)
    clusters = KMeans(n_modes, n_init=4, random_state=seed).fit(points)
    modes = []
    for cluster, center in enumerate(clusters.cluster_centers_):
        members = np.flatnonzero(clusters.labels_ == cluster)
        real_members = members[members < len(real)]
        n_synthetic = len(members) - len(real_members)
        # for a fixed size of the cluster, the count is hypergeometric if both sets are alike
        p = float(hypergeom.cdf(n_synthetic, len(points), len(synthetic), len(members)))
        order = np.argsort(np.linalg.norm(points[real_members] - center, axis=1))
        modes.append(Mode(len(real_members), n_synthetic, p, torch.from_numpy(real_members[order])))
    return sorted(modes, key=lambda mode: mode.p)
