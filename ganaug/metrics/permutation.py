"""Are two sets of points draws from one distribution? Exact tests: who is synthetic is permuted many times."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.metrics.distance import distances, polynomial_kernel

N_PERMUTATIONS = 4999
FEW, LIKELY = 499, 0.05  # deals that are looked at first, and the p value from which on these are enough
IMAGES_PER_PASS = 2**24  # numbers that are held at once
CHUNK = 1024  # rows whose distances are held at once


@dataclass(frozen=True)
class Tested:
    """A statistic, its mean and 95 % range where both sets are alike, and the one-sided p value of being as extreme."""

    value: float
    expected: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Permutations:
    """Who is synthetic of N real points and M synthetic ones, as it is and then permuted `n` times.

    few, rest: bool, (B, N + M), the real ones first; the first row of `few` is the deal as it is.
    """

    n_real: int
    n_synthetic: int
    n: int = N_PERMUTATIONS
    seed: int = 0

    @cached_property
    def few(self) -> Tensor:
        """The deal as it is, and the first 499 others."""
        as_it_is = torch.arange(self.n_real + self.n_synthetic) >= self.n_real
        return torch.cat([as_it_is[None], self._drawn(min(self.n, FEW), "few")])

    @cached_property
    def rest(self) -> Tensor:
        """All others."""
        return self._drawn(max(0, self.n - FEW), "rest")

    def _drawn(self, n: int, which: str) -> Tensor:
        total = self.n_real + self.n_synthetic
        found = torch.empty(n, total, dtype=torch.bool)
        draws = generator(self.seed, "permutations", which)
        for rows in torch.arange(n).split(max(1, IMAGES_PER_PASS // total)):  # type: ignore[no-untyped-call]
            found[rows] = torch.rand(len(rows), total, generator=draws).argsort(dim=1) >= self.n_real
        return found


def tested(statistic: Callable[[Tensor], Tensor], who: Permutations, size: int, *, low: bool) -> Tested:
    """A statistic, of deals (B, N + M) -> (B,), of the deal as it is against those of the others.

    low: extreme is small, else large. The first deals decide where they show that nothing is the matter, so that what
    is below LIKELY is of all deals and as exact as without (after Besag & Clifford 1991). size: numbers that a deal's
    statistic takes.
    """
    few = _over(statistic, who.few, size)
    found = _against(few, low=low)
    if found.p < LIKELY and len(who.rest):
        found = _against(torch.cat([few, _over(statistic, who.rest, size)]), low=low)
    return found


def _against(statistics: Tensor, *, low: bool) -> Tested:
    value, null = statistics[0].double(), statistics[1:].double()
    slack = 1e-9 * float(null.abs().max())  # equal statistics may differ in the last bits
    as_extreme = (null <= value + slack) if low else (null >= value - slack)
    edges = null.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    p = (1 + int(as_extreme.sum())) / (1 + len(null))
    return Tested(float(value), float(null.mean()), float(edges[0]), float(edges[1]), p)


def neighbors(points: Tensor, k: int) -> Tensor:
    """The k nearest other points of each of (N, D), nearest first: indices, (N, k). Needs N > k."""
    found = []
    for start in range(0, len(points), CHUNK):
        others = distances(points[start : start + CHUNK], points)
        others.diagonal(start).fill_(torch.inf)
        found.append(others.topk(k, largest=False).indices)
    return torch.cat(found)


def coverage_test(real: Tensor, synthetic: Tensor, who: Permutations, *, k: int = 5) -> Tested:
    """Coverage (`metrics.coverage`) of real (N, D) by synthetic (M, D), small if modes are missing.

    A real point is covered where its k nearest among all points are not all real. So one table of neighbors serves
    every deal. Needs N > k.
    """
    near = neighbors(torch.cat([real, synthetic]), k)

    def covered(is_synthetic: Tensor) -> Tensor:
        reached = is_synthetic[:, near].any(dim=2) & ~is_synthetic
        return reached.sum(1) / (~is_synthetic).sum(1)

    return tested(covered, who, near.numel(), low=True)


def group_coverage_test(near: Tensor, in_group: Tensor, who: Permutations) -> Tested:
    """Coverage of the real points of a group less that of the others, small if synthetic points show the group less.

    near: `neighbors` of real (N, D) and synthetic (M, D) points together, (N + M, k). in_group: bool, (N + M,): which
    points, of either side, are of the group. Points and their groups are dealt out together.
    """

    def difference(is_synthetic: Tensor) -> Tensor:
        reached = is_synthetic[:, near].any(dim=2)
        own, others = ~is_synthetic & in_group, ~is_synthetic & ~in_group
        found: Tensor = (reached & own).sum(1) / own.sum(1) - (reached & others).sum(1) / others.sum(1)
        return found.nan_to_num(0.0)  # a deal without one of the two

    return tested(difference, who, near.numel(), low=True)


def kernel_test(real: Tensor, synthetic: Tensor, who: Permutations) -> Tested:
    """`metrics.distance.kernel_distance` of (N, D) and (M, D), large where they differ. Needs N, M >= 2."""
    points = torch.cat([real, synthetic]).double()
    kernel = polynomial_kernel(points, points)
    diagonal, whole = kernel.diagonal(), kernel.sum(0)

    def distance(is_synthetic: Tensor) -> Tensor:
        left, right = (~is_synthetic).double(), is_synthetic.double()
        n, m = left.sum(1), right.sum(1)
        to_left = left @ kernel
        to_right = whole - to_left
        within = ((to_left * left).sum(1) - left @ diagonal) / (n * (n - 1))
        within = within + ((to_right * right).sum(1) - right @ diagonal) / (m * (m - 1))
        return within - 2 * (to_left * right).sum(1) / (n * m)

    return tested(distance, who, len(points), low=False)


def classifier_test(real: Tensor, synthetic: Tensor, who: Permutations, *, ridge: float = 0.1) -> Tested:
    """AUC with which a classifier tells real (N, D) from synthetic (M, D) points that it was not fitted on (C2ST).

    Lopez-Paz & Oquab 2017, with kernel ridge regression: its leave-one-out answers are linear in the labels, so the
    test costs no fit for each deal. Gaussian kernel as wide as the median distance. 0.5 where both are alike.
    """
    points = torch.cat([real, synthetic]).double()
    squared = distances(points, points).square()
    kernel = torch.exp(-squared / squared[~torch.eye(len(points), dtype=torch.bool)].median().clamp_min(1e-12))
    identity = torch.eye(len(points), dtype=torch.float64)
    ranks = torch.arange(1.0, len(points) + 1, dtype=torch.float64)
    hat = torch.linalg.solve(kernel + ridge * len(points) ** 0.5 * identity, kernel)
    hat = torch.where(identity.bool(), 0.0, hat) / (1 - hat.diagonal()).clamp_min(1e-12)[:, None]

    def auc(is_synthetic: Tensor) -> Tensor:
        target = is_synthetic.double()
        n = target.shape[1]
        answers = (target - target.mean(1, keepdim=True)) @ hat.T
        ranked = target.gather(1, answers.argsort(1))
        m = target.sum(1)
        area: Tensor = (ranked @ ranks - m * (m + 1) / 2) / (m * (n - m))
        return area

    return tested(auc, who, len(points), low=False)


def mean_test(real: Tensor, synthetic: Tensor, who: Permutations) -> Tested:
    """Mean of synthetic figures (M,) less that of real ones (N,), small where the synthetic ones are lower."""
    figures = torch.cat([real, synthetic]).double()

    def difference(is_synthetic: Tensor) -> Tensor:
        right = is_synthetic.double()
        left = 1 - right
        found: Tensor = right @ figures / right.sum(1) - left @ figures / left.sum(1)
        return found

    return tested(difference, who, len(figures), low=True)


def dependence_test(first: Tensor, second: Tensor, *, n: int = 999, seed: int = 0) -> Tested:
    """Distance correlation of (N, D) and (N, E), row by row, large where one says something about the other.

    Szekely, Rizzo & Bakirov 2007, definition 2; against the same with the rows of the second in another order. In
    [0, 1], and 0 where a side does not vary.
    """
    left, right = _centered(first), _centered(second)
    scale = ((left * left).sum() * (right * right).sum()).sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    draws = generator(seed, "order")
    orders = [torch.arange(len(second)), *(torch.randperm(len(second), generator=draws) for _ in range(n))]
    found = torch.stack([(left * right[order][:, order]).sum() for order in orders]) / scale
    return _against(found.clamp_min(0).sqrt(), low=False)


def _centered(points: Tensor) -> Tensor:
    """Distances between rows, less the means of their row and column."""
    found = distances(points.double(), points.double())
    return found - found.mean(0) - found.mean(1, keepdim=True) + found.mean()


def _over(statistic: Callable[[Tensor], Tensor], who: Tensor, size: int) -> Tensor:
    """The statistic of every deal, in passes that hold at most IMAGES_PER_PASS numbers of `size` a deal."""
    passes = torch.arange(len(who)).chunk(-(-len(who) * size // IMAGES_PER_PASS))
    return torch.cat([statistic(who[rows]) for rows in passes])
