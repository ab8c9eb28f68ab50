"""Shares of attribute values that a classifier predicts, corrected for the errors of the classifier."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact

N_RESAMPLES = 500
MIN_SINGULAR_VALUE = 0.2  # of the confusion matrix; below it, predictions say too little to be corrected


@dataclass(frozen=True)
class CorrectedShares:
    """Shares of an attribute's values with 95 % intervals.

    Parameters
    ----------
    shares, low, high : ndarray
        (A,) each: the shares sum to 1, and the intervals reach from `low` to `high`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import CorrectedShares
    >>> corrected = CorrectedShares(np.array([0.3, 0.7]), np.array([0.2, 0.6]), np.array([0.4, 0.8]))
    >>> bool((corrected.low <= corrected.shares).all())
    True
    """

    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray


def corrected_shares(
    true: np.ndarray, predicted: np.ndarray, others: np.ndarray, n_values: int, *, seed: int = 0
) -> CorrectedShares | None:
    """Estimate the shares of attribute values among images of which only predictions are known.

    Parameters
    ----------
    true, predicted : ndarray
        int (N,), from 0: true and predicted values of images whose attribute is known, each predicted by a classifier
        that was not fitted on the image.
    others : ndarray
        int (M,): predictions for the images whose attribute is not known.
    n_values : int
        Number A of values.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    CorrectedShares or None
        The shares among the others. None where a value has no known image, or the predictions depend too little on the
        true value to be corrected.

    Notes
    -----
    The shares of predictions are the confusion matrix times the shares of true values, so its inverse maps them back.
    The intervals come from 500 bootstrap samples of both sets of images.

    References
    ----------
    Lipton, Wang & Smola, "Detecting and Correcting for Label ShareShift with Black Box Predictors", ICML 2018, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import corrected_shares
    >>> true = np.repeat([0, 1], 100)
    >>> predicted = np.where(np.arange(200) % 5 == 0, 1 - true, true)  # one in five is wrong
    >>> others = np.repeat([0, 1], [26, 74])  # what this classifier predicts for shares of 0.1 and 0.9
    >>> corrected_shares(true, predicted, others, 2).shares.round(2)
    array([0.1, 0.9])
    """
    random = np.random.default_rng(seed)
    shares = _solve_shares(true, predicted, others, n_values)
    if shares is None:
        return None
    resampled = []
    for _ in range(N_RESAMPLES):
        rows, columns = random.integers(len(true), size=len(true)), random.integers(len(others), size=len(others))
        sample = _solve_shares(true[rows], predicted[rows], others[columns], n_values)
        if sample is not None:
            resampled.append(sample)
    low, high = np.quantile(np.stack(resampled or [shares]), [0.025, 0.975], axis=0)
    return CorrectedShares(shares, np.minimum(low, shares), np.maximum(high, shares))


def _solve_shares(true: np.ndarray, predicted: np.ndarray, others: np.ndarray, n_values: int) -> np.ndarray | None:
    """Solve confusion matrix @ shares = shares of predictions; None where the matrix is nearly singular."""
    confusion = np.zeros((n_values, n_values))
    np.add.at(confusion, (predicted, true), 1)
    counts = confusion.sum(0)
    if not counts.all():
        return None
    confusion /= counts
    if np.linalg.svd(confusion, compute_uv=False)[-1] < MIN_SINGULAR_VALUE:
        return None
    # matrix and counts are estimates, so the solution can leave [0, 1]
    shares = np.linalg.solve(confusion, np.bincount(others, minlength=n_values) / len(others)).clip(0, 1)
    normalized: np.ndarray = shares / shares.sum()
    return normalized


def predicted_share_test(predicted: np.ndarray, others: np.ndarray, value: int) -> float:
    """Test whether a value is predicted equally often for two sets of images.

    Parameters
    ----------
    predicted, others : ndarray
        int (N,) and (M,): predictions for both sets, each by a classifier that was not fitted on the image.
    value : int
        The value.

    Returns
    -------
    float
        Exact two-sided p value.

    Notes
    -----
    The predictions need no correction here: where the value is equally frequent in both sets, so are its predictions,
    right or wrong.

    References
    ----------
    Fisher, "On the interpretation of chi-squared from contingency tables, and the calculation of P", 1922.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics import predicted_share_test
    >>> predicted_share_test(np.repeat([0, 1], [50, 50]), np.repeat([0, 1], [20, 80]), value=1) < 0.001
    True
    """
    hits, real_hits = int((others == value).sum()), int((predicted == value).sum())
    table = [[hits, len(others) - hits], [real_hits, len(predicted) - real_hits]]
    return float(fisher_exact(table).pvalue)
