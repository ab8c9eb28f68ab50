import numpy as np
import pytest
from scipy.stats import kstest

from ganaug.metrics.attribute_shift import share_shift


def test_a_shift_of_ten_points_in_a_thousand_images_is_nearly_always_detected():
    random = np.random.default_rng(0)
    shifts = [share_shift(250, 500, random.binomial(1000, 0.6), 1000) for _ in range(200)]
    assert sum(one.p < 0.05 for one in shifts) >= 190
    assert np.mean([one.change for one in shifts]) == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("of_population", [False, True])
def test_p_values_without_a_shift_are_uniform_or_larger(of_population):
    random, p_values = np.random.default_rng(1), []
    for _ in range(300):
        hits = random.binomial(60, 0.3) if of_population else 18
        p_values.append(share_shift(hits, 60, random.binomial(200, 0.3), 200, of_population=of_population).p)
    assert kstest(p_values, "uniform", alternative="greater").pvalue > 0.001


def test_a_shift_from_the_population_needs_more_evidence_than_one_from_the_training_set():
    assert share_shift(6, 20, 450, 1000, of_population=True).p > share_shift(6, 20, 450, 1000).p
