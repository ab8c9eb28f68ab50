"""Do classes and attribute values depend on each other more strongly among synthetic images than among real ones?

Pure functions of counts of images, (K, A): classes by attribute values.
"""

from dataclasses import dataclass

import numpy as np

from ganaug.metrics.intervals import NORMAL_QUANTILE

N_RESAMPLES = 2000


@dataclass(frozen=True)
class Amplification:
    """Directional bias amplification.

    Parameters
    ----------
    mean : float
        Mean over all pairs of class and value. A mean near 0 may hide large changes that cancel.
    positive, negative : float
        Sums of the positive and of the negative changes: their total is the mean times the number of pairs.

    References
    ----------
    Wang & Russakovsky, "Directional Bias Amplification", ICML 2021, eq. 1.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import amplification
    >>> result = amplification(np.array([[60, 40], [40, 60]]), np.array([[80, 20], [60, 40]]))  # up, and down
    >>> round(result.mean, 2), round(result.positive, 2), round(result.negative, 2)
    (0.0, 0.4, -0.4)
    """

    mean: float
    positive: float
    negative: float


def amplification(real: np.ndarray, synthetic: np.ndarray, *, direction: str = "attribute") -> Amplification:
    """Measure how much synthetic images strengthen the dependence of classes and attribute values.

    Parameters
    ----------
    real, synthetic : ndarray
        Counts of images, (K, A): classes by attribute values.
    direction : {'attribute', 'class'}
        'attribute' compares shares of values within each class; 'class' compares shares of classes within each value.
        For 'class', synthetic images are weighted so that the classes have their real shares, since the user chooses
        how many images of each class to generate.

    Returns
    -------
    Amplification
        Positive where a value that is more common in a class than overall becomes even more common there.

    References
    ----------
    Wang & Russakovsky, "Directional Bias Amplification", ICML 2021, eq. 1.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import amplification
    >>> real = np.array([[60, 40], [50, 50]])  # cooking, driving: women, men
    >>> round(amplification(real, np.array([[80, 20], [50, 50]])).mean, 3)
    0.1
    """
    real = real.astype(float)
    weighted = _weighted_as(real, synthetic.astype(float))
    total = real.sum()
    is_correlated = real / total > real.sum(1, keepdims=True) * real.sum(0, keepdims=True) / total**2
    axis = {"attribute": 1, "class": 0}[direction]
    change = _shares(weighted, axis) - _shares(real, axis)
    signed = np.where(is_correlated, change, -change)
    signed = signed[np.isfinite(signed)]  # an empty row or column has no shares
    mean = float(signed.mean()) if len(signed) else float("nan")  # no value occurs in both sets
    return Amplification(mean, float(signed[signed > 0].sum()), float(signed[signed < 0].sum()))


@dataclass(frozen=True)
class CalibratedAmplification:
    """Bias amplification minus its mean for a faithful generator.

    A faithful generator has the same dependence of classes and attribute values as the reference (`of_population` of
    `calibrated_amplification`).

    Parameters
    ----------
    value : float
        The amplification minus `expected`: 0 on average for a faithful generator.
    expected : float
        Mean amplification of a faithful generator.
    low, high : float
        95 % interval of `value`.
    null_interval : tuple of float
        Range that contains 95 % of the values of a faithful generator.
    p : float
        Two-sided p value: how often a faithful generator's calibrated amplification is at least as far from 0.

    References
    ----------
    Wang & Russakovsky, "Directional Bias Amplification", ICML 2021, eq. 1, for the amplification.

    Examples
    --------
    >>> from ganaug.metrics import CalibratedAmplification
    >>> result = CalibratedAmplification(0.02, expected=-0.01, low=-0.03, high=0.07, null_interval=(-0.05, 0.05), p=0.4)
    >>> result.null_interval[0] <= result.value <= result.null_interval[1]
    True
    """

    value: float
    expected: float
    low: float
    high: float
    null_interval: tuple[float, float]
    p: float


def calibrated_amplification(
    real: np.ndarray,
    synthetic: np.ndarray,
    *,
    direction: str = "attribute",
    of_population: bool = True,
    n: int = N_RESAMPLES,
    seed: int = 0,
) -> CalibratedAmplification:
    """Measure bias amplification minus its mean for a faithful generator.

    Parameters
    ----------
    real, synthetic : ndarray
        Counts of images, (K, A): classes by attribute values.
    direction : {'attribute', 'class'}
        As in `amplification`.
    of_population : bool
        What the faithful generator agrees with. True: the population that the real images were sampled from. False: the
        training set, with its counts as they are.
    n : int
        Number of resamples. The smallest possible p value is 1 / (n + 1).
    seed : int
        Seed of the resamples.

    Returns
    -------
    CalibratedAmplification
        The value, its interval, and its p value.

    Notes
    -----
    A generator that is faithful to the population has an amplification below 0 on average: part of the dependence in a
    small training set is chance, which does not recur. So with `of_population`, both sets are resampled from the shares
    of both together, for the same number of images of each class; otherwise only the synthetic set is, from the shares
    of the real one.

    References
    ----------
    Wang & Russakovsky, "Directional Bias Amplification", ICML 2021, eq. 1, for the amplification. Efron & Tibshirani,
    "An Introduction to the Bootstrap", 1993, for the parametric bootstrap.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import calibrated_amplification
    >>> real, synthetic = np.array([[140, 60], [60, 140]]), np.array([[900, 100], [100, 900]])
    >>> result = calibrated_amplification(real, synthetic, n=199)
    >>> result.value > 0.1, result.p
    (True, 0.005)
    """
    random = np.random.default_rng(seed)

    def resample(real_shares: np.ndarray, synthetic_shares: np.ndarray, times: int) -> np.ndarray:
        means = np.empty(times)
        for index in range(times):
            reference = _draw(random, real.sum(1), real_shares) if of_population else real
            drawn = _draw(random, synthetic.sum(1), synthetic_shares)
            means[index] = amplification(reference, drawn, direction=direction).mean
        return means[np.isfinite(means)]

    faithful_shares = _class_shares(real + synthetic if of_population else real)
    null = resample(faithful_shares, faithful_shares, n)
    n = len(null)
    value, expected = amplification(real, synthetic, direction=direction).mean, float(null.mean())
    # equal values may differ in the last bits
    p = (1 + int((np.abs(null - expected) >= abs(value - expected) - 1e-12).sum())) / (1 + n)
    error = float(resample(_class_shares(real), _class_shares(synthetic), N_RESAMPLES // 4).std())
    margin = NORMAL_QUANTILE * error
    low, high = (float(quantile) for quantile in np.quantile(null - expected, [0.025, 0.975]))
    return CalibratedAmplification(
        value - expected, expected, value - expected - margin, value - expected + margin, (low, high), p
    )


def _shares(counts: np.ndarray, axis: int) -> np.ndarray:
    """Counts divided by their sum along an axis; NaN where the sum is 0."""
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = counts / counts.sum(axis, keepdims=True)
    return shares


def _class_shares(counts: np.ndarray) -> np.ndarray:
    """Shares of values within each class; equal shares in a class without images."""
    return _shares(np.where(counts.sum(1, keepdims=True) > 0, counts, 1).astype(float), 1)


def _weighted_as(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Synthetic counts with each class weighted to its real total; real counts in a class without synthetic ones."""
    totals = synthetic.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        weighted: np.ndarray = np.where(totals > 0, synthetic * real.sum(1, keepdims=True) / totals, real)
    return weighted


def _draw(random: np.random.Generator, totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Draw counts of values for each class from its total and shares."""
    return np.stack([random.multinomial(total, share) for total, share in zip(totals, shares, strict=True)])
