import pytest
import torch

from ganaug.images import LabeledImages, to_uint8
from ganaug.training.batches import BalancedBatches
from tests.sets import noise


def class_frequencies(power, counts=(900, 90, 10)):
    batches = BalancedBatches(noise(counts), 500, seed=3, power=power)
    labels = torch.cat([batches(step).labels for step in range(20)])
    return torch.bincount(labels, minlength=3).double() / len(labels)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_classes_are_drawn_in_proportion_to_a_power_of_their_counts(power):
    expected = torch.tensor([900.0, 90.0, 10.0]).double() ** power
    expected /= expected.sum()
    standard_error = (expected * (1 - expected) / 10_000).sqrt()
    assert ((class_frequencies(power) - expected).abs() < 4 * standard_error).all()


def test_images_of_a_class_are_drawn_equally_often_and_with_their_label():
    shuffled = noise((30, 20)).take(torch.randperm(50, generator=torch.Generator().manual_seed(0)))
    pixels = shuffled.images.clone()
    pixels[:, 0, 0, 0] = torch.arange(50)  # a pixel that identifies the image
    batches = BalancedBatches(LabeledImages(pixels, shuffled.labels, ("a", "b")), 1000, seed=0, power=0.0)
    counts = torch.zeros(50)
    for step in range(20):
        batch = batches(step)
        indices = to_uint8(batch.images)[:, 0, 0, 0].long()
        assert torch.equal(shuffled.labels[indices], batch.labels)
        counts += torch.bincount(indices, minlength=50)
    expected = 20_000 * torch.where(shuffled.labels == 0, 0.5 / 30, 0.5 / 20)
    assert ((counts - expected).abs() < 5 * expected.sqrt()).all()


def test_a_batch_depends_on_seed_and_step_only():
    one, two = (BalancedBatches(noise(), 8, seed=1, power=1.0) for _ in range(2))
    for step in (5, 0, 2):
        first, second = one(step), two(step)
        assert torch.equal(first.images, second.images)
        assert torch.equal(torch.rand(3, generator=first.generator), torch.rand(3, generator=second.generator))
    assert not torch.equal(one(0).images, one(1).images)


def test_a_class_without_images_is_never_drawn():
    images = noise((5, 5))
    with_empty_class = LabeledImages(images.images, images.labels * 2, ("a", "none", "b"))
    batches = BalancedBatches(with_empty_class, 200, seed=0, power=0.0)
    assert set(batches(0).labels.tolist()) == {0, 2}
