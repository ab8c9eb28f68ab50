"""The files of a store.

``images.bin`` holds uint8 pixels of shape (N, C, H, W); ``labels.bin`` and ``hashes.bin`` hold one little-endian int64
per image; ``store.json`` describes them and how far the store is built.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.stored_rows import StoredRows
from ganaug._runtime.user_paths import expand_user
from ganaug.images import LabeledImages
from ganaug.io.paths import STORE

FORMAT = 2
IMAGES, LABELS, HASHES = "images.bin", "labels.bin", "hashes.bin"
BLOCK_IMAGES = 1024  # images that are written or verified at once


def is_store(path: str | Path) -> bool:
    """Return whether `path` is a store, complete or not."""
    return (expand_user(path) / STORE).is_file()


def load_images(folder: Path, shape: Sequence[int], classes: Sequence[str], *, has_class_order: bool) -> LabeledImages:
    """Open the images of a store without reading their pixels.

    Parameters
    ----------
    folder : pathlib.Path
    shape : sequence of int
        (C, H, W) of an image.
    classes : sequence of str
        Class names in the order of the stored labels.
    has_class_order : bool
        Whether `classes` is in its final order. Otherwise it is in the order in which the source was read, and is
        sorted here, by value if all names are numbers.

    Returns
    -------
    LabeledImages
        Its images are `StoredRows`, which are read when they are used.
    """
    labels, hashes = (torch.from_numpy(np.fromfile(folder / name, "<i8").astype(np.int64)) for name in (LABELS, HASHES))
    if not has_class_order:
        ordered = sort_class_names(classes)
        labels = torch.tensor([ordered.index(name) for name in classes])[labels]
        classes = ordered
    rows = StoredRows(folder / IMAGES, (len(labels), *shape), hashes)
    return LabeledImages(cast(Tensor, rows), labels, tuple(classes))


def sort_class_names(names: Iterable[str]) -> list[str]:
    """Sort class names, by value if all are numbers: as text, 10 would come before 9.

    Examples
    --------
    >>> from ganaug.io.store_format import sort_class_names
    >>> sort_class_names(["10", "9"]), sort_class_names(["b", "a", "10"])
    (['9', '10'], ['10', 'a', 'b'])
    """
    names = list(names)
    return sorted(names, key=int if all(name.isdecimal() for name in names) else str)
