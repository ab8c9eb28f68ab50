import prdc
import pytest
import torch
from ganaug.metrics.variety import vendi_ratio, vendi_score
from vendi_score import vendi

from ganaug.metrics import coverage as ours


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m", "k"), [(60, 40, 5), (30, 90, 3), (12, 7, 1)])
def test_precision_recall_density_and_coverage_equal_prdc(n, m, k):
    real, synthetic = draws(n, 8), 0.8 * draws(m, 8, seed=1)
    expected = prdc.compute_prdc(real.double().numpy(), synthetic.double().numpy(), nearest_k=k)
    for name, value in expected.items():
        assert getattr(ours, name)(real.double(), synthetic.double(), k=k) == pytest.approx(float(value), abs=1e-6)


@pytest.mark.parametrize("shape", [(50, 8), (8, 50), (1, 3)])
def test_the_vendi_score_equals_its_authors(shape):
    points = draws(*shape)
    assert vendi_score(points) == pytest.approx(vendi.score_dual(points.double().numpy(), normalize=True), rel=1e-6)


def test_the_vendi_score_counts_different_rows():
    assert vendi_score(torch.eye(7)) == pytest.approx(7)
    assert vendi_score(torch.eye(7).repeat(3, 1)) == pytest.approx(7)
    assert vendi_score(torch.ones(5, 2)) == pytest.approx(1)
    assert vendi_score(torch.zeros(0, 4)) == 0


def test_the_vendi_ratio_and_its_error():
    def uneven(seed):
        return draws(200, 6, seed=seed) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])

    random = torch.Generator().manual_seed(2)
    halves = torch.stack([torch.randperm(200, generator=random)[:100] for _ in range(20)])
    ratio, error = vendi_ratio(uneven(0), uneven(1), halves)
    assert ratio == pytest.approx(vendi_score(uneven(1)) / vendi_score(uneven(0)), rel=1e-9)
    others = [vendi_score(uneven(k)) / vendi_score(uneven(100 + k)) for k in range(60)]
    assert error == pytest.approx(float(torch.tensor(others).std()), rel=0.4)
