"""Methods that take the labels of extra images from a teacher: the base, three networks, or EfficientNet's features."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softmax

from benchmarks.uses.training import SHARE, Draw, batches, logits, mixture, predict, train_network
from ganaug import LabeledImages
from ganaug._runtime.randomness import derive
from ganaug.evaluation.training_set import balance_classes

MAX_TAUGHT = 400  # images of a class that a slow teacher labels

Teacher = Callable[[Tensor], Tensor]  # images -> logits or log-probabilities (N, K)


def predict_soft_labeled(
    draw: Draw, images: LabeledImages, teacher: Teacher | None = None, share: float = SHARE
) -> np.ndarray:
    """Log-probabilities after training on real images and, with a chance of `share`, on `images`.

    The labels of `images` are the teacher's probabilities, by default those of the base; real images keep theirs.
    """
    training = mixture(draw, images, share)
    targets = one_hot(training.images.labels, len(images.classes)).float()
    targets[training.is_synthetic] = softmax((teacher or partial(logits, draw.base))(images.images), dim=1)
    return predict(draw, train_network(draw, batches(draw, training, targets=targets)))


def mixed_real(draw: Draw) -> LabeledImages:
    """The control of soft labels: weighted sums of two real images instead of synthetic ones."""
    random, n = np.random.default_rng(draw.seed), len(draw.train.classes) * draw.samples_per_class
    chances = balance_classes(draw.train).sampling_weights.numpy()
    first, second = (random.choice(len(draw.train), n, p=chances / chances.sum()) for _ in range(2))
    weight = torch.from_numpy(random.beta(0.4, 0.4, (n, 1, 1, 1))).float()
    pixels = weight * draw.train.images[first] + (1 - weight) * draw.train.images[second]
    labels = draw.train.labels[np.where(weight.flatten() > 0.5, first, second)]
    return LabeledImages(pixels.round().to(torch.uint8), labels, draw.train.classes)


def augmented_real(draw: Draw) -> LabeledImages:
    """Another control: classically augmented real images, MAX_TAUGHT of each class."""
    images, n = draw.train, min(MAX_TAUGHT, draw.samples_per_class) * len(draw.train.classes)
    chances = balance_classes(images).sampling_weights.numpy()
    chosen = images.take(np.random.default_rng(draw.seed).choice(len(images), n, p=chances / chances.sum()))
    return replace(chosen, images=draw.augment(chosen.images, derive(draw.seed, "taught")))


def first_of_class(images: LabeledImages) -> LabeledImages:
    """The first MAX_TAUGHT images of each class, for a slow teacher."""
    rows = [np.flatnonzero(images.labels.numpy() == k)[:MAX_TAUGHT] for k in range(len(images.classes))]
    return images.take(np.concatenate(rows))
