import pytest
import torch

from ganaug.metrics.precision_recall import coverage, density, expected_coverage, radii


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_points_on_a_line_give_the_values_computed_by_hand():
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert radii(real, k=1).tolist() == [1, 1, 2, 4]
    # 3.9 lies in the balls of 3 (radius 2) and 7 (radius 4); 20 lies in none
    synthetic = torch.tensor([[3.9], [20.0]])
    assert coverage(real, synthetic, k=1) == 0.5
    assert density(real, synthetic, k=1) == 2 / 2


@pytest.mark.parametrize(("n_real", "n_synthetic"), [(10, 100), (50, 50), (200, 30)])
def test_the_expected_coverage_holds_for_any_distribution(n_real, n_synthetic):
    for distribution in (draw, lambda *size, seed: draw(*size, seed=seed).exp()):
        values = [
            coverage(distribution(n_real, 6, seed=2 * seed), distribution(n_synthetic, 6, seed=2 * seed + 1))
            for seed in range(150)
        ]
        tolerance = 4 * torch.tensor(values).std().item() / 150**0.5
        assert sum(values) / 150 == pytest.approx(expected_coverage(n_real, n_synthetic), abs=tolerance + 1e-5)


def test_a_collapse_has_far_less_than_the_expected_coverage():
    real, prototypes = draw(100, 16), draw(3, 16, seed=1)
    collapsed = prototypes.repeat(34, 1)[:100] + 1e-3 * draw(100, 16, seed=2)
    assert coverage(real, collapsed) < expected_coverage(100, 100) / 3


def test_outliers_lower_density():
    real = draw(100, 16)
    assert density(real, draw(100, 16, seed=1)) == pytest.approx(1, abs=0.15)
    assert density(real, draw(100, 16, seed=1) * 3) < 0.1


def test_the_error_for_too_few_real_points_names_their_number():
    with pytest.raises(ValueError, match="more than 5 real points; got 5"):
        coverage(draw(5, 2), draw(9, 2))
