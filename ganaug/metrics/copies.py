"""Near-copies by feature distance: synthetic images much closer to a training image than training images to each other.

See `ganaug.metrics.aligned_copies` for copies that are shifted, mirrored, darker or brighter.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ganaug.images import apply_in_batches, downsample
from ganaug.metrics.distance import pairwise_distances

SKETCH_SIZE = 128
MAX_SIDE = 32  # pixels a side that a sketch is computed from
MIN_SIDE = 8  # images with a shorter side are plain vectors, which are not averaged
ROWS_PER_PASS = 2048  # rows of a matrix of distances that are in memory at once
QUANTILE = 0.01
DUPLICATE = 1e-6  # distance, relative to the largest norm, up to which two training images are duplicates


def nearest_distances(points: Tensor, others: Tensor) -> Tensor:
    """Compute the Euclidean distance from each point to the nearest point of another set.

    Parameters
    ----------
    points, others : Tensor
        (N, D) and (M, D), with M >= 1.

    Returns
    -------
    Tensor
        float64, (N,).

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import nearest_distances
    >>> nearest_distances(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [9.0]]))
    tensor([1., 3.], dtype=torch.float64)
    """
    parts = [pairwise_distances(part, others).amin(dim=1) for part in torch.split(points, ROWS_PER_PASS)]
    return torch.cat(parts)


def nearest_other_distances(points: Tensor) -> Tensor:
    """Compute the distance from each point to the nearest different point of the same set.

    Parameters
    ----------
    points : Tensor
        (N, D).

    Returns
    -------
    Tensor
        (N,); infinity for a point that differs from no other point. Duplicates do not count as different.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import nearest_other_distances
    >>> nearest_other_distances(torch.tensor([[0.0], [0.0], [3.0]])).tolist()
    [3.0, 3.0, 3.0]
    """
    duplicate = DUPLICATE * float(points.norm(dim=1).amax()) if len(points) else 0.0
    # torch.cat rejects an empty list
    parts = [torch.empty(0, dtype=points.dtype)]
    for part in torch.split(points, ROWS_PER_PASS):
        distances = pairwise_distances(part, points)
        parts.append(distances.masked_fill(distances <= duplicate, torch.inf).amin(dim=1))
    return torch.cat(parts)


def copy_radius(training: Tensor) -> float:
    """Compute the distance to a training image within which a synthetic image counts as its copy.

    Parameters
    ----------
    training : Tensor
        Features or sketches of the training images, (N, D).

    Returns
    -------
    float
        Half the 1 % quantile of the distances from training images to their nearest different one; 0 where no two
        differ.

    Notes
    -----
    A synthetic image within this radius is nearer to a training image than nearly all training images are to each
    other, by a factor of two. The smallest distance would not do: a few images that were stored twice with different
    compression would make the radius nearly 0. Exact duplicates count once.

    References
    ----------
    Meehan, Chaudhuri & Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models", AISTATS 2020,
    compare with distances of real points too. The quantile and the factor are ganaug's.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import copy_radius
    >>> copy_radius(torch.tensor([[0.0], [1.0], [2.0], [3.0]]))
    0.5
    """
    distances = nearest_other_distances(training)
    distances = distances[distances < torch.inf]
    return float(distances.quantile(QUANTILE)) / 2 if len(distances) else 0.0


def near_copies(synthetic: Tensor, training: Tensor, radius: float) -> Tensor:
    """Find the synthetic images that lie within a radius of a training image.

    Parameters
    ----------
    synthetic, training : Tensor
        Features or sketches (N, D) and (M, D).
    radius : float
        The radius, for example `copy_radius(training)`.

    Returns
    -------
    Tensor
        bool, (N,).

    References
    ----------
    Meehan, Chaudhuri & Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models", AISTATS 2020.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import copy_radius, near_copies, sketch
    >>> generator = torch.Generator().manual_seed(0)
    >>> training = torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> synthetic = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> synthetic[0] = training[7]
    >>> sketches = sketch(training)
    >>> near_copies(sketch(synthetic), sketches, copy_radius(sketches))
    tensor([ True, False, False, False])
    """
    return nearest_distances(synthetic, training) <= radius


def sketch(images: Tensor) -> Tensor:
    """Project images at random to 128 numbers that preserve distances but do not show the images.

    A model can store the sketches of its training images without storing the images.

    Parameters
    ----------
    images : Tensor
        uint8, (N, C, H, W). They are averaged down to at most 32 x 32 pixels first.

    Returns
    -------
    Tensor
        float32, (N, 128). The projection is always the same one. It preserves Euclidean distances to about 6 %.

    References
    ----------
    Johnson & Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import sketch
    >>> sketch(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).shape
    torch.Size([2, 128])
    """
    # neighboring numbers of a plain vector are unrelated, so it is not averaged
    max_side = max(images.shape[2:]) if min(images.shape[2:]) < MIN_SIDE else MAX_SIDE
    channels, height, width = images.shape[1:]
    matrix = _projection(channels * min(max_side, height) * min(max_side, width))
    return apply_in_batches(lambda part: downsample(part, max_side).flatten(1) @ matrix, images)


@lru_cache(maxsize=4)
def _projection(length: int) -> Tensor:
    """The projection matrix of sketches: float32, (length, 128)."""
    draws = np.random.Generator(np.random.Philox(key=0)).standard_normal((length, SKETCH_SIZE), dtype=np.float32)
    projection: Tensor = torch.from_numpy(draws) / SKETCH_SIZE**0.5
    return projection
