"""Which real images train and which test: held out or cross-fitted, classes spread evenly, groups kept together."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.table import is_missing

GROUP_COLUMN = "group_id"
ALONE = "row "  # what the group of an image without one is called, before its number
MIN_TO_SPLIT = 4  # images of a class, so that each fold trains on at least two and tests on one


@dataclass(frozen=True)
class Fold:
    """Images of one set that train, and that test."""

    train: Tensor
    test: Tensor


def folds(images: LabeledImages, n: int, *, groups: np.ndarray | None = None, seed: int = 0) -> list[Fold]:
    """`n` folds, or fewer where the rarest class has fewer than 2 n images or there are fewer groups; two at least.

    groups: (N,); images of one group are never on both sides. Raises DataError where a class cannot be split.
    """
    name, fewest = min(images.counts.items(), key=lambda pair: pair[1])
    if fewest < MIN_TO_SPLIT:
        raise DataError(
            f"class {name!r} has {fewest} images: too few to train on some and test on others. Give test images "
            f"(test=, --test), or leave the class out."
        )
    n = max(2, min(n, fewest // 2))
    if groups is not None:
        n = _fit_to_groups(images, groups, n)
    place = parts(images.labels.numpy(), n, groups=groups, seed=seed)
    found = [
        Fold(torch.from_numpy(np.flatnonzero(place != k)), torch.from_numpy(np.flatnonzero(place == k)))
        for k in range(n)
    ]
    for fold in found:
        for label, name in enumerate(images.classes):
            if int((images.labels[fold.train] == label).sum()) < 2:
                raise DataError(
                    f"class {name!r} lies in too few groups: with whole groups held out, a fold has fewer than two of "
                    "its images left to train on. Give test images (test=, --test), or leave the class out."
                )
    return found


def fold_numbers(folds: Sequence[Fold], n: int) -> np.ndarray:
    """Which of the folds tests each of `n` images: (n,), int64."""
    found = np.zeros(n, dtype=np.int64)
    for number, fold in enumerate(folds):
        found[fold.test.numpy()] = number
    return found


def _fit_to_groups(images: LabeledImages, groups: np.ndarray, n: int) -> int:
    for label, name in enumerate(images.classes):
        own = len(np.unique(groups[images.labels.numpy() == label]))
        if own < 2:
            raise DataError(
                f"class {name!r} lies in one group only, so it cannot be on both sides of a split. Give test images "
                "(test=, --test), or leave the class out."
            )
    return min(n, len(np.unique(groups)))


def parts(labels: np.ndarray, n: int, *, groups: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """A part in 0..n-1 for each image (N,): classes spread evenly over parts, a group in one part only."""
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(n, shuffle=True, random_state=seed)
    place = np.zeros(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes of fewer than n images are met with above
        for part, (_, own) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
            place[own] = part
    return place


def groups_of(images: LabeledImages, groups: str | Sequence[Any] | np.ndarray | None) -> np.ndarray | None:
    """The group of each image (N,), or None: as given, the column of metadata that is named, or group_id if there.

    An image without a group is one of its own. Raises DataError for a column that is not there.
    """
    columns = () if images.metadata is None else images.metadata.columns
    if groups is None and GROUP_COLUMN in columns:
        groups = GROUP_COLUMN
    if groups is None:
        return None
    if isinstance(groups, str):
        if groups not in columns:
            raise DataError(f"groups={groups!r}: metadata has no such column; it has {', '.join(columns) or 'none'}.")
        assert images.metadata is not None
        values = images.metadata[groups].to_numpy()
    else:
        values = np.asarray(groups)
    if len(values) != len(images):
        raise ValueError(f"groups must have one entry an image: {len(values)} for {len(images)} images.")
    return np.array([f"{ALONE}{row}" if is_missing(value) else str(value) for row, value in enumerate(values)])
