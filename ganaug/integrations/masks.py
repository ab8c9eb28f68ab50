"""Label images that nobody drew: the user's own, altered by Albumentations, for Pix2Pix to make photos of."""

import os
from collections.abc import Sequence

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for news
import albumentations as A  # noqa: N812  # as its manual does
import cv2
from scipy.ndimage import find_objects
from scipy.ndimage import label as regions

from ganaug._runtime.randomness import derive
from ganaug.errors import DataError

TRIES = 20  # places looked at for a region to be pasted


def edited_masks(
    masks: np.ndarray, count: int, *, paste: Sequence[int] = (), onto: Sequence[int] | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`count` label images (count, H, W) made of masks, uint8 (N, H, W), and which of them each was made of (count,).

    Each is mirrored at random, shifted by up to a tenth, resized by up to a fifth and bent elastically; labels stay
    whole. paste: labels, such as a defect's, of which one connected region of any mask is put down somewhere else.
    onto: labels that it may cover; None: all. A region that finds no place in 20 tries is left out. Image i depends on
    (seed, i) alone. Mirroring exchanges left and right, so do not use this where they differ in meaning.

    Raises DataError where masks are not uint8 (N, H, W), or hold no pixel of a label to be pasted.
    """
    if masks.ndim != 3 or masks.dtype != np.uint8 or not len(masks):
        raise DataError(f"masks must be uint8, (N, H, W); got {masks.dtype}, {masks.shape}.")
    cut = [piece for value in paste for piece in _pieces(masks, value)]
    missing = [value for value in paste if not (masks == value).any()]
    if missing:
        raise DataError(f"paste={missing}: no mask holds a pixel of it.")
    side = min(masks.shape[1:])
    bend = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(
                scale=(0.8, 1.2),
                translate_percent=(-0.1, 0.1),
                interpolation=cv2.INTER_NEAREST,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            ),
            A.ElasticTransform(
                alpha=side,
                sigma=side / 10,
                interpolation=cv2.INTER_NEAREST,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.5,
            ),
        ]
    )
    found = np.empty((count, *masks.shape[1:]), np.uint8)
    rows = np.empty(count, np.int64)
    for number in range(count):
        own = derive(seed, "mask", number)
        draws = np.random.default_rng(own)
        rows[number] = draws.integers(len(masks))
        bend.set_random_seed(own % 2**32)
        found[number] = bend(image=masks[rows[number]])["image"]
        if cut:
            _put(found[number], *cut[draws.integers(len(cut))], onto, draws)
    return found, rows


def _pieces(masks: np.ndarray, value: int) -> list[tuple[np.ndarray, int]]:
    """Every connected region of a label: its shape, bool (h, w), and the label."""
    pieces = []
    for mask in masks:
        numbered, _ = regions(mask == value)
        pieces += [(numbered[box] == number, value) for number, box in enumerate(find_objects(numbered), 1)]
    return pieces


def _put(
    mask: np.ndarray, shape: np.ndarray, value: int, onto: Sequence[int] | None, draws: np.random.Generator
) -> None:
    """Draw a place for `shape` where it covers only what it may, and write `value` there."""
    for _ in range(TRIES):
        top, left = (draws.integers(room - own + 1) for room, own in zip(mask.shape, shape.shape, strict=True))
        under = mask[top : top + shape.shape[0], left : left + shape.shape[1]]
        if onto is None or np.isin(under[shape], onto).all():
            under[shape] = value
            return
