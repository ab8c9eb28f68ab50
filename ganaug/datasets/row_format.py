"""The form in which a user passed images as an array or table, to return samples in the same form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug.datasets.arrays import ArrayLayout, PixelScale

CONTAINERS = ("numpy", "pandas", "torch")


@dataclass(frozen=True)
class RowFormat:
    """Layout, scale and type of an array or table of images.

    Attributes
    ----------
    layout : ArrayLayout
    scale : PixelScale
    dtype : str
        NumPy's name of the type of the numbers.
    container : {"numpy", "pandas", "torch"}
    columns : tuple or None
        Column names of a DataFrame.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.arrays import ArrayLayout, PixelScale
    >>> from ganaug.datasets.row_format import RowFormat
    >>> X = np.array([[0.0, 16.0], [8.0, 16.0]])
    >>> form = RowFormat(ArrayLayout.of(X, (1, 2), channels_first=False), PixelScale.known([X]), "float64", "numpy")
    >>> form.rows(np.array([[[[0, 255]]]], np.uint8))
    array([[ 0., 16.]])
    >>> RowFormat.from_json(form.to_json()) == form
    True
    """

    layout: ArrayLayout
    scale: PixelScale
    dtype: str
    container: str
    columns: tuple[Any, ...] | None = None

    def rows(self, images: np.ndarray) -> Any:
        """Return uint8 images (N, C, H, W) as rows or images of this form.

        Raises
        ------
        ValueError
            If the images have another size than those that were passed.
        """
        height, width = self.layout.shape[1:]
        if images.shape[2:] != (height, width):
            raise ValueError(
                f"X had images of {height}x{width} pixels and samples have {images.shape[2]}x{images.shape[3]}: "
                "image_size was set. Use sample, which returns LabeledImages."
            )
        array = self.array(images)
        if self.container == "torch":
            return torch.from_numpy(np.ascontiguousarray(array))
        if self.container == "pandas":
            return pd.DataFrame(array, columns=None if self.columns is None else list(self.columns))
        return array

    def array(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 images (N, C, H, W), of the size that was passed, as an array of this layout, scale and type."""
        return self.scale.from_uint8(self.layout.from_nchw(images), np.dtype(self.dtype))

    def to_json(self) -> dict[str, Any]:
        """Return the form as JSON can hold it."""
        layout = self.layout
        return {
            "item_shape": list(layout.item_shape),
            "channels_last": layout.channels_last,
            "shape": list(layout.shape),
            "is_vector": layout.is_vector,
            "low": np.asarray(self.scale.low).tolist(),
            "high": np.asarray(self.scale.high).tolist(),
            "dtype": self.dtype,
            "container": self.container,
            "columns": None if self.columns is None else list(self.columns),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RowFormat":
        """Return the form that `to_json` described. Raises TypeError, KeyError or ValueError for other values."""
        channels, height, width = (int(size) for size in value["shape"])
        layout = ArrayLayout(
            tuple(int(size) for size in value["item_shape"]),
            bool(value["channels_last"]),
            (channels, height, width),
            bool(value["is_vector"]),
        )
        low, high = (_number_or_array(value[name]) for name in ("low", "high"))
        if value["container"] not in CONTAINERS or np.dtype(value["dtype"]).kind not in "biuf":
            raise ValueError("the form of the rows is unknown")
        columns = value["columns"]
        return cls(layout, PixelScale(low, high), value["dtype"], value["container"], columns and tuple(columns))


def _number_or_array(value: Any) -> Any:
    """Return a number as float64, and a list of numbers as an array of it."""
    return np.array(value, dtype=np.float64) if isinstance(value, list) else np.float64(value)


def row_format(X: Any, layout: ArrayLayout, scale: PixelScale, dtype: np.dtype[Any]) -> RowFormat:
    """Return the form of `X`, a tensor, DataFrame or array-like."""
    if isinstance(X, Tensor):
        return RowFormat(layout, scale, str(dtype), "torch")
    if isinstance(X, pd.DataFrame):
        # names that JSON cannot hold are left out, as scikit-learn does with names that are no text
        columns = tuple(X.columns) if all(isinstance(name, str) for name in X.columns) else None
        return RowFormat(layout, scale, str(dtype), "pandas", columns)
    return RowFormat(layout, scale, str(dtype), "numpy")
