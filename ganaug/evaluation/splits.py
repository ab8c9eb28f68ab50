"""Splits of real images into training and test images: stratified by class, with whole groups."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor

from ganaug.errors import DataError
from ganaug.evaluation.groups import name_groups
from ganaug.images import LabeledImages

MIN_IMAGES_TO_SPLIT = 4  # of a class: two to train on and one to test on in each of two folds
ADVICE = " Give test images (test=, --test), or leave the class out."  # end of errors of `split_folds`


@dataclass(frozen=True)
class Fold:
    """Indices of the training and test images of one fold.

    Attributes
    ----------
    train, test : Tensors of shape (n,), int64
        Indices into the set that was split.

    Examples
    --------
    >>> import torch
    >>> from ganaug.evaluation import Fold
    >>> Fold(train=torch.tensor([0, 2]), test=torch.tensor([1])).test.tolist()
    [1]
    """

    train: Tensor
    test: Tensor


def split_folds(
    images: LabeledImages, n: int, *, groups: Sequence[Any] | np.ndarray | None = None, seed: int = 0
) -> list[Fold]:
    """Split images into stratified folds for cross-validation.

    Parameters
    ----------
    images : LabeledImages
        Real images.
    n : int
        Number of folds. Reduced, to at least 2, where the rarest class has fewer than 2 n images or there are fewer
        than n groups.
    groups : array of shape (N,), optional
        Group of each image. The images of a group are all in the training part or all in the test part of a fold.
    seed : int
        Seed of the shuffling.

    Returns
    -------
    list of Fold
        Each image is a test image of exactly one fold.

    Raises
    ------
    DataError
        If a class has fewer than 4 images or too few groups.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import split_folds
    >>> labels = torch.tensor([0] * 6 + [1] * 4)
    >>> images = LabeledImages(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), labels, ("cat", "dog"))
    >>> [labels[fold.test].tolist() for fold in split_folds(images, 2)]
    [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    """
    name, fewest = min(images.counts.items(), key=lambda pair: pair[1])
    if fewest < MIN_IMAGES_TO_SPLIT:
        raise DataError(f"class {name!r} has {fewest} images: too few to train on some and test on others.{ADVICE}")
    n = max(2, min(n, fewest // 2))  # two test images of the rarest class in each fold, where it has enough
    if groups is not None:
        groups = name_groups(groups, len(images))
        n = _limit_to_groups(images, groups, n)
    numbers = assign_folds(images.labels.numpy(), n, groups=groups, seed=seed)
    splits = [
        Fold(torch.from_numpy(np.flatnonzero(numbers != k)), torch.from_numpy(np.flatnonzero(numbers == k)))
        for k in range(n)
    ]
    for fold in splits:
        for label, name in enumerate(images.classes):
            if int((images.labels[fold.train] == label).sum()) < 2:
                raise DataError(
                    f"class {name!r} lies in too few groups: with whole groups held out, a fold has fewer than two of "
                    f"its images left to train on.{ADVICE}"
                )
    return splits


def fold_numbers(folds: Sequence[Fold], n: int) -> np.ndarray:
    """Return the number of the fold that tests each image.

    Parameters
    ----------
    folds : sequence of Fold
        Folds of `n` images.
    n : int
        Number of images.

    Returns
    -------
    array of shape (n,), int64
    """
    numbers = np.zeros(n, dtype=np.int64)
    for number, fold in enumerate(folds):
        numbers[fold.test.numpy()] = number
    return numbers


def merge_folds(folds: Sequence[Fold], tables: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Put the predictions of each fold's test images together.

    Parameters
    ----------
    folds : sequence of Fold
        Folds of N images.
    tables : sequence of dict of str to array of shape (n, K)
        For each fold, the predictions of its n test images by method.

    Returns
    -------
    dict of str to array of shape (N, K), float32
        The methods that every fold has.
    """
    merged = {}
    for name in set.intersection(*(set(of_fold) for of_fold in tables)):
        rows, columns = sum(len(fold.test) for fold in folds), tables[0][name].shape[1]
        merged[name] = np.empty((rows, columns), np.float32)
        for fold, of_fold in zip(folds, tables, strict=True):
            merged[name][fold.test.numpy()] = of_fold[name]
    return merged


def _limit_to_groups(images: LabeledImages, groups: np.ndarray, n: int) -> int:
    """At most as many folds as groups. Raises DataError for a class in one group only."""
    for label, name in enumerate(images.classes):
        n_groups = len(np.unique(groups[images.labels.numpy() == label]))
        if n_groups < 2:
            raise DataError(
                f"class {name!r} lies in one group only, so it cannot be both trained on and tested on. Give test "
                "images (test=, --test), or leave the class out."
            )
    return min(n, len(np.unique(groups)))


def assign_folds(labels: np.ndarray, n: int, *, groups: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Assign each image to one of `n` folds, stratified by class, a group to one fold only.

    Parameters
    ----------
    labels : array of shape (N,)
        Classes.
    n : int
        Number of folds. A class may have fewer images.
    groups : array of shape (N,), optional
        Group of each image.
    seed : int
        Seed of the shuffling.

    Returns
    -------
    array of shape (N,), int64
        Fold numbers 0 to n - 1.
    """
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(n, shuffle=True, random_state=seed)
    numbers = np.zeros(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer than n images
        for number, (_, test) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
            numbers[test] = number
    return numbers
