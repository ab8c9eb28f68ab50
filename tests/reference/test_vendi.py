import pytest
import torch
from vendi_score import vendi

from ganaug.metrics.vendi import vendi_ratio, vendi_score


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(50, 8), (8, 50), (1, 3)])
def test_the_vendi_score_equals_that_of_its_authors(shape):
    points = draw(*shape)
    assert vendi_score(points) == pytest.approx(vendi.score_dual(points.double().numpy(), normalize=True), rel=1e-6)


def test_the_vendi_score_counts_different_rows():
    assert vendi_score(torch.eye(7)) == pytest.approx(7)
    assert vendi_score(torch.eye(7).repeat(3, 1)) == pytest.approx(7)
    assert vendi_score(torch.ones(5, 2)) == pytest.approx(1)
    assert vendi_score(torch.zeros(0, 4)) == 0


def test_the_error_of_the_vendi_ratio_is_its_spread_over_draws():
    def uneven(seed):
        return draw(200, 6, seed=seed) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])

    generator = torch.Generator().manual_seed(2)
    halves = torch.stack([torch.randperm(200, generator=generator)[:100] for _ in range(20)])
    ratio, error = vendi_ratio(uneven(0), uneven(1), halves)
    assert ratio == pytest.approx(vendi_score(uneven(1)) / vendi_score(uneven(0)), rel=1e-9)
    ratios = [vendi_score(uneven(k)) / vendi_score(uneven(100 + k)) for k in range(60)]
    assert error == pytest.approx(float(torch.tensor(ratios).std()), rel=0.4)
