"""The comparison and verdict of `utility_report`, by intersection over union instead of recall."""

from collections.abc import Iterable, Sequence

import numpy as np

from ganaug.evaluation.comparison import Comparison, Method
from ganaug.evaluation.scores import Scores, weighted_sums


class IoUComparison(Comparison):
    """Scores are IoU of each label, and their mean in place of balanced accuracy."""

    is_imbalanced = False  # logit adjustment trades recall between classes, and IoU already counts what that costs

    def score_method(self, name: str, table: np.ndarray, selected: Sequence[str] = ()) -> Method:
        """Score a training method by its log-probabilities (S, N, K)."""
        parts = zip(table, self.resamples.seeds.T, strict=True)
        iou = sum(self._iou(part.argmax(1)) * weights[:, None] for part, weights in parts)
        missing = np.full(len(iou), np.nan)
        return Method(name, table, Scores(iou, np.nanmean(iou, axis=1), missing, missing), tuple(selected))

    def _iou(self, predicted: np.ndarray) -> np.ndarray:
        """IoU of each label in each resample, (B + 1, K)."""
        labels, n_labels = self.predictions.labels, len(self.predictions.log_prior)
        is_right, ones = (predicted == labels).astype(float), np.ones(len(labels))
        terms = [(labels, is_right, n_labels), (labels, ones, n_labels), (predicted, ones, n_labels)]
        both, actual, named = weighted_sums(self.resamples.images, terms)
        with np.errstate(invalid="ignore"):
            return np.where(actual > 0, both / (actual + named - both), np.nan)

    def _select_best(self, names: Iterable[str], images: np.ndarray, seeds: np.ndarray) -> str:
        """The method with the best mean IoU over masks of pixels and seeds."""
        labels, n_labels = self.predictions.labels[images], len(self.predictions.log_prior)

        def mean_iou(name: str) -> float:
            values = []
            for predicted in self.candidates.table(name)[seeds][:, images].argmax(2):
                both = np.bincount(labels[predicted == labels], minlength=n_labels)
                union = np.bincount(labels, minlength=n_labels) + np.bincount(predicted, minlength=n_labels) - both
                values.append((both[union > 0] / union[union > 0]).mean())
            return float(np.mean(values))

        return max(names, key=mean_iou)
