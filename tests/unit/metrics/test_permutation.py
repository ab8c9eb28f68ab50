import math

import pytest
import torch
from scipy.stats import kstest

from ganaug.metrics.distance import kernel_distance
from ganaug.metrics.permutation import N_FIRST, Permutations, permutation_test
from ganaug.metrics.precision_recall import coverage, expected_coverage
from ganaug.metrics.two_sample_tests import classifier_test, coverage_test, dependence_test, kernel_test

TESTS = {"coverage": coverage_test, "kernel": kernel_test, "classifier": classifier_test}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_permutations_keep_the_counts_and_start_with_the_actual_labels():
    permutations = Permutations(7, 3, 600)
    labels = torch.cat([permutations.first, permutations.rest])
    assert labels.shape == (601, 10)
    assert (labels.sum(1) == 3).all()
    assert labels[0].tolist() == [False] * 7 + [True] * 3
    assert torch.equal(permutations.first, Permutations(7, 3, 600).first)
    assert not torch.equal(permutations.first, Permutations(7, 3, 600, seed=1).first)
    assert not len(Permutations(7, 3, 50).rest)


def test_a_small_p_value_uses_all_permutations_and_a_large_one_the_first_only():
    permutations = Permutations(5, 5, 2000)
    large = permutation_test(lambda labels: labels[:, 5].double(), permutations, 10, low=False)
    assert large.p == pytest.approx(0.5, abs=0.08)
    assert "rest" not in vars(permutations)
    values = torch.arange(10.0, dtype=torch.float64)
    small = permutation_test(lambda labels: labels.double() @ values, permutations, 10, low=False)
    null = torch.cat([permutations.first[1:], permutations.rest]).double() @ values
    assert small.p == (1 + int((null >= values[5:].sum()).sum())) / 2001 < 0.05
    assert len(permutations.first) == N_FIRST + 1


def test_the_tested_statistics_equal_the_metrics():
    real, synthetic = draw(30, 4), 0.5 * draw(20, 4, seed=1)
    permutations = Permutations(30, 20, 200)
    assert coverage_test(real, synthetic, permutations).value == pytest.approx(coverage(real, synthetic))
    assert coverage_test(real, synthetic, permutations).expected == pytest.approx(expected_coverage(30, 20), abs=0.02)
    distance = kernel_distance(real, synthetic)
    assert kernel_test(real, synthetic, permutations).value == pytest.approx(distance, abs=1e-9)


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
def test_p_values_of_two_draws_of_one_distribution_are_uniform_or_larger(test):
    permutations = Permutations(20, 15, 400)
    p_values = [test(draw(20, 6, seed=2 * s), draw(15, 6, seed=2 * s + 1), permutations).p for s in range(200)]
    assert kstest(p_values, "uniform", alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
def test_a_collapse_to_a_few_points_is_detected(test):
    real = draw(50, 16)
    collapsed = draw(3, 16, seed=1)[torch.arange(50) % 3] + 0.05 * draw(50, 16, seed=2)
    assert test(real, collapsed, Permutations(50, 50)).p < 0.001


def test_a_change_of_the_spread_alone_is_detected():
    real, wider = draw(100, 8), 1.6 * draw(100, 8, seed=1)
    assert classifier_test(real, wider, Permutations(100, 100)).p < 0.001
    assert kernel_test(real, wider, Permutations(100, 100)).p < 0.001


def test_the_auc_of_two_distant_sets_is_one_and_the_size_of_a_pass_changes_nothing(monkeypatch):
    real, distant = draw(10, 3), draw(10, 3, seed=1) + 9
    permutations = Permutations(10, 10, 300)
    result = classifier_test(real, distant, permutations)
    assert result.value == 1
    monkeypatch.setattr("ganaug.metrics.permutation.MAX_NUMBERS", 100)
    assert classifier_test(real, distant, permutations) == result


def test_the_distance_correlation_of_normal_pairs_equals_the_published_one():
    """Szekely, Rizzo & Bakirov 2007, theorem 7: normal pairs, by their correlation."""
    generator = torch.Generator().manual_seed(0)
    first, other = torch.randn(2, 1500, 1, generator=generator)
    rho = 0.8
    root = (1 - rho**2) ** 0.5
    result = dependence_test(first, rho * first + root * other, n=19)
    ratio = (rho * math.asin(rho) + root - rho * math.asin(rho / 2) - (4 - rho**2) ** 0.5 + 1) / (
        1 + math.pi / 3 - 3**0.5
    )
    assert result.value == pytest.approx(ratio**0.5, abs=0.02)
    assert result.p == 1 / 20


def test_dependence_of_equal_constant_and_independent_variables():
    points = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    assert dependence_test(points, points).value == pytest.approx(1)
    assert dependence_test(points, torch.zeros(60, 2)).p == 1
    p_values = [
        dependence_test(points, torch.randn(60, 4, generator=torch.Generator().manual_seed(seed)), n=99).p
        for seed in range(100)
    ]
    assert 0.35 < sum(p_values) / 100 < 0.65  # uniform for independent variables
    assert sum(p <= 0.05 for p in p_values) <= 12
