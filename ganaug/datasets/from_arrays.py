"""Convert images and labels that come apart: arrays, tensors, lists of images, and lists of files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug._runtime.messages import warn_user
from ganaug.datasets.arrays import ArrayLayout, PixelScale, composite_on_white, to_numpy
from ganaug.datasets.converted import ConvertedData, check_lengths, label_images, unlabeled_images
from ganaug.datasets.pixels import ValueRange, check_range, stack_images
from ganaug.datasets.row_format import row_format
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.image_tensors import resize_images
from ganaug.io.items import EncodedLabels, encode_labels, label_value


def encode_y(X: Any, y: Any, unlabeled: str) -> tuple[np.ndarray, EncodedLabels]:
    """Return the sorted class values of `y` in its dtype, and its labels as indices into them."""
    if y is None:
        hint = ""
        if isinstance(X, list) and X and isinstance(X[0], tuple):
            hint = " Pass images and labels apart: images, labels = zip(*X)."
        elif hasattr(X, "__getitem__") and not hasattr(X, "shape") and not isinstance(X, list | tuple):
            hint = " If it is a data set of images and labels, derive its class from torch.utils.data.Dataset."
        raise ValueError(f"requires y to be passed, but the target y is None; X is a {type(X).__name__}.{hint}")
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
    if isinstance(labels, list | tuple | np.ma.MaskedArray):
        values = [label_value(label) for label in labels]
        if len({isinstance(value, str) for value in values}) > 1:
            labels = np.array(values, dtype=object)  # asarray would turn numbers beside texts into texts
        elif isinstance(labels, np.ma.MaskedArray):
            labels = values  # asarray would drop the mask
    labels = np.asarray(labels)
    labels = labels.ravel() if labels.ndim == 2 and labels.shape[1] == 1 else labels
    labels = np.char.decode(labels, errors="backslashreplace") if labels.dtype.kind == "S" else labels
    if labels.ndim != 1 or labels.dtype.kind not in "biufUO":
        one_hot = " If they are one-hot, pass y.argmax(axis=1)." if labels.ndim == 2 else ""
        raise DataError(
            f"y must hold one number or string for each image; got {labels.dtype}, {labels.shape}.{one_hot}"
        )
    encoded = encode_labels(labels, what="y", unlabeled=unlabeled)
    # sorted, as scikit-learn orders classes_
    is_mixed = len({isinstance(value, str) for value in encoded.class_values}) > 1
    class_values = encoded.class_values if is_mixed else np.unique(labels[encoded.indices >= 0])
    return class_values, encoded


@dataclass(frozen=True)
class ScaledArray:
    """The images of an array.

    Attributes
    ----------
    array : ndarray
        The array as it is.
    pixels : Tensor
        uint8 of shape (N, C, H, W), C 1 or 3.
    layout : ArrayLayout
        Of the array.
    scale : PixelScale
        Of its numbers.
    """

    array: np.ndarray
    pixels: Tensor
    layout: ArrayLayout
    scale: PixelScale


def scale_array(
    X: Any, image_shape: Sequence[int] | None, size: tuple[int, int] | None, value_range: ValueRange | None
) -> ScaledArray:
    """Convert an array or tensor of images, or of plain vectors, to pixels. See `convert_array`."""
    array = to_numpy(X)
    if array.dtype.kind not in "biuf":
        raise DataError(f"images must be numbers; got an array of {array.dtype}.")
    if not array.size:
        raise DataError(f"X is empty: its shape is {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("X holds NaN or infinity. Replace these numbers first.")
    layout = ArrayLayout.of(array, image_shape, channels_first=isinstance(X, Tensor))
    scale = _scale(array, layout, value_range)
    pixels = composite_on_white(torch.from_numpy(np.ascontiguousarray(layout.to_nchw(scale.to_uint8(array)))))
    if size is not None:
        if layout.is_vector:
            raise ValueError("image_size needs images; rows of X are plain vectors. Set image_shape, or no image_size.")
        pixels = resize_images(pixels, size)
    return ScaledArray(array, pixels, layout, scale)


def _scale(array: np.ndarray, layout: ArrayLayout, value_range: ValueRange | None) -> PixelScale:
    """Return the scale of an array. Warns if the smallest and greatest number become black and white."""
    if value_range is not None:
        scale = PixelScale(*(layout.per_channel(limit) for limit in value_range))
        check_range([*array], scale)
        return scale
    if layout.is_vector:
        return PixelScale.per_feature(array)
    # rows of uint8 may be levels such as 0..16; an array of images of uint8 has 256
    are_rows = array.ndim == 2 and array.dtype == np.uint8
    known = PixelScale.known([array.astype(np.int16) if are_rows else array])
    if known is not None:
        return known
    warn_user(
        f"X holds numbers from {array.min():.3g} to {array.max():.3g}, which are used as black and white. If the "
        "images were normalized, undo that first, or convert them by to_labeled_images(X, y, value_range=(black, "
        "white))."
    )
    return PixelScale(np.float64(array.min()), np.float64(array.max()))


def convert_array(
    X: Any,
    y: Any,
    class_values: np.ndarray,
    encoded: EncodedLabels,
    image_shape: Sequence[int] | None,
    size: tuple[int, int] | None,
    value_range: ValueRange | None,
) -> ConvertedData:
    """Convert an array or tensor; `append` returns the same dtype, device and shape."""
    check_lengths(len(X), encoded)
    scaled = scale_array(X, image_shape, size, value_range)
    form = row_format(X, scaled.layout, scaled.scale, scaled.array.dtype)

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        height, width = scaled.layout.shape[1:]
        if synthetic.shape[1:] != (height, width):
            raise ValueError(
                f"X has images of {height}x{width} pixels and synthetic ones have {size}: one array cannot hold "
                "both. Resize X first, or use fit and sample."
            )
        new = form.array(synthetic.images.numpy())
        new_labels = class_values[synthetic.labels.numpy()]
        if isinstance(X, Tensor):
            new_tensor = torch.from_numpy(np.ascontiguousarray(new)).to(X.device, X.dtype)
            return torch.cat([X, new_tensor]), _extend(y, new_labels)
        return np.concatenate([scaled.array, new]), _extend(y, new_labels)

    images = label_images(scaled.pixels, encoded)
    return ConvertedData(images, class_values, append, form, unlabeled_images(scaled.pixels, encoded))


def convert_list(
    X: Any,
    y: Any,
    class_values: np.ndarray,
    encoded: EncodedLabels,
    size: tuple[int, int] | None,
    value_range: ValueRange | None,
) -> ConvertedData:
    """Convert a list, Series or object array of images; `append` returns the same container."""
    stacked = stack_images(list(X), size, value_range=value_range)

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        new = [stacked.restore(pixels) for pixels in synthetic.images]
        new_y = _extend(y, class_values[synthetic.labels.numpy()])
        if isinstance(X, list | tuple):
            return type(X)([*X, *new]), new_y
        images = np.empty(len(X) + len(new), dtype=object)
        images[:] = [*X, *new]
        return pd.Series(images, name=X.name) if isinstance(X, pd.Series) else images, new_y

    unlabeled = unlabeled_images(stacked.pixels, encoded)
    return ConvertedData(label_images(stacked.pixels, encoded), class_values, append, unlabeled=unlabeled)


def convert_paths(
    X: Any, class_values: np.ndarray, encoded: EncodedLabels, size: tuple[int, int] | None
) -> ConvertedData:
    """Read image files; `append` raises TypeError because synthetic images have no file."""
    from ganaug.io.folder import read_files

    files = list(X.iloc[:, 0] if isinstance(X, pd.DataFrame) else X)
    for row, file in enumerate(files):
        if not isinstance(file, str | Path):
            raise DataError(f"row {row:,} of X is a {type(file).__name__}, not the name of a file.")
    paths = [Path(file) for file in files]
    check_lengths(len(paths), encoded, "files")
    pixels = read_files(paths, image_size=size)
    images = label_images(pixels, encoded)

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:  # noqa: ARG001  # every ConvertedData has one
        raise TypeError(
            "fit_resample cannot return file paths, because synthetic images have no file. Use fit and sample, then "
            "write_folder; or pass read_folder(...)."
        )

    return ConvertedData(images, class_values, append, unlabeled=unlabeled_images(pixels, encoded))


def _extend(y: Any, new: np.ndarray) -> Any:
    """Append new labels to `y` and return its type of container."""
    if isinstance(y, Tensor):
        return torch.cat([y, torch.as_tensor(new).to(y)])
    if isinstance(y, pd.Series):
        # concat of unequal types would turn a categorical or nullable column to object
        return pd.concat([y, pd.Series(new, name=y.name).astype(y.dtype)], ignore_index=True)
    if isinstance(y, list | tuple):
        return type(y)([*y, *new.tolist()])
    return np.concatenate([np.asarray(y), new.reshape(-1, *np.shape(y)[1:])])
