import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from ganaug.evaluation import Resamples, adjust_logits, compute_scores, holm, interval, proportion_interval
from ganaug.evaluation.scores import compute_recall


def simulate(n=400, n_classes=4, n_seeds=3, skill=1.0, seed=0):
    """Labels (N,) and log-probabilities (S, N, K), the more accurate the greater the skill."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    logits = random.normal(size=(n_seeds, n, n_classes)) + skill * np.eye(n_classes)[labels]
    return labels, logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def two_class_table(labels, is_correct):
    return np.log(np.where(is_correct[..., None] == (np.arange(2) == labels[:, None]), 0.9, 0.1))


def test_point_estimates_equal_scikit_learn():
    labels, tables = simulate()
    scores = compute_scores(labels, tables, Resamples.draw(labels, 3, n=10))
    predictions = tables.argmax(2)
    accuracy = np.mean([balanced_accuracy_score(labels, of_seed) for of_seed in predictions])
    assert scores.balanced_accuracy[0] == pytest.approx(accuracy)
    f1 = np.mean([f1_score(labels, of_seed, average="macro") for of_seed in predictions])
    assert scores.macro_f1[0] == pytest.approx(f1)


def test_every_resample_scores_like_the_repeated_images():
    labels, tables = simulate(n=60, n_seeds=2)
    resamples = Resamples.draw(labels, 2, n=5)
    scores = compute_scores(labels, tables, resamples)
    for row in range(6):
        images = np.repeat(np.arange(60), resamples.images[row])
        per_seed = [balanced_accuracy_score(labels[images], table.argmax(1)[images]) for table in tables]
        assert scores.balanced_accuracy[row] == pytest.approx(np.average(per_seed, weights=resamples.seeds[row]))


def test_calibration_error_of_a_calibrated_and_of_an_overconfident_classifier():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 20_000)
    labels = np.where(random.uniform(size=20_000) < confidence, 0, 1)
    resamples = Resamples.draw(labels, 1, n=2)
    calibrated = np.log(np.stack([confidence, 1 - confidence], axis=1))[None]
    assert compute_scores(labels, calibrated, resamples).ece[0] < 0.02
    overconfident = np.log(np.stack([np.full(20_000, 0.999), np.full(20_000, 0.001)], axis=1))[None]
    error = compute_scores(labels, overconfident, resamples).ece[0]
    assert error == pytest.approx(0.999 - (labels == 0).mean(), abs=1e-6)


def test_groups_are_resampled_as_a_whole():
    labels, groups = np.arange(12) % 3, np.arange(12) // 4
    counts = Resamples.draw(labels, 1, groups=groups, n=50).images[1:]
    assert (counts.reshape(50, 3, 4) == counts.reshape(50, 3, 4)[:, :, :1]).all()
    assert (counts.sum(1) == 12).all()


def test_classes_keep_their_size_without_groups():
    labels = np.array([0] * 30 + [1] * 3)
    counts = Resamples.draw(labels, 1, n=50).images
    assert (counts[:, 30:].sum(1) == 3).all()


def test_95_percent_intervals_cover_the_true_accuracy():
    random, n_covered = np.random.default_rng(1), 0
    for trial in range(200):
        labels = np.repeat([0, 1], 100)
        table = two_class_table(labels, random.uniform(size=(1, 200)) < 0.7)
        resamples = Resamples.draw(labels, 1, n=300, seed=trial)
        accuracy = interval(compute_scores(labels, table, resamples).balanced_accuracy)
        n_covered += accuracy.low <= 0.7 <= accuracy.high
    assert 180 <= n_covered <= 199


def test_intervals_include_the_variation_between_trainings():
    """Each of five trainings is better or worse than its method, on all images alike."""
    random, n_covered = np.random.default_rng(2), 0
    for trial in range(200):
        labels = np.repeat([0, 1], 1000)
        tables = two_class_table(labels, random.uniform(size=(5, 2000)) < random.normal(0.7, 0.04, size=(5, 1)))
        accuracy = interval(compute_recall(labels, tables, Resamples.draw(labels, 5, n=200, seed=trial)).mean(1))
        n_covered += accuracy.low <= 0.7 <= accuracy.high
    assert n_covered >= 184


def test_no_difference_has_p_value_1_and_a_clear_one_a_small_p_value():
    labels, tables = simulate(skill=1.0)
    better = simulate(skill=2.0)[1]
    resamples = Resamples.draw(labels, 3, n=500)
    first, second = (compute_scores(labels, each, resamples).balanced_accuracy for each in (tables, better))
    assert interval(first - first).p == 1
    assert interval(second - first).p < 0.01


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, np.nan, 0.01], [0.5, np.nan, 0.02]),
        ([0.9, 0.8], [1.0, 1.0]),
    ],
)
def test_holm_returns_the_textbook_values(p_values, adjusted):
    np.testing.assert_allclose(holm(np.array(p_values)), adjusted)


def test_logit_adjustment_of_strength_1_undoes_the_prior():
    prior = np.array([0.9, 0.1])
    posterior = np.log(prior * np.array([0.5, 0.5]))
    np.testing.assert_allclose(np.exp(adjust_logits(posterior, np.log(prior), 1.0)), [0.5, 0.5])
    np.testing.assert_allclose(adjust_logits(np.log(prior), np.log(prior), 0.0), np.log(prior))


def test_the_interval_of_a_proportion_stays_between_0_and_1():
    """Seed weights are scaled up, which leads beyond 1 where trainings differ and all are nearly perfect."""
    labels, tables = simulate(n=200, n_seeds=3, skill=9.0)
    tables[0] = simulate(n=200, n_seeds=1, skill=4.0, seed=1)[1][0]
    values = compute_scores(labels, tables, Resamples.draw(labels, 3, n=500)).balanced_accuracy
    assert values.max() > 1
    assert interval(values, limits=(-2, 2)).high > proportion_interval(values).high == 1.0
    assert interval(values).high == 1.0  # a difference of two scores
    assert interval(-4 * values).low == -1.0
    assert proportion_interval(values).low == interval(values).low
    assert np.isnan(proportion_interval(np.array([0.5, np.nan])).low)
