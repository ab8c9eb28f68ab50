"""Rows of a bias report on classifiers: their performance for each group of test images, with and without synthetic
images."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ganaug.datasets.attribute_columns import column_texts, distinct_values, encode
from ganaug.errors import DataError
from ganaug.evaluation.bootstrap import Interval, Resamples, interval, proportion_interval
from ganaug.evaluation.classifiers import Classifier, train_and_predict
from ganaug.evaluation.predictions import MIN_GROUPS as MIN_CLUSTERS
from ganaug.evaluation.training_set import balance_classes, balance_combined
from ganaug.images import LabeledImages, image_hashes
from ganaug.metrics.attribute_shift import MIN_IMAGES
from ganaug.reports.group_scores import GroupScores, group_scores
from ganaug.reports.rows import Row

GROUP_PERFORMANCE = "Classifier performance by group"
GROUP_RECALL = "Classifier recall by class and group"
LARGEST_GAP, SMALLEST_RATIO = "largest gap", "smallest ratio"
EQUALIZED_ODDS = "equalized odds difference"
REAL_ONLY, WITH_SYNTHETIC = "real only", "with synthetic"
ONE_SEED = "one training: the interval does not include the differences between trainings"


def check_test(test: LabeledImages, real: LabeledImages) -> None:
    """Check that no test image is a training image.

    Parameters
    ----------
    test, real : LabeledImages
        Test and training images.

    Raises
    ------
    DataError
        If there are no test images, or one is a training image too.
    """
    if not len(test):
        raise DataError("there are no test images: pass real images that nothing was trained on.")
    n_shared = int(torch.isin(image_hashes(test.images), image_hashes(real.images)).sum())
    if n_shared:
        raise DataError(
            f"{n_shared} test images are training images too: pass test= images that are not among the training images."
        )


def downstream_rows(
    real: LabeledImages,
    synthetic: LabeledImages,
    test: LabeledImages,
    names: list[str],
    classifier: Classifier,
    groups: np.ndarray | None,
    *,
    n_seeds: int,
    seed: int,
) -> list[Row]:
    """Train classifiers with and without synthetic images, and compare their performance by group of test images.

    Classifiers draw every class equally often.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Training images.
    test : LabeledImages
        N real images with the attributes as metadata.
    names : list of str
        Attributes; each of their values defines a group.
    classifier : Classifier
        As `evaluation.classifiers.resolve_classifier` returns it.
    groups : ndarray, shape (N,), optional
        Cluster (patient, slide) of each test image; clusters are resampled as a whole.
    n_seeds : int
        Trainings with each set of images.
    seed : int
        First seed.

    Returns
    -------
    list of Row
        Accuracy, balanced accuracy and recall of each class by group, the largest gap and the smallest ratio between
        groups, and the equalized odds difference. Intervals come from a paired bootstrap of test images (or clusters)
        and trainings. p values are one-sided, for a change for the worse of the accuracy of a group, the largest gap in
        accuracy, and the equalized odds difference.

    References
    ----------
    Hardt, Price & Srebro 2016, "Equality of Opportunity in Supervised Learning", definition 2.1.
    """
    tables = [
        np.stack([train_and_predict(classifier, training, _unchanged, test.images, seed + n) for n in range(n_seeds)])
        # both balanced, so that a change is not an effect of class frequencies
        for training in (balance_classes(real), balance_combined(real, synthetic))
    ]
    rows: list[Row] = []
    for name in names:
        rows += _attribute_rows(test, name, tables, groups, seed)
    return rows


def worsening_p(change: Interval, *, sign: int) -> float:
    """One-sided p value of a change.

    Parameters
    ----------
    change : Interval
        A change with its two-sided p value.
    sign : {-1, 1}
        Direction that counts as worse.

    Returns
    -------
    float

    Examples
    --------
    >>> from ganaug.evaluation.bootstrap import Interval
    >>> from ganaug.reports.downstream import worsening_p
    >>> loss = Interval(-0.1, -0.2, 0.0, p=0.04)
    >>> worsening_p(loss, sign=-1), worsening_p(loss, sign=1)
    (0.02, 0.98)
    """
    return change.p / 2 if change.value * sign > 0 else 1 - change.p / 2


def _unchanged(batch: torch.Tensor, seed: int) -> torch.Tensor:  # noqa: ARG001
    """No augmentation."""
    return batch


@dataclass(frozen=True)
class _Groups:
    """Test images with a known value of one attribute, grouped by that value.

    labels, codes (index of the value) and clusters (patient or slide): (n,) each.
    """

    name: str
    group_titles: list[str]
    classes: tuple[str, ...]
    labels: np.ndarray
    codes: np.ndarray
    clusters: np.ndarray | None

    @classmethod
    def of(cls, test: LabeledImages, name: str, indices: np.ndarray, clusters: np.ndarray | None) -> "_Groups":
        """Groups of the images at `indices`."""
        column = column_texts(test, name)
        values = distinct_values(column)
        return cls(
            name,
            [f"{name} = {value}" for value in values],
            test.classes,
            test.labels.numpy()[indices],
            encode(column, values)[indices],
            None if clusters is None else clusters[indices],
        )

    def has_enough_images(self, members: np.ndarray) -> bool:
        """Return whether a group has enough images and clusters for a result. members: bool mask (n,)."""
        n_clusters = MIN_CLUSTERS if self.clusters is None else len(np.unique(self.clusters[members]))
        return bool(members.sum() >= MIN_IMAGES and n_clusters >= MIN_CLUSTERS)

    def insufficient_row(self, section: str, subject: str, metric: str) -> Row:
        """A row without a number for a group that is too small."""
        clusters = "" if self.clusters is None else f" or {MIN_CLUSTERS} clusters (patients, slides)"
        reason = f"fewer than {MIN_IMAGES} test images{clusters}"
        return Row(section, subject, metric, None, state="insufficient", note=reason)


def _attribute_rows(
    test: LabeledImages, name: str, tables: list[np.ndarray], clusters: np.ndarray | None, seed: int
) -> list[Row]:
    """Rows of one attribute. tables: log-probabilities (S, N, K) without and with synthetic images."""
    indices = np.flatnonzero([text is not None for text in column_texts(test, name)])
    groups = _Groups.of(test, name, indices, clusters)
    n_seeds = len(tables[0])
    resamples = Resamples.draw(groups.codes, n_seeds, groups=groups.clusters, seed=seed)
    scores = [
        group_scores(groups.labels, table[:, indices], groups.codes, len(groups.group_titles), resamples)
        for table in tables
    ]
    note = ONE_SEED if n_seeds == 1 else ""
    rows = _performance_rows(groups, scores, note)
    if len(groups.classes) > 1:  # of one class, recall is accuracy
        rows += _recall_rows(groups, scores, note)
    return rows


def _performance_rows(groups: _Groups, scores: list[GroupScores], note: str) -> list[Row]:
    """Accuracy and balanced accuracy of each group, and the gap and the ratio between groups."""
    rows: list[Row] = []
    accuracy, balanced_accuracy = ([getattr(one, key) for one in scores] for key in ("accuracy", "balanced_accuracy"))
    has_enough = np.zeros(len(groups.group_titles), dtype=bool)
    for value, subject in enumerate(groups.group_titles):
        members = groups.codes == value
        has_enough[value] = groups.has_enough_images(members)
        rows.append(Row(GROUP_PERFORMANCE, subject, "test images", int(members.sum())))
        if not has_enough[value]:
            rows.append(groups.insufficient_row(GROUP_PERFORMANCE, subject, "change in accuracy"))
            continue
        draws = [one[:, value] for one in accuracy]
        rows += _compare(GROUP_PERFORMANCE, subject, "accuracy", draws, worse=-1, note=note)
        absent = [text for label, text in enumerate(groups.classes) if label not in groups.labels[members]]
        mean_of = f"mean over the other classes: no test images of {', '.join(absent)} in this group" if absent else ""
        draws = [one[:, value] for one in balanced_accuracy]
        # not judged: the equalized odds difference tests recall, and each further test costs power
        rows += _compare(GROUP_PERFORMANCE, subject, "balanced accuracy", draws, note=mean_of)
    if has_enough.sum() < 2:
        return rows
    for title, summarize, worse in ((LARGEST_GAP, _gap, 1), (SMALLEST_RATIO, _ratio, None)):
        subject, remark = f"{groups.name}: {title}", "" if worse is None else note
        draws = [summarize(one[:, has_enough]) for one in accuracy]
        rows += _compare(GROUP_PERFORMANCE, subject, "accuracy", draws, worse=worse, note=remark)
        draws = [summarize(one[:, has_enough]) for one in balanced_accuracy]
        rows += _compare(GROUP_PERFORMANCE, subject, "balanced accuracy", draws)
    return rows


def _recall_rows(groups: _Groups, scores: list[GroupScores], note: str) -> list[Row]:
    """Recall of each class in each group, and the equalized odds difference."""
    rows: list[Row] = []
    has_enough = np.zeros((len(groups.group_titles), len(groups.classes)), dtype=bool)
    for label, text in enumerate(groups.classes):
        for value, group in enumerate(groups.group_titles):
            subject, members = f"{text}: {group}", (groups.codes == value) & (groups.labels == label)
            has_enough[value, label] = groups.has_enough_images(members)
            rows.append(Row(GROUP_RECALL, subject, "test images", int(members.sum())))
            if not has_enough[value, label]:
                rows.append(groups.insufficient_row(GROUP_RECALL, subject, "change in recall"))
                continue
            rows += _compare(GROUP_RECALL, subject, "recall", [one.recall[:, value, label] for one in scores])
    is_comparable = has_enough.sum(axis=0) >= 2  # a gap needs two groups with enough images of the class
    if not is_comparable.any():
        return rows
    names = [text for text, is_in in zip(groups.classes, is_comparable, strict=True) if is_in]
    gaps = [one.recall_gaps(has_enough)[:, is_comparable] for one in scores]
    subject = f"{groups.name}: {EQUALIZED_ODDS}"
    *levels, change = _compare(GROUP_RECALL, subject, "recall", [one.max(axis=1) for one in gaps], worse=1, note=note)
    for level, one in zip(levels, gaps, strict=True):
        # a maximum is larger in nearly every resample than in the sample, so its bootstrap interval would mislead
        rows.append(replace(level, low=None, high=None, note=f"largest for class {names[int(one[0].argmax())]}"))
    return [*rows, change]


def _compare(
    section: str, subject: str, metric: str, draws: list[np.ndarray], *, worse: int | None = None, note: str = ""
) -> list[Row]:
    """Rows of a metric without and with synthetic images, and of its change.

    draws: the metric without and with, (B + 1,) each. worse: sign of a change for the worse, which is then tested;
    None: the change is not judged.
    """
    rows = []
    for training, values in zip((REAL_ONLY, WITH_SYNTHETIC), draws, strict=True):
        level = proportion_interval(values)
        rows.append(Row(section, subject, f"{metric}, {training}", level.value, level.low, level.high))
    change = interval(draws[1] - draws[0])  # paired: both come from the same resamples
    p = None if worse is None else worsening_p(change, sign=worse)
    return [*rows, Row(section, subject, f"change in {metric}", change.value, change.low, change.high, p, note=note)]


def _gap(draws: np.ndarray) -> np.ndarray:
    """Largest less smallest score of the groups in each resample: (B + 1, A) -> (B + 1,)."""
    gap: np.ndarray = np.ptp(draws, axis=1)
    return gap


def _ratio(draws: np.ndarray) -> np.ndarray:
    """Smallest over largest score of the groups in each resample: (B + 1, A) -> (B + 1,); NaN if the largest is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: np.ndarray = draws.min(axis=1) / draws.max(axis=1)
    return ratio
