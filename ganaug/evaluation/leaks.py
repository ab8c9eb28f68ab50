"""Test for leaks: a generator that was trained on the test images makes the comparison meaningless."""

import torch
from scipy.stats import binomtest
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import LabeledImages, image_hashes
from ganaug.metrics.copies import copy_radius, nearest_distances, nearest_other_distances, sketch

MAX_P_VALUE = 1e-3
MIN_COPIES = 3
MAX_IMAGES_COMPARED = 5000


def check_training_images(training_hashes: Tensor | None, test: LabeledImages) -> None:
    """Check that a generator was not trained on test images.

    Parameters
    ----------
    training_hashes : Tensor of shape (M,), int64, or None
        `image_hashes` of the images that the generator was trained on. None: unknown, nothing is checked.
    test : LabeledImages
        Test images.

    Raises
    ------
    DataError
        If any test image is among them.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import check_training_images
    >>> from ganaug.images import image_hashes
    >>> test = LabeledImages(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.tensor([0]), ("cat",))
    >>> check_training_images(image_hashes(test.images), test)
    Traceback (most recent call last):
    ganaug.errors.DataError: the generator was trained on 1 of the 1 test images, ...
    """
    if training_hashes is None:
        return
    is_leaked = torch.isin(image_hashes(test.images), training_hashes)
    if is_leaked.any():
        raise DataError(
            f"the generator was trained on {int(is_leaked.sum()):,} of the {len(test):,} test images, so the test "
            "cannot tell whether its images help. Test on images that it was not trained on, or fit it again without "
            "these."
        )


def check_copies(synthetic: LabeledImages, real: LabeledImages, test: LabeledImages) -> None:
    """Check that synthetic images do not repeat test images more often than real images do.

    Parameters
    ----------
    synthetic : LabeledImages
        Synthetic images.
    real : LabeledImages
        Real training images.
    test : LabeledImages
        Real test images.

    Raises
    ------
    DataError
        If at least 3 synthetic images equal test images, or if at least 3 nearly repeat test images and a one-sided
        binomial test against the rate of real images has a p value below 0.001.

    Notes
    -----
    A near-copy, mirrored or not, lies within `ganaug.metrics.copies.copy_radius` of a test image, and closer to it than
    to any training image. The null rate is how often real images lie that close to another test image, because a data
    set can contain similar pictures. At most 5,000 images of each set are compared.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import check_copies
    >>> draws = torch.Generator().manual_seed(0)
    >>> pixels = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=draws)
    >>> real, test, synthetic = (LabeledImages(part, torch.zeros(10).long(), ("a",)) for part in pixels.split(10))
    >>> check_copies(synthetic, real, test)
    >>> check_copies(test, real, test)
    Traceback (most recent call last):
    ...
    ganaug.errors.DataError: ...
    """
    test_hashes, real_hashes = image_hashes(test.images), image_hashes(real.images)
    # an image that is also a training image may have been copied from there
    is_exact = torch.isin(image_hashes(synthetic.images), test_hashes[~torch.isin(test_hashes, real_hashes)])
    if int(is_exact.sum()) >= MIN_COPIES:
        raise DataError(
            f"{int(is_exact.sum()):,} of {len(synthetic):,} synthetic images are test images, pixel for pixel: their "
            "generator was trained on the test images. Test on images that it was not trained on."
        )
    real_sketches, test_sketches = _views(_subset(real.images))[0], _views(_subset(test.images))[0]
    radius = copy_radius(test_sketches)
    views = _views(_subset(synthetic.images))
    to_test, to_real = (
        torch.stack([nearest_distances(view, sketches) for view in views]).amin(0)
        for sketches in (test_sketches, real_sketches)
    )
    # an image that is nearer to a training image is more likely a copy of that one
    n_copies = int(((to_test <= radius) & (to_test < to_real)).sum())
    n_real = int((nearest_distances(real_sketches, test_sketches) <= radius).sum())
    n_real += int((nearest_other_distances(test_sketches) <= radius).sum())
    # plus one: with an expected rate of 0, any coincidence would be significant
    expected = (n_real + 1) / (len(real_sketches) + len(test_sketches) + 1)
    if n_copies >= MIN_COPIES and binomtest(n_copies, len(to_test), expected, "greater").pvalue < MAX_P_VALUE:
        raise DataError(
            f"{n_copies:,} of {len(to_test):,} synthetic images compared nearly repeat a test image; of as many real "
            f"images {expected * len(to_test):,.1f} would: their generator was trained on the test images. Test on "
            "images that it was not trained on."
        )


def _views(images: Tensor) -> list[Tensor]:
    """Sketches of images, and of their mirror images unless the images are plain vectors."""
    return [sketch(images), sketch(images.flip(3))] if min(images.shape[2:]) > 1 else [sketch(images)]


def _subset(images: Tensor) -> Tensor:
    """At most MAX_IMAGES_COMPARED images, evenly spaced."""
    return images[torch.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES_COMPARED), dtype=torch.float32).long()]
