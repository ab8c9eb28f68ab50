"""Copies of training images, found by aligned pixels even if they are shifted, mirrored, darker or brighter."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.metrics.alignment import aligned_nearest

DUPLICATE = 0.02  # distance up to which two training images are duplicates
MAX_REFERENCES = 1000  # training images with ratios among themselves
N_NEIGHBORS = 4  # of a training image, among which the nearest different one is looked for
COPY = 0.5  # ratio below which an image is a copy
FALSE_COPIES = 0.005  # share of images that are no copies, and have a ratio below COPY
MAX_SIMILAR = 0.05  # share of training images below COPY; if it is larger, such images are normal for this data set


def copy_ratios(images: Tensor, training: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Compare the distance of each image to its nearest training image with distances among training images.

    Parameters
    ----------
    images, training : Tensor
        uint8 (N, C, H, W) and (M, C, H, W).
    seed : int
        Seed that draws the training images of `reference`.

    Returns
    -------
    ratios : Tensor
        float32, (N,): the distance to the nearest training image, divided by the distance from that one to its nearest
        different training image. 0 for a copy, about 1 for a new image.
    nearest : Tensor
        int64, (N,): the row of the nearest training image.
    reference : Tensor
        The same ratio of training images among the others, for comparison: float32, (min(M, 1000),).

    Notes
    -----
    Distances are those of `aligned_nearest`. Training images that nearly coincide, as one picture that was stored twice
    with different compression, count once. Without two different training images every ratio is 1.

    References
    ----------
    Yoon et al., "Diffusion Probabilistic Models Generalize when They Fail to Memorize", 2023, compare the distances to
    the nearest and the second nearest training image. Here the second distance starts from the training image.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import copy_ratios
    >>> generator = torch.Generator().manual_seed(0)
    >>> training = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> images = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> images[2] = training[5].flip(2)  # a mirror image
    >>> ratios, nearest, reference = copy_ratios(images, training)
    >>> (ratios < 0.5).tolist(), int(nearest[2]), len(reference)
    ([False, False, True], 5, 20)
    """
    if not len(training):
        return (
            torch.ones(len(images), dtype=torch.float32),
            torch.zeros(len(images), dtype=torch.int64),
            torch.ones(0, dtype=torch.float32),
        )
    distances, nearest = (column[:, 0] for column in aligned_nearest(images, training))
    references = torch.randperm(len(training), generator=generator(seed, "usual"))[:MAX_REFERENCES].sort().values
    neighbors = _Neighbors.of(torch.unique(torch.cat([nearest, references])), training)
    reference_distances, reference_nearest = neighbors.nearest(references)
    has_all = len(neighbors.rows) == len(training)
    around = neighbors if has_all else _Neighbors.of(torch.unique(reference_nearest), training)
    return (
        _ratios(distances, neighbors.nearest(nearest)[0]),
        nearest,
        _ratios(reference_distances, around.nearest(reference_nearest, except_for=references)[0]),
    )


def copy_threshold(reference: Tensor) -> float:
    """Choose the ratio below which an image counts as a copy.

    Parameters
    ----------
    reference : Tensor
        `copy_ratios` of training images among themselves, (M,).

    Returns
    -------
    float
        0.5. But where more than 5 % of the training images have a ratio below 0.5, as frames of a film do, their 0.5 %
        quantile: a copy must be nearer than nearly all training images are.

    References
    ----------
    The values are ganaug's, measured on images that are no copies: benchmarks/copying.py.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import copy_threshold
    >>> copy_threshold(torch.full((100,), 0.9))
    0.5
    >>> round(copy_threshold(torch.linspace(0.1, 0.6, 101)), 4)  # similar frames
    0.1025
    """
    is_repetitive = len(reference) and float((reference < COPY).double().mean()) > MAX_SIMILAR
    return float(reference.quantile(FALSE_COPIES)) if is_repetitive else COPY


@dataclass(frozen=True)
class _Neighbors:
    """The nearest other training images of some training images: sorted rows (S,); distances and neighbors (S, 4)."""

    rows: Tensor
    distances: Tensor
    neighbors: Tensor

    @classmethod
    def of(cls, rows: Tensor, training: Tensor) -> "_Neighbors":
        return cls(rows, *aligned_nearest(training[rows], training, k=N_NEIGHBORS, places=rows))

    def nearest(self, rows: Tensor, *, except_for: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Distance from each training image to the nearest different one but `except_for`, and its row: (P,) each."""
        indices = torch.searchsorted(self.rows, rows.contiguous())
        distances, neighbors = self.distances[indices], self.neighbors[indices]
        distances = distances.masked_fill(distances <= DUPLICATE, torch.inf)
        if except_for is not None:
            distances = distances.masked_fill(neighbors == except_for[:, None], torch.inf)
        smallest, column = distances.min(1)
        return smallest, neighbors.gather(1, column[:, None])[:, 0]


def _ratios(distances: Tensor, scales: Tensor) -> Tensor:
    """Divide; 1 where either is infinite."""
    return torch.where(scales.isfinite() & distances.isfinite(), distances / scales, 1.0)
