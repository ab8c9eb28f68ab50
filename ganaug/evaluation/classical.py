"""Classical augmentation, as a user without ganaug would have it: an Albumentations policy of moderate strength."""

import os
import threading
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from ganaug.images import LabeledImages
from ganaug.metrics.mirror_symmetry import keeps_meaning_mirrored

Augment = Callable[[Tensor, int], Tensor]


def classical(images: LabeledImages) -> Augment:
    """The policy for a set: (uint8 images (N, C, H, W), seed) -> augmented ones, same shape.

    Shift by up to a tenth, scale by up to a tenth, turn by up to 10 degrees, brightness and contrast by up to a fifth,
    a patch of up to a quarter a side left out; mirrored where no class of `images` differs from its mirror image.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for news
    import albumentations as A  # noqa: N812  # as its users write it

    steps: list[A.BasicTransform] = [
        A.Affine(translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), rotate=(-10, 10), p=0.8),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5),
        A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(0.1, 0.25), hole_width_range=(0.1, 0.25), p=0.3),
    ]
    if keeps_meaning_mirrored(images):
        steps.append(A.HorizontalFlip(p=0.5))
    policies = threading.local()  # a policy has a state of its own, and classifiers are trained side by side

    def augment(batch: Tensor, seed: int) -> Tensor:
        if not hasattr(policies, "own"):
            policies.own = A.Compose(deepcopy(steps))
        policy = policies.own
        policy.set_random_seed(seed % 2**32)
        pixels = np.ascontiguousarray(batch.permute(0, 2, 3, 1).numpy())
        found = np.stack([policy(image=image)["image"] for image in pixels])
        return torch.from_numpy(found).permute(0, 3, 1, 2)

    return augment
