"""Distances between two sets of feature vectors, and within one."""

import math

import torch
from torch import Tensor

EQUAL = 1e-12  # squared distance, over the squared lengths, below which two points are one: what rounding leaves


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean distances (N, M), float64, between the rows of (N, D) and (M, D); 0 between equal ones.

    By a product of matrices, in double precision: in single precision it is off by 1e-3 where points nearly coincide.
    """
    first, second = first.double(), second.double()
    lengths = first.square().sum(1)[:, None] + second.square().sum(1)
    squared = torch.addmm(lengths, first, second.T, alpha=-2)
    return squared.masked_fill_(squared < EQUAL * lengths, 0).sqrt_()


def mean_pairwise_distance(features: Tensor) -> float:
    """Mean Euclidean distance between two different rows of (N, D); needs N >= 2."""
    count = len(features)
    return float(distances(features, features).sum() / (count * (count - 1)))


def energy_distance(first: Tensor, second: Tensor) -> float:
    """Energy distance of (N, D) and (M, D): 2 E|x-y| - E|x-x'| - E|y-y'| (Szekely & Rizzo 2013, eq. 5).

    Zero in expectation where both come from one distribution (unbiased form, which can be below 0); needs N, M >= 2.
    """
    between = float(distances(first, second).mean())
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


def kernel_distance_error(first: Tensor, second: Tensor) -> float:
    """Standard error of `kernel_distance`, that of a U-statistic's first-order part (Serfling 1980, section 5.2).

    Needs N, M >= 2. Too small where both come from one distribution, to which a permutation
    test is the answer.
    """
    first, second = first.double(), second.double()
    between, variance = polynomial_kernel(first, second), 0.0
    for points, across in ((first, between.mean(1)), (second, between.mean(0))):
        table = polynomial_kernel(points, points)
        within = (table.sum(1) - table.diagonal()) / (len(points) - 1)
        variance += 4 * float((within - across).var()) / len(points)
    return math.sqrt(variance)


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Frechet distance of Gaussians fitted to (N, D) and (M, D) (Heusel et al. 2017, eq. 6); needs N, M >= 2.

    Called FID where the features are Inception's. Biased upwards, the more the fewer points; meant for 2,048 and more.
    """
    first, second = first.double(), second.double()
    shift = (first.mean(0) - second.mean(0)).square().sum()
    left, right = first.T.cov(), second.T.cov()
    values, vectors = torch.linalg.eigh(left)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    # left @ right has the eigenvalues of the symmetric root @ right @ root, which are found faster and more exactly
    between = torch.linalg.eigvalsh(root @ right @ root).clamp_min(0).sqrt().sum()
    return max(0.0, float(shift + left.trace() + right.trace() - 2 * between))


def polynomial_kernel(left: Tensor, right: Tensor) -> Tensor:
    """(N, D), (M, D) -> (N, M): (x.y / D + 1)^3."""
    return (left @ right.T / left.shape[1] + 1) ** 3
