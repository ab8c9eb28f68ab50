"""What a classifier is trained on: real and synthetic images, how often each is drawn, and how much its loss counts."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaug.datasets.weights import balanced_weights
from ganaug.images import LabeledImages, concatenate


class NotApplicableError(Exception):
    """A training method cannot be applied to these images or this classifier; the message says why.

    A baseline or a classifier raises it. `Trial` then leaves the method out and notes the reason in the report.
    """


@dataclass(frozen=True)
class TrainingSet:
    """Images with a sampling weight and a loss weight each.

    Attributes
    ----------
    images : LabeledImages
        N images, real and synthetic.
    is_synthetic : Tensor of shape (N,), bool
        Which images are synthetic.
    sampling_weights : Tensor of shape (N,), float64
        Sampling weights: how often each image is drawn relative to the others. They sum to N.
    loss_weights : Tensor of shape (N,), float64
        Factor of the loss of each image. Their mean is 1.
    is_augmented : bool
        Whether images that are drawn are altered by the classical augmentation.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import TrainingSet, balance_classes
    >>> labels = torch.tensor([0, 0, 0, 1])
    >>> images = LabeledImages(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), labels, ("common", "rare"))
    >>> TrainingSet.from_images(images).sampling_weights.tolist()
    [1.0, 1.0, 1.0, 1.0]
    >>> balance_classes(images).sampling_weights.tolist()
    [0.666..., 0.666..., 0.666..., 2.0]
    """

    images: LabeledImages
    is_synthetic: Tensor
    sampling_weights: Tensor
    loss_weights: Tensor
    is_augmented: bool = False

    @classmethod
    def from_images(cls, images: LabeledImages) -> "TrainingSet":
        """Make a training set of real images with equal weights.

        Parameters
        ----------
        images : LabeledImages
            Real images.

        Returns
        -------
        TrainingSet
        """
        n = len(images)
        ones = torch.ones(n, dtype=torch.float64)
        return cls(images, torch.zeros(n, dtype=torch.bool), ones, ones)

    def fingerprint(self) -> str:
        """Return a hash of everything that the training of a classifier depends on: 16 hexadecimal digits."""
        digest = hashlib.blake2b(f"{self.images.fingerprint()}{self.is_augmented}".encode(), digest_size=8)
        # weights too: two methods can have the same images
        for tensor in (self.is_synthetic, self.sampling_weights, self.loss_weights):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def sample_weights(self) -> Tensor:
        """Return `sample_weight` for a scikit-learn classifier: sampling weights times loss weights.

        Returns
        -------
        Tensor of shape (N,), float64
            Their sum is the number of real images, whatever is added to them. Regularized classifiers weigh the
            penalty against this sum, so that a larger one would weaken the regularization.
        """
        products = self.sampling_weights * self.loss_weights
        # the sum stays that of the real images, because regularization weighs against the sum of the losses
        return products * (int((~self.is_synthetic).sum()) / products.sum())

    def repeats(self) -> Tensor:
        """Return how often to repeat each image, for classifiers that take no sample weights.

        Returns
        -------
        Tensor of shape (N,), int64
            The real image with the smallest sampling weight comes once. The total of each class and origin (real or
            synthetic) is rounded to whole images. Where images would come less than once, evenly spaced ones of that
            class and origin come once and the others not at all.
        """
        frequencies = self.sampling_weights / self.sampling_weights[~self.is_synthetic].min()
        order = torch.argsort(self.images.labels * 2 + self.is_synthetic, stable=True)
        # rounding the cumulative sum keeps the total of each class and origin; rounding each image would not
        ends = (frequencies[order].cumsum(0) + 0.5).floor().long()
        repeats = torch.empty(len(frequencies), dtype=torch.int64)
        repeats[order] = torch.diff(ends, prepend=torch.zeros(1, dtype=torch.int64))
        return repeats


def balance_classes(images: LabeledImages) -> TrainingSet:
    """Sample every class equally often (oversampling by sampling weights, without copies).

    Parameters
    ----------
    images : LabeledImages
        Real images.

    Returns
    -------
    TrainingSet
    """
    training = TrainingSet.from_images(images)
    return replace(training, sampling_weights=_normalized(balanced_weights(images.labels, training.is_synthetic, 0.0)))


def weight_classes(images: LabeledImages) -> TrainingSet:
    """Weight the loss of each class by the inverse of its frequency (King & Zeng 2001).

    Parameters
    ----------
    images : LabeledImages
        Real images, sampled equally often.

    Returns
    -------
    TrainingSet

    References
    ----------
    King, G. & Zeng, L. (2001). Logistic regression in rare events data. Political Analysis 9(2), 137-163.
    """
    training = TrainingSet.from_images(images)
    return replace(training, loss_weights=_normalized(balanced_weights(images.labels, training.is_synthetic, 0.0)))


def mix_synthetic(images: LabeledImages, synthetic: LabeledImages, share: float) -> TrainingSet:
    """Sample every class equally often, and within each class synthetic images at rate `share`.

    Classes without synthetic images are sampled from real images only. The class prior is the same for every share, so
    that a difference between shares is due to the images alone.

    Parameters
    ----------
    images : LabeledImages
        Real images.
    synthetic : LabeledImages
        Synthetic images with the same classes and shape.
    share : float
        Fraction of synthetic images among those drawn in a class, in [0, 1).

    Returns
    -------
    TrainingSet

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import mix_synthetic
    >>> real = LabeledImages(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]), ("cat", "dog"))
    >>> training = mix_synthetic(real, real.take([0, 2]), share=0.25)
    >>> float(training.sampling_weights[training.is_synthetic].sum() / training.sampling_weights.sum())
    0.25
    """
    both = concatenate(images, synthetic)
    is_synthetic = torch.arange(len(both)) >= len(images)
    ones = torch.ones(len(both), dtype=torch.float64)
    return TrainingSet(both, is_synthetic, _normalized(balanced_weights(both.labels, is_synthetic, share)), ones)


def balance_combined(images: LabeledImages, synthetic: LabeledImages) -> TrainingSet:
    """Combine real and synthetic images and sample every class equally often, whatever the origin of its images.

    Parameters
    ----------
    images, synthetic : LabeledImages
        With the same classes and shape.

    Returns
    -------
    TrainingSet
    """
    both = combine(images, synthetic)
    no_origin = torch.zeros(len(both.images), dtype=torch.bool)
    return replace(both, sampling_weights=_normalized(balanced_weights(both.images.labels, no_origin, 0.0)))


def fill_classes(images: LabeledImages, synthetic: LabeledImages) -> TrainingSet:
    """Add synthetic images until every class has as many images as the largest, or until there are no more.

    Parameters
    ----------
    images, synthetic : LabeledImages
        With the same classes and shape. The first synthetic images of each class are taken.

    Returns
    -------
    TrainingSet
        Every image with the same weight.
    """
    largest = max(images.counts.values())
    indices = [
        torch.nonzero(synthetic.labels == label).flatten()[: max(0, largest - count)]
        for label, count in enumerate(images.counts.values())
    ]
    return combine(images, synthetic.take(torch.cat(indices)))


def combine(images: LabeledImages, synthetic: LabeledImages) -> TrainingSet:
    """Combine real and synthetic images, every image with the same weight.

    Parameters
    ----------
    images, synthetic : LabeledImages
        With the same classes and shape.

    Returns
    -------
    TrainingSet
    """
    both = TrainingSet.from_images(concatenate(images, synthetic))
    return replace(both, is_synthetic=torch.arange(len(both.images)) >= len(images))


def _normalized(weights: Tensor) -> Tensor:
    """Weights scaled to mean 1."""
    return weights * (len(weights) / weights.sum())
