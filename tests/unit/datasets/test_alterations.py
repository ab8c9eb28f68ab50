"""Altered images can be made again from what is recorded about them."""

import json
import os
import pickle

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812  # the name that its manual uses
import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

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


POLICY = [
    A.Affine(translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), rotate=(-10, 10), p=0.8),
    A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5),
    A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(0.1, 0.25), hole_width_range=(0.1, 0.25), p=0.3),
    A.HorizontalFlip(p=0.5),
]


def test_operations_are_distributed_as_in_albumentations():
    images = torch.zeros(3000, 1, 28, 40, dtype=torch.uint8)
    policy = A.Compose(POLICY, save_applied_params=True, seed=0)
    expected = [dict(policy(image=np.zeros((28, 40, 1), np.uint8))["applied_transforms"]) for _ in range(len(images))]
    drawn = [dict(json.loads(text)) for text in ClassicalAugmentation(flip=True).alter(images, seed=0)[1]]
    for name, keys in (
        ("Affine", ["matrix"]),
        ("RandomBrightnessContrast", ["alpha", "beta"]),
        ("CoarseDropout", ["holes"]),
        ("HorizontalFlip", []),
    ):
        ours, theirs = ([each[name] for each in source if name in each] for source in (drawn, expected))
        assert len(ours) / len(images) == pytest.approx(len(theirs) / len(images), abs=0.04)
        for key in keys:
            columns, others = (np.array([np.ravel(params[key]) for params in each]).T for each in (ours, theirs))
            for column, other in zip(columns, others, strict=True):
                assert (column == other[0]).all() or ks_2samp(column, other).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 48, 64)])
def test_pixels_are_those_of_albumentations(shape):
    images = torch.randint(0, 256, (200, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    altered, operations = ClassicalAugmentation(flip=True).alter(images, seed=1)
    for image, result, text in zip(images, altered, operations, strict=True):
        array = image.permute(1, 2, 0).numpy()
        for name, stored in json.loads(text):
            params = {key: np.array(value) for key, value in stored.items()}
            array = getattr(A, name)(p=1.0).apply(array, **params, output_shape=array.shape[:2], seed=0)
        assert torch.equal(torch.from_numpy(np.array(array)).view(*shape[1:], -1).permute(2, 0, 1), result)
