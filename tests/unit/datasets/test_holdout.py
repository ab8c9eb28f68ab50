import torch

from ganaug.datasets.holdout import split_validation
from tests.sets import noise


def test_large_classes_are_split_and_small_ones_are_kept_for_training():
    images = noise((90, 100, 300, 2000), shape=(1, 8, 8))
    train, validation = split_validation(images, 0.1, seed=0)
    assert validation.counts == {"a": 0, "b": 10, "c": 30, "d": 100}
    assert len(train) + len(validation) == len(images)
    train_pixels = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in train_pixels for image in validation.images)


def test_the_seed_determines_the_split():
    images = noise((60, 60), shape=(1, 8, 8))
    first, again, other = (split_validation(images, 0.2, seed=seed)[1].images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_share_of_zero_holds_nothing_out():
    assert len(split_validation(noise((60, 60)), 0.0, seed=1)[1]) == 0
