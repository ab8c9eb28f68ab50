"""edited_masks: new label images for Pix2Pix, created by editing existing ones with Albumentations."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise its import asks the network for a newer version
import albumentations as A  # noqa: N812  # the name that its manual uses
import cv2
from scipy.ndimage import find_objects
from scipy.ndimage import label as connected_components

from ganaug._runtime.randomness import derive
from ganaug.errors import DataError

MAX_PASTE_ATTEMPTS = 20
NEAREST = {
    "interpolation": cv2.INTER_NEAREST,  # keeps labels whole numbers
    "mask_interpolation": cv2.INTER_NEAREST,
    "border_mode": cv2.BORDER_REFLECT_101,
}


def edited_masks(
    masks: np.ndarray | Sequence[np.ndarray],
    count: int,
    *,
    paste: int | Sequence[int] = (),
    onto: int | Sequence[int] | None = None,
    seed: int = 0,
) -> tuple[Any, np.ndarray]:
    """Create new label images from existing ones.

    Each is a random mask that is flipped horizontally at random, shifted by up to 10 %, scaled by up to 20 % and, half
    of the time, deformed elastically. Labels are never interpolated.

    Parameters
    ----------
    masks : ndarray, or sequence of ndarray
        Label images of shape (N, H, W) or (N, H, W, 1), or a list of N of shape (H, W) or (H, W, 1): bool, or integers
        in 0..255.
    count : int
        Number of label images to create.
    paste : int or sequence of int
        Labels, such as that of a defect, of which one connected region from any mask is pasted at a random place.
    onto : int, sequence of int or None
        Labels that a pasted region may cover; None: all. The region is left out if 20 random places do not fit.
    seed : int
        Image i depends on (seed, i) alone.

    Returns
    -------
    edited : ndarray or list
        `count` label images in the form and of the dtype of `masks`.
    rows : ndarray
        int64 of shape (count,): the mask that each is an edit of.

    Raises
    ------
    DataError
        If `masks` are not label images of one size, or no mask has a pixel of a label in `paste`.

    Notes
    -----
    A flip exchanges left and right, so do not use this where they have different meanings.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.integrations.masks import edited_masks
    >>> masks = np.zeros((2, 32, 32), np.uint8)
    >>> masks[:, 16:] = 1  # a part
    >>> masks[0, 20:23, 10:13] = 2  # a defect on it
    >>> edited, rows = edited_masks(masks, 5, paste=[2], onto=[1])
    >>> edited.shape, rows.shape, np.unique(edited).tolist()
    ((5, 32, 32), (5,), [0, 1, 2])
    """
    labels, pasted = _as_labels(masks), np.atleast_1d(paste).tolist()
    missing = [value for value in pasted if not (labels == value).any()]
    if missing:
        raise DataError(f"paste={missing}: no mask holds a pixel of it.")
    regions = [region for value in pasted for region in _regions(labels, value)]
    transform = _deformation(min(labels.shape[1:]))
    edited = np.empty((count, *labels.shape[1:]), np.uint8)
    rows = np.empty(count, np.int64)
    for index in range(count):
        image_seed = derive(seed, "mask", index)
        rng = np.random.default_rng(image_seed)
        rows[index] = rng.integers(len(labels))
        # for each mask, so that mask i does not depend on the masks before it
        transform.set_random_seed(image_seed % 2**32)
        edited[index] = transform(image=labels[rows[index]])["image"]
        if regions:
            _paste(edited[index], *regions[rng.integers(len(regions))], onto, rng)
    return _in_form_of(masks, edited), rows


def _as_labels(masks: Any) -> np.ndarray:
    """Return masks as uint8 (N, H, W). Raises DataError if they are no label images of one size."""
    expected = "expected (N, H, W) or (N, H, W, 1), or a list of (H, W)"
    if isinstance(masks, list | tuple):
        others = {type(mask).__name__ for mask in masks if not isinstance(mask, np.ndarray)}
        if others:
            raise DataError(f"masks has a {min(others)}; {expected} of arrays: np.asarray(mask).")
        shapes = {mask.shape: number for number, mask in enumerate(masks)}
        if len(shapes) > 1:
            (shape, number), (other, other_number) = list(shapes.items())[:2]
            raise DataError(
                f"masks {number} and {other_number} have the shapes {shape} and {other}: resize all to one size."
            )
        masks = np.stack(masks) if masks else np.empty((0, 0, 0), np.uint8)
    if not isinstance(masks, np.ndarray):
        raise DataError(f"masks is a {type(masks).__name__}; {expected}, as NumPy arrays.")
    labels = masks[..., 0] if masks.ndim == 4 and masks.shape[3] == 1 else masks
    if labels.ndim != 3 or not labels.size:
        raise DataError(f"masks has the shape {masks.shape}; {expected}, at least one.")
    if labels.dtype.kind not in "bui":
        raise DataError(
            f"masks is {labels.dtype}; expected bool, or integers in 0..255, such as uint8: one label a pixel."
        )
    if labels.min() < 0 or labels.max() > 255:
        raise DataError(f"masks has labels in {labels.min()}..{labels.max()}; expected 0..255. Renumber the labels.")
    return labels.astype(np.uint8)


def _in_form_of(masks: Any, edited: np.ndarray) -> Any:
    """Return edited masks (count, H, W) in the form of the masks of the user."""
    is_sequence = isinstance(masks, list | tuple)
    has_channel = masks[0].ndim == 3 if is_sequence else masks.ndim == 4
    dtype = np.result_type(*masks) if is_sequence else masks.dtype
    typed = (edited[..., None] if has_channel else edited).astype(dtype, copy=False)
    return list(typed) if is_sequence else typed


def _deformation(size: int) -> A.Compose:
    """Return flip, shift, scaling and elastic deformation for masks with a shorter side of `size` pixels."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.8, 1.2), translate_percent=(-0.1, 0.1), p=1, **NEAREST),
            A.ElasticTransform(alpha=size, sigma=size / 10, p=0.5, **NEAREST),
        ]
    )


def _regions(masks: np.ndarray, value: int) -> list[tuple[np.ndarray, int]]:
    """Return all connected regions of a label: (bool array (h, w), label)."""
    regions = []
    for mask in masks:
        components, _ = connected_components(mask == value)
        regions += [(components[box] == number, value) for number, box in enumerate(find_objects(components), 1)]
    return regions


def _paste(
    mask: np.ndarray, region: np.ndarray, value: int, onto: int | Sequence[int] | None, rng: np.random.Generator
) -> None:
    """Write `value` into `mask`, in the shape of `region`, at a random place where it covers only labels of `onto`."""
    height, width = region.shape
    for _ in range(MAX_PASTE_ATTEMPTS):
        # only places where the whole region fits, so that it keeps its shape
        top, left = rng.integers(mask.shape[0] - height + 1), rng.integers(mask.shape[1] - width + 1)
        covered = mask[top : top + height, left : left + width]
        if onto is None or np.isin(covered[region], onto).all():
            covered[region] = value
            return
