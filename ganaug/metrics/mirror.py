"""Does a mirror image keep its meaning? A test of whether images differ from their mirror images on average."""

import torch

from ganaug._runtime.randomness import generator
from ganaug.images import LabeledImages, pooled

DRAWS = 500
ENOUGH_TO_TELL = 200  # images from which on the test says something


def keeps_meaning_mirrored(images: LabeledImages) -> bool:
    """Whether images may be flipped left to right: there are enough to tell, and no class differs from its mirror."""
    return len(images) >= ENOUGH_TO_TELL and min(images.shape[1:]) > 1 and mirror_p_value(images) >= 0.05


def mirror_p_value(images: LabeledImages, *, seed: int = 0) -> float:
    """Chance of so large a mean difference between images and their mirror images, were both equally likely.

    A sign-flip test on pixels averaged down to at most 8 x 8. The statistic is the largest over classes of the squared
    mean difference, relative to what flipped signs give on average, so that it holds for all classes at once.
    """
    largest, largest_drawn = torch.zeros(()), torch.zeros(DRAWS)
    for name in images.classes:
        pixels = pooled(images.of_class(name, 500), 8)
        difference = (pixels - pixels.flip(3)).flatten(1)
        signs = torch.randint(0, 2, (DRAWS, len(difference)), generator=generator(seed, "mirror", name)) * 2.0 - 1
        found = difference.mean(0).square().sum()
        drawn = (signs @ difference / len(difference)).square().sum(1)
        usual = drawn.mean().clamp_min(1e-12)
        largest = torch.maximum(largest, found / usual)
        largest_drawn = torch.maximum(largest_drawn, drawn / usual)
    return (1 + int((largest_drawn >= largest).sum())) / (1 + DRAWS)
