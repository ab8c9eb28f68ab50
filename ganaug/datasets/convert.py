"""Convert arrays, tensors, data sets and files to LabeledImages, and synthetic images back to the user's container."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.library_defaults import library_defaults
from ganaug.datasets.converted import ConvertedData
from ganaug.datasets.from_arrays import convert_array, convert_list, convert_paths, encode_y
from ganaug.datasets.from_datasets import convert_dataset, convert_hugging_face, convert_labeled_images
from ganaug.datasets.introspection import is_hugging_face
from ganaug.datasets.pixels import ValueRange, is_image
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.items import check_unlabeled
from ganaug.io.preflight import parse_image_size
from ganaug.io.records import refuse_splits
from ganaug.io.resizing import SizeLike

__all__ = ["ConvertedData", "are_images", "are_paths", "convert", "is_table", "to_labeled_images"]


def to_labeled_images(
    X: Any,
    y: Any = None,
    *,
    image_shape: Sequence[int] | None = None,
    image_size: SizeLike | None = None,
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
    image_size : int or tuple or None
        Size, (height, width) or (height, width, aspect), to resize images to, bicubic and antialiased. Files and items
        of a data set may then have different sizes. None keeps the size.
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
    check_unlabeled(unlabeled)
    return convert(
        X, y, image_shape=image_shape, image_size=image_size, unlabeled=unlabeled, value_range=value_range
    ).images


@library_defaults()
def convert(
    X: Any,
    y: Any = None,
    *,
    image_shape: Sequence[int] | None = None,
    image_size: SizeLike | None = None,
    unlabeled: str = "error",
    value_range: ValueRange | None = None,
) -> ConvertedData:
    """Convert images and labels in any supported form, and remember the container. See `to_labeled_images`.

    Parameters
    ----------
    X, y, image_shape, image_size, value_range
        As in `to_labeled_images`.
    unlabeled : {"error", "drop", "use"}, default="error"
        "use": images with the label -1 become `ConvertedData.unlabeled`; of Hugging Face data sets they are an error.

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
    if _has_labels(X):
        if y is not None:
            raise ValueError(f"a {type(X).__name__} already has labels: give no y.")
        return _convert_labeled(X, size, unlabeled, value_range)
    class_values, encoded = encode_y(X, y, unlabeled)
    if are_paths(X):
        return convert_paths(X, class_values, encoded, size)
    if are_images(X):
        return convert_list(X, y, class_values, encoded, size, value_range)
    return convert_array(X, y, class_values, encoded, image_shape, size, value_range)


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
    is_collection = _has_labels(X) or isinstance(X, Tensor) or are_paths(X) or are_images(X)
    return not is_collection and getattr(X, "ndim", 2) not in (3, 4)


def _has_labels(X: Any) -> bool:
    """Return whether X holds its labels: LabeledImages, a data set, or the path of a folder."""
    return isinstance(X, LabeledImages | Dataset | str | Path) or is_hugging_face(X)


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
    refuse_splits(X)
    if "IterableDataset" in names or isinstance(X, Iterator):
        raise DataError(
            f"{shown}, which has no length and can be read in order only. Pass a data set with a length, or lists of "
            "images and labels: images, labels = zip(*data)."
        )
    if isinstance(X, dict):
        raise DataError(f"{shown} with the keys {', '.join(map(str, X))}. Pass images and labels as X and y.")
    if isinstance(X, Dataset) and not hasattr(X, "__len__"):
        raise DataError(f"{shown}, which has no length. Define __len__ and __getitem__.")


def _convert_labeled(
    X: Any, size: tuple[int, int] | None, unlabeled: str, value_range: ValueRange | None
) -> ConvertedData:
    """Convert data that has labels: a folder, LabeledImages, or a data set."""
    if isinstance(X, str | Path):
        from ganaug.io.folder import read_folder

        X = read_folder(X, image_size=size)
    if isinstance(X, LabeledImages):
        return convert_labeled_images(X, size)
    if is_hugging_face(X):
        return convert_hugging_face(X, size, "error" if unlabeled == "use" else unlabeled)
    return convert_dataset(X, size, unlabeled, value_range)
