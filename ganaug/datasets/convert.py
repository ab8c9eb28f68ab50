"""Arrays, tensors and data sets as users have them -> LabeledImages, and samples back into the same container."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.optional import import_datasets
from ganaug.datasets.wrapped import class_names
from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate
from ganaug.io.decoding import gray_or_rgb, to_pillow
from ganaug.io.records import columns_of, read_records, records_of

Numbers = np.ndarray | np.float64


@dataclass(frozen=True)
class Scale:
    """How numbers of a user's array map to 0..255 and back: `low` -> 0, `high` -> 255, 256 levels between.

    low, high: scalars, or one number a feature. uint8 maps to itself, numbers within [0, 1] by 255, whole numbers that
    reach beyond 127 but not 255 to themselves; any other range by its own smallest and largest number.
    """

    low: Numbers
    high: Numbers

    @classmethod
    def of(cls, array: np.ndarray, *, per_feature: bool) -> "Scale":
        """The scale of `array`: (N, ...) numbers, all finite."""
        if array.dtype == np.uint8:
            return cls(np.float64(0), np.float64(255))
        if per_feature:
            return cls(array.min(axis=0).astype(np.float64), array.max(axis=0).astype(np.float64))
        least, most = array.min(), array.max()
        if least >= 0 and most <= 1:
            return cls(np.float64(0), np.float64(1))
        if least >= 0 and 127 < most <= 255 and bool((array == np.rint(array)).all()):
            return cls(np.float64(0), np.float64(255))
        return cls(np.float64(least), np.float64(most))

    def to_uint8(self, array: np.ndarray) -> np.ndarray:
        """Numbers -> uint8, same shape."""
        if array.dtype == np.uint8 and self.high.ndim == 0 and self.high == 255:
            return array
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        return np.clip(np.rint((array - self.low) / span * 255), 0, 255).astype(np.uint8)

    def from_uint8(self, array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        """uint8 -> numbers of `dtype`, same shape."""
        values = array.astype(np.float64) / 255 * (self.high - self.low) + self.low
        return (np.rint(values) if dtype.kind in "iub" else values).astype(dtype)


@dataclass(frozen=True)
class ConvertedData:
    """A user's data as LabeledImages, with the way back.

    class_values: (K,) the values that labels 0..K-1 stand for. append: synthetic set -> (X, y) in the user's own
    container and dtype, the originals first.
    """

    images: LabeledImages
    class_values: np.ndarray
    append: Callable[[LabeledImages], tuple[Any, Any]]


def convert(X: Any, y: Any = None, *, image_shape: Sequence[int] | None = None) -> ConvertedData:
    """X and y in any form -> Adopted.

    X: LabeledImages, a torch Dataset of (image, label), a `datasets.Dataset` with columns of images and of labels, or
    a data folder or store, without y; or, with y: a 2-D array (N, H * W * C) of rows, which `image_shape` (H, W) or
    (H, W, C) cuts into images and which are plain vectors without it; a 3-D array (N, H, W) of gray images; a 4-D array
    (N, H, W, C) or (N, C, H, W), C 1 or 3; a torch tensor of these shapes; or a list, Series or one-column DataFrame of
    image files.
    Raises DataError (a ValueError) or TypeError that says what came.
    """
    if isinstance(X, str | Path):
        from ganaug.io.folder import read_folder

        X = read_folder(X)
    if isinstance(X, LabeledImages | Dataset) or is_hugging_face(X):
        if y is not None:
            raise ValueError(f"a {type(X).__name__} has labels of its own; give no y beside it.")
        if isinstance(X, LabeledImages):
            return _convert_images(X)
        return _convert_hugging_face(X) if is_hugging_face(X) else _convert_dataset(X)
    values, labels = _classes(X, y)
    if are_paths(X):
        return _convert_paths(X, values, labels)
    array = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    if array.dtype.kind not in "biuf":
        raise DataError(f"images must be numbers; got an array of {array.dtype}.")
    if len(array) != len(labels):
        raise DataError(f"X holds {len(array)} images and y {len(labels)} labels.")
    if not array.size:
        raise DataError(f"X is empty: its shape is {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("X holds NaN or infinity. Replace these numbers first.")
    layout = _layout(array, image_shape, channels_first=isinstance(X, Tensor))
    scale = Scale.of(array, per_feature=layout.vectors)
    pixels = torch.from_numpy(np.ascontiguousarray(layout.to_nchw(scale.to_uint8(array))))
    images = LabeledImages(pixels, torch.from_numpy(labels.astype(np.int64)), _names(values))

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        new = scale.from_uint8(layout.from_nchw(synthetic.images.numpy()), array.dtype)
        new_y = values[synthetic.labels.numpy()]
        if isinstance(X, Tensor):
            added = torch.from_numpy(np.ascontiguousarray(new)).to(X.device, X.dtype)
            return torch.cat([X, added]), _extend(y, new_y)
        return np.concatenate([array, new]), _extend(y, new_y)

    return ConvertedData(images, values, append)


def _classes(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The sorted class values of y, and for each item its place among them."""
    if y is None:
        raise ValueError(f"requires y to be passed, but the target y is None; X is a {type(X).__name__}.")
    given = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    given = given.ravel() if given.ndim == 2 and given.shape[1] == 1 else given
    if given.ndim != 1 or given.dtype.kind not in "biufUO":
        raise DataError(f"y must be one number or string an image; got {given.dtype} of shape {given.shape}.")
    if pd.isna(given).any():
        raise DataError("y holds missing labels. Leave those images out, or give them a class.")
    if given.dtype.kind == "O" and not all(isinstance(value, str | int | float | np.generic) for value in given):
        raise DataError("y must be one number or string an image.")
    values, labels = np.unique(given, return_inverse=True)
    return values, labels


def _extend(y: Any, new: np.ndarray) -> Any:
    """`y` with the new labels after it, in its own container."""
    if isinstance(y, Tensor):
        return torch.cat([y, torch.as_tensor(new).to(y)])
    if isinstance(y, pd.Series):
        return pd.concat([y, pd.Series(new, name=y.name).astype(y.dtype)], ignore_index=True)
    if isinstance(y, list | tuple):
        return type(y)([*y, *new.tolist()])
    return np.concatenate([np.asarray(y), new.reshape(-1, *np.shape(y)[1:])])


def _names(values: np.ndarray) -> tuple[str, ...]:
    return tuple(str(value) for value in values.tolist())


@dataclass(frozen=True)
class _Layout:
    """How an array's axes lie: its own shape without N, whether channels come last, and (C, H, W)."""

    own: tuple[int, ...]
    channels_last: bool
    shape: tuple[int, int, int]
    vectors: bool = False

    def to_nchw(self, array: np.ndarray) -> np.ndarray:
        channels, height, width = self.shape
        if self.channels_last:
            return array.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        return array.reshape(-1, channels, height, width)

    def from_nchw(self, array: np.ndarray) -> np.ndarray:
        return (array.transpose(0, 2, 3, 1) if self.channels_last else array).reshape(-1, *self.own)


def _layout(array: np.ndarray, image_shape: Sequence[int] | None, *, channels_first: bool) -> _Layout:
    own = array.shape[1:]
    if array.ndim == 2 and image_shape is None:
        return _Layout(own, False, (1, 1, own[0]), vectors=True)
    if array.ndim == 2:
        cut = tuple(int(side) for side in image_shape or ())
        if len(cut) not in (2, 3) or int(np.prod(cut)) != own[0]:
            raise DataError(f"image_shape={cut} does not fit rows of {own[0]} numbers; it is (H, W) or (H, W, C).")
        return _Layout(own, True, (cut[2] if len(cut) == 3 else 1, cut[0], cut[1]))
    if array.ndim == 3:
        return _Layout(own, False, (1, *own))
    if array.ndim == 4:
        order = (True, False) if own[0] in (1, 3) and (channels_first or own[2] not in (1, 3)) else (False, True)
        if order[0]:
            return _Layout(own, False, own)
        if own[2] in (1, 3):
            return _Layout(own, True, (own[2], own[0], own[1]))
    raise DataError(
        f"X has shape {array.shape}; images come as (N, H * W * C), (N, H, W), (N, H, W, C) or (N, C, H, W), C 1 or 3."
    )


def _convert_images(X: LabeledImages) -> ConvertedData:
    empty = [name for name, count in X.counts.items() if count == 0]
    if empty:
        raise DataError(f"no image of class {empty[0]!r} ({len(empty)} of {len(X.classes)} classes are empty).")

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Tensor]:
        both = concatenate(X, synthetic)
        return both, both.labels

    return ConvertedData(X, np.asarray(X.classes, dtype=object), append)


def _convert_dataset(X: Dataset[Any]) -> ConvertedData:
    pairs = [X[index] for index in range(len(X))]  # type: ignore[arg-type]
    if not pairs:
        raise DataError("the data set is empty.")
    arrays = [_pixels(image) for image, _ in pairs]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise DataError(
            f"the data set holds images of {len(shapes)} shapes, such as {shapes[0]} and {shapes[1]}: resize."
        )
    stacked = np.stack(arrays)
    labels = np.asarray([int(label) for _, label in pairs])
    converted = convert(torch.from_numpy(stacked) if isinstance(pairs[0][0], Tensor) else stacked, labels)
    names = class_names(X)
    values = converted.class_values
    chosen = _names(values) if names is None or len(names) <= values.max() else tuple(names[k] for k in values.tolist())
    images = LabeledImages(converted.images.images, converted.images.labels, chosen)

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Tensor]:
        both = concatenate(images, synthetic)
        return both, torch.from_numpy(values)[both.labels]

    return ConvertedData(images, values, append)


def is_hugging_face(X: Any) -> bool:
    """Whether X is a `datasets.Dataset`, without importing datasets."""
    return any(kind.__module__.split(".")[0] == "datasets" and kind.__name__ == "Dataset" for kind in type(X).__mro__)


def _convert_hugging_face(X: Any) -> ConvertedData:
    found = read_records(records_of(X))
    image, label = columns_of(X)

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        datasets = import_datasets()
        names = getattr(X.features[label], "names", None)
        given = [type(X[label][0])(name) if names is None else names.index(name) for name in found.classes]
        values = [given[k] for k in synthetic.labels.tolist()]
        pictures = [to_pillow(pixels) for pixels in synthetic.images]
        rows = {name: [None] * len(values) for name in X.column_names} | {image: pictures, label: values}
        both = datasets.concatenate_datasets([X, datasets.Dataset.from_dict(rows, features=X.features)])
        return both, both[label]

    return ConvertedData(found, np.asarray(found.classes, dtype=object), append)


def _pixels(image: Any) -> np.ndarray:
    if isinstance(image, Image.Image):
        return np.asarray(gray_or_rgb(image))
    return np.asarray(image.cpu() if isinstance(image, Tensor) else image)


def are_paths(X: Any) -> bool:
    """Whether X is a list, array, Series or one-column DataFrame of file names."""
    if isinstance(X, pd.DataFrame):
        return X.shape[1] == 1 and len(X) > 0 and are_paths(X.iloc[:, 0])
    if isinstance(X, Tensor) or not isinstance(X, list | tuple | pd.Series | np.ndarray) or len(X) == 0:
        return False
    first = X.iloc[0] if isinstance(X, pd.Series) else X[0]
    return isinstance(first, str | Path)


def _convert_paths(X: Any, values: np.ndarray, labels: np.ndarray) -> ConvertedData:
    from ganaug.io.folder import read_files

    paths = [Path(path) for path in (X.iloc[:, 0] if isinstance(X, pd.DataFrame) else X)]
    if len(paths) != len(labels):
        raise DataError(f"X holds {len(paths)} files and y {len(labels)} labels.")
    images = LabeledImages(read_files(paths), torch.from_numpy(labels.astype(np.int64)), _names(values))

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:  # noqa: ARG001  # every Adopted has one
        raise TypeError(
            "fit_resample cannot give back file paths, since the new images have no file. Use fit and sample, then "
            "write_folder; or pass read_folder(...)."
        )

    return ConvertedData(images, values, append)
