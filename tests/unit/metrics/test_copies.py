import pytest
import torch

from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.metrics.copies import copy_radius, near_copies, sketch

CLOTHES = fashion_mnist_lt()
TRAINING, OTHERS = CLOTHES.images[:1000:2], CLOTHES.images[1:1000:2]


def detect(images, training=TRAINING):
    sketches = sketch(training)
    return near_copies(sketch(images), sketches, copy_radius(sketches))


def test_planted_copies_are_detected():
    noisy = (TRAINING[:50].int() + torch.randint(-6, 7, TRAINING[:50].shape)).clamp(0, 255).to(torch.uint8)
    assert detect(TRAINING[:50]).all()
    assert detect(noisy).all()


def test_other_real_images_are_no_copies():
    assert detect(OTHERS).float().mean() <= 0.01


def test_duplicates_and_near_duplicates_hardly_change_the_radius():
    near_duplicate = (TRAINING[:1].int() + 1).clamp(0, 255).to(torch.uint8)
    radius = copy_radius(sketch(TRAINING))
    assert copy_radius(sketch(torch.cat([TRAINING, TRAINING[:9]]))) == pytest.approx(radius, rel=0.02)
    assert copy_radius(sketch(torch.cat([TRAINING, near_duplicate]))) > 0.8 * radius > 0


def test_without_two_different_images_the_radius_is_zero():
    assert copy_radius(sketch(TRAINING[:1])) == 0
    assert copy_radius(sketch(TRAINING[:1].expand(3, -1, -1, -1))) == 0


def test_sketches_preserve_distances_and_depend_on_the_image_only():
    pixels = TRAINING[:100].flatten(1).float() / 255
    ratio = torch.pdist(sketch(TRAINING[:100])) / torch.pdist(pixels)
    assert (ratio - 1).abs().mean() < 0.08
    assert torch.equal(sketch(TRAINING[:7]), sketch(TRAINING[:300])[:7])
    assert sketch(TRAINING[:0]).shape == (0, 128)
