import pytest
import torch

from ganaug.training.averaging import MovingAverage


def test_half_of_the_old_weights_remains_after_one_half_life():
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    average = MovingAverage(module, half_life=100.0, ramp=float("inf"))
    with torch.no_grad():
        module.weight.fill_(1.0)
    for step in range(25):
        average.update(n_images=4 * (step + 1), batch_size=4)
    assert average.module.weight.item() == pytest.approx(0.5, abs=1e-5)


def test_the_half_life_ramps_up_with_the_images_processed():
    module = torch.nn.Linear(1, 1, bias=False)
    average = MovingAverage(module, half_life=1e9)
    with torch.no_grad():
        average.module.weight.fill_(0.0)
        module.weight.fill_(1.0)
    average.update(n_images=1000, batch_size=50)  # the half-life is 5 % of 1,000 images
    assert average.module.weight.item() == pytest.approx(0.5)


def test_running_statistics_are_averaged_and_no_tensor_is_shared():
    module = torch.nn.BatchNorm1d(2)
    average = MovingAverage(module, half_life=10.0, ramp=float("inf"))
    module(torch.full((4, 2), 8.0))
    before = module.running_mean.clone()
    average.update(10, 10)
    torch.testing.assert_close(average.module.running_mean, before / 2)
    assert average.module.weight is not module.weight
    assert not average.module.training
