"""Which images say themselves that they are synthetic: those that ganaug, or its user, marked in metadata."""

from typing import Any

import torch
from torch import Tensor

from ganaug.images import LabeledImages
from ganaug.io.table import is_true

COLUMN = "is_synthetic"


def marked_synthetic(metadata: Any, n: int) -> Tensor:
    """bool, (n,), from the column `is_synthetic` of a frame with n rows; all false where there is none."""
    if metadata is None or COLUMN not in getattr(metadata, "columns", ()):
        return torch.zeros(n, dtype=torch.bool)
    return torch.tensor([is_true(mark) for mark in metadata[COLUMN]], dtype=torch.bool)


def synthetic_part(images: LabeledImages) -> LabeledImages:
    """The images that are marked as synthetic; all where none is."""
    marked = marked_synthetic(images.metadata, len(images))
    return images.take(marked) if bool(marked.any()) else images
