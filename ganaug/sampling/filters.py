"""What keeps a sample from being handed out: it nearly repeats a training image, or does not look like its class."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ganaug._runtime.lookup import listed, unknown
from ganaug.images import LabeledImages
from ganaug.metrics.copy_detection import Traces
from ganaug.models.networks.blocks import Shape
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier

FILTERS = ("copies", "label")
FLOOR = 0.1  # a class of whose samples fewer than this share of what real images reach pass is not learned
USABLE = 0.5  # share of real images that a auxiliary classifier must recognize to be heard
TRIAL = 128  # samples a class from which its yield is measured
MAX_COMPARED = 100_000  # training images with which samples are compared; beyond, as many of each class, spread evenly
KEPT, COPY, MISLABELED = 0, 1, 2


@dataclass(frozen=True)
class FilterStats:
    """Of `drawn` samples of a class, how many each filter took away; floor: the share that must pass."""

    drawn: int
    copies: int
    mislabeled: int
    floor: float = FLOOR

    @property
    def share(self) -> float:
        """Share of samples that pass."""
        return 1 - (self.copies + self.mislabeled) / self.drawn if self.drawn else 1.0

    @property
    def learned(self) -> bool:
        """Whether enough pass for the class to be handed out."""
        return self.share >= self.floor


@dataclass(frozen=True)
class Filters:
    """Judges samples.

    auxiliary classifier: None turns the filter "label" off. traces: of the training images of each class; None turns "copies" off.
    """

    auxiliary_classifier: AuxiliaryClassifier | None
    traces: tuple[Traces, ...] | None

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        """uint8 (N, C, H, W), labels (N,) -> KEPT, COPY or MISLABELED for each, (N,)."""
        verdict = torch.full((len(images),), KEPT)
        if self.auxiliary_classifier is not None:
            verdict[~self.auxiliary_classifier.recognizes(images, labels)] = MISLABELED
        if self.traces is not None:
            for label in torch.unique(labels).tolist():
                own = torch.nonzero(labels == label).flatten()
                verdict[own[self.traces[label].are_copies(images[own])]] = COPY
        return verdict

    def filter_stats(self, images: Tensor, labels: Tensor) -> dict[int, FilterStats]:
        """What each filter takes of trial samples, by label."""
        verdict, floor = (
            self.judge(images, labels),
            FLOOR * (1.0 if self.auxiliary_classifier is None else self.auxiliary_classifier.recall),
        )
        found = {}
        for label in torch.unique(labels).tolist():
            own = verdict[labels == label]
            found[label] = FilterStats(len(own), int((own == COPY).sum()), int((own == MISLABELED).sum()), floor)
        return found

    def tree(self) -> dict[str, Any]:
        """As `storage.write_tree` takes it."""
        traces = {str(k): asdict(own) for k, own in enumerate(self.traces or ())}
        return {
            "traces": traces,
            "auxiliary_classifier": None if self.auxiliary_classifier is None else self.auxiliary_classifier.tree(),
        }

    @classmethod
    def from_tree(cls, tree: Any, shape: Shape, n_classes: int) -> "Filters":
        """What `tree` gave."""
        traces = tree["traces"]
        auxiliary_classifier = (
            None
            if tree["auxiliary_classifier"] is None
            else AuxiliaryClassifier.from_tree(tree["auxiliary_classifier"], shape, n_classes)
        )
        return cls(auxiliary_classifier, tuple(Traces(**traces[str(k)]) for k in range(n_classes)) if traces else None)


def filter_names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """'copies', names joined by commas, a list of names, or None -> the names. Raises ValueError for an unknown one."""
    parts = listed(names, "filters")
    for part in parts:
        if part not in FILTERS:
            raise ValueError(unknown("filter", str(part), list(FILTERS)))
    return tuple(parts)


def make_filters(
    names: tuple[str, ...], images: LabeledImages, auxiliary_classifier: AuxiliaryClassifier | None
) -> Filters | None:
    """The filters of `names`, for samples of a generator that was trained on `images`; None where there are none.

    A auxiliary classifier that recognizes fewer than half of the real images is not heard.
    """
    auxiliary_classifier = (
        auxiliary_classifier
        if "label" in names and auxiliary_classifier is not None and auxiliary_classifier.recall >= USABLE
        else None
    )
    if auxiliary_classifier is None and "copies" not in names:
        return None
    # held at half precision already here, so that a loaded model judges as the fitted one does
    traces = tuple(_traces(images, name).half() for name in images.classes) if "copies" in names else None
    return Filters(auxiliary_classifier, traces)


def _traces(images: LabeledImages, name: str) -> Traces:
    """Of one class."""
    rows, most = images.rows_of(name), max(1, MAX_COMPARED // len(images.classes))
    if len(images) > MAX_COMPARED:
        rows = rows[:: max(1, -(-len(rows) // most))]
    return Traces.of(images.images[rows])
