"""What keeps a sample from being handed out: it nearly repeats a training image, or does not look like its class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganaug.images import LabelledImages
from ganaug.lookup import listed, unknown
from ganaug.metrics.copies import copy_radius, near_copies, sketch
from ganaug.networks.blocks import Shape
from ganaug.training.referee import Referee

FILTERS = ("copies", "label")
FLOOR = 0.1  # a class of whose samples fewer than this share of what real images reach pass is not learnt
USABLE = 0.5  # share of real images that a referee must recognise to be heard
TRIAL = 128  # samples a class from which its yield is measured
MOST_COMPARED = 100_000  # training images with which samples are compared; beyond, as many of each class, spread evenly
LARGEST_SAMPLE = 5000  # training images from which the copy radius is taken
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

    referee: None turns the filter "label" off. sketches: of the training images of each class, by
    `metrics.copies.sketch`; None turns "copies" off. radius: distance below which a sample is a near-copy.
    """

    referee: Referee | None
    sketches: tuple[Tensor, ...] | None
    radius: float

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        """uint8 (N, C, H, W), labels (N,) -> KEPT, COPY or MISLABELLED for each, (N,)."""
        verdict = torch.full((len(images),), KEPT)
        if self.referee is not None:
            verdict[~self.referee.recognises(images, labels)] = MISLABELLED
        if self.sketches is not None:
            # a mirrored copy is a copy too; plain vectors have no mirror image
            views = [sketch(images), sketch(images.flip(3))] if min(images.shape[2:]) > 1 else [sketch(images)]
            for label in torch.unique(labels).tolist():
                own = torch.nonzero(labels == label).flatten()
                for view in views:
                    verdict[own[near_copies(view[own], self.sketches[label].float(), self.radius)]] = COPY
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
        sketches = {} if self.sketches is None else {str(k): s for k, s in enumerate(self.sketches)}
        referee = None if self.referee is None else self.referee.tree()
        return {"sketches": sketches, "referee": referee, "radius": self.radius}

    @classmethod
    def from_tree(cls, tree: Any, shape: Shape, n_classes: int) -> "Filters":
        """What `tree` gave."""
        sketches = tree["sketches"]
        referee = None if tree["referee"] is None else Referee.from_tree(tree["referee"], shape, n_classes)
        kept = tuple(sketches[str(k)] for k in range(n_classes)) if sketches else None
        return cls(referee, kept, float(tree["radius"]))


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
    sketches, radius = None, 0.0
    if "copies" in names:
        # held at half precision already here, so that a loaded model judges as the fitted one does
        sketches = tuple(_sketches(images, name).half() for name in images.classes)
        every = torch.cat(sketches).float()
        some = torch.linspace(0, len(every) - 1, min(len(every), LARGEST_SAMPLE)).long()
        radius = copy_radius(every[some])
    return Filters(referee, sketches, radius)


def _sketches(images: LabelledImages, name: str) -> Tensor:
    """Of one class, (n, D); a part at a time, since they may be in a file."""
    rows, most = images.rows_of(name), max(1, MOST_COMPARED // len(images.classes))
    if len(images) > MOST_COMPARED:
        rows = rows[:: max(1, -(-len(rows) // most))]
    return torch.cat([sketch(images.images[part]) for part in torch.split(rows, 4096)])
