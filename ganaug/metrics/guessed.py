"""Attributes that nobody wrote down: guessed by a classifier of real images, and corrected for its errors."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact

RESAMPLES = 500
LEAST = 0.2  # smallest singular value of the confusion matrix from which on it can be undone


@dataclass(frozen=True)
class Corrected:
    """Shares of an attribute's values with their 95 % intervals: (A,) each."""

    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray


def corrected_shares(
    true: np.ndarray, guessed: np.ndarray, others: np.ndarray, n_values: int, *, seed: int = 0
) -> Corrected | None:
    """Shares of values among images of which only the guesses `others` (M,) are known.

    true, guessed (N,): values of the images on which the classifier's errors are known; numbers from 0. The shares of
    the guesses are the confusion matrix times those of the values, so its inverse leads back (Lipton et al. 2018, eq.
    3). Intervals come from bootstrap samples of both sides. None where the guesses say too little to be undone.
    """
    random = np.random.default_rng(seed)
    found = _undone(true, guessed, others, n_values)
    if found is None:
        return None
    drawn = []
    for _ in range(RESAMPLES):
        rows, columns = random.integers(len(true), size=len(true)), random.integers(len(others), size=len(others))
        one = _undone(true[rows], guessed[rows], others[columns], n_values)
        if one is not None:
            drawn.append(one)
    low, high = np.quantile(np.stack(drawn or [found]), [0.025, 0.975], axis=0)
    return Corrected(found, np.minimum(low, found), np.maximum(high, found))


def _undone(true: np.ndarray, guessed: np.ndarray, others: np.ndarray, n_values: int) -> np.ndarray | None:
    confusion = np.zeros((n_values, n_values))
    np.add.at(confusion, (guessed, true), 1)
    of_each = confusion.sum(0)
    if not of_each.all():
        return None
    confusion /= of_each
    if np.linalg.svd(confusion, compute_uv=False)[-1] < LEAST:
        return None
    shares = np.linalg.solve(confusion, np.bincount(others, minlength=n_values) / len(others)).clip(0, 1)
    found: np.ndarray = shares / shares.sum()
    return found


def guess_test(guessed: np.ndarray, others: np.ndarray, value: int) -> float:
    """Exact p value of the guess `value` being equally frequent among both (Fisher).

    No correction is needed for it: were the attribute equally frequent, so were the guesses, right or wrong, where each
    image is guessed by a classifier that has not seen it.
    """
    hits, real_hits = int((others == value).sum()), int((guessed == value).sum())
    table = [[hits, len(others) - hits], [real_hits, len(guessed) - real_hits]]
    return float(fisher_exact(table).pvalue)
