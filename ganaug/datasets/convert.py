"""Convert arrays, tensors, data sets and files to LabeledImages, and synthetic images back to the user's container."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.optional import import_datasets
from ganaug.datasets.arrays import ArrayLayout, PixelScale
from ganaug.datasets.introspection import class_names
from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate
from ganaug.io.decoding import gray_or_rgb, resize_images, to_pillow
from ganaug.io.preflight import parse_image_size
from ganaug.io.records import find_columns, open_records, read_records, refuse_splits


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
    """

    images: LabeledImages
    class_values: np.ndarray
    append: Callable[[LabeledImages], tuple[Any, Any]]


def convert(
    X: Any,
    y: Any = None,
    *,
    image_shape: Sequence[int] | None = None,
    image_size: int | tuple[int, int] | None = None,
) -> ConvertedData:
    """Convert images and labels in any supported form.

    Parameters
    ----------
    X : LabeledImages, Dataset, str, Path, array, Tensor, list, Series or DataFrame
        Without `y`: LabeledImages, a torch Dataset of (image, label), a Hugging Face `datasets.Dataset` with a column
        of images and one of labels, or the path of a data folder or store. With `y`: an array or tensor of shape
        (N, H, W), (N, H, W, C), (N, C, H, W) or (N, D), C 1 or 3; or a list, Series or one-column DataFrame of image
        files.
    y : array, Tensor, list, tuple, Series or None
        One number or string for each image.
    image_shape : sequence of int or None
        (H, W) or (H, W, C) of the images in rows of a 2-D array. None treats the rows as feature vectors.
    image_size : int or tuple of int or None
        Size, or (height, width), to resize images to, bicubic and antialiased. Files and items of a data set may then
        have different sizes. None keeps the size.

    Returns
    -------
    ConvertedData
        Images, class values, and the function that appends synthetic images to X and y.

    Raises
    ------
    DataError
        If images or labels have an unsupported dtype or shape, are missing, or are not finite.
    ValueError
        If `y` is missing, or passed with data that has labels.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.convert import convert
    >>> X, y = np.zeros((4, 28, 28, 3), np.uint8), np.array(["cat", "cat", "cat", "dog"])
    >>> converted = convert(X, y)
    >>> converted.images.counts, converted.images.shape
    ({'cat': 3, 'dog': 1}, (3, 28, 28))
    >>> synthetic = converted.images.take([3])
    >>> new_X, new_y = converted.append(synthetic)
    >>> new_X.shape, new_y.tolist()
    ((5, 28, 28, 3), ['cat', 'cat', 'cat', 'dog', 'dog'])
    """
    size = parse_image_size(image_size)
    refuse_splits(X)
    if isinstance(X, str | Path):
        from ganaug.io.folder import read_folder

        X = read_folder(X, image_size=image_size)
    if isinstance(X, LabeledImages | Dataset) or is_hugging_face(X):
        if y is not None:
            raise ValueError(f"a {type(X).__name__} already has labels: give no y.")
        if isinstance(X, LabeledImages):
            return _convert_images(X, size)
        return _convert_hugging_face(X, size) if is_hugging_face(X) else _convert_dataset(X, size)
    class_values, labels = _encode_labels(X, y)
    if are_paths(X):
        return _convert_paths(X, class_values, labels, size)
    return _convert_array(X, y, class_values, labels, image_shape, size)


def is_hugging_face(X: Any) -> bool:
    """Whether X is a Hugging Face `datasets.Dataset`."""
    # by name, because importing `datasets` takes seconds and it may not be installed
    return any(base.__module__.split(".")[0] == "datasets" and base.__name__ == "Dataset" for base in type(X).__mro__)


def are_paths(X: Any) -> bool:
    """Whether X is a non-empty list, tuple, array, Series or one-column DataFrame of file names.

    Examples
    --------
    >>> from ganaug.datasets.convert import are_paths
    >>> are_paths(["cat/1.png", "dog/1.png"])
    True
    """
    if isinstance(X, pd.DataFrame):
        return X.shape[1] == 1 and len(X) > 0 and are_paths(X.iloc[:, 0])
    if isinstance(X, Tensor) or not isinstance(X, list | tuple | pd.Series | np.ndarray) or len(X) == 0:
        return False
    first = X.iloc[0] if isinstance(X, pd.Series) else X[0]
    return isinstance(first, str | Path)


def _encode_labels(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted class values of `y` (K,), and the index of each label in them (N,)."""
    if y is None:
        raise ValueError(f"requires y to be passed, but the target y is None; X is a {type(X).__name__}.")
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    labels = labels.ravel() if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "biufUO":
        raise DataError(f"y must hold one number or string for each image; got {labels.dtype}, {labels.shape}.")
    if pd.isna(labels).any():
        raise DataError("y holds missing labels. Remove these images, or give them a class.")
    if labels.dtype.kind == "O":
        invalid = [value for value in labels if not isinstance(value, str | int | float | np.generic)]
        if invalid:
            raise DataError(f"y must hold one number or string for each image; got a {type(invalid[0]).__name__}.")
    # sorted, as scikit-learn orders classes_
    class_values, indices = np.unique(labels, return_inverse=True)
    return class_values, indices


def _names(class_values: np.ndarray) -> tuple[str, ...]:
    """Return the class values as class names."""
    return tuple(str(value) for value in class_values.tolist())


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


def _convert_array(
    X: Any,
    y: Any,
    class_values: np.ndarray,
    labels: np.ndarray,
    image_shape: Sequence[int] | None,
    size: tuple[int, int] | None,
) -> ConvertedData:
    """Convert an array or tensor; `append` returns the same dtype, device and shape."""
    array = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    if array.dtype.kind not in "biuf":
        raise DataError(f"images must be numbers; got an array of {array.dtype}.")
    if len(array) != len(labels):
        raise DataError(f"X holds {len(array)} images and y {len(labels)} labels.")
    if not array.size:
        raise DataError(f"X is empty: its shape is {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("X holds NaN or infinity. Replace these numbers first.")
    layout = ArrayLayout.of(array, image_shape, channels_first=isinstance(X, Tensor))
    scale = PixelScale.of(array, per_feature=layout.is_vector)
    pixels = torch.from_numpy(np.ascontiguousarray(layout.to_nchw(scale.to_uint8(array))))
    original_size = tuple(pixels.shape[2:])
    if size is not None:
        if layout.is_vector:
            raise ValueError("image_size needs images; rows of X are plain vectors. Set image_shape, or no image_size.")
        pixels = resize_images(pixels, size)
    images = LabeledImages(pixels, torch.from_numpy(labels.astype(np.int64)), _names(class_values))

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        if tuple(synthetic.images.shape[2:]) != original_size:
            raise ValueError(
                f"X has images of {original_size[0]}x{original_size[1]} pixels and synthetic ones have "
                f"{size}: one array cannot hold both. Resize X first, or use fit and sample."
            )
        new = scale.from_uint8(layout.from_nchw(synthetic.images.numpy()), array.dtype)
        new_labels = class_values[synthetic.labels.numpy()]
        if isinstance(X, Tensor):
            new_tensor = torch.from_numpy(np.ascontiguousarray(new)).to(X.device, X.dtype)
            return torch.cat([X, new_tensor]), _extend(y, new_labels)
        return np.concatenate([array, new]), _extend(y, new_labels)

    return ConvertedData(images, class_values, append)


def _convert_images(X: LabeledImages, size: tuple[int, int] | None = None) -> ConvertedData:
    """Take LabeledImages, resized if requested; every class needs an image."""
    empty = [name for name, count in X.counts.items() if count == 0]
    if empty:
        raise DataError(
            f"no image of class {empty[0]!r} ({len(empty)} of {len(X.classes)} classes are empty). Remove empty "
            "classes, or add images."
        )

    images = X if size is None else replace(X, images=resize_images(X.images, size))

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Tensor]:
        both = concatenate(images, synthetic)
        return both, both.labels

    return ConvertedData(images, np.asarray(X.classes, dtype=object), append)


def _convert_dataset(X: Dataset[Any], size: tuple[int, int] | None) -> ConvertedData:
    """Convert a torch data set; `append` returns LabeledImages and the labels as the data set numbers them."""
    pairs = [X[index] for index in range(len(X))]  # type: ignore[arg-type]
    if not pairs:
        raise DataError("the data set is empty.")
    arrays = [_pixels(image, size) for image, _ in pairs]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise DataError(
            f"the data set holds images of {len(shapes)} shapes, such as {shapes[0]} and {shapes[1]}. Pass "
            "image_size, or resize them to one shape."
        )
    stacked = np.stack(arrays)
    labels = np.asarray([int(label) for _, label in pairs])
    # arrays take any range, such as the floats of torchvision's ToTensor
    array = torch.from_numpy(stacked) if isinstance(pairs[0][0], Tensor) else stacked
    converted = convert(array, labels, image_size=size)
    names, values = class_names(X), converted.class_values
    if names is None or len(names) <= values.max():
        classes = _names(values)
    else:
        classes = tuple(names[k] for k in values.tolist())
    images = LabeledImages(converted.images.images, converted.images.labels, classes)

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Tensor]:
        both = concatenate(images, synthetic)
        return both, torch.from_numpy(values)[both.labels]

    return ConvertedData(images, values, append)


def _pixels(image: Any, size: tuple[int, int] | None) -> np.ndarray:
    """Return an item of a torch data set as an array, Pillow images as (H, W) or (H, W, 3) of the requested size."""
    if isinstance(image, Image.Image):
        picture = gray_or_rgb(image)
        return np.asarray(picture if size is None else picture.resize(size[::-1], Image.Resampling.BICUBIC))
    return np.asarray(image.cpu() if isinstance(image, Tensor) else image)


def _convert_hugging_face(X: Any, size: tuple[int, int] | None) -> ConvertedData:
    """Convert a Hugging Face data set; `append` returns one with the same features, other columns None."""
    images = read_records(open_records(X), size)
    image_column, label_column = find_columns(X)

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        datasets = import_datasets()
        names = getattr(X.features[label_column], "names", None)  # of a ClassLabel feature
        label_of = type(X[label_column][0]) if names is None else names.index
        class_values = [label_of(name) for name in images.classes]
        labels = [class_values[k] for k in synthetic.labels.tolist()]
        columns: dict[str, list[Any]] = {name: [None] * len(labels) for name in X.column_names}
        columns |= {image_column: [to_pillow(pixels) for pixels in synthetic.images], label_column: labels}
        both = datasets.concatenate_datasets([X, datasets.Dataset.from_dict(columns, features=X.features)])
        return both, both[label_column]

    return ConvertedData(images, np.asarray(images.classes, dtype=object), append)


def _convert_paths(X: Any, class_values: np.ndarray, labels: np.ndarray, size: tuple[int, int] | None) -> ConvertedData:
    """Read image files; `append` raises TypeError because synthetic images have no file."""
    from ganaug.io.folder import read_files

    paths = [Path(path) for path in (X.iloc[:, 0] if isinstance(X, pd.DataFrame) else X)]
    if len(paths) != len(labels):
        raise DataError(f"X holds {len(paths)} files and y {len(labels)} labels.")
    images = LabeledImages(
        read_files(paths, image_size=size), torch.from_numpy(labels.astype(np.int64)), _names(class_values)
    )

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:  # noqa: ARG001  # every ConvertedData has one
        raise TypeError(
            "fit_resample cannot return file paths, because synthetic images have no file. Use fit and sample, then "
            "write_folder; or pass read_folder(...)."
        )

    return ConvertedData(images, class_values, append)
