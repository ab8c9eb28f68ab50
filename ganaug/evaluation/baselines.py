"""The baselines: training methods without synthetic images of a GAN.

`BASELINES` maps a name to a function ``(images, seed) -> TrainingSet`` of the real training images. The utility test
compares training with synthetic images to the best of them. To add a baseline, add an entry.

Examples
--------
>>> from dataclasses import replace
>>> from ganaug.evaluation import BASELINES, balance_classes
>>> list(BASELINES)
['real only', 'class weights', 'oversampling', 'classical augmentation', 'RandAugment', 'mixup', 'CutMix', 'SMOTE']
>>> def long_square_root_sampling(images, seed):
...     return replace(balance_classes(images, 0.5), length=4)
>>> BASELINES["square-root sampling, four times the steps"] = long_square_root_sampling
>>> del BASELINES["square-root sampling, four times the steps"]
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from imblearn.over_sampling import SMOTE

from ganaug.evaluation.training_set import NotApplicableError, TrainingSet, balance_classes, combine, weight_classes
from ganaug.images import LabeledImages

TAUS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # strengths of logit adjustment that are tried
REAL_ONLY, OVERSAMPLING, LOGIT_ADJUSTMENT = "real only", "oversampling", "logit adjustment"


@dataclass(frozen=True)
class AlteredBaseline:
    """Sample every class equally often and alter the images.

    Attributes
    ----------
    alteration : str
        A key of `ALTERATIONS`.
    """

    alteration: str

    def __call__(self, images: LabeledImages, seed: int) -> TrainingSet:  # noqa: ARG002  # the classifier's seed counts
        return replace(balance_classes(images), alteration=self.alteration)


def smote(images: LabeledImages, seed: int) -> TrainingSet:
    """Fill classes up to balance by interpolation between nearest neighbors in pixel space.

    Parameters
    ----------
    images : LabeledImages
        Real images. Up to 5 neighbors of the same class are taken.
    seed : int
        Seed of the interpolation.

    Returns
    -------
    TrainingSet
        The real images, then the interpolated ones.

    Raises
    ------
    NotApplicableError
        If a class has fewer than two images.

    References
    ----------
    Chawla, N. V. et al. (2002). SMOTE: synthetic minority over-sampling technique. JAIR 16, 321-357.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import smote
    >>> images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 1, 4, 4)
    >>> training = smote(LabeledImages(images, torch.tensor([0, 0, 0, 0, 1, 1]), ("common", "rare")), seed=0)
    >>> training.images.counts
    {'common': 4, 'rare': 4}
    """
    fewest = min(images.counts.values())
    if fewest < 2:
        raise NotApplicableError("a class has fewer than two training images, so SMOTE has nothing to interpolate")
    pixels = images.images.flatten(1).numpy().astype(np.float32)  # differences of uint8 would wrap around
    sampler = SMOTE(k_neighbors=min(5, fewest - 1), random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # imbalanced-learn warns where the classes are balanced already
        resampled, resampled_labels = sampler.fit_resample(pixels, images.labels.numpy())
    new = np.rint(resampled[len(pixels) :]).astype(np.uint8)
    new_labels = np.asarray(resampled_labels[len(pixels) :], np.int64)
    interpolated = LabeledImages(
        torch.from_numpy(new).view(-1, *images.shape), torch.from_numpy(new_labels), images.classes
    )
    return combine(images, interpolated)


BASELINES: dict[str, Callable[[LabeledImages, int], TrainingSet]] = {
    REAL_ONLY: lambda images, seed: TrainingSet.from_images(images),  # noqa: ARG005
    "class weights": lambda images, seed: weight_classes(images),  # noqa: ARG005
    OVERSAMPLING: lambda images, seed: balance_classes(images),  # noqa: ARG005
    "classical augmentation": AlteredBaseline("classical"),
    "RandAugment": AlteredBaseline("randaugment"),
    "mixup": AlteredBaseline("mixup"),
    "CutMix": AlteredBaseline("cutmix"),
    "SMOTE": smote,
}
