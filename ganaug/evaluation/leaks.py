"""Has the generator seen the images it is judged by? Then what it makes of them says nothing about new images."""

import torch
from scipy.stats import binomtest
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import LabeledImages, image_hashes
from ganaug.metrics.copies import copy_radius, nearest, nearest_other, sketch

SIGNIFICANT = 1e-3
MIN_COPIES = 3
MAX_COMPARED = 5000


def refuse_seen(seen: Tensor | None, test: LabeledImages) -> None:
    """Raise DataError where any test image is among the hashes (N,) of the images a generator was trained on."""
    if seen is None:
        return
    known = torch.isin(image_hashes(test.images), seen)
    if known.any():
        raise DataError(
            f"the generator was trained on {int(known.sum()):,} of the {len(test):,} test images, so the test cannot "
            "tell whether its images help. Test on images that it has not seen, or fit it anew without these."
        )


def refuse_copies(synthetic: LabeledImages, real: LabeledImages, test: LabeledImages) -> None:
    """Raise DataError where synthetic images repeat test images, exactly or nearly, more often than real images do.

    A near-copy, mirrored or not, lies within `metrics.copies.copy_radius` of the test images, and nearer to one of them
    than to any training image. How often real images lie so near to a test image, not counting themselves, is the null
    (a set may hold similar pictures). Refused at 3 or more copies that are exact, or with a one-sided binomial p below
    0.001.
    """
    hashes, known_hashes = image_hashes(test.images), image_hashes(real.images)
    exact = torch.isin(image_hashes(synthetic.images), hashes[~torch.isin(hashes, known_hashes)])
    if int(exact.sum()) >= MIN_COPIES:
        raise DataError(
            f"{int(exact.sum()):,} of {len(synthetic):,} synthetic images are test images, pixel for pixel: whatever "
            "made them has seen the test images. Test on images that it has not seen."
        )
    known, apart = _views(_some(real.images))[0], _views(_some(test.images))[0]
    radius = copy_radius(apart)
    shown = _views(_some(synthetic.images))
    to_test, to_real = (torch.stack([nearest(view, side) for view in shown]).amin(0) for side in (apart, known))
    copies = int(((to_test <= radius) & (to_test < to_real)).sum())
    usual = int((nearest(known, apart) <= radius).sum()) + int((nearest_other(apart) <= radius).sum())
    expected = (usual + 1) / (len(known) + len(apart) + 1)
    if copies >= MIN_COPIES and binomtest(copies, len(to_test), expected, "greater").pvalue < SIGNIFICANT:
        raise DataError(
            f"{copies:,} of {len(to_test):,} synthetic images compared nearly repeat a test image; of as many real "
            f"images {expected * len(to_test):,.1f} would: whatever made them has seen the test images. Test on images "
            "that it has not seen."
        )


def _views(images: Tensor) -> list[Tensor]:
    """Sketches of images and of their mirror images; plain vectors have none."""
    return [sketch(images), sketch(images.flip(3))] if min(images.shape[2:]) > 1 else [sketch(images)]


def _some(images: Tensor) -> Tensor:
    return images[torch.linspace(0, len(images) - 1, min(len(images), MAX_COMPARED)).long()]
