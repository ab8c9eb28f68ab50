"""Do images keep their meaning when they are mirrored? A test whether they differ from their mirror images."""

import torch

from ganaug._runtime.randomness import generator
from ganaug.images import LabeledImages, downsample

N_SIGN_FLIPS = 500
MIN_IMAGES_TO_TEST = 200  # images; with fewer, the test detects too little
MAX_IMAGES_PER_CLASS = 500
MAX_SIDE = 8  # pixels a side that are compared
SIGNIFICANCE_LEVEL = 0.05


def is_mirror_symmetric(images: LabeledImages) -> bool:
    """Decide whether images may be flipped left to right in training.

    Parameters
    ----------
    images : LabeledImages
        The training images.

    Returns
    -------
    bool
        True if there are at least 200 images, they are no plain vectors, and `mirror_p_value` is at least 0.05.

    References
    ----------
    Lin et al., "Visual Chirality", CVPR 2020, for the statistics of mirrored data sets.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.metrics import is_mirror_symmetric
    >>> pixels = torch.randint(0, 256, (300, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    >>> labels = torch.zeros(300, dtype=torch.int64)
    >>> is_mirror_symmetric(LabeledImages(pixels, labels, ("cell",)))
    True
    >>> pixels[:, :, :, :2] = 255  # a bright left border, as a scanner may leave
    >>> is_mirror_symmetric(LabeledImages(pixels, labels, ("cell",)))
    False
    """
    is_large_enough = len(images) >= MIN_IMAGES_TO_TEST and min(images.shape[1:]) > 1
    return is_large_enough and mirror_p_value(images) >= SIGNIFICANCE_LEVEL


def mirror_p_value(images: LabeledImages, *, seed: int = 0) -> float:
    """Test whether each image is as likely as its mirror image.

    Parameters
    ----------
    images : LabeledImages
        Images with their classes; the first 500 of each class are used.
    seed : int
        Seed of the random sign flips.

    Returns
    -------
    float
        p value; small if the images of at least one class differ from their mirror images on average.

    Notes
    -----
    A sign-flip test on pixels averaged down to at most 8 x 8. The statistic of a class is the squared norm of the mean
    difference between images and their mirror images, relative to its mean over random signs. The largest statistic
    over the classes is tested, so that one p value holds for all classes.

    References
    ----------
    Fisher, "The Design of Experiments", 1935, section 21, for the sign-flip test.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.metrics import mirror_p_value
    >>> pixels = torch.zeros(20, 1, 8, 8, dtype=torch.uint8)
    >>> pixels[:, :, :, :2] = 255
    >>> mirror_p_value(LabeledImages(pixels, torch.zeros(20, dtype=torch.int64), ("left",))) < 0.01
    True
    """
    max_statistic = torch.zeros((), dtype=torch.float32)
    max_null_statistics = torch.zeros(N_SIGN_FLIPS, dtype=torch.float32)
    for name in images.classes:
        pixels = downsample(images.of_class(name, MAX_IMAGES_PER_CLASS), MAX_SIDE)
        difference = (pixels - pixels.flip(3)).flatten(1)
        signs = torch.randint(0, 2, (N_SIGN_FLIPS, len(difference)), generator=generator(seed, "mirror", name))
        statistic = difference.mean(0).square().sum()
        null_statistics = ((signs * 2.0 - 1) @ difference / len(difference)).square().sum(1)
        # relative to chance, so that classes of high contrast do not dominate
        scale = null_statistics.mean().clamp_min(1e-12)
        # the maximum, because one class that changes its meaning is enough to forbid flips
        max_statistic = torch.maximum(max_statistic, statistic / scale)
        max_null_statistics = torch.maximum(max_null_statistics, null_statistics / scale)
    return (1 + int((max_null_statistics >= max_statistic).sum())) / (1 + N_SIGN_FLIPS)
