import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, pdist
from torchmetrics.functional.pairwise import pairwise_euclidean_distance

from ganaug.metrics.distance import (
    energy_distance,
    frechet_distance,
    kernel_distance,
    kernel_distance_error,
    mean_pairwise_distance,
    pairwise_distances,
    polynomial_kernel,
)

ONE = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)).double()
TWO = torch.randn(30, 5, generator=torch.Generator().manual_seed(1)).double() + 1


def test_mean_and_energy_distances_equal_those_from_scipys_pairs():
    assert mean_pairwise_distance(ONE) == pytest.approx(pdist(ONE).mean(), abs=1e-9)
    expected = 2 * cdist(ONE, TWO).mean() - pdist(ONE).mean() - pdist(TWO).mean()
    assert energy_distance(ONE, TWO) == pytest.approx(expected, abs=1e-9)


def test_the_energy_distance_of_one_distribution_is_zero_on_average_and_of_two_is_not():
    generator = torch.Generator().manual_seed(2)
    values = [energy_distance(*torch.randn(2, 25, 4, generator=generator)) for _ in range(200)]
    mean, spread = torch.tensor(values).mean().item(), torch.tensor(values).std().item()
    assert abs(mean) < 4 * spread / 200**0.5
    assert energy_distance(ONE, TWO) > 5 * spread


def test_pairwise_distances_equal_scipys_and_torchmetrics_even_far_from_the_origin():
    for shift in (0.0, 1000.0):
        expected = cdist(ONE + shift, TWO + shift)
        np.testing.assert_allclose(pairwise_distances(ONE + shift, TWO + shift), expected, rtol=1e-6)
        ours = pairwise_distances((ONE + shift).float(), (TWO + shift).float())
        torch.testing.assert_close(ours, pairwise_euclidean_distance(ONE + shift, TWO + shift), rtol=1e-3, atol=1e-3)
    twice = torch.cat([ONE, ONE]) + 1000
    assert not pairwise_distances(twice, twice)[:40, 40:].diagonal().any()


def test_the_frechet_distance_equals_that_from_scipys_matrix_square_root():
    left, right = (np.cov(points.numpy(), rowvar=False) for points in (ONE, TWO))
    shift = ((ONE.mean(0) - TWO.mean(0)) ** 2).sum().item()
    expected = shift + np.trace(left + right - 2 * sqrtm(left @ right).real)
    assert frechet_distance(ONE, TWO) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(ONE, ONE) == pytest.approx(0, abs=1e-9)
    singular = torch.randn(20, 50, generator=torch.Generator().manual_seed(3))  # fewer points than dimensions
    assert 0 <= frechet_distance(singular, singular) < 1e-6


def test_the_kernel_distance_equals_the_sum_over_pairs():
    kernels = [polynomial_kernel(a, b) for a, b in ((ONE, ONE), (TWO, TWO), (ONE, TWO))]
    within = sum(float((kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1))) for kernel in kernels[:2])
    assert kernel_distance(ONE, TWO) == pytest.approx(within - 2 * float(kernels[2].mean()), rel=1e-9)


def test_the_error_of_the_kernel_distance_is_its_spread_over_draws():
    generator = torch.Generator().manual_seed(4)
    sets = [(torch.randn(60, 4, generator=generator), torch.randn(60, 4, generator=generator) + 1) for _ in range(300)]
    spread = np.std([kernel_distance(*pair) for pair in sets])
    assert np.mean([kernel_distance_error(*pair) for pair in sets]) == pytest.approx(spread, rel=0.15)
