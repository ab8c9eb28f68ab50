"""Attributes of images, from their metadata: which values there are, and which image has which."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.table import is_missing
from ganaug.metrics.class_recognition import recognition

PREFIX = "attr_"
MOST = 20  # values of an attribute


@dataclass(frozen=True)
class Attribute:
    """An attribute, or two together. values: those of either side. real, synthetic: which value each image has, -1
    where it is not known: (N,), (M,). guessed: what a classifier takes each real image for, (N,), where those of the
    synthetic ones are guesses too."""

    name: str
    values: tuple[str, ...]
    real: np.ndarray
    synthetic: np.ndarray
    guessed: np.ndarray | None = None

    def counts(self, which: str, labels: np.ndarray, n_classes: int) -> np.ndarray:
        """Images of each class with each value: (K, A)."""
        own = getattr(self, which)
        found = np.zeros((n_classes, len(self.values)), np.int64)
        np.add.at(found, (labels[own >= 0], own[own >= 0]), 1)
        return found

    def told(self) -> list[int]:
        """Values that have rows of their own: of two, the second says nothing new."""
        return [0] if len(self.values) == 2 else list(range(len(self.values)))


def shared_attributes(*sides: LabeledImages) -> list[str]:
    """Columns `attr_...` that the metadata of every side has."""
    return sorted(name for name in set.intersection(*map(_columns, sides)) if name.startswith(PREFIX))


def names_of(
    real: LabeledImages, synthetic: LabeledImages, given: Sequence[str] | None, *, guessing: bool
) -> list[str]:
    """The attributes asked for, or all there are. Raises DataError for one that a side lacks and is not guessed."""
    names = list(given) if given is not None else shared_attributes(real)
    if not names:
        raise DataError(
            f"no attributes: give attributes=, names of columns of metadata.csv, or name columns {PREFIX}..., "
            f"{PREFIX}sex for example."
        )
    for name in names:
        for side, images in {"real": real, "synthetic": synthetic}.items():
            if name in _columns(images) or (guessing and side == "synthetic"):
                continue
            there = ", ".join(sorted(_columns(images))) or "none"
            fix = " With predicted=True they are guessed." if side == "synthetic" else ""
            raise DataError(f"attribute {name!r} is not among the metadata of the {side} images ({there}).{fix}")
    return names


def attributes_of(real: LabeledImages, synthetic: LabeledImages, names: list[str]) -> list[Attribute]:
    """Each attribute that both sides have, then each two of them. Raises DataError for one with no or many values."""
    known = [name for name in names if name in _columns(synthetic)]
    sides = [{name: texts(images, name) for name in known} for images in (real, synthetic)]
    for one, two in combinations(known, 2):
        for side in sides:
            side[f"{one}, {two}"] = [
                None if a is None or b is None else f"{a}, {b}" for a, b in zip(side[one], side[two], strict=True)
            ]
    found = []
    for name, own in sides[0].items():
        both = own + sides[1][name]  # a value that only synthetic images have is a change too
        values = values_of(both) if name not in names else checked_values(name, both)
        found.append(Attribute(name, values, codes(own, values), codes(sides[1][name], values)))
    return found


def guessed_attributes(
    real: LabeledImages, synthetic: LabeledImages, names: list[str], points: Tensor, others: Tensor, seed: int
) -> list[Attribute]:
    """Each attribute that the synthetic images lack, guessed from features, (N, D) and (M, D)."""
    found = []
    for name in names:
        if name in _columns(synthetic):
            continue
        own = texts(real, name)
        values = checked_values(name, own)
        truth = codes(own, values)
        known = np.flatnonzero(truth >= 0)
        labels = synthetic.labels.new_tensor(truth[known])
        claimed = labels.new_zeros(len(others))
        mine, theirs = recognition(points[known], labels, others, claimed, seed=seed % 2**31)
        guessed = np.full(len(real), -1)
        guessed[known] = mine.named.numpy()
        found.append(Attribute(name, values, truth, theirs.named.numpy(), guessed))
    return found


def texts(images: LabeledImages, name: str) -> list[str | None]:
    """A column of metadata as texts, None where a value is missing."""
    return [None if is_missing(value) else str(value) for value in pd.DataFrame(images.metadata)[name]]


def values_of(own: list[str | None]) -> tuple[str, ...]:
    """The values that occur, sorted."""
    return tuple(sorted({value for value in own if value is not None}))


def checked_values(name: str, own: list[str | None], side: str = "real") -> tuple[str, ...]:
    """The same. Raises DataError unless there are 2 to 20."""
    values = values_of(own)
    if not 2 <= len(values) <= MOST:
        raise DataError(
            f"attribute {name!r} has {len(values)} values among the {side} images: give one with 2 to {MOST}."
        )
    return values


def codes(own: list[str | None], values: tuple[str, ...]) -> np.ndarray:
    """The place of each among `values`, -1 where it is none of them: (N,)."""
    place = {value: number for number, value in enumerate(values)}
    return np.array([-1 if value is None else place.get(value, -1) for value in own], dtype=np.int64)


def _columns(images: LabeledImages) -> set[str]:
    return set() if images.metadata is None else {str(name) for name in images.metadata.columns}
