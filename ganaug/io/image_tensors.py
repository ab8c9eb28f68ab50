"""Resize, stack and convert decoded images as tensors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ganaug.io.pillow_modes import Pixels
from ganaug.io.resizing import resize_picture

if TYPE_CHECKING:
    from torch import Tensor  # torch takes seconds to import, and checking a folder does not need it


def resize_images(images: "Tensor", image_size: tuple[int, int]) -> "Tensor":
    """Resize uint8 images as `decode` does: bicubic, antialiased, the whole image.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W), uint8
    image_size : tuple of int
        (height, width).

    Returns
    -------
    Tensor of shape (N, C, height, width), uint8

    Examples
    --------
    >>> import torch
    >>> from ganaug.io.image_tensors import resize_images
    >>> resize_images(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), (16, 24)).shape
    torch.Size([2, 3, 16, 24])
    """
    import torch

    if tuple(images.shape[2:]) == image_size:
        return images
    resized = torch.empty(len(images), images.shape[1], *image_size, dtype=torch.uint8)
    for row in range(len(images)):  # one at a time, because images of a store are read as they are used
        resized[row] = to_tensor(resize_picture(to_pillow(images[row]), image_size))
    return resized


def to_pillow(pixels: "Tensor") -> Image.Image:
    """Convert a uint8 tensor of shape (C, H, W) to a Pillow image of mode L or RGB.

    Examples
    --------
    >>> import torch
    >>> from ganaug.io.image_tensors import to_pillow
    >>> image = to_pillow(torch.zeros(3, 8, 10, dtype=torch.uint8))
    >>> image.mode, image.size
    ('RGB', (10, 8))
    """
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def to_tensor(picture: "Image.Image | Pixels") -> "Tensor":
    """Convert a Pillow image of mode L or RGB, or its pixels, to a uint8 tensor of shape (C, H, W).

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.io.image_tensors import to_tensor
    >>> to_tensor(np.zeros((8, 9, 3), np.uint8)).shape
    torch.Size([3, 8, 9])
    """
    import torch

    pixels = np.array(picture)  # a copy, because Pillow's memory is read-only
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def stack_images(images: Sequence[Pixels]) -> "Tensor":
    """Stack decoded images of one size.

    Parameters
    ----------
    images : sequence of ndarrays of shape (H, W) if gray or (H, W, 3) if RGB, uint8

    Returns
    -------
    Tensor of shape (N, C, H, W), uint8
        C is 1 if all images are gray, else 3.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.io.image_tensors import stack_images
    >>> stack_images([np.zeros((8, 9), np.uint8), np.zeros((8, 9, 3), np.uint8)]).shape
    torch.Size([2, 3, 8, 9])
    """
    import torch

    n_channels = 3 if any(pixels.ndim == 3 for pixels in images) else 1
    rows = [
        np.broadcast_to(pixels[..., None] if pixels.ndim == 2 else pixels, (*pixels.shape[:2], n_channels))
        for pixels in images
    ]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()
