"""Do synthetic images keep the composition of the real ones? Pure functions of counts of classes by attribute values."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest, fisher_exact, norm, t

FEWEST = 10  # images of a cell below which nothing is said about it
RESAMPLES = 2000


@dataclass(frozen=True)
class Shift:
    """How much more often a value occurs among synthetic images of a class, with 95 % intervals.

    real, synthetic: shares; low, high: of the synthetic one. change: their difference, from change_low to change_high.
    p: two-sided.
    """

    real: float
    synthetic: float
    low: float
    high: float
    change_low: float
    change_high: float
    p: float

    @property
    def change(self) -> float:
        """Share among synthetic images less that among real ones."""
        return self.synthetic - self.real


def shift(real_hits: int, n_real: int, hits: int, n: int, *, of_population: bool = False) -> Shift:
    """A value that `real_hits` of `n_real` real images have and `hits` of `n` synthetic ones.

    Against the training set, as it is, the test is binomial: its composition is what was to be kept. of_population: the
    real images are a sample of a population, whose composition is not known exactly, the test is Fisher's and the
    interval of the change Newcombe's (1998, method 10). The synthetic share's is Clopper and Pearson's (1934).
    """
    usual, share = real_hits / n_real, hits / n
    own = binomtest(hits, n, usual)
    interval = own.proportion_ci(0.95)
    low, high = float(interval.low), float(interval.high)
    if not of_population:
        return Shift(usual, share, low, high, low - usual, high - usual, float(own.pvalue))
    p = fisher_exact([[hits, n - hits], [real_hits, n_real - real_hits]]).pvalue
    one, other = (binomtest(k, m).proportion_ci(0.95, method="wilson") for k, m in ((hits, n), (real_hits, n_real)))
    down = math.hypot(share - one.low, other.high - usual)
    up = math.hypot(one.high - share, usual - other.low)
    return Shift(usual, share, low, high, share - usual - down, share - usual + up, float(p))


def clustered_shift(has: np.ndarray, clusters: np.ndarray, hits: int, n: int) -> Shift:
    """`shift` against the population, where real images come in clusters (a patient, a slide) that are alike.

    has: whether each real image of the class has the value, bool, (N,); clusters: whose it is, (N,). The variance of
    the real share is that of independent images under the null, times the design effect of the clusters (Rao & Scott
    1992), which where every image or none has the value is that of clusters wholly alike; Student's t has G - 1 degrees
    of freedom. p is never smaller than Fisher's.
    """
    plain = shift(int(has.sum()), len(has), hits, n, of_population=True)
    _, place = np.unique(clusters, return_inverse=True)
    sizes, own = np.bincount(place), np.bincount(place, weights=has)
    n_clusters, usual, size = len(sizes), float(has.mean()), len(has)
    largest = float((sizes**2).sum()) / size
    between = n_clusters / (n_clusters - 1) * float(((own - usual * sizes) ** 2).sum()) / size**2
    spread = usual * (1 - usual)
    effect = max(1.0, between / (spread / size)) if spread else largest
    pooled = (has.sum() + hits) / (size + n)
    error = math.sqrt(pooled * (1 - pooled) * (effect / size + 1 / n))
    p = 2 * float(t.sf(abs(plain.change) / error, n_clusters - 1)) if error > 0 else 1.0
    reach = float(t.ppf(0.975, n_clusters - 1)) * error
    return replace(
        plain,
        change_low=min(plain.change_low, plain.change - reach),
        change_high=max(plain.change_high, plain.change + reach),
        p=max(plain.p, p),
    )


@dataclass(frozen=True)
class Amplification:
    """Directional bias amplification: mean over pairs of class and value; sums of what grows and what shrinks.

    positive + negative = mean times the number of pairs. A mean near 0 may hide large changes that cancel.
    """

    mean: float
    positive: float
    negative: float


def amplification(real: np.ndarray, synthetic: np.ndarray, *, direction: str = "attribute") -> Amplification:
    """How far classes and values go together more than among the real images (Wang & Russakovsky 2021, eq. 1).

    real, synthetic: counts (K, A). direction 'attribute': values given the class; 'class': classes given the value,
    with the classes of synthetic images weighted to the real shares, since how many of each are made is the user's
    choice. A value more common in a class than overall should not become more so: positive where it does.
    """
    real = real.astype(float)
    weighted = _with_shares_of(real, synthetic.astype(float))
    total = real.sum()
    goes_together = real / total > real.sum(1, keepdims=True) * real.sum(0, keepdims=True) / total**2
    axis = {"attribute": 1, "class": 0}[direction]
    change = _given(weighted, axis) - _given(real, axis)
    signed = np.where(goes_together, change, -change)
    known = np.isfinite(signed)
    found = signed[known]
    return Amplification(float(found.mean()), float(found[found > 0].sum()), float(found[found < 0].sum()))


def _given(counts: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        found: np.ndarray = counts / counts.sum(axis, keepdims=True)
    return found


def _with_shares_of(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Synthetic counts with each class weighted to its real share; a class without any as the real one."""
    own = synthetic.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: np.ndarray = np.where(own > 0, synthetic * real.sum(1, keepdims=True) / own, real)
    return scaled


@dataclass(frozen=True)
class Calibrated:
    """An amplification less what a faithful generator has by chance, and its 95 % interval.

    faithful: the 95 % range of a faithful one, which is around 0; p: two-sided, of being as far from it.
    """

    value: float
    by_chance: float
    low: float
    high: float
    faithful: tuple[float, float]
    p: float


def calibrated_amplification(
    real: np.ndarray,
    synthetic: np.ndarray,
    *,
    direction: str = "attribute",
    of_population: bool = True,
    n: int = RESAMPLES,
    seed: int = 0,
) -> Calibrated:
    """Amplification less its mean under a generator that is faithful, for the same numbers of images of each class.

    of_population: faithful to the population that the real images were drawn from. Such a generator scores below 0,
    since what goes together in a small training set partly does so by chance. Both sets are drawn anew from the
    composition of both together. Else: faithful to the training set, which stays as it is.
    """
    random = np.random.default_rng(seed)
    pooled = real + synthetic if of_population else real
    shares = _given(np.where(pooled.sum(1, keepdims=True) > 0, pooled, 1).astype(float), 1)

    def resampled(of_real: np.ndarray, of_synthetic: np.ndarray, times: int) -> np.ndarray:
        found = np.empty(times)
        for row in range(times):
            other = _draw(random, real.sum(1), of_real) if of_population else real
            found[row] = amplification(other, _draw(random, synthetic.sum(1), of_synthetic), direction=direction).mean
        return found

    drawn = resampled(shares, shares, n)
    value, usual = amplification(real, synthetic, direction=direction).mean, float(drawn.mean())
    p = (1 + int((np.abs(drawn - usual) >= abs(value - usual) - 1e-12).sum())) / (1 + n)
    own = [_given(np.where(side.sum(1, keepdims=True) > 0, side, 1).astype(float), 1) for side in (real, synthetic)]
    reach = float(norm.ppf(0.975)) * float(resampled(own[0], own[1], RESAMPLES // 4).std())
    low, high = (float(edge) for edge in np.quantile(drawn - usual, [0.025, 0.975]))
    return Calibrated(value - usual, usual, value - usual - reach, value - usual + reach, (low, high), p)


def _draw(random: np.random.Generator, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return np.stack([random.multinomial(count, share) for count, share in zip(counts, shares, strict=True)])
