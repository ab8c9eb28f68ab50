"""The frames of `segmentation.py`: CamVid, and which pixels of the test frames are scored."""

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.datasets import read_camvid
from benchmarks.segmentation_network import LABELS, PIXEL_STRIDE, VOID, Pairs

FRAMES_PER_BLOCK = 10  # neighboring frames show nearly the same
PARTS = ((0, "train"), (1, "test"))  # seed of the random frames of a smoke run, and name


@dataclass(frozen=True)
class Frames:
    """The pairs of CamVid, and what is scored of the test frames.

    Parameters
    ----------
    train : Pairs
        Photos and label images.
    test_photos : ndarray
        (N, H, W, 3).
    labels, blocks : ndarray
        Label, and block of frames, of each scored pixel, (P,).
    is_scored : ndarray
        Which of the pixels that `predict` gives are scored: those with a label.
    """

    train: Pairs
    test_photos: np.ndarray
    labels: np.ndarray
    blocks: np.ndarray
    is_scored: np.ndarray


def load_frames(options: argparse.Namespace) -> Frames:
    """CamVid, or a few frames of random squares in a smoke run."""
    parts = [_random_frames(seed) if options.smoke else read_camvid(options.data, part) for seed, part in PARTS]
    (photos, masks, _), (test_photos, test_masks, names) = parts
    labels = test_masks[:, ::PIXEL_STRIDE, ::PIXEL_STRIDE].reshape(-1)
    pixels_per_frame = labels.size // len(names)
    blocks = [f"{name.split('_')[0]} {number // FRAMES_PER_BLOCK}" for number, name in enumerate(names)]
    is_scored = labels != VOID
    per_pixel = np.repeat(blocks, pixels_per_frame)
    return Frames((photos, masks), test_photos, labels[is_scored].astype(int), per_pixel[is_scored], is_scored)


def _random_frames(seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Photos with a gray level for each label, label images of random blocks, and names of 24 frames of 32x32."""
    draws = np.random.default_rng(seed)
    masks = draws.integers(0, LABELS, (24, 4, 4), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    photos = np.repeat((masks * 20)[..., None], 3, axis=3)
    return photos, masks, [f"a_{number}" for number in range(len(masks))]
