"""Performance of a classifier by group: Fairlearn's definitions, and the rows that are judged."""

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn.metrics import MetricFrame, equalized_odds_difference
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ganaug import LabeledImages
from ganaug.evaluation.scores import Resamples
from ganaug.reports import downstream
from ganaug.reports.group_scores import group_scores

VALUES = ("dark", "light", "mixed")


def predictions(n=600, n_classes=2, n_seeds=1, seed=0):
    """Labels, groups and log-probabilities (S, N, K) of classifiers that are worse for some cells than for others."""
    random = np.random.default_rng(seed)
    labels, groups = random.integers(n_classes, size=n), random.integers(len(VALUES), size=n)
    accuracy = random.uniform(0.5, 0.95, size=(n_classes, len(VALUES)))[labels, groups]
    guesses = np.where(random.uniform(size=(n_seeds, n)) < accuracy, labels, (labels + 1) % n_classes)
    return labels, groups, np.log(np.where(np.eye(n_classes)[guesses] > 0, 0.9, 0.1 / (n_classes - 1)))


def images_of(labels, groups):
    metadata = pd.DataFrame({"attr_skin": [VALUES[group] for group in groups]})
    pixels = torch.arange(len(labels) * 4).view(-1, 1, 2, 2).remainder(251).to(torch.uint8)
    classes = tuple(f"class {label}" for label in range(labels.max() + 1))
    return LabeledImages(pixels, torch.from_numpy(labels), classes, metadata)


def rows_of(labels, groups, without, with_synthetic, clusters=None):
    """{(subject, metric): row} of the attribute, with the tables of both trainings in place of classifiers."""
    tables = [without, with_synthetic]
    rows = downstream._attribute_rows(images_of(labels, groups), "attr_skin", tables, clusters, seed=0)
    return {(row.subject, row.metric): row for row in rows}


@pytest.mark.parametrize("n_classes", [2, 4])
def test_values_gaps_and_ratios_are_those_of_fairlearn(n_classes):
    labels, groups, table = predictions(n_classes=n_classes)
    rows = rows_of(labels, groups, table, table)
    frame = MetricFrame(
        metrics={"accuracy": accuracy_score, "balanced accuracy": balanced_accuracy_score},
        y_true=labels,
        y_pred=table[0].argmax(1),
        sensitive_features=np.array(VALUES)[groups],
    )
    for metric in ("accuracy", "balanced accuracy"):
        column = f"{metric}, real only"
        for value in VALUES:
            assert rows[f"attr_skin = {value}", column].value == pytest.approx(frame.by_group[metric][value])
        assert rows["attr_skin: largest gap", column].value == pytest.approx(frame.difference()[metric])
        assert rows["attr_skin: smallest ratio", column].value == pytest.approx(frame.ratio()[metric])


def test_the_equalized_odds_difference_is_that_of_fairlearn():
    labels, groups, table = predictions()
    row = rows_of(labels, groups, table, table)["attr_skin: equalized odds difference", "recall, real only"]
    expected = equalized_odds_difference(labels, table[0].argmax(1), sensitive_features=groups)
    assert row.value == pytest.approx(expected)


def test_scores_are_averages_over_seeds_and_a_missing_cell_is_nan():
    labels, groups = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    right, wrong = np.log(np.where(np.eye(2)[labels] > 0, 0.9, 0.1)), np.log(np.where(np.eye(2)[labels] > 0, 0.1, 0.9))
    resamples = Resamples.draw(groups, n_seeds=2, n=20)
    scores = group_scores(labels, np.stack([right, wrong]), groups, 2, resamples)
    assert scores.accuracy[0].tolist() == [0.5, 0.5]
    assert np.isnan(scores.recall[0, 1, 0])
    assert scores.balanced_accuracy[0].tolist() == [0.5, 0.5]
    gaps = scores.recall_gaps(np.ones((2, 2), dtype=bool))[0]
    assert np.isnan(gaps[0])
    assert gaps[1] == 0


def spoiled(table, rows):
    """The table with wrong predictions at `rows`."""
    changed = table.copy()
    changed[:, rows] = changed[:, rows, ::-1]
    return changed


def test_a_loss_of_recall_that_accuracy_hides_is_found():
    """Predictions for one class of a group get worse and those for the other get better."""
    labels, groups, table = predictions(n=1200, n_seeds=3)
    is_right = table.argmax(2) == labels
    cell = groups == 0
    worse = np.flatnonzero(cell & (labels == 0) & is_right.all(0))[:60]
    better = np.flatnonzero(cell & (labels == 1) & ~is_right.any(0))
    rows = rows_of(labels, groups, table, spoiled(table, np.concatenate([worse, better])))
    change = rows["class 0: attr_skin = dark", "change in recall"]
    assert change.high < 0
    assert rows["class 1: attr_skin = dark", "change in recall"].low >= 0
    odds = rows["attr_skin: equalized odds difference", "change in recall"]
    assert odds.p < 0.01
    assert odds.value > 0
    assert rows["attr_skin: equalized odds difference", "recall, with synthetic"].note == "largest for class class 0"


def test_equal_predictions_are_no_worsening():
    labels, groups, table = predictions(n_seeds=3)
    tested = [row for row in rows_of(labels, groups, table, table).values() if row.p is not None]
    assert len(tested) == len(VALUES) + 2  # each group, the largest gap, the equalized odds difference
    assert all(row.value == 0 and row.p >= 0.5 for row in tested)


def test_small_cells_are_insufficient_and_left_out_of_the_equalized_odds():
    labels, groups, table = predictions(n=300)
    keep = np.flatnonzero((groups != 2) | (labels == 1) | (np.cumsum((groups == 2) & (labels == 0)) <= 5))
    table = table[:, keep]
    rows = rows_of(labels[keep], groups[keep], table, table)
    cell = rows["class 0: attr_skin = mixed", "change in recall"]
    assert (cell.state, cell.value, cell.note) == ("insufficient", None, "fewer than 10 test images")
    per_class = [
        np.ptp([rows[f"class {k}: attr_skin = {v}", "recall, real only"].value for v in values])
        for k, values in enumerate((VALUES[:2], VALUES))
    ]
    odds = rows["attr_skin: equalized odds difference", "recall, real only"]
    assert odds.value == pytest.approx(max(per_class))


def test_a_class_that_a_group_lacks_is_named():
    labels, groups, table = predictions(n=300, n_classes=3)
    keep = np.flatnonzero((groups != 1) | (labels != 2))
    rows = rows_of(labels[keep], groups[keep], table[:, keep], table[:, keep])
    assert "no test images of class 2" in rows["attr_skin = light", "change in balanced accuracy"].note


def test_few_clusters_are_insufficient():
    labels, groups, table = predictions(n=300)
    rows = rows_of(labels, groups, table, table, clusters=np.arange(300) // 60)
    assert (
        rows["attr_skin = dark", "change in accuracy"].note
        == "fewer than 10 test images or 6 clusters (patients, slides)"
    )
    assert ("attr_skin: largest gap", "change in accuracy") not in rows


def test_of_one_class_there_is_no_recall():
    labels, groups, table = predictions(n=120)
    rows = rows_of(np.zeros_like(labels), groups, table[:, :, :1], table[:, :, :1])
    assert not any("recall" in metric for _, metric in rows)


def test_one_training_is_noted():
    labels, groups, table = predictions(n=120)
    rows = rows_of(labels, groups, table, table)
    assert rows["attr_skin = dark", "change in accuracy"].note.startswith("one training")


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "n_classes"), [(1, 2), (3, 2), (3, 5)])
def test_equally_good_classifiers_rarely_raise_an_alarm(n_seeds, n_classes):
    """Trainings differ at random, some images are harder than others, and synthetic images change nothing."""
    p_values = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        labels, groups = (random.integers(n, size=60 * n_classes) for n in (n_classes, 2))
        difficulty = random.normal(0, 1.5, len(labels))
        tables = []
        for _ in range(2):
            # with one training, the interval does not include the differences between trainings
            skill = 2.5 + random.normal(0, 0.3 if n_seeds > 1 else 0, size=(n_seeds, n_classes, 2))
            is_right = skill[:, labels, groups] + random.normal(0, 0.7, (n_seeds, len(labels))) > difficulty
            guesses = np.where(is_right, labels, (labels + 1) % n_classes)
            tables.append(np.log(np.where(np.eye(n_classes)[guesses] > 0, 0.9, 0.1 / (n_classes - 1))))
        rows = rows_of(labels, groups, *tables)
        p_values.append(rows["attr_skin: equalized odds difference", "change in recall"].p)
    assert np.mean(np.array(p_values) < 0.05) <= 0.05
    assert np.mean(np.array(p_values) < 0.01) <= 0.01
