"""What a model keeps of its training images: enough to know a copy by, shifted or mirrored too, and no picture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ganaug.images import in_passes, pooled
from ganaug.metrics.alignment import COARSE, LARGEST, SAME, lengths_of, margins_of

LENGTH = 128  # numbers that are kept of an image
FIRST = 32  # of them, which choose the candidates
CANDIDATES = 16
NEARER = 0.6  # how much nearer than its own neighbors an image must be to a training image
QUANTILE = 0.05
MAX_NEIGHBORS = 500  # training images among which a neighbor is sought
UNSURE = 2.5  # squared distance by the first numbers, over that allowed, up to which all numbers are looked at
MAX_NUMBERS = 2**24  # that are held at once
MAX_VIEWS = 162  # 9 shifts down and 9 across, of an image and of its mirror image


@dataclass(frozen=True)
class Traces:
    """Of the M training images of a class. points: (M, 128). radii: (M,), within which an image is a copy.

    A point is a projection, at random and always the same, of the middle of an image, standardized as by
    `metrics.alignment`; it keeps distances within some 6 % (Johnson & Lindenstrauss 1984).
    """

    points: Tensor
    radii: Tensor

    @classmethod
    def of(cls, images: Tensor) -> "Traces":
        """uint8 (M, C, H, W). The radius is 0.6 of the distance to the nearest image that differs.

        But at least that of the 5 % of images which have the nearest neighbors, so that a picture which is in the set
        twice, saved anew, is still protected. Beyond 500 images, neighbors are sought among 500 of them.
        """
        points = _points(images)
        if not len(points):
            return cls(points, torch.zeros(0))
        some = images[torch.linspace(0, len(images) - 1, min(len(images), MAX_NEIGHBORS)).long()]
        nearest = torch.full((len(points),), torch.inf)
        for part in some.split(max(1, MAX_NUMBERS // (MAX_VIEWS * len(points)))):  # type: ignore[no-untyped-call]
            apart = _nearest_view(_views(part), points).sqrt()
            same = apart <= SAME * points.norm(dim=1)
            nearest = torch.minimum(nearest, apart.masked_fill(same, torch.inf).amin(0))
        known = nearest[nearest < torch.inf]
        least = float(known.quantile(QUANTILE)) if len(known) else 0.0
        return cls(points, NEARER * nearest.masked_fill(nearest == torch.inf, least).clamp_min(least))

    def half(self) -> "Traces":
        """At half precision, as a model keeps them."""
        return Traces(self.points.half(), self.radii.half())

    def are_copies(self, images: Tensor) -> Tensor:
        """Which of uint8 (N, C, H, W), shifted by at most an eighth of a side, mirrored or not, are copies: (N,)."""
        if not len(self.points):
            return torch.zeros(len(images), dtype=torch.bool)
        points, radii = self.points.float(), self.radii.float()
        return in_passes(lambda part: _any_within(_views(part), points, radii), images)


def _any_within(views: Tensor, points: Tensor, radii: Tensor) -> Tensor:
    """Whether any view of (N, 128, V) lies within a point's radius: (N,). Only likely ones are looked at in full."""
    limits = radii.square().clamp_min(SAME**2)
    found = torch.zeros(len(views), dtype=torch.bool)
    for rows in torch.arange(len(views)).split(_at_once(views, points)):  # type: ignore[no-untyped-call]
        rough = _nearest_view(views[rows, :FIRST], points[:, :FIRST]) / limits
        suspects = rows[rough.amin(1) <= UNSURE]
        likely = rough[rough.amin(1) <= UNSURE].topk(min(CANDIDATES, len(points)), largest=False).indices
        for row, candidates in zip(suspects.tolist(), likely, strict=True):
            squares = _nearest_view(views[row][None], points[candidates])[0]
            found[row] = bool((squares <= limits[candidates]).any())
    return found


def _nearest_view(views: Tensor, points: Tensor) -> Tensor:
    """Squared distance of each point (M, D) to the nearest view of each of (N, D, V): (N, M)."""
    own = views.square().sum(1, keepdim=True)
    squares = torch.baddbmm(own, points.expand(len(views), -1, -1), views, alpha=-2).amin(2)
    return (squares + points.square().sum(1)).clamp_min(0)


def _at_once(views: Tensor, points: Tensor) -> int:
    return max(1, MAX_NUMBERS // (views.shape[2] * len(points)))


def _points(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 128): of the middle of each image as it is."""
    return in_passes(lambda part: _projected(_small(part))[:, :, *_middle(part)], images)


def _views(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 128, V): every part as large as the middle, of the image and of its mirror image."""
    small = _small(images)
    shown = [small, small.flip(3)] if min(images.shape[2:]) > 1 else [small]
    return torch.cat([_projected(each).flatten(2) for each in shown], 2)


def _middle(images: Tensor) -> tuple[int, int]:
    return margins_of(_small(images[:1]))


def _small(images: Tensor) -> Tensor:
    # the numbers of a plain vector have nothing to do with their neighbors, and are not averaged
    return pooled(images, LARGEST if min(images.shape[2:]) >= COARSE else max(images.shape[2:]))


def _projected(small: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 128, 2u + 1, 2l + 1), for every place of the part that leaves margins u and l out."""
    (up, left), (height, width) = margins_of(small), small.shape[2:]
    is_picture = min(small.shape[2:]) > 1  # the numbers of a plain vector have no brightness in common
    kernel = _kernel(small.shape[1], height - 2 * up, width - 2 * left, is_picture)
    found = conv2d(small, kernel)
    return found / lengths_of(small, kernel.shape[2:])[:, None].float() if is_picture else found


@lru_cache(maxsize=4)
def _kernel(channels: int, height: int, width: int, without_means: bool) -> Tensor:
    draws = np.random.Generator(np.random.Philox(key=0)).standard_normal((LENGTH, channels, height, width))
    draws = draws - draws.mean((2, 3), keepdims=True) if without_means else draws
    kernel: Tensor = torch.from_numpy((draws / LENGTH**0.5).astype(np.float32))
    return kernel
