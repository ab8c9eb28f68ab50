"""Permutation tests: is a statistic of real and synthetic points larger or smaller than chance explains?

The labels real and synthetic are permuted among the points. Where both sets come from one distribution, all
permutations are equally likely, so the p value is exact for any statistic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganaug._runtime.randomness import generator

N_PERMUTATIONS = 4999
N_FIRST = 499  # permutations that are computed first
SIGNIFICANCE_LEVEL = 0.05  # p value from which on no other permutations are computed
MAX_NUMBERS = 2**24  # numbers that are in memory at once


@dataclass(frozen=True)
class PermutationTestResult:
    """The result of a permutation test.

    Parameters
    ----------
    value : float
        The statistic.
    expected : float
        Its mean over the permutations: its mean where both sets come from one distribution.
    low, high : float
        The range of the middle 95 % of the permutations.
    p : float
        One-sided p value of a statistic as extreme as `value`.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, kernel_test
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, synthetic = torch.randn(2, 50, 4, generator=generator)
    >>> result = kernel_test(real, synthetic, Permutations(50, 50, 199))
    >>> result.low < result.value < result.high
    True
    """

    value: float
    expected: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Permutations:
    """Permutations of the labels of real and synthetic points: the actual labels, then random ones.

    Several tests of the same sets can share one object, so that the permutations are drawn once.

    Parameters
    ----------
    n_real, n_synthetic : int
        Numbers of points N and M. Points are ordered with the real ones first.
    n : int
        Number of random permutations. The smallest possible p value is 1 / (n + 1).
    seed : int
        Seed of the permutations.

    Examples
    --------
    >>> from ganaug.metrics import Permutations
    >>> permutations = Permutations(n_real=3, n_synthetic=2, n=100)
    >>> permutations.first[0].tolist()
    [False, False, False, True, True]
    >>> permutations.first.shape
    torch.Size([101, 5])
    """

    n_real: int
    n_synthetic: int
    n: int = N_PERMUTATIONS
    seed: int = 0

    @cached_property
    def first(self) -> Tensor:
        """Which points are synthetic: bool, (1 + min(n, 499), N + M). The first row holds the actual labels."""
        actual = torch.arange(self.n_real + self.n_synthetic) >= self.n_real
        return torch.cat([actual[None], self._draw(min(self.n, N_FIRST), "few")])

    @cached_property
    def rest(self) -> Tensor:
        """The other permutations: bool, (max(0, n - 499), N + M)."""
        return self._draw(max(0, self.n - N_FIRST), "rest")

    def _draw(self, n: int, purpose: str) -> Tensor:
        n_points = self.n_real + self.n_synthetic
        is_synthetic = torch.empty(n, n_points, dtype=torch.bool)
        draws = generator(self.seed, "permutations", purpose)
        for rows in torch.arange(n).split(max(1, MAX_NUMBERS // n_points)):  # type: ignore[no-untyped-call]
            # sorting random numbers permutes many rows at once, and randperm permutes one
            is_synthetic[rows] = (
                torch.rand(len(rows), n_points, generator=draws, dtype=torch.float32).argsort(dim=1) >= self.n_real
            )
        return is_synthetic


def permutation_test(
    statistic: Callable[[Tensor], Tensor], permutations: Permutations, size: int, *, low: bool
) -> PermutationTestResult:
    """Compare a statistic of the actual labels with that of permuted labels.

    Parameters
    ----------
    statistic : callable
        Maps labels, bool (B, N + M), True where a point is synthetic, to statistics (B,).
    permutations : Permutations
        The labels.
    size : int
        Numbers that the statistic holds in memory for one permutation.
    low : bool
        Whether small statistics are extreme; otherwise large ones are.

    Returns
    -------
    PermutationTestResult
        The statistic, and its p value.

    Notes
    -----
    The first 499 permutations decide unless p is below 0.05. So a p value below 0.05 always comes from all
    permutations (after Besag & Clifford 1991).

    References
    ----------
    Phipson & Smyth, "Permutation P-values should never be zero", 2010, for the p value (b + 1) / (n + 1).
    Besag & Clifford, "Sequential Monte Carlo p-values", 1991.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Permutations, permutation_test
    >>> values = torch.cat([torch.arange(20.0), torch.arange(20.0) + 15])  # 20 real ones, 20 synthetic ones
    >>> def sum_of_synthetic(is_synthetic):
    ...     return is_synthetic.float() @ values
    >>> permutation_test(sum_of_synthetic, Permutations(20, 20, 999), size=40, low=False).p
    0.001
    """
    statistics = _in_passes(statistic, permutations.first, size)
    result = compare_with_null(statistics, low=low)
    if result.p < SIGNIFICANCE_LEVEL and len(permutations.rest):
        statistics = torch.cat([statistics, _in_passes(statistic, permutations.rest, size)])
        result = compare_with_null(statistics, low=low)
    return result


def compare_with_null(statistics: Tensor, *, low: bool) -> PermutationTestResult:
    """Compare the first of some statistics (1 + B,) with the others, those of the permutations.

    low: whether small statistics are extreme; otherwise large ones are.
    """
    value, null = statistics[0].double(), statistics[1:].double()
    slack = 1e-9 * float(null.abs().max())  # equal statistics may differ in the last bits
    is_as_extreme = (null <= value + slack) if low else (null >= value - slack)
    quantiles = null.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    # the actual labels count as a permutation, so that p is never 0
    p = (1 + int(is_as_extreme.sum())) / (1 + len(null))
    return PermutationTestResult(float(value), float(null.mean()), float(quantiles[0]), float(quantiles[1]), p)


def _in_passes(statistic: Callable[[Tensor], Tensor], is_synthetic: Tensor, size: int) -> Tensor:
    """The statistic of each row, in passes that hold at most MAX_NUMBERS numbers, `size` of each row."""
    passes = torch.arange(len(is_synthetic)).chunk(-(-len(is_synthetic) * size // MAX_NUMBERS))
    return torch.cat([statistic(is_synthetic[rows]) for rows in passes])
