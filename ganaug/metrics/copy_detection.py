"""Detect copies of training images without storing the images: a model carries a detector for its samples."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ganaug.images import apply_in_batches, downsample
from ganaug.metrics.aligned_copies import DUPLICATE
from ganaug.metrics.alignment import COARSE_SIDE, MAX_SIDE, shift_margins, window_norms

POINT_SIZE = 128  # numbers stored of an image
PREFIX = 32  # the first of them, which choose the candidates
N_CANDIDATES = 16
RADIUS_FACTOR = 0.6  # of the distance from a training image to its nearest different one
QUANTILE = 0.05
MAX_NEIGHBORS = 500  # training images among which the nearest one is looked for
MAX_ROUGH_RATIO = 2.5  # squared distance by the prefix, over the squared radius, up to which all numbers are compared
MAX_NUMBERS = 2**24  # numbers in memory at once
MAX_VIEWS = 162  # 9 shifts down and 9 across, of an image and of its mirror image


@dataclass(frozen=True)
class CopyDetector:
    """Detector of copies of the M training images of a class.

    A copy may be shifted by an eighth of a side, mirrored, or differ in brightness and contrast.

    Parameters
    ----------
    points : Tensor
        float, (M, 128): random projections of the inner parts of the training images, standardized as in
        `ganaug.metrics.alignment`. They do not show the images. The projection is always the same one.
    radii : Tensor
        float, (M,): the distance to each point within which an image is a copy.

    References
    ----------
    Johnson & Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984: the projection preserves
    distances, with 128 numbers to about 6 %.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import CopyDetector
    >>> generator = torch.Generator().manual_seed(0)
    >>> training = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> images = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> images[1] = training[5].flip(2) // 2  # mirrored and darker
    >>> CopyDetector.from_images(training).are_copies(images)
    tensor([False,  True, False])
    """

    points: Tensor
    radii: Tensor

    @classmethod
    def from_images(cls, images: Tensor) -> "CopyDetector":
        """Build the detector of a class.

        Parameters
        ----------
        images : Tensor
            The training images: uint8, (M, C, H, W).

        Returns
        -------
        CopyDetector
            A radius is 0.6 times the distance to the nearest different training image, but at least the 5 % quantile
            of these radii: so an image that is in the set twice, with different compression, is still protected.

        Notes
        -----
        Of more than 500 images, neighbors are looked for among 500, evenly spaced.
        """
        points = _project_inner(images)
        if not len(points):
            return cls(points, torch.zeros(0, dtype=torch.float32))
        rows = torch.linspace(0, len(images) - 1, min(len(images), MAX_NEIGHBORS), dtype=torch.float32).long()
        nearest = torch.full((len(points),), torch.inf, dtype=torch.float32)
        images_per_pass = max(1, MAX_NUMBERS // (MAX_VIEWS * len(points)))
        for part in images[rows].split(images_per_pass):  # type: ignore[no-untyped-call]
            distances = _nearest_view(_project_views(part), points).sqrt()
            is_duplicate = distances <= DUPLICATE * points.norm(dim=1)
            nearest = torch.minimum(nearest, distances.masked_fill(is_duplicate, torch.inf).amin(0))
        finite = nearest[nearest < torch.inf]
        smallest = float(finite.quantile(QUANTILE)) if len(finite) else 0.0
        return cls(points, RADIUS_FACTOR * nearest.masked_fill(nearest == torch.inf, smallest).clamp_min(smallest))

    def half(self) -> "CopyDetector":
        """Return the detector at half precision, as models store it."""
        return CopyDetector(self.points.half(), self.radii.half())

    def are_copies(self, images: Tensor) -> Tensor:
        """Find the images that are copies of a training image.

        Parameters
        ----------
        images : Tensor
            uint8, (N, C, H, W), of the shape of the training images.

        Returns
        -------
        Tensor
            bool, (N,).
        """
        if not len(self.points):
            return torch.zeros(len(images), dtype=torch.bool)
        points, radii = self.points.float(), self.radii.float()
        return apply_in_batches(lambda part: _any_within(_project_views(part), points, radii), images)


def _any_within(views: Tensor, points: Tensor, radii: Tensor) -> Tensor:
    """Whether any view of each of (N, 128, V) lies within the radius of a point: bool, (N,).

    The first 32 numbers exclude most images. The others are compared in full with their 16 likeliest points.
    """
    limits = radii.square().clamp_min(DUPLICATE**2)
    is_copy = torch.zeros(len(views), dtype=torch.bool)
    images_per_pass = max(1, MAX_NUMBERS // (views.shape[2] * len(points)))
    for rows in torch.arange(len(views)).split(images_per_pass):  # type: ignore[no-untyped-call]
        rough = _nearest_view(views[rows, :PREFIX], points[:, :PREFIX]) / limits
        is_suspect = rough.amin(1) <= MAX_ROUGH_RATIO
        candidates = rough[is_suspect].topk(min(N_CANDIDATES, len(points)), largest=False).indices
        for row, columns in zip(rows[is_suspect].tolist(), candidates, strict=True):
            squares = _nearest_view(views[row][None], points[columns])[0]
            is_copy[row] = bool((squares <= limits[columns]).any())
    return is_copy


def _nearest_view(views: Tensor, points: Tensor) -> Tensor:
    """Squared distance of each point (M, D) to the nearest view of each of (N, D, V): (N, M)."""
    squared_norms = views.square().sum(1, keepdim=True)
    squares = torch.baddbmm(squared_norms, points.expand(len(views), -1, -1), views, alpha=-2).amin(2)
    return (squares + points.square().sum(1)).clamp_min(0)


def _project_inner(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 128): the inner part of each image, not shifted or mirrored."""
    top, left = shift_margins(_shrink(images[:1]))
    return apply_in_batches(lambda part: _project_windows(_shrink(part))[:, :, top, left], images)


def _project_views(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 128, V): every part as large as the inner one, of each image and its mirror image."""
    small = _shrink(images)
    views = [small, small.flip(3)] if min(images.shape[2:]) > 1 else [small]
    return torch.cat([_project_windows(view).flatten(2) for view in views], 2)


def _shrink(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> float in [0, 1], at most 32 pixels a side."""
    # neighboring numbers of a plain vector are unrelated, so it is not averaged
    return downsample(images, MAX_SIDE if min(images.shape[2:]) >= COARSE_SIDE else max(images.shape[2:]))


def _project_windows(small: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 128, 2 t + 1, 2 l + 1): the window at each shift, for margins t and l."""
    (top, left), (height, width) = shift_margins(small), small.shape[2:]
    is_picture = min(small.shape[2:]) > 1  # the numbers of a plain vector have no common brightness to remove
    kernel = _projection(small.shape[1], height - 2 * top, width - 2 * left, is_picture)
    projected = conv2d(small, kernel)
    return projected / window_norms(small, kernel.shape[2:])[:, None].float() if is_picture else projected


@lru_cache(maxsize=4)
def _projection(channels: int, height: int, width: int, without_means: bool) -> Tensor:
    """The projection as a convolution kernel: float32, (128, C, h, w). `without_means`: each channel has mean 0."""
    # NumPy's generator, because stored models hold projections, which must not change with the version of torch
    draws = np.random.Generator(np.random.Philox(key=0)).standard_normal((POINT_SIZE, channels, height, width))
    draws = draws - draws.mean((2, 3), keepdims=True) if without_means else draws
    kernel: Tensor = torch.from_numpy((draws / POINT_SIZE**0.5).astype(np.float32))
    return kernel
