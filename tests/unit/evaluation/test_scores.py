import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from ganaug.evaluation.scores import Resamples, holm, interval, offset, recalls, scores, share_interval


def predictions(n=400, n_classes=4, n_seeds=3, skill=1.0, seed=0):
    """Labels (N,) and log-probabilities (S, N, K) that are right more often the greater the skill."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    logits = random.normal(size=(n_seeds, n, n_classes)) + skill * np.eye(n_classes)[labels]
    return labels, logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_point_values_are_those_of_scikit_learn():
    labels, tables = predictions()
    found = scores(labels, tables, Resamples.draw(labels, 3, n=10))
    predicted = tables.argmax(2)
    assert found.balanced_accuracy[0] == pytest.approx(np.mean([balanced_accuracy_score(labels, p) for p in predicted]))
    assert found.macro_f1[0] == pytest.approx(np.mean([f1_score(labels, p, average="macro") for p in predicted]))


def test_every_resample_scores_as_the_images_written_out_would():
    labels, tables = predictions(n=60, n_seeds=2)
    drawn = Resamples.draw(labels, 2, n=5)
    found = scores(labels, tables, drawn)
    for row in range(6):
        places = np.repeat(np.arange(60), drawn.images[row])
        each = [balanced_accuracy_score(labels[places], table.argmax(1)[places]) for table in tables]
        assert found.balanced_accuracy[row] == pytest.approx(np.average(each, weights=drawn.seeds[row]))


def test_calibration_error_of_a_calibrated_and_of_a_boasting_classifier():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 20_000)
    labels = np.where(random.uniform(size=20_000) < confidence, 0, 1)
    honest = np.log(np.stack([confidence, 1 - confidence], axis=1))[None]
    drawn = Resamples.draw(labels, 1, n=2)
    assert scores(labels, honest, drawn).ece[0] < 0.02
    boasting = np.log(np.stack([np.full(20_000, 0.999), np.full(20_000, 0.001)], axis=1))[None]
    assert scores(labels, boasting, drawn).ece[0] == pytest.approx(0.999 - (labels == 0).mean(), abs=1e-6)


def test_groups_are_drawn_whole():
    labels, groups = np.arange(12) % 3, np.arange(12) // 4
    drawn = Resamples.draw(labels, 1, groups=groups, n=50).images[1:]
    assert (drawn.reshape(50, 3, 4) == drawn.reshape(50, 3, 4)[:, :, :1]).all()
    assert (drawn.sum(1) == 12).all()


def test_classes_keep_their_size_where_there_are_no_groups():
    labels = np.array([0] * 30 + [1] * 3)
    drawn = Resamples.draw(labels, 1, n=50).images
    assert (drawn[:, 30:].sum(1) == 3).all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random, covered = np.random.default_rng(1), 0
    for trial in range(200):
        labels = np.repeat([0, 1], 100)
        right = random.uniform(size=(1, 200)) < 0.7
        table = np.log(np.where(right[..., None] == (np.arange(2) == labels[:, None]), 0.9, 0.1))
        found = interval(scores(labels, table, Resamples.draw(labels, 1, n=300, seed=trial)).balanced_accuracy)
        covered += found.low <= 0.7 <= found.high
    assert 180 <= covered <= 199


def test_a_difference_that_is_none_has_a_large_p_and_a_plain_one_a_small_one():
    labels, tables = predictions(skill=1.0)
    better = predictions(skill=2.0)[1]
    drawn = Resamples.draw(labels, 3, n=500)
    first, second = (scores(labels, t, drawn).balanced_accuracy for t in (tables, better))
    assert interval(first - first).p == 1
    assert interval(second - first).p < 0.01


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, np.nan, 0.01], [0.5, np.nan, 0.02]),
        ([0.9, 0.8], [1.0, 1.0]),
    ],
)
def test_holm_gives_the_textbook_values(given, adjusted):
    np.testing.assert_allclose(holm(np.array(given)), adjusted)


def test_offsets_of_the_whole_prior_undo_it():
    prior = np.array([0.9, 0.1])
    posterior = np.log(prior * np.array([0.5, 0.5]))
    np.testing.assert_allclose(np.exp(offset(posterior, np.log(prior), 1.0)), [0.5, 0.5])
    np.testing.assert_allclose(offset(np.log(prior), np.log(prior), 0.0), np.log(prior))


def test_intervals_know_that_trainings_differ():
    """Each of five trainings is better or worse than the way it stands for, on all images alike."""
    random, covered = np.random.default_rng(2), 0
    for trial in range(200):
        labels = np.repeat([0, 1], 1000)
        right = random.uniform(size=(5, 2000)) < random.normal(0.7, 0.04, size=(5, 1))
        tables = np.log(np.where(right[..., None] == (np.arange(2) == labels[:, None]), 0.9, 0.1))
        found = interval(recalls(labels, tables, Resamples.draw(labels, 5, n=200, seed=trial)).mean(1))
        covered += found.low <= 0.7 <= found.high
    assert covered >= 184


def test_the_interval_of_a_share_stays_one():
    """Seeds that differ are spread out for their number, which leads beyond 1 where all are nearly perfect."""
    labels, tables = predictions(n=200, n_seeds=3, skill=9.0)
    tables[0] = predictions(n=200, n_seeds=1, skill=4.0, seed=1)[1][0]
    values = scores(labels, tables, Resamples.draw(labels, 3, n=500)).balanced_accuracy
    assert values.max() > 1
    assert interval(values).high > share_interval(values).high == 1.0
    assert share_interval(values).low == interval(values).low
    assert np.isnan(share_interval(np.array([0.5, np.nan])).low)
