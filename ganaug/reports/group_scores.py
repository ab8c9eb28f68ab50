"""Scores of classifiers for each group of test images, in every bootstrap resample: pure functions of predictions."""

import warnings
from dataclasses import dataclass

import numpy as np

from ganaug.evaluation.bootstrap import Resamples
from ganaug.evaluation.scores import compute_recall


@dataclass(frozen=True)
class GroupScores:
    """Scores of classifiers for each group of test images, averaged over seeds, in every bootstrap resample.

    Row 0 is the sample itself, so it holds the point values.

    Parameters
    ----------
    accuracy : ndarray, shape (B + 1, A)
        Accuracy of each of A groups; NaN for a group that a resample lacks.
    recall : ndarray, shape (B + 1, A, K)
        Recall of each of K classes within each group; NaN for a cell that a resample lacks.
    """

    accuracy: np.ndarray
    recall: np.ndarray

    @property
    def balanced_accuracy(self) -> np.ndarray:
        """Mean recall over the classes that a group has: (B + 1, A)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a resample may lack a whole group
            mean: np.ndarray = np.nanmean(self.recall, axis=2)
        return mean

    def recall_gaps(self, mask: np.ndarray) -> np.ndarray:
        """Largest difference in the recall of each class between two groups.

        Parameters
        ----------
        mask : ndarray of bool, shape (A, K)
            Cells to compare.

        Returns
        -------
        ndarray, shape (B + 1, K)
            NaN for a class with fewer than two cells.
        """
        recall = np.where(mask, self.recall, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a class without cells
            gaps: np.ndarray = np.nanmax(recall, axis=1) - np.nanmin(recall, axis=1)
        return np.where(np.isfinite(recall).sum(axis=1) >= 2, gaps, np.nan)


def group_scores(
    labels: np.ndarray, tables: np.ndarray, codes: np.ndarray, n_values: int, resamples: Resamples
) -> GroupScores:
    """Score predictions for each group of images.

    Parameters
    ----------
    labels : ndarray of int64, shape (N,)
        True classes.
    tables : ndarray, shape (S, N, K)
        Log-probabilities by classifiers of S seeds.
    codes : ndarray of int64, shape (N,)
        Group of each image, from 0.
    n_values : int
        Number of groups, A.
    resamples : Resamples
        Bootstrap weights of images and seeds.

    Returns
    -------
    GroupScores

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation.bootstrap import Resamples
    >>> from ganaug.reports.group_scores import group_scores
    >>> labels, groups = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> tables = np.log([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]]])  # the second image is misclassified
    >>> scores = group_scores(labels, tables, groups, 2, Resamples.draw(groups, n_seeds=1, n=10))
    >>> scores.accuracy[0], scores.recall_gaps(np.ones((2, 2), dtype=bool))[0]
    (array([1. , 0.5]), array([1., 0.]))
    """
    is_right = tables.argmax(2) == labels
    in_group = (codes[:, None] == np.arange(n_values)).astype(float)
    weights = resamples.images.astype(float)
    # averaged over trainings with the weights that the bootstrap gives them
    hits = sum(
        (weights @ (in_group * is_right_once[:, None])) * share[:, None]
        for is_right_once, share in zip(is_right, resamples.seeds.T, strict=True)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        # a resample may lack a group, and then the quotient is NaN
        accuracy: np.ndarray = hits / (weights @ in_group)
    recall = [
        compute_recall(labels[members], tables[:, members], Resamples(resamples.images[:, members], resamples.seeds))
        for members in (np.flatnonzero(codes == value) for value in range(n_values))
    ]
    return GroupScores(accuracy, np.stack(recall, axis=1))
