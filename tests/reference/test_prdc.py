import prdc
import pytest
import torch

from ganaug.metrics import precision_recall


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m", "k"), [(60, 40, 5), (30, 90, 3), (12, 7, 1)])
def test_precision_recall_density_and_coverage_equal_those_of_prdc(n, m, k):
    real, synthetic = draw(n, 8), 0.8 * draw(m, 8, seed=1)
    expected = prdc.compute_prdc(real.double().numpy(), synthetic.double().numpy(), nearest_k=k)
    for name, value in expected.items():
        metric = getattr(precision_recall, name)
        assert metric(real.double(), synthetic.double(), k=k) == pytest.approx(float(value), abs=1e-6)
