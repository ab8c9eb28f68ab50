import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from ganaug.metrics.distance import energy_distance, mean_pairwise_distance

ONE = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)).double()
TWO = torch.randn(30, 5, generator=torch.Generator().manual_seed(1)).double() + 1


def test_distances_equal_scipys():
    assert mean_pairwise_distance(ONE) == pytest.approx(pdist(ONE).mean(), abs=1e-9)
    expected = 2 * cdist(ONE, TWO).mean() - pdist(ONE).mean() - pdist(TWO).mean()
    assert energy_distance(ONE, TWO) == pytest.approx(expected, abs=1e-9)


def test_two_draws_of_one_distribution_are_at_zero_on_average_and_a_shift_is_not():
    generator = torch.Generator().manual_seed(2)
    draws = [energy_distance(*torch.randn(2, 25, 4, generator=generator)) for _ in range(200)]
    mean, spread = torch.tensor(draws).mean().item(), torch.tensor(draws).std().item()
    assert abs(mean) < 4 * spread / 200**0.5
    assert energy_distance(ONE, TWO) > 5 * spread
