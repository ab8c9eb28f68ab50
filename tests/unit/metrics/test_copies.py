import pytest
import torch

from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.metrics.copies import copy_radius, near_copies, sketch

CLOTHES = fashion_mnist_lt()
TRAINING, OTHERS = CLOTHES.images[:1000:2], CLOTHES.images[1:1000:2]


def found(images, training=TRAINING):
    sketches = sketch(training)
    return near_copies(sketch(images), sketches, copy_radius(sketches))


def test_planted_copies_are_found():
    noisy = (TRAINING[:50].int() + torch.randint(-6, 7, TRAINING[:50].shape)).clamp(0, 255).to(torch.uint8)
    assert found(TRAINING[:50]).all()
    assert found(noisy).all()


def test_other_real_images_are_not_copies():
    assert found(OTHERS).float().mean() <= 0.01


def test_an_image_that_occurs_twice_does_not_make_the_radius_nothing():
    saved_anew = (TRAINING[:1].int() + 1).clamp(0, 255).to(torch.uint8)
    plain = copy_radius(sketch(TRAINING))
    assert copy_radius(sketch(torch.cat([TRAINING, TRAINING[:9]]))) == pytest.approx(plain, rel=0.02)
    assert copy_radius(sketch(torch.cat([TRAINING, saved_anew]))) > 0.8 * plain > 0


def test_without_a_pair_there_is_no_radius():
    assert copy_radius(sketch(TRAINING[:1])) == 0
    assert copy_radius(sketch(TRAINING[:1].expand(3, -1, -1, -1))) == 0


def test_a_sketch_keeps_distances_and_is_always_the_same():
    pixels = TRAINING[:100].flatten(1).float() / 255
    ratio = torch.pdist(sketch(TRAINING[:100])) / torch.pdist(pixels)
    assert (ratio - 1).abs().mean() < 0.08
    assert torch.equal(sketch(TRAINING[:7]), sketch(TRAINING[:300])[:7])
    assert sketch(TRAINING[:0]).shape == (0, 128)
