"""Classical augmentation: an Albumentations policy of moderate strength, as a user without ganaug would choose it."""

import os
import threading
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from ganaug.images import LabeledImages
from ganaug.metrics.mirror_symmetry import is_mirror_symmetric

Augment = Callable[[Tensor, int], Tensor]


def classical_augmentation(images: LabeledImages) -> Augment:
    """Choose the classical augmentation for a set of images.

    Parameters
    ----------
    images : LabeledImages
        Training images. They decide whether the policy contains horizontal flips: only if no class differs from its
        mirror images.

    Returns
    -------
    callable
        ``(images, seed) -> images``, both uint8 of shape (N, C, H, W). Deterministic in its arguments and safe to call
        from several threads.

    Notes
    -----
    The policy: translation and scaling by up to 10 %, rotation by up to 10 degrees, brightness and contrast by up to
    20 %, one patch of 10 to 25 % of each side removed (cutout), and possibly a horizontal flip.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import classical_augmentation
    >>> images = LabeledImages(torch.zeros(2, 1, 16, 16, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
    >>> augment = classical_augmentation(images)
    >>> augment(images.images, 0).shape
    torch.Size([2, 1, 16, 16])
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise importing it asks the network for a new version
    import albumentations as A  # noqa: N812  # the name that its documentation uses

    steps: list[A.BasicTransform] = [
        A.Affine(translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), rotate=(-10, 10), p=0.8),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5),
        A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(0.1, 0.25), hole_width_range=(0.1, 0.25), p=0.3),
    ]
    if is_mirror_symmetric(images):
        steps.append(A.HorizontalFlip(p=0.5))
    local = threading.local()  # a policy holds its random state, and classifiers are trained in parallel threads

    def augment(batch: Tensor, seed: int) -> Tensor:
        if not hasattr(local, "policy"):
            local.policy = A.Compose(deepcopy(steps))
        policy = local.policy
        # Albumentations has a separate random state, which the seeds of torch and NumPy do not set
        policy.set_random_seed(seed % 2**32)
        pixels = np.ascontiguousarray(batch.permute(0, 2, 3, 1).numpy())
        augmented = np.stack([policy(image=image)["image"] for image in pixels])
        return torch.from_numpy(augmented).permute(0, 3, 1, 2)

    return augment
