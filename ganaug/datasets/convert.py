"""Convert arrays, tensors, data sets and files to LabeledImages, and synthetic images back to the user's container."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.messages import warn_user
from ganaug._runtime.optional import import_datasets
from ganaug.datasets.arrays import ArrayLayout, PixelScale, composite_on_white
from ganaug.datasets.dataset_labels import knows_class_names, label_names
from ganaug.datasets.introspection import is_hugging_face, normalization
from ganaug.datasets.pixels import ValueRange, is_image, stack_images
from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate
from ganaug.io.decoding import resize_images, to_pillow
from ganaug.io.items import EncodedLabels, encode_labels, label_value, similar_names_message, split_item
from ganaug.io.preflight import parse_image_size
from ganaug.io.records import find_columns, open_records, read_records


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


def to_labeled_images(
    X: Any,
    y: Any = None,
    *,
    image_shape: Sequence[int] | None = None,
    image_size: int | tuple[int, int] | None = None,
    unlabeled: str = "error",
    value_range: ValueRange | None = None,
) -> LabeledImages:
    """Convert images and labels in any supported form to LabeledImages, which every part of ganaug accepts.

    Parameters
    ----------
    X : LabeledImages, Dataset, str, Path, array, Tensor, list, Series or DataFrame
        Without `y`: LabeledImages; a map-style torch Dataset of (image, label) or of dictionaries; a Hugging Face
        `datasets.Dataset`; or the path of a data folder or store. With `y`: an array or tensor of shape (N, H, W),
        (N, H, W, C), (N, C, H, W) or (N, D), C 1, 3 or 4 (red, green, blue, opacity); a list, Series or object array of
        Pillow images, arrays or tensors; or a list, Series or one-column DataFrame of image files.
    y : array, Tensor, list, tuple, Series or None
        One number or text for each image.
    image_shape : sequence of int or None
        (H, W) or (H, W, C) of the images in rows of a 2-D array. None treats the rows as feature vectors.
    image_size : int or tuple of int or None
        Size, or (height, width), to resize images to, bicubic and antialiased. Files and items of a data set may then
        have different sizes. None keeps the size.
    unlabeled : {"error", "drop"}, default="error"
        "drop": leave images without a label out. No label is None, NaN, blank text, and -1 unless the labels are -1
        and 1.
    value_range : tuple or None
        Numbers of black and white in the images, each a number or one for each channel; for images that were normalized
        by (x - mean) / std, (-mean / std, (1 - mean) / std). None: known for uint8, for numbers in 0..1 and in -1..1,
        for whole numbers, and for data sets with Normalize among their transforms. Not used for files.

    Returns
    -------
    LabeledImages

    Raises
    ------
    DataError
        If images or labels have an unsupported type or shape, are missing, or are not finite; or if the range of the
        numbers is unknown.
    ValueError
        If `y` is missing, or passed with data that has labels.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug import to_labeled_images
    >>> images = [np.zeros((8, 10, 3), np.uint8), np.zeros((12, 12, 3), np.uint8), np.zeros((9, 9), np.uint8)]
    >>> labeled = to_labeled_images(images, ["cat", "dog", None], image_size=8, unlabeled="drop")
    >>> labeled.counts, labeled.shape
    ({'cat': 1, 'dog': 1}, (3, 8, 8))
    """
    return convert(
        X, y, image_shape=image_shape, image_size=image_size, unlabeled=unlabeled, value_range=value_range
    ).images


def convert(
    X: Any,
    y: Any = None,
    *,
    image_shape: Sequence[int] | None = None,
    image_size: int | tuple[int, int] | None = None,
    unlabeled: str = "error",
    value_range: ValueRange | None = None,
) -> ConvertedData:
    """Convert images and labels in any supported form, and remember the container. See `to_labeled_images`.

    Returns
    -------
    ConvertedData
        Images, class values, and the function that appends synthetic images to X and y.

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
    _check_container(X)
    if isinstance(X, LabeledImages | Dataset | str | Path) or is_hugging_face(X):
        if y is not None:
            raise ValueError(f"a {type(X).__name__} already has labels: give no y.")
        converted = _convert_labeled(X, size, unlabeled, value_range)
    else:
        class_values, encoded = _encode_labels(X, y, unlabeled)
        if are_paths(X):
            converted = _convert_paths(X, class_values, encoded, size)
        elif are_images(X):
            converted = _convert_list(X, y, class_values, encoded, size, value_range)
        else:
            converted = _convert_array(X, y, class_values, encoded, image_shape, size, value_range)
    message = None if isinstance(X, LabeledImages) else similar_names_message(converted.images.classes)
    if message is not None:
        warn_user(f"{message}.")
    return converted


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
    return isinstance(_first(X), str | Path)


def are_images(X: Any) -> bool:
    """Whether X is a non-empty list, tuple, object array or Series of Pillow images, arrays or tensors.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.convert import are_images
    >>> are_images([np.zeros((8, 8)), np.zeros((9, 9))]), are_images(np.zeros((2, 8, 8)))
    (True, False)
    """
    return (not isinstance(X, np.ndarray) or (X.dtype == object and X.ndim == 1)) and is_image(_first(X))


def is_table(X: Any) -> bool:
    """Whether X is rows of numbers, in any container that scikit-learn accepts.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.convert import is_table
    >>> is_table(np.zeros((4, 64))), is_table(np.zeros((4, 8, 8)))
    (True, False)
    """
    _check_container(X)
    has_labels = isinstance(X, LabeledImages | Dataset | str | Path) or is_hugging_face(X)
    return not (has_labels or isinstance(X, Tensor) or are_paths(X) or are_images(X) or getattr(X, "ndim", 2) in (3, 4))


def _first(X: Any) -> Any:
    """Return the first element of a list, tuple, array or Series, or None."""
    if isinstance(X, Tensor) or not isinstance(X, list | tuple | pd.Series | np.ndarray) or len(X) == 0:
        return None
    return X.iloc[0] if isinstance(X, pd.Series) else X[0]


def _check_container(X: Any) -> None:
    """Raise DataError for containers whose items cannot be read in order or by number, with what to pass instead."""
    names = {base.__name__ for base in type(X).__mro__}
    shown = f"X is {'an' if type(X).__name__[:1] in 'AEIOU' else 'a'} {type(X).__name__}"
    if "DataLoader" in names:
        raise DataError(f"{shown}. Pass its data set, loader.dataset, without random transforms.")
    if names & {"DatasetDict", "IterableDatasetDict"}:
        raise DataError(f"{shown} with the splits {', '.join(map(str, X))}. Pass one split, such as data['train'].")
    if "IterableDataset" in names or isinstance(X, Iterator):
        raise DataError(
            f"{shown}, which has no length and can be read in order only. Pass a data set with a length, or lists of "
            "images and labels: images, labels = zip(*data)."
        )
    if isinstance(X, dict):
        raise DataError(f"{shown} with the keys {', '.join(map(str, X))}. Pass images and labels as X and y.")
    if isinstance(X, Dataset) and not hasattr(X, "__len__"):
        raise DataError(f"{shown}, which has no length. Define __len__ and __getitem__.")


def _encode_labels(X: Any, y: Any, unlabeled: str) -> tuple[np.ndarray, EncodedLabels]:
    """Return the sorted class values of `y` in its dtype, and its labels as indices into them."""
    if y is None:
        raise ValueError(f"requires y to be passed, but the target y is None; X is a {type(X).__name__}.")
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
    if isinstance(y, list | tuple) and len({isinstance(label_value(label), str) for label in y}) > 1:
        labels = np.empty(len(y), dtype=object)  # asarray would turn numbers beside texts into texts
        labels[:] = [label_value(label) for label in y]
    labels = np.asarray(labels)
    labels = labels.ravel() if labels.ndim == 2 and labels.shape[1] == 1 else labels
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


def _labeled(pixels: Tensor, encoded: EncodedLabels, names: Sequence[str] | None = None) -> LabeledImages:
    """Return the images that have a label."""
    if len(pixels) != len(encoded.indices):
        raise DataError(f"X holds {len(pixels)} images and y {len(encoded.indices)} labels.")
    is_labeled = encoded.indices >= 0
    labels = torch.from_numpy(encoded.indices[is_labeled])
    kept = pixels if is_labeled.all() else pixels[torch.from_numpy(is_labeled)]
    return LabeledImages(kept, labels, tuple(encoded.names if names is None else names))


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
    encoded: EncodedLabels,
    image_shape: Sequence[int] | None,
    size: tuple[int, int] | None,
    value_range: ValueRange | None,
) -> ConvertedData:
    """Convert an array or tensor; `append` returns the same dtype, device and shape."""
    array = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    if array.dtype.kind not in "biuf":
        raise DataError(f"images must be numbers; got an array of {array.dtype}.")
    if len(array) != len(encoded.indices):
        raise DataError(f"X holds {len(array)} images and y {len(encoded.indices)} labels.")
    if not array.size:
        raise DataError(f"X is empty: its shape is {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("X holds NaN or infinity. Replace these numbers first.")
    layout = ArrayLayout.of(array, image_shape, channels_first=isinstance(X, Tensor))
    scale = PixelScale.of([array], per_feature=layout.is_vector)
    if value_range is not None:
        scale = PixelScale(*(np.asarray(limit, dtype=np.float64) for limit in value_range))
    elif not layout.is_vector and PixelScale.known([array]) is None and not (array == np.rint(array)).all():
        warn_user(
            f"X holds numbers from {array.min():.3g} to {array.max():.3g}, which are used as black and white. If the "
            "images were normalized, undo that first, or convert them by to_labeled_images(X, y, value_range=(black, "
            "white))."
        )
    pixels = composite_on_white(torch.from_numpy(np.ascontiguousarray(layout.to_nchw(scale.to_uint8(array)))))
    original_size = tuple(pixels.shape[2:])
    if size is not None:
        if layout.is_vector:
            raise ValueError("image_size needs images; rows of X are plain vectors. Set image_shape, or no image_size.")
        pixels = resize_images(pixels, size)

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

    return ConvertedData(_labeled(pixels, encoded), class_values, append)


def _convert_list(
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

    return ConvertedData(_labeled(stacked.pixels, encoded), class_values, append)


def _convert_labeled(
    X: Any, size: tuple[int, int] | None, unlabeled: str, value_range: ValueRange | None
) -> ConvertedData:
    """Convert data that has labels: a folder, LabeledImages, or a data set."""
    if isinstance(X, str | Path):
        from ganaug.io.folder import read_folder

        X = read_folder(X, image_size=size)
    if isinstance(X, LabeledImages):
        return _convert_images(X, size)
    if is_hugging_face(X):
        return _convert_hugging_face(X, size, unlabeled)
    return _convert_dataset(X, size, unlabeled, value_range)


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


def _convert_dataset(
    X: Dataset[Any], size: tuple[int, int] | None, unlabeled: str, value_range: ValueRange | None
) -> ConvertedData:
    """Convert a torch data set; `append` returns LabeledImages and the labels as the data set numbers them."""
    items = [split_item(X[row]) for row in range(len(X))]  # type: ignore[arg-type]
    if not items:
        raise DataError("the data set is empty.")
    labels = [label_value(label) for _, label in items]
    encoded = encode_labels(labels, what="the data set", unlabeled=unlabeled, are_indices=knows_class_names(X))
    names = label_names(X, labels)
    class_values = np.array(encoded.class_values.tolist(), dtype=None if _are_numbers(encoded) else object)
    pictures = [image for image, _ in items]
    if is_image(pictures[0]):
        normalized_by = normalization(X) if isinstance(pictures[0], np.ndarray | Tensor) else None
        if value_range is None and normalized_by is not None:
            mean, std = normalized_by
            value_range = -mean / std, (1 - mean) / std
        pixels = stack_images(pictures, size, value_range=value_range).pixels
    else:
        vectors = np.stack([np.asarray(image) for image in pictures])
        pixels = _convert_array(vectors, labels, class_values, encoded, None, size, value_range).images.images
    images = _labeled(pixels, encoded, [names.get(value, name) for value, name in _named_values(encoded)])

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Any]:
        both = concatenate(images, synthetic)
        values = class_values[both.labels.numpy()]
        return both, torch.from_numpy(values) if class_values.dtype.kind in "biuf" else values

    return ConvertedData(images, class_values, append)


def _are_numbers(encoded: EncodedLabels) -> bool:
    return not any(isinstance(value, str) for value in encoded.class_values)


def _named_values(encoded: EncodedLabels) -> Iterator[tuple[Any, str]]:
    """Yield each class value with its text."""
    return zip(encoded.class_values.tolist(), encoded.names, strict=True)


def _convert_hugging_face(X: Any, size: tuple[int, int] | None, unlabeled: str) -> ConvertedData:
    """Convert a Hugging Face data set; `append` returns one with the same features, other columns None."""
    images = read_records(open_records(X), size)  # unlabeled=unlabeled
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


def _convert_paths(
    X: Any, class_values: np.ndarray, encoded: EncodedLabels, size: tuple[int, int] | None
) -> ConvertedData:
    """Read image files; `append` raises TypeError because synthetic images have no file."""
    from ganaug.io.folder import read_files

    paths = [Path(path) for path in (X.iloc[:, 0] if isinstance(X, pd.DataFrame) else X)]
    if len(paths) != len(encoded.indices):
        raise DataError(f"X holds {len(paths)} files and y {len(encoded.indices)} labels.")
    images = _labeled(read_files(paths, image_size=size), encoded)

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:  # noqa: ARG001  # every ConvertedData has one
        raise TypeError(
            "fit_resample cannot return file paths, because synthetic images have no file. Use fit and sample, then "
            "write_folder; or pass read_folder(...)."
        )

    return ConvertedData(images, class_values, append)
