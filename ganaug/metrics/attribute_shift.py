"""Do synthetic images of a class have an attribute as often as real ones? Pure functions of counts."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest, fisher_exact, t

MIN_IMAGES = 10  # images of a class with an attribute value; below, reports say nothing about them


@dataclass(frozen=True)
class ShareShift:
    """How much more often an attribute value occurs among synthetic images of a class than among real ones.

    Parameters
    ----------
    real, synthetic : float
        Shares of the images with the value.
    low, high : float
        95 % interval of the synthetic share.
    change_low, change_high : float
        95 % interval of `change`.
    p : float
        Two-sided p value of the change.

    Examples
    --------
    >>> from ganaug.metrics import share_shift
    >>> change = share_shift(real_hits=30, n_real=100, hits=90, n=200)
    >>> change.real, change.synthetic, round(change.change, 2), change.p < 0.001
    (0.3, 0.45, 0.15, True)
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
        """The synthetic share less the real one."""
        return self.synthetic - self.real


def share_shift(real_hits: int, n_real: int, hits: int, n: int, *, of_population: bool = False) -> ShareShift:
    """Compare the share of an attribute value among synthetic images with that among real ones.

    Parameters
    ----------
    real_hits, n_real : int
        Real images with the value, of how many.
    hits, n : int
        Synthetic images with the value, of how many.
    of_population : bool
        What the synthetic images should agree with. False: the training set, with its composition as it is. The test is
        binomial. True: the population that the training set was sampled from, with a composition that is not known
        exactly. The test is Fisher's.

    Returns
    -------
    ShareShift
        The shares, their difference, 95 % intervals and the p value.

    References
    ----------
    Clopper & Pearson 1934, for the interval of the synthetic share, and of the change if `of_population` is False.
    Newcombe 1998, method 10, for the interval of the change if `of_population` is True.

    Examples
    --------
    >>> from ganaug.metrics import share_shift
    >>> result = share_shift(real_hits=6, n_real=20, hits=450, n=1000)
    >>> round(result.change, 2), result.p < 0.001  # differs from this training set
    (0.15, True)
    >>> share_shift(real_hits=6, n_real=20, hits=450, n=1000, of_population=True).p > 0.1  # may fit the population
    True
    """
    real_share, share = real_hits / n_real, hits / n
    test = binomtest(hits, n, real_share)
    interval = test.proportion_ci(0.95)
    low, high = float(interval.low), float(interval.high)
    if not of_population:
        return ShareShift(real_share, share, low, high, low - real_share, high - real_share, float(test.pvalue))
    p = fisher_exact([[hits, n - hits], [real_hits, n_real - real_hits]]).pvalue
    synthetic_interval = test.proportion_ci(0.95, method="wilson")
    real_interval = binomtest(real_hits, n_real).proportion_ci(0.95, method="wilson")
    below = math.hypot(share - synthetic_interval.low, real_interval.high - real_share)
    above = math.hypot(synthetic_interval.high - share, real_share - real_interval.low)
    return ShareShift(real_share, share, low, high, share - real_share - below, share - real_share + above, float(p))


def clustered_share_shift(has: np.ndarray, clusters: np.ndarray, hits: int, n: int) -> ShareShift:
    """Compare shares as `share_shift` does with the population, where real images come in clusters.

    Images of one cluster (a patient, a slide) are alike, so they say less about the population than independent ones.

    Parameters
    ----------
    has : ndarray
        Which real images of the class have the value: bool, (N,).
    clusters : ndarray
        Cluster of each real image, (N,). At least two clusters.
    hits, n : int
        Synthetic images with the value, of how many.

    Returns
    -------
    ShareShift
        The p value is never smaller, and the interval of the change never narrower, than those of `share_shift`.

    Notes
    -----
    The variance of the real share is that of independent images, times the design effect of the clusters. Where all or
    no real images have the value, the design effect is that of clusters of identical images. Student's t distribution
    has one degree of freedom fewer than there are clusters.

    References
    ----------
    Rao & Scott, "A simple method for the analysis of clustered binary data", 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import clustered_share_shift, share_shift
    >>> patients = np.repeat(np.arange(10), 20)
    >>> has = patients < 3  # all images of three patients
    >>> clustered_share_shift(has, patients, hits=450, n=1000).p > 0.2  # ten patients say little
    True
    >>> share_shift(60, 200, 450, 1000, of_population=True).p < 0.001  # 200 independent images would say more
    True
    """
    independent = share_shift(int(has.sum()), len(has), hits, n, of_population=True)
    _, index = np.unique(clusters, return_inverse=True)
    sizes, cluster_hits = np.bincount(index), np.bincount(index, weights=has)
    n_clusters, real_share, n_real = len(sizes), float(has.mean()), len(has)
    residuals = cluster_hits - real_share * sizes
    # the factor corrects for few clusters, as n - 1 does in a variance
    variance_of_share = n_clusters / (n_clusters - 1) * float((residuals**2).sum()) / n_real**2
    variance = real_share * (1 - real_share)
    largest_effect = float((sizes**2).sum()) / n_real
    design_effect = max(1.0, variance_of_share / (variance / n_real)) if variance else largest_effect
    # pooled, because the test assumes equal shares
    pooled_share = (has.sum() + hits) / (n_real + n)
    error = math.sqrt(pooled_share * (1 - pooled_share) * (design_effect / n_real + 1 / n))
    p = 2 * float(t.sf(abs(independent.change) / error, n_clusters - 1)) if error > 0 else 1.0
    margin = float(t.ppf(0.975, n_clusters - 1)) * error
    return replace(
        independent,
        change_low=min(independent.change_low, independent.change - margin),
        change_high=max(independent.change_high, independent.change + margin),
        # clusters can only weaken the evidence
        p=max(independent.p, p),
    )
