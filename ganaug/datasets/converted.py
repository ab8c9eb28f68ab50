"""The result of converting a user's data: LabeledImages, and the conversion back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.messages import warn_user
from ganaug.datasets.row_format import RowFormat
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.items import EncodedLabels, similar_names_message


@dataclass(frozen=True)
class ConvertedData:
    """A user's data as LabeledImages, and the conversion back.

    Attributes
    ----------
    images : LabeledImages
        The data.
    class_values : ndarray
        The user's class values, (K,), in the order of labels 0..K-1.
    append : callable
        synthetic LabeledImages -> (X, y) in the user's container and dtype: the original items, then the synthetic
        ones.
    row_format : RowFormat or None
        Form of the array or table. None: the data came in another container.
    unlabeled : Tensor of shape (M, C, H, W), uint8, or None
        Images whose label is -1, if the conversion keeps them.
    """

    images: LabeledImages
    class_values: np.ndarray
    append: Callable[[LabeledImages], tuple[Any, Any]]
    row_format: RowFormat | None = None
    unlabeled: Tensor | None = None


def class_value_array(values: Sequence[Any]) -> np.ndarray:
    """Return class values as an array of their dtype if all are numbers, else of objects."""
    has_texts = any(isinstance(value, str) for value in values)
    return np.array(values, dtype=object if has_texts else None)


def check_lengths(count: int, encoded: EncodedLabels, what: str = "images") -> None:
    """Raise DataError if there are not as many images as labels. what: what X holds, for the message."""
    if count != len(encoded.indices):
        raise DataError(f"X holds {count} {what} and y {len(encoded.indices)} labels.")


def label_images(pixels: Tensor, encoded: EncodedLabels, names: Sequence[str] | None = None) -> LabeledImages:
    """Return the images that have a label. Warns if class names look like one class."""
    check_lengths(len(pixels), encoded)
    message = similar_names_message(encoded.names if names is None else names)
    if message is not None:
        warn_user(f"{message}.")
    is_labeled = encoded.indices >= 0
    labels = torch.from_numpy(encoded.indices[is_labeled])
    kept = pixels if is_labeled.all() else pixels[torch.from_numpy(is_labeled)]
    return LabeledImages(kept, labels, tuple(encoded.names if names is None else names))


def unlabeled_images(pixels: Tensor, encoded: EncodedLabels) -> Tensor | None:
    """Return the images (M, C, H, W) that have no label; None if all have one."""
    has_none = encoded.indices < 0
    return pixels[torch.from_numpy(has_none)] if has_none.any() else None
