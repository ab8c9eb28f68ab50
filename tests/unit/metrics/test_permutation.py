import math

import pytest
import torch
from ganaug.metrics.coverage import coverage, expected_coverage
from scipy.stats import kstest

from ganaug.metrics import permutation
from ganaug.metrics.distance import kernel_distance
from ganaug.metrics.permutation import FEW, Permutations, classifier_test, coverage_test, dependence_test, kernel_test

TESTS = {"coverage": coverage_test, "kernel": kernel_test, "classifier": classifier_test}


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_deal_keeps_the_counts_and_the_first_is_as_it_is():
    who = Permutations(7, 3, 600)
    everyone = torch.cat([who.few, who.rest])
    assert everyone.shape == (601, 10)
    assert (everyone.sum(1) == 3).all()
    assert everyone[0].tolist() == [False] * 7 + [True] * 3
    assert torch.equal(who.few, Permutations(7, 3, 600).few)
    assert not torch.equal(who.few, Permutations(7, 3, 600, seed=1).few)
    assert not len(Permutations(7, 3, 50).rest)


def test_a_small_p_is_of_all_deals_and_a_large_one_of_the_first():
    who = Permutations(5, 5, 2000)
    first = permutation.tested(lambda dealt: dealt[:, 5].double(), who, 10, low=False)
    assert first.p == pytest.approx(0.5, abs=0.08)
    assert "rest" not in vars(who)
    place = torch.arange(10.0, dtype=torch.float64)
    found = permutation.tested(lambda dealt: dealt.double() @ place, who, 10, low=False)
    everyone = torch.cat([who.few[1:], who.rest]).double() @ place
    assert found.p == (1 + int((everyone >= place[5:].sum()).sum())) / 2001 < 0.05
    assert len(who.few) == FEW + 1


def test_statistics_are_those_of_the_plain_metrics():
    real, synthetic = draws(30, 4), 0.5 * draws(20, 4, seed=1)
    who = Permutations(30, 20, 200)
    assert coverage_test(real, synthetic, who).value == pytest.approx(coverage(real, synthetic))
    assert kernel_test(real, synthetic, who).value == pytest.approx(kernel_distance(real, synthetic), abs=1e-9)
    assert coverage_test(real, synthetic, who).expected == pytest.approx(expected_coverage(30, 20), abs=0.02)


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
def test_p_values_of_two_sets_alike_are_uniform_or_larger(test):
    who = Permutations(20, 15, 400)
    found = [test(draws(20, 6, seed=2 * s), draws(15, 6, seed=2 * s + 1), who).p for s in range(200)]
    assert kstest(found, "uniform", alternative="greater").pvalue > 0.001  # not more small ones than chance has


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
def test_points_that_collapsed_to_a_few_are_found(test):
    real = draws(50, 16)
    collapsed = draws(3, 16, seed=1)[torch.arange(50) % 3] + 0.05 * draws(50, 16, seed=2)
    assert test(real, collapsed, Permutations(50, 50)).p < 0.001


def test_a_change_that_cancels_on_average_is_found():
    """The same mean, another spread: no mean of features shows it."""
    real, wider = draws(100, 8), 1.6 * draws(100, 8, seed=1)
    assert classifier_test(real, wider, Permutations(100, 100)).p < 0.001
    assert kernel_test(real, wider, Permutations(100, 100)).p < 0.001


def test_an_auc_of_two_sets_far_apart_is_one_and_passes_change_nothing(monkeypatch):
    real, far = draws(10, 3), draws(10, 3, seed=1) + 9
    who = Permutations(10, 10, 300)
    found = classifier_test(real, far, who)
    assert found.value == 1
    monkeypatch.setattr("ganaug.metrics.permutation.IMAGES_PER_PASS", 100)
    assert classifier_test(real, far, who) == found


def test_distance_correlation_of_normal_pairs_is_as_published():
    """Szekely, Rizzo & Bakirov 2007, theorem 7: normal pairs, by their correlation."""
    draws = torch.Generator().manual_seed(0)
    first, other = torch.randn(2, 1500, 1, generator=draws)
    rho = 0.8
    found = dependence_test(first, rho * first + (1 - rho**2) ** 0.5 * other, n=19)
    root = (1 - rho**2) ** 0.5
    ratio = (rho * math.asin(rho) + root - rho * math.asin(rho / 2) - (4 - rho**2) ** 0.5 + 1) / (
        1 + math.pi / 3 - 3**0.5
    )
    assert found.value == pytest.approx(ratio**0.5, abs=0.02)
    assert found.p == 1 / 20


def test_dependence_of_what_is_independent_alike_or_constant():
    points = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    assert dependence_test(points, points).value == pytest.approx(1)
    assert dependence_test(points, torch.zeros(60, 2)).p == 1
    found = [
        dependence_test(points, torch.randn(60, 4, generator=torch.Generator().manual_seed(seed)), n=99).p
        for seed in range(100)
    ]
    assert 0.35 < sum(found) / 100 < 0.65  # uniform where there is nothing to find
    assert sum(p <= 0.05 for p in found) <= 12
