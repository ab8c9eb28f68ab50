"""95 % confidence intervals of shares, of their differences, and of areas under the ROC curve."""

import math

from scipy.stats import beta, norm

NORMAL_QUANTILE = float(norm.ppf(0.975))  # a 95 % interval reaches this many standard errors to either side


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """Compute the 95 % score interval of a share.

    Parameters
    ----------
    hits, n : int
        The share is `hits` of `n`.

    Returns
    -------
    low, high : float
        The interval, within [0, 1].

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Examples
    --------
    >>> from ganaug.metrics import wilson_interval
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    z = NORMAL_QUANTILE
    middle, spread = hits + z * z / 2, z * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return max(0.0, (middle - spread) / (n + z * z)), min(1.0, (middle + spread) / (n + z * z))


def share_upper_bound(hits: int, n: int) -> float:
    """Compute the exact one-sided 95 % upper bound of a share.

    Parameters
    ----------
    hits, n : int
        The share is `hits` of `n`.

    Returns
    -------
    float
        The bound; about 3 / n where `hits` is 0.

    References
    ----------
    Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934.

    Examples
    --------
    >>> from ganaug.metrics import share_upper_bound
    >>> round(share_upper_bound(0, 100), 3)
    0.03
    """
    return float(beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0


def newcombe_interval(first: float, n_first: int, second: float, n_second: int) -> tuple[float, float]:
    """Compute the 95 % interval of the difference of two independent shares.

    Parameters
    ----------
    first, second : float
        The shares.
    n_first, n_second : int
        The counts that they are shares of.

    Returns
    -------
    low, high : float
        The interval of `first` - `second`.

    References
    ----------
    Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.

    Examples
    --------
    >>> from ganaug.metrics import newcombe_interval
    >>> low, high = newcombe_interval(56 / 70, 70, 48 / 80, 80)  # the paper's table II, (a)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    first_low, first_high = wilson_interval(round(first * n_first), n_first)
    second_low, second_high = wilson_interval(round(second * n_second), n_second)
    below = math.hypot(first - first_low, second_high - second)
    above = math.hypot(first_high - first, second - second_low)
    return first - second - below, first - second + above


def auc_interval(auc: float, n: int, m: int) -> tuple[float, float]:
    """Compute the 95 % interval of an area under the ROC curve.

    Parameters
    ----------
    auc : float
        The area.
    n, m : int
        Number of negative and of positive cases.

    Returns
    -------
    low, high : float
        The interval, within [0, 1].

    References
    ----------
    Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", 1982.

    Examples
    --------
    >>> from ganaug.metrics import auc_interval
    >>> low, high = auc_interval(0.8, 50, 50)
    >>> round(low, 2), round(high, 2)
    (0.71, 0.89)
    """
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)  # the paper's Q1 and Q2
    variance = (auc * (1 - auc) + (m - 1) * (q1 - auc * auc) + (n - 1) * (q2 - auc * auc)) / (n * m)
    # rounding can make the variance negative where the area is 1
    margin = NORMAL_QUANTILE * math.sqrt(max(0.0, variance))
    return max(0.0, auc - margin), min(1.0, auc + margin)
