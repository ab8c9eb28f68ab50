"""Do synthetic points reach every real one, and do they lie among them? Radii of k-nearest-neighbor balls."""

import math

import torch
from torch import Tensor

from ganaug.metrics.distance import distances

CHUNK = 1024  # rows whose distances are held at once


def radii(points: Tensor, *, k: int = 5) -> Tensor:
    """Distance from each point to its k-th nearest other: (N, D) -> (N,). Raises ValueError unless N > k."""
    if len(points) <= k:
        raise ValueError(f"k-nearest neighbors with k={k} need more than {k} real points; got {len(points)}.")
    found = []
    for start in range(0, len(points), CHUNK):
        others = distances(points[start : start + CHUNK], points)
        others.diagonal(start).fill_(math.inf)
        found.append(others.kthvalue(k, dim=1).values)
    return torch.cat(found)


def _inside(points: Tensor, others: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """Balls around `others` (M, D) of radii `reach` (M,): how many hold each point, (N,); how many each holds, (M,)."""
    by_point, by_ball = [], torch.zeros(len(others), dtype=torch.int64)
    for part in points.split(CHUNK):  # type: ignore[no-untyped-call]
        within = distances(part, others) < reach
        by_point.append(within.sum(1))
        by_ball += within.sum(0)
    return torch.cat(by_point), by_ball


def coverage(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Share of real points whose k-NN ball holds a synthetic one (Naeem et al. 2020, eq. 6): a number in [0, 1].

    real: (N, D), synthetic: (M, D), in one feature space; needs N > k.
    """
    return float(covered(real, synthetic, k=k).double().mean())


def covered(real: Tensor, synthetic: Tensor, *, k: int = 5) -> Tensor:
    """Which real points (N, D) have a synthetic one (M, D) in their k-NN ball: bool, (N,). Needs N > k."""
    return _inside(synthetic, real, radii(real, k=k))[1] > 0


def density(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Mean number of real k-NN balls that hold a synthetic point, over k (Naeem et al. 2020, eq. 5); 1 for real data.

    real: (N, D), synthetic: (M, D), in one feature space; needs N > k. Not bounded above.
    """
    return float(balls(real, synthetic, k=k).double().mean()) / k


def balls(real: Tensor, synthetic: Tensor, *, k: int = 5) -> Tensor:
    """In how many real k-NN balls each synthetic point lies: (N, D), (M, D) -> (M,). Needs N > k."""
    return _inside(synthetic, real, radii(real, k=k))[0]


def precision(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Share of synthetic points in the k-NN ball of some real one (Kynkaanniemi et al. 2019, eq. 2): in [0, 1].

    real: (N, D), synthetic: (M, D), in one feature space; needs N > k.
    """
    return float((balls(real, synthetic, k=k) > 0).double().mean())


def recall(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Share of real points in the k-NN ball of some synthetic one (Kynkaanniemi et al. 2019, eq. 2): in [0, 1].

    real: (N, D), synthetic: (M, D), in one feature space; needs M > k.
    """
    return precision(synthetic, real, k=k)


def expected_coverage(n_real: int, n_synthetic: int, *, k: int = 5) -> float:
    """Coverage expected when both sets come from one continuous distribution, whichever it is.

    1 - prod_{i=1..k} (N - i) / (N + M - i): the chance that the k points nearest to a real one are not all real.
    """
    kept = math.prod((n_real - i) / (n_real + n_synthetic - i) for i in range(1, k + 1))
    return 1 - kept
