import numpy as np
import pytest
from ganaug.metrics.fairness import amplification, calibrated_amplification, shift
from scipy.stats import kstest

EVEN = np.array([[0.5, 0.5], [0.5, 0.5], [0.7, 0.3], [0.4, 0.6]])


def drawn(random, n, shares=EVEN):
    return np.stack([random.multinomial(n, share) for share in shares])


def test_a_shift_of_ten_points_in_a_thousand_is_found_nearly_always():
    random = np.random.default_rng(0)
    found = [shift(250, 500, random.binomial(1000, 0.6), 1000) for _ in range(200)]
    assert sum(one.p < 0.05 for one in found) >= 190
    assert np.mean([one.change for one in found]) == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("of_population", [False, True])
def test_no_shift_is_no_alarm(of_population):
    random, found = np.random.default_rng(1), []
    for _ in range(300):
        hits = random.binomial(60, 0.3) if of_population else 18
        found.append(shift(hits, 60, random.binomial(200, 0.3), 200, of_population=of_population).p)
    assert kstest(found, "uniform", alternative="greater").pvalue > 0.001


def test_a_claim_about_the_population_is_the_more_careful_one():
    assert shift(6, 20, 450, 1000, of_population=True).p > shift(6, 20, 450, 1000).p


def test_amplification_by_hand():
    """Cooking women: 60 of 100 in training, 80 of 100 among the synthetic; driving is even on both sides."""
    real, synthetic = np.array([[60, 40], [50, 50]]), np.array([[80, 20], [50, 50]])
    found = amplification(real, synthetic)
    # women cook (0.6 > 0.55): +0.2; men do not cook: -(-0.2); women do not drive: -0; men drive: +0
    assert found.mean == pytest.approx(0.1)
    assert (found.positive, found.negative) == (pytest.approx(0.4), 0)
    shrunk = amplification(real, np.array([[50, 50], [50, 50]]))
    assert (shrunk.mean, shrunk.positive) == (pytest.approx(-0.05), 0)


def test_how_many_images_of_each_class_are_made_is_no_bias():
    real = np.array([[60, 40], [5, 5]])
    filled = np.array([[60, 40], [500, 500]])
    for direction in ("attribute", "class"):
        assert amplification(real, filled, direction=direction).mean == pytest.approx(0)


def test_changes_that_cancel_are_seen_in_the_sums():
    real = np.array([[60, 40], [40, 60], [60, 40], [40, 60]])
    synthetic = np.array([[80, 20], [20, 80], [40, 60], [60, 40]])
    found = amplification(real, synthetic)
    assert abs(found.mean) < 1e-9
    assert found.positive == pytest.approx(0.8)
    assert found.negative == pytest.approx(-0.8)


@pytest.mark.parametrize("n", [20, 200])
def test_a_faithful_generator_scores_nothing_once_calibrated(n):
    random, raw, calibrated = np.random.default_rng(2), [], []
    for trial in range(250):
        real, synthetic = drawn(random, n), drawn(random, 1000)
        raw.append(amplification(real, synthetic).mean)
        calibrated.append(calibrated_amplification(real, synthetic, n=60, seed=trial).value)
    error = np.std(calibrated) / 250**0.5
    assert abs(np.mean(calibrated)) < max(0.005, 3 * error)  # a thousand draws of 20 and of 200: -0.001 and -0.001
    assert np.mean(raw) < -0.004


def test_an_exaggerating_generator_is_found_against_either_claim():
    real, synthetic = np.array([[140, 60], [60, 140]]), np.array([[900, 100], [100, 900]])
    for of_population in (False, True):
        found = calibrated_amplification(real, synthetic, of_population=of_population, n=500)
        assert found.value > 0.1
        assert found.p < 0.01


def test_cells_without_images_give_no_nan():
    real, synthetic = np.array([[10, 0], [0, 0], [3, 4]]), np.array([[5, 5], [0, 0], [0, 0]])
    for direction in ("attribute", "class"):
        assert np.isfinite(amplification(real, synthetic, direction=direction).mean)
        assert np.isfinite(calibrated_amplification(real, synthetic, direction=direction, n=50).value)


def test_the_interval_holds_the_amplification_that_many_images_show():
    """Nine of ten in place of seven of ten: 0.2 more, of which the interval of small sets must know."""
    random, held = np.random.default_rng(3), 0
    real = np.array([[140, 60], [60, 140]])
    for trial in range(60):
        synthetic = np.stack([random.multinomial(200, share) for share in ([0.9, 0.1], [0.1, 0.9])])
        found = calibrated_amplification(real, synthetic, of_population=False, n=200, seed=trial)
        held += found.low <= 0.2 <= found.high
    assert 52 <= held <= 60
