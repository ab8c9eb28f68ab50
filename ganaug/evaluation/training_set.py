"""What a classifier is trained on: real and synthetic images, how often each is drawn, and how much its loss counts."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ganaug._runtime.lookup import lookup
from ganaug.datasets.alterations import ALTERATIONS, Alteration
from ganaug.datasets.weights import balanced_weights
from ganaug.images import LabeledImages, concatenate


class NotApplicableError(Exception):
    """A training method cannot be applied to these images or this classifier; the message says why.

    A baseline or a classifier raises it. `Trial` then leaves the method out and notes the reason in the report.

    Examples
    --------
    >>> from ganaug.evaluation import NotApplicableError
    >>> raise NotApplicableError("SMOTE needs two images of each class")
    Traceback (most recent call last):
    ...
    ganaug.evaluation.training_set.NotApplicableError: SMOTE needs two images of each class
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
    alteration : str
        What is done to images that are drawn: a key of `ALTERATIONS`.
    length : float
        Factor of the number of training steps, above 0.
    synthetic_first : bool
        Whether the first half of the training steps draws synthetic images only, and the second half real ones only.
        How often each class is drawn stays as the sampling weights say, except that classes without synthetic images
        are not drawn in the first half.
    operations : Alteration
        The entry of `ALTERATIONS` that `alteration` names.

    Raises
    ------
    ValueError
        If the alteration is unknown, or the length is not a number above 0.

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
    alteration: str = "none"
    length: float = 1.0
    synthetic_first: bool = False
    # resolved here, because another process does not have the entries that a user added
    operations: Alteration = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", lookup(ALTERATIONS, self.alteration, "alteration"))
        if not 0 < self.length < math.inf:
            raise ValueError(f"length must be a number above 0; got {self.length!r}.")

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
        texts = (self.images.fingerprint(), self.alteration, float(self.length), self.synthetic_first)
        digest = hashlib.blake2b(repr(texts).encode(), digest_size=8)
        # weights too: two methods can have the same images
        for tensor in (self.is_synthetic, self.sampling_weights, self.loss_weights):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def check_applicable(self, classifier: str, *, has_steps: bool, mixes_labels: bool = False) -> None:
        """Check that a classifier can be trained in this way.

        Parameters
        ----------
        classifier : str
            Its name, for the message.
        has_steps : bool
            Whether it is trained in steps, so that `length` and `synthetic_first` have a meaning.
        mixes_labels : bool
            Whether it learns from mixed labels.

        Raises
        ------
        NotApplicableError
            If it cannot.
        """
        if not has_steps and self.length != 1:
            raise NotApplicableError(f"{classifier} is not trained in steps, so it has no longer training")
        if not has_steps and self.synthetic_first:
            raise NotApplicableError(f"{classifier} is not trained in steps, so no images can come first")
        if not mixes_labels and self.operations.mix is not None:
            raise NotApplicableError(f"{classifier} takes one class for each image, and mixed images have two")

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


def balance_classes(images: LabeledImages, balance: float = 1.0) -> TrainingSet:
    """Set how often each class is sampled (oversampling by sampling weights, without copies).

    Parameters
    ----------
    images : LabeledImages
        Real images.
    balance : float
        From 0 (as the images are) to 1 (every class equally often). Classes are sampled in proportion to their number
        of images to the power of 1 - balance; 0.5 is the square root.

    Returns
    -------
    TrainingSet

    Raises
    ------
    ValueError
        If `balance` is out of range.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> pixels, labels = torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 1])
    >>> images = LabeledImages(pixels, labels, ("common", "rare"))
    >>> from ganaug.evaluation import balance_classes
    >>> balance_classes(images).sampling_weights.tolist()
    [0.625, 0.625, 0.625, 0.625, 2.5]
    >>> [round(weight, 2) for weight in balance_classes(images, 0.5).sampling_weights.tolist()]
    [0.83, 0.83, 0.83, 0.83, 1.67]
    """
    return replace(TrainingSet.from_images(images), sampling_weights=_balanced(images, balance))


def weight_classes(images: LabeledImages, balance: float = 1.0) -> TrainingSet:
    """Weight the loss of each class by the inverse of its frequency (King & Zeng 2001).

    Parameters
    ----------
    images : LabeledImages
        Real images, sampled equally often.
    balance : float
        From 0 (equal weights) to 1 (every class has the same total weight); see `balance_classes`.

    Returns
    -------
    TrainingSet

    Raises
    ------
    ValueError
        If `balance` is out of range.

    References
    ----------
    King, G. & Zeng, L. (2001). Logistic regression in rare events data. Political Analysis 9(2), 137-163.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> pixels, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 1])
    >>> images = LabeledImages(pixels, labels, ("common", "rare"))
    >>> from ganaug.evaluation import weight_classes
    >>> [round(weight, 2) for weight in weight_classes(images).loss_weights.tolist()]
    [0.67, 0.67, 0.67, 2.0]
    """
    return replace(TrainingSet.from_images(images), loss_weights=_balanced(images, balance))


def mix_synthetic(
    images: LabeledImages, synthetic: LabeledImages, share: float | Mapping[str, float], balance: float = 1.0
) -> TrainingSet:
    """Set how often each class is sampled, and within each class synthetic images at rate `share`.

    Classes without synthetic images are sampled from real images only. The class prior is the same for every share, so
    that a difference between shares is due to the images alone.

    Parameters
    ----------
    images : LabeledImages
        Real images.
    synthetic : LabeledImages
        Synthetic images with the same classes and shape.
    share : float or mapping
        Fraction of synthetic images among those drawn in a class, in [0, 1). A mapping has a share for each class
        name; classes that it does not name get 0.
    balance : float
        As in `balance_classes`, by the number of real images.

    Returns
    -------
    TrainingSet

    Raises
    ------
    ValueError
        If a share or `balance` is out of range, or a class is unknown.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import mix_synthetic
    >>> real = LabeledImages(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]), ("cat", "dog"))
    >>> training = mix_synthetic(real, real.take([0, 2]), share=0.25)
    >>> float(training.sampling_weights[training.is_synthetic].sum() / training.sampling_weights.sum())
    0.25
    >>> mix_synthetic(real, real.take([0, 2]), share={"dog": 0.5}).sampling_weights.tolist()
    [1.5, 1.5, 0.75, 0.75, 0.0, 1.5]
    """
    both = concatenate(images, synthetic)
    is_synthetic = torch.arange(len(both)) >= len(images)
    ones = torch.ones(len(both), dtype=torch.float64)
    shares = _class_shares(share, both.classes)
    weights = balanced_weights(both.labels, is_synthetic, shares, balance=_checked_balance(balance))
    return TrainingSet(both, is_synthetic, _normalized(weights), ones)


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
    return replace(both, sampling_weights=_balanced(both.images, 1.0))


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

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> pixels, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 1])
    >>> images = LabeledImages(pixels, labels, ("common", "rare"))
    >>> synthetic = LabeledImages(pixels, torch.tensor([1, 1, 1, 1]), images.classes)
    >>> from ganaug.evaluation import fill_classes
    >>> fill_classes(images, synthetic).images.counts
    {'common': 3, 'rare': 3}
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

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> pixels, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 1])
    >>> images = LabeledImages(pixels, labels, ("common", "rare"))
    >>> synthetic = LabeledImages(pixels, torch.tensor([1, 1, 1, 1]), images.classes)
    >>> from ganaug.evaluation import combine
    >>> combine(images, synthetic).is_synthetic.tolist()
    [False, False, False, False, True, True, True, True]
    """
    both = TrainingSet.from_images(concatenate(images, synthetic))
    return replace(both, is_synthetic=torch.arange(len(both.images)) >= len(images))


def _balanced(images: LabeledImages, balance: float) -> Tensor:
    """Weights of real images under which classes count as `balance` says."""
    no_origin = torch.zeros(len(images), dtype=torch.bool)
    return _normalized(balanced_weights(images.labels, no_origin, 0.0, balance=_checked_balance(balance)))


def _checked_balance(balance: float) -> float:
    if not 0 <= balance <= 1:
        raise ValueError(
            f"balance must be in [0, 1], from the classes as they are to every class equally often; got {balance!r}."
        )
    return balance


def _class_shares(share: float | Mapping[str, float], classes: tuple[str, ...]) -> Tensor:
    """Share of each class, (K,), checked."""
    by_class = dict(share) if isinstance(share, Mapping) else dict.fromkeys(classes, share)
    unknown = [name for name in by_class if name not in classes]
    if unknown:
        raise ValueError(f"share names the class {unknown[0]!r}, which the images lack. Known: {', '.join(classes)}.")
    for name, value in by_class.items():
        if not 0 <= value < 1:
            raise ValueError(f"a synthetic share must be in [0, 1); got {value!r} for class {name!r}.")
    return torch.tensor([by_class.get(name, 0.0) for name in classes], dtype=torch.float64)


def _normalized(weights: Tensor) -> Tensor:
    """Weights scaled to mean 1."""
    return weights * (len(weights) / weights.sum())
