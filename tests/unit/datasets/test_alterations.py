"""Altered images can be made again from what is recorded about them."""

import pickle

import pytest
import torch

from ganaug.datasets.alterations import ClassicalAugmentation, repeat_alteration


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 48, 64), (1, 8, 13)])
def test_the_recorded_operations_give_the_same_pixels_again(shape):
    images = torch.randint(0, 256, (60, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    altered, operations = ClassicalAugmentation(flip=True).alter(images, seed=3)
    for image, expected, text in zip(images, altered, operations, strict=True):
        assert torch.equal(repeat_alteration(image, text), expected)
    names = ("Affine", "RandomBrightnessContrast", "CoarseDropout", "HorizontalFlip")
    assert all(any(name in text for text in operations) for name in names)
    assert (altered != images).flatten(1).any(1).float().mean() > 0.8


def test_no_image_is_mirrored_where_mirror_images_mean_something_else():
    images = torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8)
    assert not any("Flip" in text for text in ClassicalAugmentation(flip=False).alter(images, seed=0)[1])


def test_it_depends_on_images_and_seed_alone_also_in_another_process():
    images = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8)
    augment = ClassicalAugmentation(flip=True)
    first = augment(images, 5)
    augment(images, 6)
    assert torch.equal(augment(images, 5), first)
    assert torch.equal(pickle.loads(pickle.dumps(augment))(images, 5), first)
    assert not torch.equal(augment(images, 6), first)


def test_an_unknown_operation_is_named():
    with pytest.raises(ValueError, match=r"'Blur'.*Known: Affine"):
        repeat_alteration(torch.zeros(1, 8, 8, dtype=torch.uint8), '[["Blur",{}]]')
