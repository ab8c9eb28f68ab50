"""Distances between two sets of feature vectors, and within one set."""

import math

import torch
from torch import Tensor

ROUNDING = 1e-12  # squared distance, relative to the squared norms, up to which two points count as equal


def pairwise_distances(first: Tensor, second: Tensor) -> Tensor:
    """Compute the Euclidean distance of each row of one set to each row of another.

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (M, D).

    Returns
    -------
    Tensor
        float64, (N, M). Rows that are equal up to rounding have distance 0.

    Notes
    -----
    The distances come from a product of matrices, in double precision. In single precision they are off by 1e-3 for
    points that nearly coincide.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import pairwise_distances
    >>> pairwise_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[5., 0.]], dtype=torch.float64)
    """
    first, second = first.double(), second.double()
    norms = first.square().sum(1)[:, None] + second.square().sum(1)
    # expanding the square takes one matrix product and no (N, M, D) differences, but cancels in float32
    squared = torch.addmm(norms, first, second.T, alpha=-2)
    return squared.masked_fill_(squared < ROUNDING * norms, 0).sqrt_()


def mean_pairwise_distance(features: Tensor) -> float:
    """Compute the mean Euclidean distance between two different rows.

    Parameters
    ----------
    features : Tensor
        (N, D), with N >= 2.

    Returns
    -------
    float
        The mean over all N (N - 1) ordered pairs.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import mean_pairwise_distance
    >>> mean_pairwise_distance(torch.tensor([[0.0], [1.0], [2.0]]))
    1.333...
    """
    count = len(features)
    return float(pairwise_distances(features, features).sum() / (count * (count - 1)))


def energy_distance(first: Tensor, second: Tensor) -> float:
    """Compute the energy distance 2 E|x - y| - E|x - x'| - E|y - y'| of two sets of points.

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (M, D), with N, M >= 2.

    Returns
    -------
    float
        The unbiased estimate: 0 on average where both sets come from one distribution, so it can be negative.

    References
    ----------
    Szekely & Rizzo, "Energy statistics: A class of statistics based on distances", 2013, eq. 5.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import energy_distance
    >>> generator = torch.Generator().manual_seed(0)
    >>> first, second = torch.randn(2, 100, 8, generator=generator)
    >>> energy_distance(first, second) < 0.1 < energy_distance(first, second + 1)
    True
    """
    between = float(pairwise_distances(first, second).mean())
    return 2 * between - mean_pairwise_distance(first) - mean_pairwise_distance(second)


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Compute the squared maximum mean discrepancy (MMD) with the kernel (x.y / D + 1)^3.

    It is called KID (kernel Inception distance) where the features are Inception's.

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (M, D), with N, M >= 2.

    Returns
    -------
    float
        The unbiased estimate: 0 on average where both sets come from one distribution, so it can be negative.

    References
    ----------
    Binkowski et al., "Demystifying MMD GANs", ICLR 2018, eq. 4.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import kernel_distance
    >>> generator = torch.Generator().manual_seed(0)
    >>> first, second = torch.randn(2, 100, 8, generator=generator)
    >>> kernel_distance(first, second) < 0.1 < kernel_distance(first, second + 1)
    True
    """
    first, second = first.double(), second.double()

    def within(points: Tensor) -> Tensor:
        kernel = polynomial_kernel(points, points)
        # without the diagonal the estimate is unbiased
        return (kernel.sum() - kernel.trace()) / (len(points) * (len(points) - 1))

    return float(within(first) + within(second) - 2 * polynomial_kernel(first, second).mean())


def kernel_distance_error(first: Tensor, second: Tensor) -> float:
    """Compute the standard error of `kernel_distance`.

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (M, D), with N, M >= 2.

    Returns
    -------
    float
        The standard error by the first-order term of a U-statistic. It is too small where both sets come from one
        distribution; use the permutation test `kernel_test` there.

    References
    ----------
    Serfling, "Approximation Theorems of Mathematical Statistics", 1980, section 5.2.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import kernel_distance, kernel_distance_error
    >>> generator = torch.Generator().manual_seed(0)
    >>> first, second = torch.randn(100, 8, generator=generator), torch.randn(100, 8, generator=generator) + 1
    >>> kernel_distance(first, second) > 5 * kernel_distance_error(first, second)
    True
    """
    first, second = first.double(), second.double()
    between, variance = polynomial_kernel(first, second), 0.0
    for points, across in ((first, between.mean(1)), (second, between.mean(0))):
        kernel = polynomial_kernel(points, points)
        within = (kernel.sum(1) - kernel.diagonal()) / (len(points) - 1)
        variance += 4 * float((within - across).var()) / len(points)
    return math.sqrt(variance)


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Compute the Frechet distance of the Gaussians fitted to two sets of points.

    It is called FID (Frechet Inception distance) where the features are Inception's.

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (M, D), with N, M >= 2. Use 2,048 points or more in each: the estimate is biased upwards, and the
        bias grows as the number of points falls.

    Returns
    -------
    float
        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the means m and covariances C. Never negative.

    References
    ----------
    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017, eq. 6.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import frechet_distance
    >>> points = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    >>> round(frechet_distance(points, points + 1), 6)  # equal covariances: the squared distance of the means
    4.0
    """
    first, second = first.double(), second.double()
    shift = (first.mean(0) - second.mean(0)).square().sum()
    left, right = first.T.cov(), second.T.cov()
    values, vectors = torch.linalg.eigh(left)
    # rounding makes zero eigenvalues slightly negative
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    # the symmetric root @ right @ root has the eigenvalues of left @ right, and gives them faster and more exactly
    trace_of_root = torch.linalg.eigvalsh(root @ right @ root).clamp_min(0).sqrt().sum()
    return max(0.0, float(shift + left.trace() + right.trace() - 2 * trace_of_root))


def polynomial_kernel(first: Tensor, second: Tensor) -> Tensor:
    """Compute the kernel (x.y / D + 1)^3 of each row x of (N, D) and each row y of (M, D).

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (M, D).

    Returns
    -------
    Tensor
        (N, M).

    References
    ----------
    Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import polynomial_kernel
    >>> polynomial_kernel(torch.ones(1, 2), torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    tensor([[8., 0.]])
    """
    return (first @ second.T / first.shape[1] + 1) ** 3
