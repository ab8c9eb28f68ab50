"""Map a numeric array to uint8 images (N, C, H, W), and synthetic images back to its dtype, range and shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug.errors import DataError

CHANNELS = (1, 3)  # gray and RGB
RGBA = 4
MAX_OVERSHOOT = 0.02  # beyond 0..1, of numbers that were interpolated
MIN_OF_SIGNED = -0.5  # the smallest number of images in -1..1 is at most this


@dataclass(frozen=True)
class PixelScale:
    """A linear map from the numbers of an array to 0..255, and its inverse.

    Parameters
    ----------
    low, high : float64 scalar or array
        The numbers that map to 0 and 255; arrays hold one number for each feature.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.arrays import PixelScale
    >>> X = np.array([[0.0], [0.5], [1.0]])
    >>> scale = PixelScale.known([X])
    >>> pixels = scale.to_uint8(X)
    >>> pixels.ravel().tolist()
    [0, 128, 255]
    >>> scale.from_uint8(pixels, X.dtype).ravel().round(2).tolist()
    [0.0, 0.5, 1.0]
    """

    low: np.ndarray | np.float64
    high: np.ndarray | np.float64

    @classmethod
    def per_feature(cls, array: np.ndarray) -> "PixelScale":
        """Scale each feature of an array (N, D) by its minimum and maximum."""
        return cls(array.min(axis=0).astype(np.float64), array.max(axis=0).astype(np.float64))

    @classmethod
    def known(cls, arrays: Sequence[np.ndarray]) -> "PixelScale | None":
        """Choose the scale of arrays if their range says what black and white are, else return None.

        uint8 maps to itself. Numbers within [0, 1] and within [-1, 1] map to 0..255; [0, 1] may be exceeded by 0.02,
        as interpolation does. Numbers of at least 0 with a maximum above 127 and up to 255 map to themselves. Whole
        numbers with a greater maximum are scaled by the bits in use, such as by 4,095 for 12 bits. Whole numbers from 0
        or more with a smaller maximum are levels, such as 0..16, scaled by the smallest and the greatest.
        """
        if arrays[0].dtype == np.uint8:
            return cls(np.float64(0), np.float64(255))
        minimum, maximum = _limits(arrays)
        if minimum >= -MAX_OVERSHOOT and maximum <= 1 + MAX_OVERSHOOT:
            return cls(np.float64(0), np.float64(1))
        # a minimum near 0 is more likely an overshoot of 0..1, which would be gray instead of black
        if -1 <= minimum <= MIN_OF_SIGNED and maximum <= 1:
            return cls(np.float64(-1), np.float64(1))
        # a maximum of at most 127 is more likely another range, such as 0..15, which would be almost black
        if minimum >= 0 and maximum > 127 and (maximum <= 255 or are_whole(arrays)):
            return cls(np.float64(0), np.float64(2 ** max(8, int(maximum).bit_length()) - 1))
        if minimum >= 0 and maximum <= 127 and are_whole(arrays):
            return cls(np.float64(minimum), np.float64(maximum))
        return None

    def to_uint8(self, array: np.ndarray) -> np.ndarray:
        """Map numbers to uint8, rounded; shape unchanged."""
        if array.dtype == np.uint8 and self.high.ndim == 0 and self.high == 255 and np.all(self.low == 0):
            return array
        # a constant feature would be divided by 0; black may be greater than white
        span = np.where(self.high != self.low, self.high - self.low, 1.0)
        return np.clip(np.rint((array - self.low) / span * 255), 0, 255).astype(np.uint8)

    def from_uint8(self, array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        """Map uint8 to numbers of `dtype`, rounded for integer types; shape unchanged."""
        values = array.astype(np.float64) / 255 * (self.high - self.low) + self.low
        return (np.rint(values) if dtype.kind in "iub" else values).astype(dtype)


def are_whole(arrays: Sequence[np.ndarray]) -> bool:
    """Return whether arrays hold whole numbers only."""
    return all(array.dtype.kind in "biu" or bool((array == np.rint(array)).all()) for array in arrays)


def to_numpy(array: Any) -> np.ndarray:
    """Return a tensor or array-like as an ndarray; bfloat16, which NumPy lacks, becomes float32.

    Raises
    ------
    DataError
        If it is a masked array with masked elements.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.arrays import to_numpy
    >>> to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype
    dtype('float32')
    """
    if isinstance(array, Tensor):
        tensor = array.detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(array, np.ma.MaskedArray) and np.ma.getmaskarray(array).any():
        raise DataError("images are a masked array with masked pixels. Fill them first: X.filled(0).")
    return np.asarray(array)


def _limits(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the smallest and the greatest number."""
    return min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)


@dataclass(frozen=True)
class ArrayLayout:
    """How the axes of an array correspond to (N, C, H, W).

    Parameters
    ----------
    item_shape : tuple of int
        Shape of one image in the array.
    channels_last : bool
        Whether the channels are the last axis.
    shape : tuple of int
        (C, H, W).
    is_vector : bool
        Whether an item is a plain feature vector instead of an image.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.arrays import ArrayLayout
    >>> layout = ArrayLayout.of(np.zeros((10, 28, 28, 3)), None, channels_first=False)
    >>> layout.to_nchw(np.zeros((10, 28, 28, 3))).shape
    (10, 3, 28, 28)
    """

    item_shape: tuple[int, ...]
    channels_last: bool
    shape: tuple[int, int, int]
    is_vector: bool = False

    @classmethod
    def of(cls, array: np.ndarray, image_shape: Sequence[int] | None, *, channels_first: bool) -> "ArrayLayout":
        """Infer the layout of an array from its shape.

        Parameters
        ----------
        array : ndarray
            Shape (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W), C 1, 3 or 4.
        image_shape : sequence of int or None
            (H, W) or (H, W, C) of rows of length H * W * C; None treats rows as feature vectors.
        channels_first : bool
            Which order to assume when both axes of a 4-D array may be the channels.

        Returns
        -------
        ArrayLayout
            The layout.

        Raises
        ------
        DataError
            If the shape is none of these, or `image_shape` does not fit the length of the rows.
        """
        item_shape = array.shape[1:]
        if array.ndim == 2:
            return cls._of_rows(item_shape[0], image_shape)
        if array.ndim == 3:
            return cls(item_shape, False, (1, *item_shape))
        if array.ndim == 4:
            for channels in (CHANNELS, (RGBA,)):
                first_fits, last_fits = item_shape[0] in channels, item_shape[2] in channels
                if first_fits and (channels_first or not last_fits):
                    return cls(item_shape, False, item_shape)
                if last_fits:
                    return cls(item_shape, True, (item_shape[2], item_shape[0], item_shape[1]))
        raise DataError(
            f"X has shape {array.shape}; images must be (N, H * W * C), (N, H, W), (N, H, W, C) or (N, C, H, W), "
            "C 1, 3 or 4 (red, green, blue, opacity)."
        )

    @classmethod
    def _of_rows(cls, length: int, image_shape: Sequence[int] | None) -> "ArrayLayout":
        """Return the layout of a 2-D array with rows of `length` numbers."""
        if image_shape is None:
            return cls((length,), False, (1, 1, length), is_vector=True)
        sizes = tuple(int(size) for size in image_shape)
        if len(sizes) not in (2, 3) or int(np.prod(sizes)) != length:
            raise DataError(f"image_shape={sizes} does not fit rows of {length} numbers; expected (H, W) or (H, W, C).")
        return cls((length,), True, (sizes[2] if len(sizes) == 3 else 1, sizes[0], sizes[1]))

    def per_channel(self, numbers: Any) -> np.ndarray:
        """Shape one number, or one for each channel, so that it broadcasts with an array of this layout."""
        values = np.asarray(numbers, dtype=np.float64).ravel()
        channels, height, width = self.shape
        if len(values) not in (1, channels):
            raise DataError(f"value_range has {len(values)} numbers, and images have {channels} channels.")
        if len(values) == 1:
            return np.asarray(values[0])
        if not self.channels_last:
            return values.reshape(-1, 1, 1)
        return values if len(self.item_shape) == 3 else np.broadcast_to(values, (height, width, channels)).ravel()

    def to_nchw(self, array: np.ndarray) -> np.ndarray:
        """Rearrange an array of this layout to (N, C, H, W)."""
        channels, height, width = self.shape
        if self.channels_last:
            return array.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        return array.reshape(-1, channels, height, width)

    def from_nchw(self, array: np.ndarray) -> np.ndarray:
        """Rearrange (N, C, H, W) to an array of this layout. Images get the number of channels of this layout."""
        channels = self.shape[0]
        if array.shape[1] != channels:
            # gray to RGB, RGB to gray, or either to RGB with full opacity
            gray_or_rgb = array[:, :1] if channels == 1 else np.broadcast_to(array, (len(array), 3, *array.shape[2:]))
            opacity = np.full_like(array[:, :1], 255)
            array = np.concatenate([gray_or_rgb, opacity], axis=1) if channels == RGBA else gray_or_rgb
        return (array.transpose(0, 2, 3, 1) if self.channels_last else array).reshape(-1, *self.item_shape)


def composite_on_white(pixels: Tensor) -> Tensor:
    """Composite RGBA images on white, as `ganaug.io.decoding` does with files; others are returned as they are.

    Parameters
    ----------
    pixels : Tensor
        uint8 of shape (N, C, H, W).

    Returns
    -------
    Tensor
        uint8 of shape (N, C, H, W), C 3 if it was 4.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.arrays import composite_on_white
    >>> composite_on_white(torch.zeros(1, 4, 1, 1, dtype=torch.uint8)).flatten().tolist()
    [255, 255, 255]
    """
    if pixels.shape[1] != RGBA:
        return pixels
    opacity = pixels[:, 3:].float() / 255
    return (pixels[:, :3] * opacity + 255 * (1 - opacity)).round().to(torch.uint8)
