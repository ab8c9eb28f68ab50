"""The comparison and verdict of `utility_report`, by intersection over union instead of recall."""

import numpy as np
from scipy.sparse import csr_array

from ganaug.evaluation.comparison import Comparison, Method
from ganaug.evaluation.scores import Scores

RESAMPLES_PER_CHUNK = 128  # limits memory


class IoUComparison(Comparison):
    """Scores are IoU of each label, and their mean in place of balanced accuracy."""

    is_imbalanced = False  # logit adjustment trades recall between classes, and IoU already counts what that costs

    def way(self, name: str, table: np.ndarray, chosen: tuple[str, ...] = ()) -> Method:
        """Score a training method by its log-probabilities (S, N, K)."""
        seed_weights = self.resamples.seeds.T
        iou = sum(
            self._iou(part.argmax(1)) * weights[:, None] for part, weights in zip(table, seed_weights, strict=True)
        )
        missing = np.full(len(iou), np.nan)
        return Method(name, table, Scores(iou, np.nanmean(iou, axis=1), missing, missing), tuple(chosen))

    def _iou(self, predictions: np.ndarray) -> np.ndarray:
        """IoU of each label in each resample, (B + 1, K)."""
        labels, n_labels = self.given.labels, len(self.given.log_prior)
        is_right = predictions == labels
        both = class_sums(self.resamples.images, labels, is_right, n_labels)
        actual = class_sums(self.resamples.images, labels, np.ones(len(labels)), n_labels)
        predicted = class_sums(self.resamples.images, predictions, np.ones(len(labels)), n_labels)
        with np.errstate(invalid="ignore"):
            return np.where(actual > 0, both / (actual + predicted - both), np.nan)

    def _best_of(self, names: list[str], images: np.ndarray, seeds: np.ndarray) -> str:
        """The method with the best mean IoU over masks of pixels and seeds."""
        labels, n_labels = self.given.labels[images], len(self.given.log_prior)

        def mean_iou(name: str) -> float:
            values = []
            for predictions in self._tables[name][seeds][:, images].argmax(2):
                both = np.bincount(labels[predictions == labels], minlength=n_labels)
                union = np.bincount(labels, minlength=n_labels) + np.bincount(predictions, minlength=n_labels) - both
                values.append((both[union > 0] / union[union > 0]).mean())
            return float(np.mean(values))

        return max(names, key=mean_iou)


def class_sums(weights: np.ndarray, classes: np.ndarray, values: np.ndarray, n_classes: int) -> np.ndarray:
    """Weighted sums of values by class.

    Parameters
    ----------
    weights : ndarray
        (B, N).
    classes : ndarray
        Class of each of the N pixels, integers below `n_classes`.
    values : ndarray
        (N,).
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray
        (B, n_classes).

    Examples
    --------
    >>> class_sums(np.array([[1, 2, 0]]), np.array([0, 1, 1]), np.ones(3), 2)
    array([[1., 2.]])
    """
    table = csr_array((values.astype(float), (classes, np.arange(len(classes)))), shape=(n_classes, len(classes)))
    chunks = (weights[start : start + RESAMPLES_PER_CHUNK].T for start in range(0, len(weights), RESAMPLES_PER_CHUNK))
    sums: np.ndarray = np.concatenate([table @ np.ascontiguousarray(chunk, dtype=float) for chunk in chunks], axis=1).T
    return sums
