"""Tests whether two sets of points come from one distribution, or two variables depend on each other.

All are permutation tests (`ganaug.metrics.permutation`), so their p values are exact.
"""

import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.metrics.distance import pairwise_distances, polynomial_kernel
from ganaug.metrics.permutation import Permutations, PermutationTestResult, compare_with_null, permutation_test

ROWS_PER_PASS = 1024  # rows of a matrix of distances that are in memory at once
SMALLEST_BANDWIDTH = 1e-12  # squared kernel width where most points coincide
SMALLEST_RESIDUAL = 1e-12  # of a leave-one-out prediction, which is divided by it


def neighbors(points: Tensor, k: int) -> Tensor:
    """Find the k nearest other points of each point.

    Parameters
    ----------
    points : Tensor
        (N, D), with N > k.
    k : int
        Number of neighbors.

    Returns
    -------
    Tensor
        int64, (N, k): rows of `points`, nearest first.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import neighbors
    >>> neighbors(torch.tensor([[0.0], [1.0], [3.0]]), k=2)
    tensor([[1, 2],
            [0, 2],
            [1, 0]])
    """
    parts = []
    for start in range(0, len(points), ROWS_PER_PASS):
        distances = pairwise_distances(points[start : start + ROWS_PER_PASS], points)
        distances.diagonal(start).fill_(torch.inf)
        parts.append(distances.topk(k, largest=False).indices)
    return torch.cat(parts)


def coverage_test(real: Tensor, synthetic: Tensor, permutations: Permutations, *, k: int = 5) -> PermutationTestResult:
    """Test whether the coverage of real points is lower than chance explains, as it is if modes are missing.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N > k.
    permutations : Permutations
        Of N real and M synthetic points.
    k : int
        As in `coverage`.

    Returns
    -------
    PermutationTestResult
        `value` is the coverage; a small one is extreme.

    Notes
    -----
    A real point is covered unless its k nearest among all points are real. So one table of neighbors serves every
    permutation.

    References
    ----------
    Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, eq. 6, for the statistic.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, coverage_test
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, synthetic = torch.randn(2, 50, 4, generator=generator)
    >>> collapsed = synthetic[:1] + 0.01 * synthetic
    >>> coverage_test(real, collapsed, Permutations(50, 50, 999)).p
    0.001
    """
    nearest = neighbors(torch.cat([real, synthetic]), k)

    def coverage(is_synthetic: Tensor) -> Tensor:
        is_covered = is_synthetic[:, nearest].any(dim=2) & ~is_synthetic
        return is_covered.sum(1).float() / (~is_synthetic).sum(1)

    return permutation_test(coverage, permutations, nearest.numel(), low=True)


def group_coverage_test(nearest: Tensor, in_group: Tensor, permutations: Permutations) -> PermutationTestResult:
    """Test whether synthetic points cover the real points of a group less than the other real points.

    Parameters
    ----------
    nearest : Tensor
        `neighbors` of N real and M synthetic points together: int64, (N + M, k).
    in_group : Tensor
        Which points, real or synthetic, belong to the group: bool, (N + M,). A point keeps its group when labels are
        permuted.
    permutations : Permutations
        Of N real and M synthetic points.

    Returns
    -------
    PermutationTestResult
        `value` is the coverage of the group less that of the others; a small one is extreme.

    References
    ----------
    Naeem et al. 2020, eq. 6, for coverage.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, group_coverage_test, neighbors
    >>> generator = torch.Generator().manual_seed(0)
    >>> in_group = torch.arange(100) < 50
    >>> real = torch.randn(100, 2, generator=generator) + 5 * in_group[:, None]
    >>> synthetic = torch.randn(100, 2, generator=generator)  # shows nothing of the group
    >>> nearest = neighbors(torch.cat([real, synthetic]), k=5)
    >>> both = torch.cat([in_group, torch.zeros(100, dtype=torch.bool)])
    >>> group_coverage_test(nearest, both, Permutations(100, 100, 999)).p
    0.001
    """

    def difference(is_synthetic: Tensor) -> Tensor:
        is_reached = is_synthetic[:, nearest].any(dim=2)
        group, others = ~is_synthetic & in_group, ~is_synthetic & ~in_group
        coverages: Tensor = (is_reached & group).sum(1).float() / group.sum(1) - (is_reached & others).sum(
            1
        ).float() / others.sum(1)
        return coverages.nan_to_num(0.0)  # a permutation without real points of the group, or of the others

    return permutation_test(difference, permutations, nearest.numel(), low=True)


def kernel_test(real: Tensor, synthetic: Tensor, permutations: Permutations) -> PermutationTestResult:
    """Test whether the kernel distance (KID) of two sets of points is larger than chance explains.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D), with N, M >= 2.
    permutations : Permutations
        Of N real and M synthetic points.

    Returns
    -------
    PermutationTestResult
        `value` is `kernel_distance`; a large one is extreme.

    References
    ----------
    Binkowski et al., "Demystifying MMD GANs", ICLR 2018, eq. 4, for the statistic. Gretton et al., "A Kernel
    Two-Sample Test", JMLR 2012, for the test.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, kernel_test
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, synthetic = torch.randn(2, 50, 4, generator=generator)
    >>> kernel_test(real, synthetic + 1, Permutations(50, 50, 999)).p
    0.001
    """
    # one kernel matrix serves all permutations, since they only regroup its rows
    points = torch.cat([real, synthetic]).double()
    kernel = polynomial_kernel(points, points)
    diagonal, row_sums = kernel.diagonal(), kernel.sum(0)

    def distance(is_synthetic: Tensor) -> Tensor:
        left, right = (~is_synthetic).double(), is_synthetic.double()
        n, m = left.sum(1), right.sum(1)
        to_left = left @ kernel
        # a subtraction instead of a second matrix product
        to_right = row_sums - to_left
        within = ((to_left * left).sum(1) - left @ diagonal) / (n * (n - 1))
        within = within + ((to_right * right).sum(1) - right @ diagonal) / (m * (m - 1))
        return within - 2 * (to_left * right).sum(1) / (n * m)

    return permutation_test(distance, permutations, len(points), low=False)


def classifier_test(
    real: Tensor, synthetic: Tensor, permutations: Permutations, *, ridge: float = 0.1
) -> PermutationTestResult:
    """Test whether a classifier separates two sets of points better than chance explains (C2ST).

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D).
    permutations : Permutations
        Of N real and M synthetic points.
    ridge : float
        Penalty of the classifier, multiplied by the square root of N + M.

    Returns
    -------
    PermutationTestResult
        `value` is the area under the ROC curve of leave-one-out predictions: 0.5 where both sets are alike, 1 where
        they are fully separated. A large one is extreme.

    Notes
    -----
    The classifier is a kernel ridge regression, with a Gaussian kernel as wide as the median distance. Its
    leave-one-out predictions are linear in the labels, so no permutation needs a fit.

    References
    ----------
    Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, classifier_test
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, synthetic = torch.randn(2, 50, 4, generator=generator)
    >>> result = classifier_test(real, 3 * synthetic, Permutations(50, 50, 999))
    >>> result.value > 0.7, result.p
    (True, 0.001)
    """
    points = torch.cat([real, synthetic]).double()
    squared = pairwise_distances(points, points).square()
    # the median heuristic adapts the kernel width to the scale of the points
    median = squared[~torch.eye(len(points), dtype=torch.bool)].median()
    kernel = torch.exp(-squared / median.clamp_min(SMALLEST_BANDWIDTH))
    identity = torch.eye(len(points), dtype=torch.float64)
    ranks = torch.arange(1.0, len(points) + 1, dtype=torch.float64)
    # hat @ labels are the fitted labels; without its diagonal, and rescaled, hat gives leave-one-out predictions
    hat = torch.linalg.solve(kernel + ridge * len(points) ** 0.5 * identity, kernel)
    hat = torch.where(identity.bool(), 0.0, hat) / (1 - hat.diagonal()).clamp_min(SMALLEST_RESIDUAL)[:, None]

    def auc(is_synthetic: Tensor) -> Tensor:
        labels = is_synthetic.double()
        n = labels.shape[1]
        predictions = (labels - labels.mean(1, keepdim=True)) @ hat.T
        ranked = labels.gather(1, predictions.argsort(1))
        m = labels.sum(1)
        area: Tensor = (ranked @ ranks - m * (m + 1) / 2) / (m * (n - m))
        return area

    return permutation_test(auc, permutations, len(points), low=False)


def mean_test(real: Tensor, synthetic: Tensor, permutations: Permutations) -> PermutationTestResult:
    """Test whether the mean of synthetic values is lower than that of real ones by more than chance explains.

    Parameters
    ----------
    real, synthetic : Tensor
        Values (N,) and (M,).
    permutations : Permutations
        Of N real and M synthetic values.

    Returns
    -------
    PermutationTestResult
        `value` is the mean of the synthetic values less that of the real ones; a small one is extreme.

    References
    ----------
    Pitman, "Significance tests which may be applied to samples from any populations", 1937.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, mean_test
    >>> values = torch.linspace(0, 1, 30)
    >>> mean_test(values, values - 1, Permutations(30, 30, 999)).p
    0.001
    """
    values = torch.cat([real, synthetic]).double()

    def difference(is_synthetic: Tensor) -> Tensor:
        right = is_synthetic.double()
        left = 1 - right
        means: Tensor = right @ values / right.sum(1) - left @ values / left.sum(1)
        return means

    return permutation_test(difference, permutations, len(values), low=True)


def dependence_test(first: Tensor, second: Tensor, *, n: int = 999, seed: int = 0) -> PermutationTestResult:
    """Test whether two variables, observed together, depend on each other.

    Parameters
    ----------
    first, second : Tensor
        (N, D) and (N, E): row i of both belongs together.
    n : int
        Number of random orders of `second` to compare with.
    seed : int
        Seed of these orders.

    Returns
    -------
    PermutationTestResult
        `value` is the distance correlation, in [0, 1]; 0 where a variable is constant. A large one is extreme.

    References
    ----------
    Szekely, Rizzo & Bakirov, "Measuring and testing dependence by correlation of distances", 2007, definition 2.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import dependence_test
    >>> generator = torch.Generator().manual_seed(0)
    >>> first, second = torch.randn(2, 40, 3, generator=generator)
    >>> dependence_test(first, second, n=99).p > 0.05
    True
    >>> dependence_test(first, first.square(), n=99).p
    0.01
    """
    left, right = _centered_distances(first), _centered_distances(second)
    scale = ((left * left).sum() * (right * right).sum()).sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    draws = generator(seed, "order")
    orders = [torch.arange(len(second)), *(torch.randperm(len(second), generator=draws) for _ in range(n))]
    squared = torch.stack([(left * right[order][:, order]).sum() for order in orders]) / scale
    return compare_with_null(squared.clamp_min(0).sqrt(), low=False)


def _centered_distances(points: Tensor) -> Tensor:
    """Distances between rows, less the means of their row and column, plus the overall mean: (N, N)."""
    distances = pairwise_distances(points.double(), points.double())
    return distances - distances.mean(0) - distances.mean(1, keepdim=True) + distances.mean()
