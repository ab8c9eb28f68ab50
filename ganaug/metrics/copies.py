"""Near-copies: synthetic images that lie closer to a training image than training images lie to each other."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ganaug.images import in_passes, pooled
from ganaug.metrics.distance import distances

SKETCH = 128
CHUNK = 2048  # rows whose distances are held at once
QUANTILE = 0.01
SAME = 1e-6  # relative distance below which two training images are one image twice


def nearest(points: Tensor, others: Tensor) -> Tensor:
    """Euclidean distance from each row of (N, D) to the nearest row of (M, D): (N,). Needs M >= 1."""
    parts = [distances(part, others).amin(dim=1) for part in torch.split(points, CHUNK)]
    return torch.cat(parts)


def nearest_other(points: Tensor) -> Tensor:
    """Distance from each row of (N, D) to the nearest row that is not the same: (N,); infinity where there is none."""
    same = SAME * float(points.norm(dim=1).amax()) if len(points) else 0.0
    found = [torch.empty(0)]
    for part in torch.split(points, CHUNK):
        others = distances(part, points)
        found.append(others.masked_fill(others <= same, torch.inf).amin(dim=1))
    return torch.cat(found)


def copy_radius(training: Tensor) -> float:
    """Half the distance at which 1 % of training images (N, D) have their nearest other one; 0 where there is no pair.

    A synthetic image within it is nearer to a training image than nearly all training images are to each other, by a
    factor of two. The quantile, and not the smallest distance, so that a few pictures that are in the set twice, saved
    anew, do not switch the test off; those that are there twice exactly are taken once.
    """
    found = nearest_other(training)
    found = found[found < torch.inf]
    return float(found.quantile(QUANTILE)) / 2 if len(found) else 0.0


def near_copies(synthetic: Tensor, training: Tensor, radius: float) -> Tensor:
    """Which rows of (N, D) lie within `radius` of a training row (M, D): bool, (N,)."""
    return nearest(synthetic, training) <= radius


def sketch(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 128): pixels averaged down to at most 32 x 32, then projected at random.

    The projection is always the same and keeps Euclidean distances within some 6 % (Johnson & Lindenstrauss 1984), but
    not what the image shows, so that a model can carry the sketches of its training images.
    """
    # plain vectors stay whole: their neighbors have nothing to do with each other
    largest = max(images.shape[2:]) if min(images.shape[2:]) < 8 else 32
    channels, height, width = images.shape[1:]
    matrix = _projection(channels * min(largest, height) * min(largest, width))
    return in_passes(lambda part: pooled(part, largest).flatten(1) @ matrix, images)


@lru_cache(maxsize=4)
def _projection(length: int) -> Tensor:
    draws = np.random.Generator(np.random.Philox(key=0)).standard_normal((length, SKETCH), dtype=np.float32)
    projection: Tensor = torch.from_numpy(draws) / SKETCH**0.5
    return projection
