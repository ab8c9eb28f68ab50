"""Filters: reject samples that nearly copy a training image, or that do not look like their class."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ganaug._runtime.lookup import split_names, unknown_name_message
from ganaug.images import LabeledImages
from ganaug.metrics.copy_detection import CopyDetector
from ganaug.models.networks.blocks import Shape
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier

FILTERS = ("copies", "label")
MIN_PASS_RATE = 0.1  # of what real images reach; a class whose samples pass less often counts as unlearned
MIN_RECALL = 0.5  # of an auxiliary classifier on real images; below, its opinion is not used
TRIAL_SAMPLES = 128  # samples of a class from which its pass rate is measured
MAX_UNLABELED = 10_000  # training images without a class with which samples are compared
MAX_COMPARED = 100_000  # training images with which samples are compared, over all classes
PASSED, COPY, MISLABELED = 0, 1, 2


@dataclass(frozen=True)
class FilterStats:
    """What the filters rejected of a trial of one class.

    Attributes
    ----------
    drawn : int
        Samples drawn in the trial.
    copies : int
        Samples that nearly copy a training image.
    mislabeled : int
        Samples that the auxiliary classifier does not recognize as their class.
    min_pass_rate : float
        Pass rate below which the class counts as unlearned.

    Examples
    --------
    >>> from ganaug.sampling.filters import FilterStats
    >>> stats = FilterStats(drawn=100, copies=5, mislabeled=15)
    >>> stats.pass_rate, stats.is_learned
    (0.8, True)
    """

    drawn: int
    copies: int
    mislabeled: int
    min_pass_rate: float = MIN_PASS_RATE

    @property
    def pass_rate(self) -> float:
        """Fraction of samples that pass every filter; 1 if none was drawn."""
        return 1 - (self.copies + self.mislabeled) / self.drawn if self.drawn else 1.0

    @property
    def is_learned(self) -> bool:
        """Whether enough samples pass for the class to be sampled."""
        return self.pass_rate >= self.min_pass_rate


@dataclass(frozen=True)
class Filters:
    """The filters of one model.

    Attributes
    ----------
    auxiliary_classifier : AuxiliaryClassifier or None
        Judges whether a sample looks like its class. None: no filter "label".
    copy_detectors : tuple of CopyDetector or None
        For each class, detects copies of its training images. None: no filter "copies".
    class_labels : int64 Tensor of shape (n_labels,) or None
        If the labels are cells: the class of each. A sample of a cell must copy no image of the class. None: a label is
        a class.
    unlabeled_detector : CopyDetector or None
        Detects copies of training images that have no class.
    """

    auxiliary_classifier: AuxiliaryClassifier | None
    copy_detectors: tuple[CopyDetector, ...] | None
    class_labels: Tensor | None = None
    unlabeled_detector: CopyDetector | None = None

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return PASSED, COPY or MISLABELED for each image.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W), uint8
        labels : Tensor of shape (N,), int64

        Returns
        -------
        verdicts : Tensor of shape (N,), int64
        """
        verdicts = torch.full((len(images),), PASSED)
        if self.auxiliary_classifier is not None:
            verdicts[~self.auxiliary_classifier.recognizes(images, labels)] = MISLABELED
        if self.copy_detectors is not None:
            labels = labels if self.class_labels is None else self.class_labels[labels]
            for label in torch.unique(labels).tolist():
                rows = torch.nonzero(labels == label).flatten()
                is_copy = self.copy_detectors[label].are_copies(images[rows])
                verdicts[rows[is_copy]] = COPY  # a copy outranks a wrong label
        if self.unlabeled_detector is not None:
            rows = torch.nonzero(verdicts == PASSED).flatten()
            verdicts[rows[self.unlabeled_detector.are_copies(images[rows])]] = COPY
        return verdicts

    def stats(self, images: Tensor, labels: Tensor) -> dict[int, FilterStats]:
        """Return what the filters reject of trial samples, by label. Shapes as in `judge`."""
        verdicts = self.judge(images, labels)
        recall = 1.0 if self.auxiliary_classifier is None else self.auxiliary_classifier.recall
        stats = {}
        for label in torch.unique(labels).tolist():
            of_class = verdicts[labels == label]
            n_copies, n_mislabeled = int((of_class == COPY).sum()), int((of_class == MISLABELED).sum())
            stats[label] = FilterStats(len(of_class), n_copies, n_mislabeled, MIN_PASS_RATE * recall)
        return stats

    def tree(self) -> dict[str, Any]:
        """Return the filters as a nested dict of tensors and numbers, for a model file."""
        classifier = self.auxiliary_classifier
        unlabeled = {} if self.unlabeled_detector is None else {"unlabeled": asdict(self.unlabeled_detector)}
        return {
            **unlabeled,
            "traces": {str(label): asdict(detector) for label, detector in enumerate(self.copy_detectors or ())},
            "auxiliary_classifier": None if classifier is None else classifier.tree(),
        }

    @classmethod
    def from_tree(cls, tree: Any, shape: Shape, n_classes: int, class_labels: Tensor | None = None) -> "Filters":
        """Return the filters that `tree` described. shape: (C, H, W) of the images."""
        detectors, stored = tree["traces"], tree["auxiliary_classifier"]
        n_labels = n_classes if class_labels is None else len(class_labels)
        classifier = None if stored is None else AuxiliaryClassifier.from_tree(stored, shape, n_labels)
        return cls(
            classifier,
            tuple(CopyDetector(**detectors[str(label)]) for label in range(n_classes)) if detectors else None,
            class_labels,
            CopyDetector(**tree["unlabeled"]) if "unlabeled" in tree else None,
        )


def filter_names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the requested filters.

    Parameters
    ----------
    names : str, sequence of str or None
        Names joined by commas, a list of names, or None for no filter.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> from ganaug.sampling.filters import filter_names
    >>> filter_names("copies, label")
    ('copies', 'label')
    """
    parts = split_names(names, "filters")
    for part in parts:
        if part not in FILTERS:
            raise ValueError(unknown_name_message("filter", str(part), list(FILTERS)))
    return tuple(parts)


def make_filters(
    names: tuple[str, ...],
    images: LabeledImages,
    auxiliary_classifier: AuxiliaryClassifier | None,
    class_labels: Tensor | None = None,
    unlabeled: LabeledImages | None = None,
) -> Filters | None:
    """Return the filters for samples of a model that was trained on `images`, or None if there are none.

    Parameters
    ----------
    names : tuple of str
        Names out of `FILTERS`.
    images : LabeledImages
        The training images.
    auxiliary_classifier : AuxiliaryClassifier or None
        Used by the filter "label" if it recognizes at least half of the real images.
    class_labels : Tensor of shape (n_labels,), optional
        As for `Filters`.
    unlabeled : LabeledImages, optional
        Training images that have no class.
    """
    is_usable = auxiliary_classifier is not None and auxiliary_classifier.recall >= MIN_RECALL
    classifier = auxiliary_classifier if "label" in names and is_usable else None
    if classifier is None and "copies" not in names:
        return None
    # at half precision from the start, so that a loaded model rejects the same samples as the fitted one
    detectors = tuple(_copy_detector(images, name).half() for name in images.classes) if "copies" in names else None
    of_unlabeled = None
    if detectors is not None and unlabeled is not None:
        # every sample is compared with all of these
        rows = torch.arange(0, len(unlabeled), -(-len(unlabeled) // MAX_UNLABELED))
        of_unlabeled = CopyDetector.from_images(unlabeled.images[rows]).half()
    return Filters(classifier, detectors, class_labels, of_unlabeled)


def _copy_detector(images: LabeledImages, name: str) -> CopyDetector:
    """Create the copy detector of one class, from every n-th image if there are too many."""
    rows = images.rows_of(name)
    if len(images) > MAX_COMPARED:
        limit = max(1, MAX_COMPARED // len(images.classes))
        rows = rows[:: max(1, -(-len(rows) // limit))]
    return CopyDetector.from_images(images.images[rows])
