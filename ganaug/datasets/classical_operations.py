"""The operations of the classical augmentation, those of Albumentations: draw their parameters, and apply them.

Albumentations checks types, targets and identities for each image, which for small images takes most of the time.
"""

import os
from functools import cache
from typing import Any

import numpy as np

Operation = tuple[str, dict[str, Any]]  # name of the Albumentations transform, what decides its result
MAX_SHIFT, MAX_SCALING, MAX_ROTATION = 0.1, 0.1, 10.0  # of the side, of the size, degrees
MAX_BRIGHTNESS, MAX_CONTRAST = 0.2, 0.2
HOLE_SIDES = (0.1, 0.25)  # relative to the side of the image
PROBABILITIES = {"Affine": 0.8, "RandomBrightnessContrast": 0.5, "CoarseDropout": 0.3, "HorizontalFlip": 0.5}


def draw_operations(n_images: int, height: int, width: int, *, flip: bool, seed: int) -> list[list[Operation]]:
    """Draw the operations of each image.

    Parameters
    ----------
    n_images : int
    height, width : int
        Size of the images.
    flip : bool
        Whether half of the images are mirrored.
    seed : int

    Returns
    -------
    list of list of (str, dict)
        For each image, what `apply_operations` takes.
    """
    random = np.random.default_rng(seed)
    parameters: dict[str, list[dict[str, Any]]] = {
        "Affine": [{"matrix": matrix} for matrix in _draw_matrices(random, n_images, height, width)],
        "RandomBrightnessContrast": [
            {"alpha": float(alpha), "beta": float(beta)}
            for alpha, beta in zip(
                1 + random.uniform(-MAX_CONTRAST, MAX_CONTRAST, n_images),
                255 * random.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS, n_images),
                strict=True,
            )
        ],
        "CoarseDropout": [{"holes": hole[None]} for hole in _draw_holes(random, n_images, height, width)],
        "HorizontalFlip": [{}] * n_images,
    }
    applied = {name: random.random(n_images) < PROBABILITIES[name] for name in parameters}
    applied["HorizontalFlip"] &= flip
    return [
        [(name, parameters[name][index]) for name in parameters if applied[name][index]] for index in range(n_images)
    ]


def apply_operations(image: np.ndarray, operations: list[Operation]) -> np.ndarray:
    """Apply operations to an image of shape (H, W, C), uint8.

    Parameters
    ----------
    image : array of shape (H, W, C), uint8
    operations : list of (str, dict)
        Names and parameters, in order.

    Returns
    -------
    array of shape (H, W, C), uint8
        The pixels that Albumentations computes.

    Raises
    ------
    ValueError
        If an operation is unknown.
    """
    import cv2

    for name, params in operations:
        if name == "Affine":
            size = image.shape[1::-1]
            # Albumentations compares each matrix with the identity first, which takes longer than the warping
            image = cv2.warpAffine(image, params["matrix"][:2], size, flags=cv2.INTER_LINEAR).reshape(image.shape)
        elif name == "HorizontalFlip":
            image = np.ascontiguousarray(image[:, ::-1])
        elif name in PROBABILITIES:
            # the seed is for random fillings of holes, which are not used
            image = _transform(name).apply(image, **params, seed=0)
        else:
            raise ValueError(f"Unknown operation {name!r}. Known: {', '.join(PROBABILITIES)}.")
    return image


@cache
def _transform(name: str) -> Any:
    """Return a transform of Albumentations, whose random state is not used."""
    # otherwise Albumentations asks the network for a new version
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return getattr(albumentations, name)(p=1.0)


def _draw_matrices(random: np.random.Generator, n_images: int, height: int, width: int) -> np.ndarray:
    """Draw the matrices (N, 3, 3) that scale, rotate and shift images about their center."""
    shifts = random.uniform(-MAX_SHIFT, MAX_SHIFT, (n_images, 2)) * (width, height)
    scales = random.uniform(1 - MAX_SCALING, 1 + MAX_SCALING, (n_images, 2))
    angles = np.deg2rad(random.uniform(-MAX_ROTATION, MAX_ROTATION, n_images))
    cos, sin = np.cos(angles), np.sin(angles)
    matrices = np.tile(np.eye(3), (n_images, 1, 1))
    matrices[:, :2, :2] = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1) * scales[:, None, :]
    center = np.array([width / 2 - 0.5, height / 2 - 0.5])
    # shifts by whole pixels, as in Albumentations
    matrices[:, :2, 2] = center + np.trunc(shifts) - matrices[:, :2, :2] @ center
    return matrices


def _draw_holes(random: np.random.Generator, n_images: int, height: int, width: int) -> np.ndarray:
    """Draw a hole for each image: (N, 4), left, top, right and bottom."""
    sizes = (random.uniform(*HOLE_SIDES, (n_images, 2)) * (width, height)).astype(int)
    corners = random.integers(0, np.array([width, height]) - sizes + 1)
    return np.concatenate([corners, corners + sizes], axis=1)
