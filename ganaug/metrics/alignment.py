"""How alike are two images, whatever their brightness and contrast, a small shift, or being mirrored?"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from ganaug._runtime.randomness import generator
from ganaug.images import pooled

LARGEST = 32  # pixels a side that are compared
MARGIN = 1 / 8  # of a side, by which one image may be shifted against the other
COARSE = 8  # pixels a side that choose whom to compare with
CANDIDATES = 8
SAME = 0.02  # distance up to which two training images are one image twice
FLATTEST = 0.02  # standard deviation, of tones in [0, 1], below which an image shows nothing to go by
USUAL = 1000  # training images that say what is usual among them
CHUNK, PASS = 512, 64  # images whose candidates are found, and which are compared, at once


def aligned_nearest(
    images: Tensor, others: Tensor, *, k: int = 1, places: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Distances from images (N, C, H, W) to their k nearest `others` (M, C, H, W), all uint8, and which: (N, k) each.

    The distance is sqrt(2 - 2 r), r the correlation of the inner part of the image, as it is or mirrored, with the part
    of the other that fits it best: 0 for the same picture, 1.41 for an unrelated one. places: where each image stands
    among the others, (N,), so that none is its own neighbor. Where there are fewer than k others the rest is infinity.
    Candidates are found on 8 x 8 pixels, so a neighbor that is not near may be missed.
    """
    columns = 2 * CANDIDATES
    found, who = torch.full((len(images), columns), torch.inf), torch.zeros(len(images), columns, dtype=torch.int64)
    if len(images) and len(others):
        small, against = pooled(images, LARGEST), pooled(others, LARGEST)
        margins = margins_of(against)
        coarse = [_standard(_coarse(part)) for part in _shifted(against, margins)]
        (up, left), (height, width) = margins, small.shape[2:]
        for mirrored in (False, True):
            shown = small.flip(3) if mirrored else small
            inner = shown[:, :, up : height - up, left : width - left]
            candidates = _candidates(_standard(_coarse(inner)), coarse, places)
            at = slice(CANDIDATES * mirrored, CANDIDATES * mirrored + candidates.shape[1])
            found[:, at], who[:, at] = _distances(inner, against, margins, candidates), candidates
    if places is not None:
        found[who == places[:, None]] = torch.inf
    return _nearest(found, who, k)


def copy_ratios(images: Tensor, training: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """How much nearer each image (N, ...) is to a training image (M, ...) than other training images are to that one.

    Returns the ratio of the two distances, 0 for a copy and about 1 for an image of one's own, and the training image:
    (N,) each; and the same ratio of each training image among the others, which says what is usual: (M,), of at most
    1,000 that `seed` draws. Training images that are in the set twice, maybe saved anew, count once. Without two
    different training images every ratio is 1.
    """
    if not len(training):
        return torch.ones(len(images)), torch.zeros(len(images), dtype=torch.int64), torch.ones(0)
    distances, found = (column[:, 0] for column in aligned_nearest(images, training))
    usual = torch.randperm(len(training), generator=generator(seed, "usual"))[:USUAL].sort().values
    among = _Neighbors.of(torch.unique(torch.cat([found, usual])), training)
    nearest, other = among.nearest(usual)
    around = among if len(among.places) == len(training) else _Neighbors.of(torch.unique(other), training)
    return (
        _ratio(distances, among.nearest(found)[0]),
        found,
        _ratio(nearest, around.nearest(other, but=usual)[0]),
    )


@dataclass(frozen=True)
class _Neighbors:
    """The nearest other training images of some training images. places: (S,), sorted; distances, who: (S, k)."""

    places: Tensor
    distances: Tensor
    who: Tensor

    @classmethod
    def of(cls, places: Tensor, training: Tensor) -> "_Neighbors":
        return cls(places, *aligned_nearest(training[places], training, k=4, places=places))

    def nearest(self, wanted: Tensor, *, but: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Distance from each of `wanted` (P,) to the nearest that differs, `but` that of the same row, and which."""
        rows = torch.searchsorted(self.places, wanted.contiguous())
        near, who = self.distances[rows], self.who[rows]
        different = near.masked_fill(near <= SAME, torch.inf)
        if but is not None:
            different = different.masked_fill(who == but[:, None], torch.inf)
        distances, place = different.min(1)
        return distances, who.gather(1, place[:, None])[:, 0]


def _ratio(distance: Tensor, usual: Tensor) -> Tensor:
    ratio = distance / usual
    return torch.where(usual.isfinite() & distance.isfinite(), ratio, 1.0)


def margins_of(small: Tensor) -> tuple[int, int]:
    """Pixels by which rows and columns may be shifted; 0 along a side that is too short, as a plain vector's is."""
    height, width = (max(1, round(MARGIN * side)) if side >= COARSE else 0 for side in small.shape[2:])
    return height, width


def _shifted(small: Tensor, margins: tuple[int, int]) -> list[Tensor]:
    """Parts of (N, C, h, w) that leave the margins out, at every shift."""
    (up, left), (height, width) = margins, small.shape[2:]
    return [
        small[:, :, row : height - 2 * up + row, column : width - 2 * left + column]
        for row in range(2 * up + 1)
        for column in range(2 * left + 1)
    ]


def _coarse(part: Tensor) -> Tensor:
    return adaptive_avg_pool2d(part, (min(COARSE, part.shape[2]), min(COARSE, part.shape[3])))


def _standard(part: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, D): each channel without its mean, the whole of length 1, or less where it is flat."""
    found = (part - part.mean((2, 3), keepdim=True)).flatten(1)
    standard: Tensor = found / found.norm(dim=1, keepdim=True).clamp_min(FLATTEST * found.shape[1] ** 0.5)
    return standard


def _candidates(points: Tensor, shifts: list[Tensor], places: Tensor | None) -> Tensor:
    """The nearest of (M, D), at the best of its shifts, to each of (N, D): indices (N, at most CANDIDATES)."""
    found = []
    for rows in torch.arange(len(points)).split(CHUNK):  # type: ignore[no-untyped-call]
        nearness = reduce(torch.maximum, (points[rows] @ shift.T for shift in shifts))
        if places is not None:
            nearness[torch.arange(len(rows)), places[rows]] = -torch.inf
        found.append(nearness.topk(min(CANDIDATES, nearness.shape[1])).indices)
    return torch.cat(found)


def _distances(inner: Tensor, others: Tensor, margins: tuple[int, int], candidates: Tensor) -> Tensor:
    """Distance of each inner part (N, C, h', w') to the best shift of its candidates among (M, C, h, w): (N, K).

    All shifts of a pair at once, by the Fourier transform: without its mean, a part's product with another needs not
    that other's mean, and the lengths of an image's parts are the same whatever it is compared with.
    """
    size, window = others.shape[2:], inner.shape[2:]
    points = _standard(inner).double().view(inner.shape)
    mine, theirs = torch.fft.rfft2(points, s=size).conj(), torch.fft.rfft2(others.double())
    lengths = lengths_of(others, window)
    rows, columns = (slice(0, 2 * margin + 1) for margin in margins)
    found = []
    for number, own in enumerate(candidates.split(PASS)):  # type: ignore[no-untyped-call]
        part = mine[number * PASS : number * PASS + len(own), None]
        products = torch.fft.irfft2((part * theirs[own]).sum(2), s=size)[:, :, rows, columns]
        best = (products / lengths[own]).flatten(2).amax(2)
        found.append((2 - 2 * best).clamp_min(0).sqrt().float())
    return torch.cat(found)


def lengths_of(images: Tensor, window: torch.Size) -> Tensor:
    """Length of each part of (N, C, h, w) as large as `window`, less its channels' means; as `_standard` has it."""
    images = images.double()
    squares, means = (
        avg_pool2d(avg_pool2d(tones, (window[0], 1), stride=1), (1, window[1]), stride=1)
        for tones in (images.square(), images)
    )
    n = window.numel()
    length = (n * (squares - means.square()).sum(1)).clamp_min(0).sqrt()
    return length.clamp_min(FLATTEST * (n * images.shape[1]) ** 0.5)


def _nearest(distances: Tensor, who: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row, each neighbor once."""
    order = distances.argsort(1)
    distances, who = distances.gather(1, order), who.gather(1, order)
    same = who[:, :, None] == who[:, None, :]
    again = same.tril(-1) & distances.isfinite()[:, None, :]
    distances = distances.masked_fill(again.any(2), torch.inf)
    distances, order = distances.sort(1)
    return distances[:, :k], who.gather(1, order)[:, :k]
