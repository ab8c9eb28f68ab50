"""Match the labels of synthetic images with those of a data set, and check that both are data sets."""

import re
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch

from ganaug._runtime.messages import warn_user
from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate
from ganaug.io.paths import shorten

MAX_LISTED = 20  # labels or class names in a message


def check_sets(real: Any, synthetic: Any) -> None:
    """Raise DataError for what is not a data set of images, with what to pass instead."""
    if not isinstance(synthetic, LabeledImages):
        kind = type(synthetic).__name__
        advice = "Pass its samples: sample({class: number})." if hasattr(synthetic, "sample") else "Pass LabeledImages."
        raise DataError(f"synthetic is of type {kind}, not a set of synthetic images. {advice}")
    if isinstance(real, str | Path):
        raise DataError(f"real is a path. Pass read_folder({str(real)!r}), or torchvision's ImageFolder.")
    if not hasattr(real, "__getitem__") or not hasattr(real, "__len__"):
        raise DataError(f"real is of type {type(real).__name__}, not a data set with a length and numbered items.")


def join_sources(synthetic: Any) -> Any:
    """Join the samples of several generators, with the classes of all; anything but a list or tuple is returned.

    Raises
    ------
    DataError
        If an element is no LabeledImages, or the images have different shapes.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.datasets.label_matching import join_sources
    >>> cats = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]), ("cat",))
    >>> both = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("dog", "cat"))
    >>> join_sources([cats, both]).counts
    {'cat': 3, 'dog': 1}
    """
    if not isinstance(synthetic, list | tuple) or not synthetic:
        return synthetic
    for each in synthetic:
        check_sets([], each)
    classes = tuple(dict.fromkeys(name for each in synthetic for name in each.classes))
    parts = []
    for each in synthetic:
        new_label = torch.tensor([classes.index(name) for name in each.classes])
        parts.append(replace(each, labels=new_label[each.labels], classes=classes))
    return reduce(concatenate, parts)


def match_names(synthetic: LabeledImages, class_to_idx: dict[str, int]) -> dict[int, int]:
    """Map synthetic labels to real labels, by class name."""
    missing = [name for name in synthetic.classes if name not in class_to_idx]
    if missing:
        raise DataError(f"the real set has no class {missing[0]!r}; its classes are {', '.join(class_to_idx)}.")
    return {label: class_to_idx[name] for label, name in enumerate(synthetic.classes)}


def match_numbers(synthetic: LabeledImages, labels: set[int], *, is_mixed: bool) -> dict[int, int]:
    """Map synthetic labels to real labels, where the real set has no class names.

    A synthetic class named by a number, such as "10", has that label; if not all are, synthetic and real labels are the
    same.
    """
    if all(re.fullmatch(r"-?\d+", name) for name in synthetic.classes):
        label_of = {label: int(name) for label, name in enumerate(synthetic.classes)}
    else:
        label_of = {label: label for label in range(len(synthetic.classes))}
        if is_mixed and set(synthetic.classes) != {"False", "True"}:
            taken = [f"{name!r} = {label}" for label, name in enumerate(synthetic.classes)]
            warn_user(
                f"the real set does not name its classes, so synthetic ones are matched by position: {shorten(taken)}. "
                "Set its attribute `classes` to match them by name."
            )
    missing_labels = sorted(set(label_of.values()) - labels)
    if missing_labels:
        raise DataError(
            f"the real set has no label {missing_labels[0]}; its labels are "
            f"{', '.join(map(str, sorted(labels)[:MAX_LISTED]))}. Set its attribute `classes`, to match "
            f"{', '.join(synthetic.classes[:MAX_LISTED])} by name."
        )
    return label_of
