import numpy as np
import pytest

from ganaug.metrics.bias_amplification import amplification, calibrated_amplification

SHARES = np.array([[0.5, 0.5], [0.5, 0.5], [0.7, 0.3], [0.4, 0.6]])


def draw(random, n, shares=SHARES):
    return np.stack([random.multinomial(n, share) for share in shares])


def test_cooking_women_give_the_values_computed_by_hand():
    """Cooking women: 60 of 100 in training, 80 of 100 among the synthetic images. Driving is even in both."""
    real, synthetic = np.array([[60, 40], [50, 50]]), np.array([[80, 20], [50, 50]])
    stronger = amplification(real, synthetic)
    # women cook (0.6 > 0.55): +0.2; men do not cook: -(-0.2); women do not drive: -0; men drive: +0
    assert stronger.mean == pytest.approx(0.1)
    assert (stronger.positive, stronger.negative) == (pytest.approx(0.4), 0)
    weaker = amplification(real, np.array([[50, 50], [50, 50]]))
    assert (weaker.mean, weaker.positive) == (pytest.approx(-0.05), 0)


def test_the_number_of_synthetic_images_of_each_class_is_no_bias():
    real = np.array([[60, 40], [5, 5]])
    filled = np.array([[60, 40], [500, 500]])
    for direction in ("attribute", "class"):
        assert amplification(real, filled, direction=direction).mean == pytest.approx(0)


def test_changes_that_cancel_show_in_the_sums():
    real = np.array([[60, 40], [40, 60], [60, 40], [40, 60]])
    synthetic = np.array([[80, 20], [20, 80], [40, 60], [60, 40]])
    result = amplification(real, synthetic)
    assert abs(result.mean) < 1e-9
    assert result.positive == pytest.approx(0.8)
    assert result.negative == pytest.approx(-0.8)


@pytest.mark.parametrize("n", [pytest.param(20, marks=pytest.mark.slow), 200])
def test_a_faithful_generator_has_a_calibrated_amplification_of_zero(n):
    random, plain, calibrated = np.random.default_rng(2), [], []
    for trial in range(250):
        real, synthetic = draw(random, n), draw(random, 1000)
        plain.append(amplification(real, synthetic).mean)
        calibrated.append(calibrated_amplification(real, synthetic, n=60, seed=trial).value)
    error = np.std(calibrated) / 250**0.5
    assert abs(np.mean(calibrated)) < max(0.005, 3 * error)  # 1,000 trials with 20 and with 200 images: -0.001 each
    assert np.mean(plain) < -0.004


def test_an_exaggerating_generator_is_detected_against_training_set_and_population():
    real, synthetic = np.array([[140, 60], [60, 140]]), np.array([[900, 100], [100, 900]])
    for of_population in (False, True):
        result = calibrated_amplification(real, synthetic, of_population=of_population, n=500)
        assert result.value > 0.1
        assert result.p < 0.01


def test_cells_without_images_give_no_nan():
    real, synthetic = np.array([[10, 0], [0, 0], [3, 4]]), np.array([[5, 5], [0, 0], [0, 0]])
    for direction in ("attribute", "class"):
        assert np.isfinite(amplification(real, synthetic, direction=direction).mean)
        assert np.isfinite(calibrated_amplification(real, synthetic, direction=direction, n=50).value)


def test_the_interval_of_small_sets_contains_the_amplification_of_many_images():
    """Nine of ten in place of seven of ten is an amplification of 0.2."""
    random, n_inside = np.random.default_rng(3), 0
    real = np.array([[140, 60], [60, 140]])
    for trial in range(60):
        synthetic = np.stack([random.multinomial(200, share) for share in ([0.9, 0.1], [0.1, 0.9])])
        result = calibrated_amplification(real, synthetic, of_population=False, n=200, seed=trial)
        n_inside += result.low <= 0.2 <= result.high
    assert 52 <= n_inside <= 60
