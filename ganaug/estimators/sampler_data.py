"""The data of one fit of an over-sampler, and what can be fitted to."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from ganaug.datasets.cells import Cells, group_images
from ganaug.datasets.row_format import RowFormat
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MAX_CLASSES, MAX_IMAGE_SIZE


@dataclass(frozen=True)
class SamplerData:
    """The data of one fit of an over-sampler.

    Attributes
    ----------
    images : LabeledImages
    class_values : array of shape (K,)
        The user's value for each class.
    hashes : Tensor of shape (N,), int64
        A hash of each image.
    additions : dict
        Label of `groups` -> images that `sampling_strategy` adds.
    cells : Cells or None
        Combinations of classes and attribute values that the model is conditioned on.
    row_format : RowFormat or None
        Form of the array or table that was passed.
    unlabeled : LabeledImages or None
        Further images without a class; their labels are all 0.
    """

    images: LabeledImages
    class_values: np.ndarray
    hashes: Tensor
    additions: dict[int, int]
    cells: Cells | None = None
    row_format: RowFormat | None = None
    unlabeled: LabeledImages | None = None

    @cached_property
    def groups(self) -> LabeledImages:
        """The images with the labels that the model is trained on: classes, or cells."""
        return group_images(self.images, self.cells)

    @property
    def design(self) -> Tensor | None:
        """The factors of each cell, see `ganaug.models.networks.factors`; None if labels are classes."""
        return None if self.cells is None else self.cells.design()


def check_trainable(images: LabeledImages) -> None:
    """Raise DataError (or ValueError, with scikit-learn's text) where no conditional model can be fitted."""
    if len(images.classes) < 2:
        raise ValueError(f"The target 'y' needs to have more than 1 class. Got {len(images.classes)} class instead")
    if len(images.classes) > MAX_CLASSES:
        raise DataError(f"{len(images.classes):,} classes; at most {MAX_CLASSES:,} are supported.")
    single = [name for name, count in images.counts.items() if count < 2]
    if single:
        raise DataError(
            f"class {single[0]!r} has one image only ({len(single)} such classes), so nothing can be learned about how "
            "its images vary. Add images or leave the class out."
        )
    if max(images.shape[1:]) > MAX_IMAGE_SIZE and min(images.shape[1:]) > 1:
        raise DataError(
            f"images are {images.shape[1]}x{images.shape[2]} pixels; up to "
            f"{MAX_IMAGE_SIZE}x{MAX_IMAGE_SIZE} are supported. Resize them, for example with "
            "read_folder(..., image_size=128)."
        )
