"""What a training method is chosen by, and judged by: a score of its predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganaug._runtime.lookup import lookup
from ganaug.evaluation.scores import Scores, adjust_logits

# objective -> its name in sentences and tables
OBJECTIVES = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "rare_recall": "recall of rare classes",
}
MARGIN = 0.01  # loss of the mean recall of the other classes that a gain of rare classes may cost


@dataclass(frozen=True)
class Objective:
    """An objective, and the classes that it depends on.

    Attributes
    ----------
    name : str
        A key of `OBJECTIVES`. "rare_recall" is the mean recall of the rare classes, of methods whose mean recall of the
        common classes is at most `margin` below that of the method with the best balanced accuracy. Without this
        condition, a classifier that finds the rare classes everywhere would be the best.
    is_rare, is_common : arrays of shape (K,), bool
        Masks of classes.
    margin : float
        Used by "rare_recall" only.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation.objectives import Objective
    >>> objective = Objective("rare_recall", is_rare=np.array([False, True]), is_common=np.array([True, False]))
    >>> true_positives, predicted, support = np.array([[40, 5]]), np.array([[45, 5]]), np.array([[40, 10]])
    >>> objective.from_counts(true_positives, predicted, support)
    array([0.5])
    """

    name: str
    is_rare: np.ndarray
    is_common: np.ndarray
    margin: float = MARGIN

    def __post_init__(self) -> None:
        lookup(OBJECTIVES, self.name, "objective")

    @property
    def title(self) -> str:
        """Name in sentences and tables."""
        return OBJECTIVES[self.name]

    def from_scores(self, scores: Scores) -> np.ndarray:
        """Return the objective of a method in every resample, (B + 1,)."""
        if self.name == "rare_recall":
            rare_recall: np.ndarray = np.nanmean(scores.recall[:, self.is_rare], axis=1)
            return rare_recall
        return scores.macro_f1 if self.name == "macro_f1" else scores.balanced_accuracy

    def from_counts(self, true_positives: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Compute the objective from counts.

        Parameters
        ----------
        true_positives, predicted, support : arrays of shape (..., K)
            Correct predictions of each class, all predictions of it, and its images.

        Returns
        -------
        array of shape (...)
            Classes without images do not count.
        """
        if self.name == "macro_f1":
            values = _ratio(2 * true_positives, support + predicted, support)
        else:
            values = _ratio(true_positives, support, support)
        return _mean(values[..., self.is_rare] if self.name == "rare_recall" else values)

    def select(self, counts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> int:
        """Select the best method.

        Parameters
        ----------
        counts : sequence of (true positives, predicted, support)
            For each method, as for `from_counts`, with one row for each seed.

        Returns
        -------
        int
            Place of the best method in `counts`; the first of equal ones.
        """
        return self.rank(counts)[0]

    def rank(self, counts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[int]:
        """Return the places of methods from the best to the worst; arguments as for `select`."""
        values = np.array([self.from_counts(*each).mean() for each in counts])
        if self.name == "rare_recall":
            recalls = [_ratio(hits, support, support) for hits, _, support in counts]
            common = np.array([_mean(recall[..., self.is_common]).mean() for recall in recalls])
            best = int(np.argmax([_mean(recall).mean() for recall in recalls]))
            # a method that gives up the common classes comes after all others
            values -= common < common[best] - self.margin
        return [int(place) for place in np.argsort(-values, kind="stable")]


def count_predictions(
    labels: np.ndarray, predicted: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the predictions of one classifier.

    Parameters
    ----------
    labels, predicted : arrays of shape (N,), int
        True and predicted classes.
    n_classes : int
        Number of classes K.

    Returns
    -------
    true_positives, predicted, support : arrays of shape (K,), int
    """
    hits = np.bincount(labels[predicted == labels], minlength=n_classes)
    return hits, np.bincount(predicted, minlength=n_classes), np.bincount(labels, minlength=n_classes)


def rank_tables(
    objective: Objective,
    methods: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]],
    log_prior: np.ndarray,
    taus: Sequence[float],
) -> tuple[list[int], list[float]]:
    """Rank methods by their predictions, each with the strength of logit adjustment that is best for it.

    Parameters
    ----------
    objective : Objective
        What they are ranked by.
    methods : sequence of sequence of (labels, log-probabilities)
        For each method and seed, the true classes (n,) and the predictions (n, K).
    log_prior : array of shape (K,)
        Log prior of each class.
    taus : sequence of float
        Strengths of logit adjustment, besides none.

    Returns
    -------
    order : list of int
        Places of the methods from the best to the worst.
    scores : list of float
        Objective of each method, in the order of `methods`.
    """
    owners, counts = [], []
    for place, seeds in enumerate(methods):
        for tau in (0.0, *taus):
            parts = [
                count_predictions(labels, adjust_logits(table, log_prior, tau).argmax(1), len(log_prior))
                for labels, table in seeds
            ]
            hits, totals, support = np.moveaxis(np.array(parts), 1, 0)
            owners.append(place)
            counts.append((hits, totals, support))
    if not counts:
        return [], []
    best: dict[int, int] = {}
    for candidate in objective.rank(counts):
        best.setdefault(owners[candidate], candidate)
    scores = [float(objective.from_counts(*counts[best[place]]).mean()) for place in range(len(methods))]
    return list(best), scores


def _ratio(numerator: np.ndarray, denominator: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Divide; NaN for classes without images."""
    return np.where(support > 0, numerator / np.maximum(denominator, 1), np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over classes that have images; 0 where none has."""
    is_known = np.isfinite(values)
    mean: np.ndarray = np.where(is_known, values, 0.0).sum(-1) / np.maximum(is_known.sum(-1), 1)
    return mean
