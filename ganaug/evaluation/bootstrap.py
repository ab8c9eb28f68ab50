"""Bootstrap intervals and p values: pure functions of labels and scores.

Shapes: B bootstrap resamples, S seeds (one training each), N images, M hypotheses. Row 0 of an array of B + 1 rows
belongs to the original sample, so that it holds the point estimate. Two methods that are scored with the same
`Resamples` are paired: the difference of their scores, row by row, is a bootstrap sample of the difference.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A point estimate with a 95 % bootstrap interval and a p value.

    Attributes
    ----------
    value : float
        Point estimate.
    low, high : float
        Ends of the interval; NaN where it could not be estimated.
    p : float
        Two-sided p value of the hypothesis that the true value is 0.

    Examples
    --------
    >>> from ganaug.evaluation import Interval
    >>> print(Interval(0.02, -0.01, 0.05, p=0.2))
    0.020 (-0.010 to 0.050)
    """

    value: float
    low: float
    high: float
    p: float = 1.0

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Resamples:
    """Bootstrap resamples of test images and of seeds; row 0 is the original sample.

    Attributes
    ----------
    images : array of shape (B + 1, N), uint16
        How often each resample contains each image.
    seeds : array of shape (B + 1, S), float64
        Weight of each seed; each row sums to 1. Weights can be negative, see Notes.

    Notes
    -----
    Images are drawn within their class. Where the images belong to groups (a patient, a slide), whole groups are drawn
    instead, because the images of one group are not independent.

    The mean of S seeds drawn with replacement varies less than the mean of S trainings: by the factor
    sqrt((S - 1) / S), and the normal quantile is too small for few seeds. The deviations of the weights from 1 / S are
    scaled up for both: by sqrt(S / (S - 1)), and by the ratio of the quantile of Student's t with S - 1 degrees of
    freedom to that of the normal distribution. With one seed the variation between trainings is unknown and ignored.

    References
    ----------
    Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap. Chapman & Hall.

    Hesterberg, T. (2015). What teachers should know about the bootstrap. The American Statistician 69(4), 371-386:
    narrowness bias and the expanded percentile interval.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import Resamples
    >>> resamples = Resamples.draw(np.array([0, 0, 1, 1]), n_seeds=2, n=100)
    >>> resamples.images.shape, resamples.images[0].tolist()
    ((101, 4), [1, 1, 1, 1])
    >>> resamples.images[:, :2].sum(1).max()  # every resample has two images of class 0
    np.uint64(2)
    """

    images: np.ndarray
    seeds: np.ndarray

    @classmethod
    def draw(
        cls, labels: np.ndarray, n_seeds: int, *, groups: np.ndarray | None = None, n: int = 1000, seed: int = 0
    ) -> "Resamples":
        """Draw resamples of images and seeds.

        Parameters
        ----------
        labels : array of shape (N,)
            Class of each image.
        n_seeds : int
            Number of seeds S.
        groups : array of shape (N,), optional
            Group of each image. Groups are drawn as a whole.
        n : int
            Number of resamples B.
        seed : int
            Seed of the draws.

        Returns
        -------
        Resamples
        """
        random = np.random.default_rng(seed)
        # counts in a resample are small, and uint16 takes a quarter of the memory of int64
        images = np.ones((n + 1, len(labels)), np.uint16)
        for columns, counts in _draw_counts(labels, groups, random, n):
            images[1:, columns] = counts
        seeds = np.full((n + 1, n_seeds), 1 / n_seeds)
        drawn = random.multinomial(n_seeds, seeds[0], size=n) / n_seeds
        seeds[1:] += (drawn - 1 / n_seeds) * _narrowness_correction(n_seeds)
        return cls(images, seeds)


def _narrowness_correction(n_seeds: int) -> float:
    """Factor by which the bootstrap understates the spread of a mean of `n_seeds` trainings."""
    if n_seeds < 2:
        return 1.0
    upper = (1 + CONFIDENCE_LEVEL) / 2
    # a resampled variance is too small by (n - 1) / n, and a normal quantile is below that of Student's t
    return math.sqrt(n_seeds / (n_seeds - 1)) * float(t.ppf(upper, n_seeds - 1) / norm.ppf(upper))


def _draw_counts(
    labels: np.ndarray, groups: np.ndarray | None, random: np.random.Generator, n: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield indices of images (M,) and how often each of `n` resamples contains them (n, M), by class or for groups."""
    if groups is not None:
        # images of a group resemble each other, so resampling single images would underestimate the variance
        names, group_index = np.unique(groups, return_inverse=True)
        counts = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
        yield np.arange(len(labels)), counts[:, group_index]
        return
    # within the class, so that no resample lacks a class
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        yield members, random.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n)


def interval(values: np.ndarray, limits: tuple[float, float] = (-1.0, 1.0)) -> Interval:
    """Compute the percentile interval and the p value of a bootstrapped difference of two scores.

    Parameters
    ----------
    values : array of shape (B + 1,)
        The point estimate, then the figure in each resample. Values that are not finite are left out.
    limits : (float, float), default=(-1, 1)
        Smallest and greatest possible value, to which the ends are clipped. Resamples can exceed them, because seed
        weights can be negative.

    Returns
    -------
    Interval
        With NaN ends where the point estimate or all resamples are not finite.

    Notes
    -----
    The p value is that of a normal test: the point estimate over the bootstrap standard error. A p value counted over
    resamples could not be smaller than 1 / B, which is too large to survive the adjustment for many classes.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import interval
    >>> values = np.r_[0.5, np.random.default_rng(0).normal(0.5, 0.1, 1000)]
    >>> print(interval(values))
    0.500 (0.310 to 0.683)
    """
    point, resampled = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not len(resampled) or not np.isfinite(point):
        return Interval(point, float("nan"), float("nan"))
    ends = np.quantile(resampled, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    low, high = np.clip(ends, *limits)
    error = float(resampled.std())
    # without spread: the smallest p value that this number of resamples could show
    p = 2 * float(norm.sf(abs(point) / error)) if error > 0 else 1.0 if point == 0 else 2 / (1 + len(resampled))
    return Interval(point, float(low), float(high), p)


def proportion_interval(values: np.ndarray) -> Interval:
    """Compute `interval` of a figure between 0 and 1, with the ends clipped to that range.

    Parameters
    ----------
    values : array of shape (B + 1,)
        As for `interval`.

    Returns
    -------
    Interval

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import proportion_interval
    >>> interval = proportion_interval(np.array([0.9, 0.7, 0.9, 1.1]))
    >>> interval.high <= 1
    True
    """
    return interval(values, limits=(0.0, 1.0))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p values for multiple testing by Holm's step-down procedure.

    Parameters
    ----------
    p_values : array of shape (M,)
        NaN marks a hypothesis that is not tested; it does not count.

    Returns
    -------
    array of shape (M,)
        Adjusted p values; NaN stays NaN.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6,
    65-70.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import holm
    >>> holm(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.06,  nan, 0.06])
    """
    adjusted = np.full(len(p_values), np.nan)
    order = [index for index in np.argsort(p_values) if np.isfinite(p_values[index])]
    largest = 0.0
    for rank, index in enumerate(order):
        # a larger p value must not get a smaller adjusted one
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
