"""The validation split: real images that a generator is not trained on, to compare its samples with."""

import torch

from ganaug._runtime.randomness import generator
from ganaug.images import LabeledImages

MIN_VALIDATION_IMAGES = (
    10  # validation images of a class: fewer tell too little to be worth their absence from training
)
MAX_VALIDATION_IMAGES = 100  # of a class


def split_validation(images: LabeledImages, share: float, *, seed: int) -> tuple[LabeledImages, LabeledImages]:
    """Split into training and validation images, stratified by class.

    Parameters
    ----------
    images : LabeledImages
        All real images.
    share : float
        Fraction of each class to hold out, at most 100 images. A class for which this is less than 10 images keeps them
        all for training, because a comparison with so few is worth less than their use in training.
    seed : int
        Seed of the split.

    Returns
    -------
    train : LabeledImages
        The images to train on, in their original order.
    validation : LabeledImages
        The held-out images, in their original order.

    Examples
    --------
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.datasets.holdout import split_validation
    >>> train, validation = split_validation(fashion_mnist_lt(), 0.1, seed=0)
    >>> len(train), len(validation)
    (1284, 117)
    >>> validation.counts["T-shirt"], validation.counts["Ankle boot"]
    (50, 0)
    """
    is_validation = torch.zeros(len(images), dtype=torch.bool)
    for name, count in images.counts.items():
        n_validation = min(MAX_VALIDATION_IMAGES, round(count * share))
        if n_validation < MIN_VALIDATION_IMAGES:
            continue
        # the class name is part of the seed: adding a class does not change the split of the others
        rows = images.rows_of(name)
        is_validation[rows[torch.randperm(count, generator=generator(seed, "held out", name))[:n_validation]]] = True
    return (images.take(~is_validation) if is_validation.any() else images), images.take(is_validation)
