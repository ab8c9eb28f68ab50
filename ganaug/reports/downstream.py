"""What synthetic images do to a classifier for each group of test images: rows of a bias report."""

from typing import Any

import numpy as np
import torch
from fairlearn.metrics import MetricFrame
from sklearn.metrics import accuracy_score

from ganaug.errors import DataError
from ganaug.evaluation.classifiers import Classifier
from ganaug.evaluation.comparison import MIN_GROUPS
from ganaug.evaluation.scores import Interval, Resamples, interval, share_interval
from ganaug.evaluation.training_set import balanced, together
from ganaug.evaluation.trial import predicted
from ganaug.images import LabeledImages, image_hashes
from ganaug.metrics.attribute_shift import FEWEST
from ganaug.reports.attributes import checked_values, codes, texts
from ganaug.reports.report import Row

DOWNSTREAM, GAP = "A classifier on the test images, by group", "largest gap"
WITHOUT, WITH, CHANGE = "accuracy, real only", "accuracy, with synthetic", "change"


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
    """Accuracy for each value of each attribute, and the largest gap between values, without and with synthetic images.

    Classifiers draw every class equally often. Intervals come from a paired bootstrap of test images, or of whole
    `groups` (N,) of them, and of trainings; p values are of a change for the worse. Raises DataError where a test image
    is a training image too, or an attribute is not among the test images' metadata.
    """
    twice = int(torch.isin(image_hashes(test.images), image_hashes(real.images)).sum())
    if twice:
        raise DataError(f"{twice} test images are training images too: give test= images that were held apart.")
    sets = balanced(real), together(real, synthetic)
    guesses = [
        np.stack([predicted(classifier, training, _unaltered, test.images, seed + n).argmax(1) for n in range(n_seeds)])
        for training in sets
    ]
    rows: list[Row] = []
    for name in names:
        rows += _of_attribute(test, name, guesses, groups, n_seeds, seed)
    return rows


def checked_test(test: LabeledImages, names: list[str]) -> None:
    """Raise DataError, before anything is trained, where the test images lack an attribute or have one value of it."""
    there = set() if test.metadata is None else set(test.metadata.columns)
    for name in names:
        if name not in there:
            has = ", ".join(sorted(there)) or "none"
            raise DataError(f"attribute {name!r} is not among the metadata of the test images ({has}).")
        checked_values(name, texts(test, name), "test")


def _unaltered(batch: torch.Tensor, seed: int) -> torch.Tensor:  # noqa: ARG001
    return batch


def _of_attribute(
    test: LabeledImages, name: str, guesses: list[np.ndarray], groups: np.ndarray | None, n_seeds: int, seed: int
) -> list[Row]:
    own = texts(test, name)
    values = checked_values(name, own, "test")
    who = codes(own, values)
    known = np.flatnonzero(who >= 0)
    labels, who = test.labels.numpy()[known], who[known]
    clusters = None if groups is None else groups[known]
    resamples = Resamples.draw(who, n_seeds, groups=clusters, seed=seed)
    enough = np.array([_enough(who == value, clusters) for value in range(len(values))])
    frames = [_frame(labels, found[:, known], who) for found in guesses]
    drawn = [_accuracy(found[:, known] == labels, who, len(values), resamples) for found in guesses]
    rows, note = [], "one training: what another would differ by is not known" if n_seeds == 1 else ""
    for value, text in enumerate(values):
        subject = f"{name} = {text}"
        rows.append(Row(DOWNSTREAM, subject, "test images", int((who == value).sum())))
        if not enough[value]:
            rows.append(Row(DOWNSTREAM, subject, CHANGE, None, state="insufficient", note=f"fewer than {FEWEST}"))
            continue
        for metric, frame, own_draws in zip((WITHOUT, WITH), frames, drawn, strict=True):
            found = share_interval(own_draws[:, value])
            rows.append(Row(DOWNSTREAM, subject, metric, frame.by_group[value], found.low, found.high))
        change = interval(drawn[1][:, value] - drawn[0][:, value])
        p = worse(change, sign=-1)
        rows.append(Row(DOWNSTREAM, subject, CHANGE, change.value, change.low, change.high, p, note=note))
    if enough.sum() < 2:
        return rows
    gaps = [np.ptp(own_draws[:, enough], axis=1) for own_draws in drawn]
    subject = f"{name}: {GAP}"
    for metric, own_gaps in zip((WITHOUT, WITH), gaps, strict=True):
        found = share_interval(own_gaps)
        rows.append(Row(DOWNSTREAM, subject, metric, found.value, found.low, found.high))
    change = interval(gaps[1] - gaps[0])
    p = worse(change, sign=1)
    rows.append(Row(DOWNSTREAM, subject, CHANGE, change.value, change.low, change.high, p, note=note))
    return rows


def worse(change: Interval, *, sign: int) -> float:
    """One-sided p value of a change in the direction of `sign`."""
    return change.p / 2 if change.value * sign > 0 else 1 - change.p / 2


def _enough(own: np.ndarray, clusters: np.ndarray | None) -> bool:
    return bool(own.sum() >= FEWEST and (clusters is None or len(np.unique(clusters[own])) >= MIN_GROUPS))


def _frame(labels: np.ndarray, guesses: np.ndarray, who: np.ndarray) -> Any:
    """Fairlearn's table of accuracy by group, over all trainings: guesses (S, N)."""
    n_seeds = len(guesses)
    return MetricFrame(
        metrics=accuracy_score,
        y_true=np.tile(labels, n_seeds),
        y_pred=guesses.ravel(),
        sensitive_features=np.tile(who, n_seeds),
    )


def _accuracy(right: np.ndarray, who: np.ndarray, n_values: int, resamples: Resamples) -> np.ndarray:
    """Accuracy of each group in each resample: right (S, N) -> (B + 1, A); NaN for a group that a resample lacks."""
    member = (who[:, None] == np.arange(n_values)).astype(float)
    weights = resamples.images.astype(float)
    hits = sum(
        (weights @ (member * own[:, None])) * share[:, None]
        for own, share in zip(right, resamples.seeds.T, strict=True)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = hits / (weights @ member)
    return found
