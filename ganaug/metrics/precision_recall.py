"""Precision, recall, density and coverage of synthetic points, by balls around real points.

The ball of a point reaches to its k-th nearest neighbor within its own set.
"""

import math

import torch
from torch import Tensor

from ganaug.metrics.distance import pairwise_distances

ROWS_PER_PASS = 1024  # rows of a matrix of distances that are in memory at once


def radii(points: Tensor, *, k: int = 5) -> Tensor:
    """Compute the distance from each point to its k-th nearest other point.

    Parameters
    ----------
    points : Tensor
        (N, D), with N > k.
    k : int
        Which neighbor.

    Returns
    -------
    Tensor
        float64, (N,).

    Raises
    ------
    ValueError
        Unless N > k.

    References
    ----------
    Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019, eq. 1.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import radii
    >>> radii(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), k=1)
    tensor([1., 1., 2., 4.], dtype=torch.float64)
    """
    if len(points) <= k:
        raise ValueError(f"k-nearest neighbors with k={k} need more than {k} real points; got {len(points)}.")
    parts = []
    for start in range(0, len(points), ROWS_PER_PASS):
        distances = pairwise_distances(points[start : start + ROWS_PER_PASS], points)
        # a point must not count as a neighbor of itself
        distances.diagonal(start).fill_(math.inf)
        parts.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(parts)


def coverage(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Compute the share of real points with a synthetic point in their ball.

    Coverage is low if synthetic points leave out modes of the real ones.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N > k.
    k : int
        A ball reaches to the k-th nearest other real point.

    Returns
    -------
    float
        In [0, 1]. `expected_coverage` is its mean where both sets come from one distribution.

    References
    ----------
    Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, eq. 6.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import coverage
    >>> real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    >>> coverage(real, torch.tensor([[3.9], [20.0]]), k=1)
    0.5
    """
    return float(covered(real, synthetic, k=k).double().mean())


def covered(real: Tensor, synthetic: Tensor, *, k: int = 5) -> Tensor:
    """Find the real points with a synthetic point in their ball.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N > k.
    k : int
        A ball reaches to the k-th nearest other real point.

    Returns
    -------
    Tensor
        bool, (N,). Its mean is `coverage`.

    References
    ----------
    Naeem et al. 2020, eq. 6.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import covered
    >>> covered(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([[3.9], [20.0]]), k=1)
    tensor([False, False,  True,  True])
    """
    return _count_inside(synthetic, real, radii(real, k=k))[1] > 0


def density(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Compute the mean number of real balls that contain a synthetic point, divided by k.

    Density is low if synthetic points lie away from the real ones.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N > k.
    k : int
        A ball reaches to the k-th nearest other real point.

    Returns
    -------
    float
        At least 0 and not bounded above; about 1 where both sets come from one distribution.

    References
    ----------
    Naeem et al. 2020, eq. 5.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import density
    >>> density(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([[3.9], [20.0]]), k=1)
    1.0
    """
    return float(count_balls(real, synthetic, k=k).double().mean()) / k


def count_balls(real: Tensor, synthetic: Tensor, *, k: int = 5) -> Tensor:
    """Count the real balls that contain each synthetic point.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N > k.
    k : int
        A ball reaches to the k-th nearest other real point.

    Returns
    -------
    Tensor
        int64, (M,).

    References
    ----------
    Naeem et al. 2020, eq. 5, before the mean.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import count_balls
    >>> count_balls(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([[3.9], [20.0]]), k=1)
    tensor([2, 0])
    """
    return _count_inside(synthetic, real, radii(real, k=k))[0]


def precision(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Compute the share of synthetic points within the ball of some real point.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N > k.
    k : int
        A ball reaches to the k-th nearest other real point.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019, eq. 2.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import precision
    >>> precision(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([[3.9], [20.0]]), k=1)
    0.5
    """
    return float((count_balls(real, synthetic, k=k) > 0).double().mean())


def recall(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Compute the share of real points within the ball of some synthetic point.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with M > k.
    k : int
        A ball reaches to the k-th nearest other synthetic point.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Kynkaanniemi et al. 2019, eq. 2.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import recall
    >>> recall(torch.tensor([[0.0], [1.0], [3.0], [30.0]]), torch.tensor([[3.9], [20.0]]), k=1)
    1.0
    """
    return precision(synthetic, real, k=k)


def expected_coverage(n_real: int, n_synthetic: int, *, k: int = 5) -> float:
    """Compute the mean coverage where both sets come from one continuous distribution, whichever it is.

    Parameters
    ----------
    n_real, n_synthetic : int
        Numbers of points N and M.
    k : int
        As in `coverage`.

    Returns
    -------
    float
        1 - prod_{i=1..k} (N - i) / (N + M - i).

    Notes
    -----
    A real point is covered unless the k nearest of all other points are real. Where both sets come from one
    distribution, each choice of k among the N + M - 1 others is equally likely, N - 1 of them being real.

    References
    ----------
    Naeem et al. 2020, where the expected value of coverage is derived.

    Examples
    --------
    >>> from ganaug.metrics import expected_coverage
    >>> round(expected_coverage(100, 100), 3)
    0.971
    """
    p_all_real = math.prod((n_real - i) / (n_real + n_synthetic - i) for i in range(1, k + 1))
    return 1 - p_all_real


def _count_inside(points: Tensor, centers: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """Count the balls around `centers` (M, D) that contain each point, (N,), and the points in each ball, (M,)."""
    per_point, per_ball = [], torch.zeros(len(centers), dtype=torch.int64)
    for part in points.split(ROWS_PER_PASS):  # type: ignore[no-untyped-call]
        is_inside = pairwise_distances(part, centers) < radii
        per_point.append(is_inside.sum(1))
        per_ball += is_inside.sum(0)
    return torch.cat(per_point), per_ball
