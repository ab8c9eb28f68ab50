"""Scores of predictions in every bootstrap resample: pure functions of labels and log-probabilities.

Shapes: B bootstrap resamples, S seeds (one training each), N images, K classes. Row 0 of an array of B + 1 rows belongs
to the original sample.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from ganaug.evaluation.bootstrap import Resamples

CALIBRATION_BINS = 15
RESAMPLES_PER_CHUNK = 128  # bounds the memory of the dense weights


@dataclass(frozen=True)
class Scores:
    """Scores of one training method in every resample, averaged over its seeds.

    Attributes
    ----------
    recall : array of shape (B + 1, K)
        Recall of each class; NaN for a class that a resample lacks.
    balanced_accuracy, macro_f1 : arrays of shape (B + 1,)
        Mean over classes of recall and of the F1 score.
    ece : array of shape (B + 1,)
        Expected calibration error.
    """

    recall: np.ndarray
    balanced_accuracy: np.ndarray
    macro_f1: np.ndarray
    ece: np.ndarray


def compute_scores(labels: np.ndarray, log_probabilities: np.ndarray, resamples: Resamples) -> Scores:
    """Compute all scores of one training method in every resample.

    Parameters
    ----------
    labels : array of shape (N,)
        True classes.
    log_probabilities : array of shape (S, N, K)
        Predictions of the classifier of each seed.
    resamples : Resamples
        Of these labels and S seeds.

    Returns
    -------
    Scores

    Notes
    -----
    The expected calibration error takes the predicted class of each image and 15 confidence bins of equal width (Guo
    et al. 2017, eq. 3).

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import Resamples, compute_scores
    >>> labels = np.array([0, 0, 1, 1])
    >>> log_probabilities = np.log([[[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]]])
    >>> scores = compute_scores(labels, log_probabilities, Resamples.draw(labels, 1, n=10))
    >>> scores.recall[0], scores.balanced_accuracy[0]
    (array([1. , 0.5]), np.float64(0.75))
    """
    n_classes = log_probabilities.shape[2]
    support = weighted_sums(resamples.images, [(labels, np.ones(len(labels)), n_classes)])[0]
    per_seed = [_score_seed(labels, table, resamples.images, support) for table in log_probabilities]
    recall, f1, ece = (np.stack(values) for values in zip(*per_seed, strict=True))  # (S, B + 1, ...)
    seeds = resamples.seeds.T
    recall = (recall * seeds[:, :, None]).sum(0)
    return Scores(recall, np.nanmean(recall, axis=1), (f1 * seeds).sum(0), (ece * seeds).sum(0))


def compute_recall(labels: np.ndarray, log_probabilities: np.ndarray, resamples: Resamples) -> np.ndarray:
    """Compute the recall of each class in every resample, without the other scores.

    Parameters
    ----------
    labels : array of shape (N,)
        True classes.
    log_probabilities : array of shape (S, N, K)
        Predictions of the classifier of each seed.
    resamples : Resamples
        Of these labels and S seeds.

    Returns
    -------
    array of shape (B + 1, K)
        Equal to `Scores.recall`; NaN for a class that a resample lacks.
    """
    n_classes = log_probabilities.shape[2]
    support = weighted_sums(resamples.images, [(labels, np.ones(len(labels)), n_classes)])[0]
    true_positives = np.zeros_like(support)
    for table, seed_weights in zip(log_probabilities, resamples.seeds.T, strict=True):
        is_correct = (table.argmax(1) == labels).astype(float)
        true_positives += weighted_sums(resamples.images, [(labels, is_correct, n_classes)])[0] * seed_weights[:, None]
    with np.errstate(invalid="ignore"):
        recall: np.ndarray = true_positives / support
    return recall


def _score_seed(
    labels: np.ndarray, table: np.ndarray, image_counts: np.ndarray, support: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall (B + 1, K), macro F1 (B + 1,) and calibration error (B + 1,) of predictions (N, K) of one seed."""
    n_classes = support.shape[1]
    predictions = table.argmax(1)
    is_correct = predictions == labels
    confidence = np.exp(table.max(1).astype(np.float64))
    # a confidence of exactly 1 belongs to the last bin
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    true_positives, predicted_counts, gaps = weighted_sums(
        image_counts,
        [
            (labels, is_correct.astype(float), n_classes),
            (predictions, np.ones(len(labels)), n_classes),
            (bins, confidence - is_correct, CALIBRATION_BINS),
        ],
    )
    with np.errstate(invalid="ignore"):
        recall = true_positives / support
        # this form of F1 needs no precision, which is 0 / 0 for a class that is never predicted
        f1 = np.nanmean(np.where(support > 0, 2 * true_positives / (support + predicted_counts), np.nan), axis=1)
    return recall, f1, np.abs(gaps).sum(1) / support.sum(1)


def weighted_sums(weights: np.ndarray, terms: list[tuple[np.ndarray, np.ndarray, int]]) -> list[np.ndarray]:
    """Sum values over images, weighted and grouped by a column index, for several terms in one sparse product.

    Parameters
    ----------
    weights : array of shape (B, N)
        Weight of each image in each resample.
    terms : list of (columns, values, n_columns)
        columns (N,): column that each image counts in; values (N,): what it counts there.

    Returns
    -------
    list of arrays of shape (B, n_columns)
        One for each term.
    """
    ends = np.cumsum([0, *(n_columns for _, _, n_columns in terms)])
    rows = np.concatenate([columns + start for (columns, _, _), start in zip(terms, ends, strict=False)])
    images = np.tile(np.arange(weights.shape[1]), len(terms))
    values = np.concatenate([values for _, values, _ in terms])
    matrix = csr_array((values, (rows, images)), shape=(ends[-1], weights.shape[1]))
    chunks = (weights[start : start + RESAMPLES_PER_CHUNK].T for start in range(0, len(weights), RESAMPLES_PER_CHUNK))
    sums = [matrix @ np.ascontiguousarray(chunk, dtype=float) for chunk in chunks]
    stacked = np.concatenate(sums, axis=1).T
    return [stacked[:, start:end] for start, end in pairwise(ends)]


def adjust_logits(log_probabilities: np.ndarray, log_prior: np.ndarray, tau: float) -> np.ndarray:
    """Apply post-hoc logit adjustment: subtract `tau` times the log prior from the logits of each class.

    Parameters
    ----------
    log_probabilities : array of shape (..., K)
        Predictions of a classifier.
    log_prior : array of shape (K,)
        Log of the class frequencies among the training images.
    tau : float
        Strength. Above 0 it favors rare classes, below 0 common ones.

    Returns
    -------
    array of shape (..., K)
        Log-probabilities, normalized, so that their calibration can be measured.

    References
    ----------
    Menon, A. K. et al. (2021). Long-tail learning via logit adjustment. ICLR, eq. 9.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import adjust_logits
    >>> prior = np.array([0.9, 0.1])
    >>> np.exp(adjust_logits(np.log(prior), np.log(prior), tau=1.0))
    array([0.5, 0.5])
    """
    logits = log_probabilities - tau * log_prior
    # exp of the differences to the maximum cannot overflow
    maximum = logits.max(-1, keepdims=True)
    normalized: np.ndarray = logits - maximum - np.log(np.exp(logits - maximum).sum(-1, keepdims=True))
    return normalized
