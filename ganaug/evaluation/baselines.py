"""What a user would do without ganaug, each a function of the real training images. One line adds one."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from imblearn.over_sampling import SMOTE

from ganaug.evaluation.training_set import NotPossible, TrainingSet, balanced, class_weighted, once
from ganaug.images import LabeledImages

TAUS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # strengths of logit adjustment that are tried
PLAIN, ADJUSTED = "real only", "logit adjustment"


def classically_augmented(images: LabeledImages, seed: int) -> TrainingSet:  # noqa: ARG001  # as all baselines are called
    """Classes drawn equally often, each image altered by `classical.classical`."""
    return replace(balanced(images), classical=True)


def smote(images: LabeledImages, seed: int) -> TrainingSet:
    """Classes filled up to balance by interpolation between neighbors in pixel space (Chawla et al. 2002)."""
    fewest = min(images.counts.values())
    if fewest < 2:
        raise NotPossible("a class has fewer than two training images, so there is nothing to interpolate")
    rows = images.images.flatten(1).numpy().astype(np.float32)  # whole numbers would wrap around in differences
    sampler = SMOTE(k_neighbors=min(5, fewest - 1), random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that everything is balanced already is no news here
        found, labels = sampler.fit_resample(rows, images.labels.numpy())
    new, new_labels = np.rint(found[len(rows) :]).astype(np.uint8), np.asarray(labels[len(rows) :], np.int64)
    made = LabeledImages(torch.from_numpy(new).view(-1, *images.shape), torch.from_numpy(new_labels), images.classes)
    return once(images, made)


BASELINES: dict[str, Callable[[LabeledImages, int], TrainingSet]] = {
    PLAIN: lambda images, seed: TrainingSet.of(images),  # noqa: ARG005
    "class weights": lambda images, seed: class_weighted(images),  # noqa: ARG005
    "oversampling": lambda images, seed: balanced(images),  # noqa: ARG005
    "classical augmentation": classically_augmented,
    "SMOTE": smote,
}
