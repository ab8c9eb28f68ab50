"""What a classifier is trained on: real and synthetic images, how often each is drawn, and how much it counts."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaug.datasets.weights import by_share
from ganaug.images import LabeledImages, concatenate


class NotPossible(Exception):  # noqa: N818  # no failure: this way of training does not exist for these images or learner
    """A classifier cannot be trained in some way; the text says why."""


@dataclass(frozen=True)
class TrainingSet:
    """Images with a chance each.

    is_synthetic: bool, (N,). chances: how often each image is drawn, float64, (N,), sum N. weights: how much its loss
    counts, float64, (N,), mean 1. classical: whether the classical augmentation is applied to what is drawn.
    """

    images: LabeledImages
    is_synthetic: Tensor
    chances: Tensor
    weights: Tensor
    classical: bool = False

    @classmethod
    def of(cls, images: LabeledImages) -> "TrainingSet":
        """Real images as they are."""
        n = len(images)
        ones = torch.ones(n, dtype=torch.float64)
        return cls(images, torch.zeros(n, dtype=torch.bool), ones, ones)

    def fingerprint(self) -> str:
        """A hash of all that a classifier's training depends on: 16 hexadecimal digits."""
        digest = hashlib.blake2b(f"{self.images.fingerprint()}{self.classical}".encode(), digest_size=8)
        for part in (self.is_synthetic, self.chances, self.weights):
            digest.update(part.numpy().tobytes())
        return digest.hexdigest()

    def sample_weights(self) -> Tensor:
        """Chances times weights, as scikit-learn's `sample_weight`: float64, (N,), sum the number of real images.

        The sum is the same for every share, because learners weigh their penalty against it.
        """
        found = self.chances * self.weights
        return found * (int((~self.is_synthetic).sum()) / found.sum())

    def repeats(self) -> Tensor:
        """How often to repeat each image, whole numbers (N,), for learners that draw nothing themselves.

        The real image that is drawn least often comes once. Each class and origin gets its share to within one image;
        where an image would come less than once, evenly spaced ones of its kind come once.
        """
        wanted = self.chances / self.chances[~self.is_synthetic].min()
        order = torch.argsort(self.images.labels * 2 + self.is_synthetic, stable=True)
        ends = (wanted[order].cumsum(0) + 0.5).floor().long()
        found = torch.empty(len(wanted), dtype=torch.int64)
        found[order] = torch.diff(ends, prepend=torch.zeros(1, dtype=torch.int64))
        return found


def balanced(images: LabeledImages) -> TrainingSet:
    """Each class drawn equally often: oversampling without copies."""
    found = TrainingSet.of(images)
    return replace(found, chances=_scaled(by_share(images.labels, found.is_synthetic, 0.0)))


def class_weighted(images: LabeledImages) -> TrainingSet:
    """Images drawn as they are, the loss of each class weighted by its rarity (King & Zeng 2001)."""
    found = TrainingSet.of(images)
    return replace(found, weights=_scaled(by_share(images.labels, found.is_synthetic, 0.0)))


def mixed(images: LabeledImages, synthetic: LabeledImages, share: float) -> TrainingSet:
    """Each class drawn equally often, and in each class that has synthetic images these `share` of the time.

    The prior of the classes is the same for every share, so that what a share changes is due to the images.
    """
    both = concatenate(images, synthetic)
    is_synthetic = torch.arange(len(both)) >= len(images)
    ones = torch.ones(len(both), dtype=torch.float64)
    return TrainingSet(both, is_synthetic, _scaled(by_share(both.labels, is_synthetic, share)), ones)


def together(images: LabeledImages, synthetic: LabeledImages) -> TrainingSet:
    """Each class drawn equally often, real and synthetic images of it alike."""
    both = once(images, synthetic)
    real = torch.zeros(len(both.images), dtype=torch.bool)
    return replace(both, chances=_scaled(by_share(both.images.labels, real, 0.0)))


def filled(images: LabeledImages, synthetic: LabeledImages) -> TrainingSet:
    """Real images once, and synthetic ones until every class has as many as the largest, or as there are."""
    largest = max(images.counts.values())
    keep = [
        torch.nonzero(synthetic.labels == label).flatten()[: max(0, largest - count)]
        for label, count in enumerate(images.counts.values())
    ]
    return once(images, synthetic.take(torch.cat(keep)))


def once(images: LabeledImages, synthetic: LabeledImages) -> TrainingSet:
    """Real and synthetic images, each as often as it is there."""
    both = TrainingSet.of(concatenate(images, synthetic))
    return replace(both, is_synthetic=torch.arange(len(both.images)) >= len(images))


def _scaled(numbers: Tensor) -> Tensor:
    return numbers * (len(numbers) / numbers.sum())
