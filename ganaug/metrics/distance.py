"""Distances between two sets of feature vectors, and within one."""

import torch
from torch import Tensor

EXACT = "donot_use_mm_for_euclid_dist"  # the quick way is off by 1e-3 where points nearly coincide


def mean_pairwise_distance(features: Tensor) -> float:
    """Mean Euclidean distance between two different rows of (N, D); needs N >= 2."""
    count = len(features)
    return float(torch.cdist(features, features, compute_mode=EXACT).sum() / (count * (count - 1)))


def energy_distance(first: Tensor, second: Tensor) -> float:
    """Energy distance of (N, D) and (M, D): 2 E|x-y| - E|x-x'| - E|y-y'| (Szekely & Rizzo 2013, eq. 5).

    Zero in expectation where both come from one distribution (unbiased form, which can be below 0); needs N, M >= 2.
    """
    between = float(torch.cdist(first, second, compute_mode=EXACT).mean())
    return 2 * between - mean_pairwise_distance(first) - mean_pairwise_distance(second)


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Squared MMD of (N, D) and (M, D), unbiased, with kernel (x.y / D + 1)^3 (Binkowski et al. 2018, eq. 4).

    Called KID where the features are Inception's. Zero in expectation where both come from one distribution; needs
    N, M >= 2.
    """
    first, second = first.double(), second.double()

    def within(points: Tensor) -> Tensor:
        table = polynomial_kernel(points, points)
        return (table.sum() - table.trace()) / (len(points) * (len(points) - 1))

    return float(within(first) + within(second) - 2 * polynomial_kernel(first, second).mean())


def polynomial_kernel(left: Tensor, right: Tensor) -> Tensor:
    """(N, D), (M, D) -> (N, M): (x.y / D + 1)^3."""
    return (left @ right.T / left.shape[1] + 1) ** 3
