"""Images of two domains, as users have them, for the translators."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.sampling.translation_model import MAX_TRANSLATED_SIZE, is_vector

MIN_VALIDATION, MAX_VALIDATION = 10, 64  # images of a domain that are held out


def as_images(images: Any, name: str, num_labels: int | None = None, *, allow_vectors: bool = False) -> Tensor:
    """Convert images to uint8 (N, C, H, W).

    Parameters
    ----------
    images : array of shape (N, H, W) or (N, H, W, C), Tensor of shape (N, H, W) or (N, C, H, W), or LabeledImages
        Whole numbers.
    name : str
        What the images are, for error messages.
    num_labels : int, optional
        For label images: the number of labels.
    allow_vectors : bool, default=False
        Accept plain vectors, which are images of one channel and one row.

    Raises
    ------
    DataError
        If these are not images that can be translated.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.estimators.translation_images import as_images
    >>> as_images(np.zeros((2, 16, 16, 3), np.uint8), "X").shape
    torch.Size([2, 3, 16, 16])
    """
    tensor = _as_tensor(images, name)
    if tensor.ndim != 4 or not len(tensor):
        raise DataError(f"{name} must hold images, (N, C, H, W); got shape {tuple(tensor.shape)}.")
    if tensor.is_floating_point():
        raise DataError(f"{name} must be whole numbers, uint8 for pixels; got {tensor.dtype}. Multiply by 255 first.")
    largest = 255 if num_labels is None else num_labels - 1
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0 or high > largest:
        what = "pixels lie in 0..255" if num_labels is None else f"labels lie in 0..{largest} (num_labels={num_labels})"
        raise DataError(f"{name} holds numbers from {low} to {high}; {what}.")
    n_channels, height, width = tensor.shape[1:]
    allowed = (1, 3) if num_labels is None else (1,)
    if n_channels not in allowed:
        raise DataError(f"{name} has {n_channels} channels; it must have {' or '.join(map(str, allowed))}.")
    if allow_vectors and is_vector((n_channels, height, width)):
        return tensor.to(torch.uint8)
    if min(height, width) < MIN_IMAGE_SIZE or max(height, width) > MAX_TRANSLATED_SIZE:
        raise DataError(
            f"{name} is {height}x{width} pixels; each side must have {MIN_IMAGE_SIZE} to {MAX_TRANSLATED_SIZE}. "
            "Resize it."
        )
    return tensor.to(torch.uint8)


def _as_tensor(images: Any, name: str) -> Tensor:
    """Return images as a tensor, channels first."""
    if isinstance(images, LabeledImages):
        images = images.images[:]
    if isinstance(images, Tensor):
        return images[:, None] if images.ndim == 3 else images
    array = np.asarray(images)
    if array.ndim not in (3, 4):
        raise DataError(f"{name} must be images, (N, H, W) or (N, H, W, C); got shape {array.shape}.")
    if array.dtype.kind not in "iub":
        raise DataError(f"{name} must be whole numbers, uint8 for pixels; got {array.dtype}. Multiply by 255 first.")
    # a copy, because torch refuses arrays that are read-only, and wider integers, to find numbers out of range
    dtype = np.uint8 if array.dtype in (np.uint8, np.bool_) else np.int64
    tensor = torch.from_numpy(np.array(array, dtype=dtype))
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)


def as_array(images: Tensor) -> np.ndarray:
    """Return uint8 (N, C, H, W) as an array (N, H, W) for one channel, else (N, H, W, C)."""
    array: np.ndarray = images[:, 0].numpy() if images.shape[1] == 1 else images.permute(0, 2, 3, 1).numpy()
    return array


def check_domains(sources: Tensor, targets: Tensor, *, paired: bool) -> None:
    """Raise DataError where images of two domains (N, C, H, W) cannot be trained on together."""
    if paired and len(sources) != len(targets):
        raise DataError(f"X has {len(sources):,} images and Y {len(targets):,}: pairs need one Y for each X.")
    if min(len(sources), len(targets)) < 2:
        raise DataError(f"X has {len(sources):,} images and Y {len(targets):,}; two or more of each are needed.")
    if sources.shape[2:] != targets.shape[2:]:
        sizes = [f"{images.shape[2]}x{images.shape[3]}" for images in (sources, targets)]
        raise DataError(f"X is {sizes[0]} pixels and Y {sizes[1]}: resize one to the other's size.")


def split_rows(n_images: int, fraction: float, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Split the rows of a domain into training rows and validation rows.

    Parameters
    ----------
    n_images : int
    fraction : float
        Held out where it amounts to ten images or more, at most 64. Else validation rows are training rows.
    seed : int
    name : str
        Name of the split; equal names give equal permutations.

    Returns
    -------
    train, validation : Tensor of int64
    """
    order = torch.randperm(n_images, generator=generator(seed, "held out", name))
    n_validation = min(MAX_VALIDATION, round(n_images * fraction))
    n_validation = n_validation if n_validation >= MIN_VALIDATION else 0
    # where none is held out, training images are scored instead
    return order[n_validation:].sort().values, order[: n_validation or MAX_VALIDATION]
