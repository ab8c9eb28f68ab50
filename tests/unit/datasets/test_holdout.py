import torch

from ganaug.datasets.holdout import split_validation
from tests.sets import noise


def test_large_classes_give_a_share_and_small_ones_nothing():
    images = noise((90, 100, 300, 2000), shape=(1, 8, 8))
    train, held = split_validation(images, 0.1, seed=0)
    assert held.counts == {"a": 0, "b": 10, "c": 30, "d": 100}
    assert len(train) + len(held) == len(images)
    pixels = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in pixels for image in held.images)


def test_the_seed_chooses_which():
    images = noise((60, 60), shape=(1, 8, 8))
    assert torch.equal(split_validation(images, 0.2, seed=1)[1].images, split_validation(images, 0.2, seed=1)[1].images)
    assert not torch.equal(
        split_validation(images, 0.2, seed=1)[1].images, split_validation(images, 0.2, seed=2)[1].images
    )
    assert len(split_validation(images, 0.0, seed=1)[1]) == 0
