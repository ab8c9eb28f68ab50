"""What keeps a sample from being handed out: it nearly repeats a training image, or does not look like its class."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ganaug._runtime.lookup import listed, unknown
from ganaug.images import LabelledImages
from ganaug.metrics.traces import Traces
from ganaug.models.networks.blocks import Shape
from ganaug.training.auxiliary_classifier import Referee

FILTERS = ("copies", "label")
FLOOR = 0.1  # a class of whose samples fewer than this share of what real images reach pass is not learnt
USABLE = 0.5  # share of real images that a referee must recognise to be heard
TRIAL = 128  # samples a class from which its yield is measured
MOST_COMPARED = 100_000  # training images with which samples are compared; beyond, as many of each class, spread evenly
KEPT, COPY, MISLABELLED = 0, 1, 2


@dataclass(frozen=True)
class Yield:
    """Of `drawn` samples of a class, how many each filter took away; floor: the share that must pass."""

    drawn: int
    copies: int
    mislabelled: int
    floor: float = FLOOR

    @property
    def share(self) -> float:
        """Share of samples that pass."""
        return 1 - (self.copies + self.mislabelled) / self.drawn if self.drawn else 1.0

    @property
    def learnt(self) -> bool:
        """Whether enough pass for the class to be handed out."""
        return self.share >= self.floor


@dataclass(frozen=True)
class Filters:
    """Judges samples.

    referee: None turns the filter "label" off. traces: of the training images of each class; None turns "copies" off.
    """

    referee: Referee | None
    traces: tuple[Traces, ...] | None

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        """uint8 (N, C, H, W), labels (N,) -> KEPT, COPY or MISLABELLED for each, (N,)."""
        verdict = torch.full((len(images),), KEPT)
        if self.referee is not None:
            verdict[~self.referee.recognises(images, labels)] = MISLABELLED
        if self.traces is not None:
            for label in torch.unique(labels).tolist():
                own = torch.nonzero(labels == label).flatten()
                verdict[own[self.traces[label].are_copies(images[own])]] = COPY
        return verdict

    def yields(self, images: Tensor, labels: Tensor) -> dict[int, Yield]:
        """What each filter takes of trial samples, by label."""
        verdict, floor = self.judge(images, labels), FLOOR * (1.0 if self.referee is None else self.referee.recall)
        found = {}
        for label in torch.unique(labels).tolist():
            own = verdict[labels == label]
            found[label] = Yield(len(own), int((own == COPY).sum()), int((own == MISLABELLED).sum()), floor)
        return found

    def tree(self) -> dict[str, Any]:
        """As `storage.write_tree` takes it."""
        traces = {str(k): asdict(own) for k, own in enumerate(self.traces or ())}
        return {"traces": traces, "referee": None if self.referee is None else self.referee.tree()}

    @classmethod
    def from_tree(cls, tree: Any, shape: Shape, n_classes: int) -> "Filters":
        """What `tree` gave."""
        traces = tree["traces"]
        referee = None if tree["referee"] is None else Referee.from_tree(tree["referee"], shape, n_classes)
        return cls(referee, tuple(Traces(**traces[str(k)]) for k in range(n_classes)) if traces else None)


def filter_names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """'copies', names joined by commas, a list of names, or None -> the names. Raises ValueError for an unknown one."""
    parts = listed(names, "filters")
    for part in parts:
        if part not in FILTERS:
            raise ValueError(unknown("filter", str(part), list(FILTERS)))
    return tuple(parts)


def make_filters(names: tuple[str, ...], images: LabelledImages, referee: Referee | None) -> Filters | None:
    """The filters of `names`, for samples of a generator that was trained on `images`; None where there are none.

    A referee that recognises fewer than half of the real images is not heard.
    """
    referee = referee if "label" in names and referee is not None and referee.recall >= USABLE else None
    if referee is None and "copies" not in names:
        return None
    # held at half precision already here, so that a loaded model judges as the fitted one does
    traces = tuple(_traces(images, name).half() for name in images.classes) if "copies" in names else None
    return Filters(referee, traces)


def _traces(images: LabelledImages, name: str) -> Traces:
    """Of one class."""
    rows, most = images.rows_of(name), max(1, MOST_COMPARED // len(images.classes))
    if len(images) > MOST_COMPARED:
        rows = rows[:: max(1, -(-len(rows) // most))]
    return Traces.of(images.images[rows])
