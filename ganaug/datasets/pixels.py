"""Convert the images of a data set, of any type, range, mode and size, to one uint8 tensor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganaug.datasets.arrays import ArrayLayout, PixelScale, composite_on_white, to_numpy
from ganaug.errors import DataError
from ganaug.io.image_tensors import resize_images, to_pillow, to_tensor
from ganaug.io.paths import shorten
from ganaug.io.pillow_modes import pillow_to_arrays

ValueRange = tuple[Any, Any]
MAX_ROUNDING_ERROR = 0.02  # of numbers that a known normalization should map to 0..1


@dataclass(frozen=True)
class StackedImages:
    """Images as one tensor, and the conversion of one image back.

    Attributes
    ----------
    pixels : Tensor
        uint8 of shape (N, C, H, W), C 1 or 3.
    restore : callable
        uint8 tensor (C, H, W) -> an image of the type and range of the first one.
    """

    pixels: Tensor
    restore: Callable[[Tensor], Any]


def is_image(value: Any) -> bool:
    """Return whether a value is a Pillow image, or an array or tensor with two or more axes.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.pixels import is_image
    >>> is_image(np.zeros((8, 8))), is_image(np.zeros(64)), is_image("cat.png")
    (True, False, False)
    """
    return isinstance(value, Image.Image) or (isinstance(value, np.ndarray | Tensor) and value.ndim >= 2)


def stack_images(
    images: Sequence[Any], size: tuple[int, int] | None, *, value_range: ValueRange | None = None
) -> StackedImages:
    """Convert images to one tensor.

    Parameters
    ----------
    images : sequence of Pillow images, ndarrays or tensors
        Arrays of shape (H, W), (H, W, C) or (C, H, W), C 1, 3 or 4 (red, green, blue, opacity). Images of all modes are
        converted to one: RGB, unless all are gray.
    size : tuple of int or None
        (height, width) to resize to. None: all images must have one size.
    value_range : tuple or None
        Numbers of black and white in arrays, each a number or one for each channel. None: `PixelScale.known`.

    Returns
    -------
    StackedImages

    Raises
    ------
    DataError
        If types are mixed or not images, numbers are not finite, the range is unknown, or sizes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.pixels import stack_images
    >>> stacked = stack_images([np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)], None)
    >>> stacked.pixels.shape
    torch.Size([2, 3, 8, 8])
    """
    first = images[0]
    if all(isinstance(image, Image.Image) for image in images):
        arrays = pillow_to_arrays(images, size)
        restored_mode = "RGB" if arrays[0].ndim == 3 else "L"
        return StackedImages(
            _stack([to_tensor(array) for array in arrays]), lambda pixels: to_pillow(pixels).convert(restored_mode)
        )
    if not all(isinstance(image, np.ndarray | Tensor) for image in images):
        rows = {type(image).__name__: row for row, image in reversed([*enumerate(images)])}
        types = [f"{name} (item {row:,})" for name, row in rows.items()]
        raise DataError(
            f"images are of type {shorten(types)}; expected Pillow images, arrays or tensors, all of one type."
        )
    arrays = [to_numpy(image) for image in images]
    _check_numbers(arrays)
    layouts = [ArrayLayout.of(array[None], None, channels_first=isinstance(first, Tensor)) for array in arrays]
    planes_of = [layout.to_nchw(array)[0] for layout, array in zip(layouts, arrays, strict=True)]
    scale = _scale(planes_of, value_range)
    planes = []
    for plane in planes_of:
        pixels = composite_on_white(torch.from_numpy(np.ascontiguousarray(scale.to_uint8(plane)))[None])
        planes.append((pixels if size is None else resize_images(pixels, size))[0])

    def restore(pixels: Tensor) -> Any:
        array = scale.from_uint8(layouts[0].from_nchw(pixels.numpy()[None])[0], arrays[0].dtype)
        if not isinstance(first, Tensor):
            return array
        return torch.from_numpy(np.ascontiguousarray(array)).to(first.device, first.dtype)

    return StackedImages(_stack(planes), restore)


def _check_numbers(arrays: Sequence[np.ndarray]) -> None:
    """Raise DataError if arrays are of several dtypes, are not numbers, or hold NaN or infinity."""
    dtypes = sorted({str(array.dtype) for array in arrays})
    if len(dtypes) > 1:
        raise DataError(f"images have the dtypes {shorten(dtypes)}. Convert all to one, such as uint8.")
    if arrays[0].dtype.kind not in "biuf":
        raise DataError(f"images must be numbers; got {dtypes[0]}.")
    if arrays[0].dtype.kind == "f":
        row = next((row for row, array in enumerate(arrays) if not np.isfinite(array).all()), None)
        if row is not None:
            raise DataError(f"image {row:,} holds NaN or infinity. Replace these numbers first.")


def _scale(arrays: Sequence[np.ndarray], value_range: ValueRange | None) -> PixelScale:
    """Return the scale of arrays of shape (C, H, W)."""
    if value_range is not None:
        low, high = (np.asarray(limit, dtype=np.float64).reshape(-1, 1, 1) for limit in value_range)
        scale = PixelScale(low, high)
        check_range(arrays, scale)
        return scale
    scale_or_none = PixelScale.known(arrays)
    if scale_or_none is not None:
        return scale_or_none
    low_number, high_number = min(array.min() for array in arrays), max(array.max() for array in arrays)
    raise DataError(
        f"images hold numbers from {low_number:.4g} to {high_number:.4g}, so they were normalized, and which numbers "
        "are black and white is unknown. Return uint8 or numbers in 0..1, without Normalize; or pass them: "
        "to_labeled_images(..., value_range=(black, white))."
    )


def check_range(arrays: Sequence[np.ndarray], scale: PixelScale) -> None:
    """Raise DataError if numbers lie outside the range of black and white, or black equals white.

    Parameters
    ----------
    arrays : sequence of ndarray
        Images; the limits of `scale` broadcast with each.
    scale : PixelScale

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.datasets.arrays import PixelScale
    >>> from ganaug.datasets.pixels import check_range
    >>> check_range([np.array([[0, 4.0]])], PixelScale(np.float64(0), np.float64(1)))
    Traceback (most recent call last):
    ganaug.errors.DataError: image 0 holds numbers from 0 to 4, outside the range of black [0.0] to white [1.0]. ...
    """
    if not np.all(scale.high != scale.low):
        raise DataError("value_range has the same number for black and white.")
    for row, array in enumerate(arrays):
        shares = (array - scale.low) / (scale.high - scale.low)
        if shares.min() < -MAX_ROUNDING_ERROR or shares.max() > 1 + MAX_ROUNDING_ERROR:
            low, high = (np.round(np.ravel(limit), 3).tolist() for limit in (scale.low, scale.high))
            raise DataError(
                f"image {row:,} holds numbers from {array.min():.3g} to {array.max():.3g}, outside the range of black "
                f"{low} to white {high}. Pass value_range=(black, white) of the images as the data set returns them."
            )


def _stack(planes: Sequence[Tensor]) -> Tensor:
    """Stack tensors (C, H, W) of one size; gray ones become RGB if others are RGB."""
    sizes = {tuple(plane.shape[1:]): row for row, plane in enumerate(planes)}
    if len(sizes) > 1:
        (size, row), (other_size, other_row) = list(sizes.items())[:2]
        raise DataError(
            f"images {row:,} and {other_row:,} have {size[0]}x{size[1]} and {other_size[0]}x{other_size[1]} pixels "
            f"(height x width), and there are {len(sizes):,} sizes. Pass image_size, or resize them to one size."
        )
    n_channels = max(len(plane) for plane in planes)
    return torch.stack([plane.expand(n_channels, -1, -1) for plane in planes])
