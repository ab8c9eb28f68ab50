"""How alike are two images, whatever their brightness and contrast, a small shift, or being mirrored?"""

from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganaug.images import pooled

LARGEST = 32  # pixels a side that are compared
MARGIN = 1 / 8  # of a side, by which one image may be shifted against the other
COARSE = 8  # pixels a side that choose whom to compare with
CANDIDATES = 8
SAME = 0.02  # distance below which two training images are one image twice
FLATTEST = 0.02  # standard deviation, of tones in [0, 1], below which an image shows nothing to go by
CHUNK, PASS = 512, 16  # images whose candidates are found, and which are compared, at once


def aligned_nearest(images: Tensor, others: Tensor, *, k: int = 1, themselves: bool = False) -> tuple[Tensor, Tensor]:
    """Distances from images (N, C, H, W) to their k nearest `others` (M, C, H, W), all uint8, and which: (N, k) each.

    The distance is sqrt(2 - 2 r), r the correlation of the inner part of the image, as it is or mirrored, with the part
    of the other that fits it best: 0 for the same picture, 1.41 for an unrelated one. themselves: `others` are
    `images`, and none is its own neighbour. Where there are fewer than k others the rest is infinity. Candidates are
    found on 8 x 8 pixels, so a neighbour that is not near may be missed.
    """
    columns = 2 * CANDIDATES
    found, who = torch.full((len(images), columns), torch.inf), torch.zeros(len(images), columns, dtype=torch.int64)
    if len(images) and len(others):
        small, against = pooled(images, LARGEST), pooled(others, LARGEST)
        margins = _margins(against)
        coarse = [_standard(_coarse(part)) for part in _shifted(against, margins, steps=2 * max(margins) + 1)]
        for mirrored in (False, True):
            inner = next(iter(_shifted(small.flip(3) if mirrored else small, margins, steps=1)))
            candidates = _candidates(_standard(_coarse(inner)), coarse, themselves=themselves)
            at = slice(CANDIDATES * mirrored, CANDIDATES * mirrored + candidates.shape[1])
            found[:, at], who[:, at] = _distances(_standard(inner), against, margins, candidates), candidates
    if themselves:
        found[who == torch.arange(len(images))[:, None]] = torch.inf
    return _nearest(found, who, k)


def copy_ratios(images: Tensor, training: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How much nearer each image (N, ...) is to a training image (M, ...) than other training images are to that one.

    Returns the ratio of the two distances, 0 for a copy and about 1 for an image of one's own, and the training image:
    (N,) each; and the same ratio of each training image among the others, which says what is usual: (M,). Training
    images that are in the set twice count once. Without two different training images every ratio is 1.
    """
    if not len(training):
        return torch.ones(len(images)), torch.zeros(len(images), dtype=torch.int64), torch.ones(0)
    near, who = aligned_nearest(training, training, k=4, themselves=True)
    different = torch.where(near > SAME, near, torch.inf)
    own = different.amin(1)
    distances, found = (column[:, 0] for column in aligned_nearest(images, training))
    return _ratio(distances, own[found]), found, _among_training(different, who, own)


def _among_training(different: Tensor, who: Tensor, own: Tensor) -> Tensor:
    nearest, place = different.min(1)
    other = who.gather(1, place[:, None])[:, 0]
    rows = torch.arange(len(own))[:, None]
    without_me = torch.where(who[other] == rows, torch.inf, different[other]).amin(1)
    return _ratio(nearest, without_me)


def _ratio(distance: Tensor, usual: Tensor) -> Tensor:
    ratio = distance / usual
    return torch.where(usual.isfinite() & distance.isfinite(), ratio, 1.0)


def _margins(small: Tensor) -> tuple[int, int]:
    """Pixels by which rows and columns may be shifted; 0 along a side that is too short, as a plain vector's is."""
    height, width = (max(1, round(MARGIN * side)) if side >= COARSE else 0 for side in small.shape[2:])
    return height, width


def _shifted(small: Tensor, margins: tuple[int, int], *, steps: int) -> list[Tensor]:
    """Parts of (N, C, h, w) that leave the margins out: the middle for one step, else every shift in `steps` steps."""
    (up, left), (height, width) = margins, small.shape[2:]
    rows, columns = (
        sorted({round(2 * m * s / (steps - 1)) if steps > 1 else m for s in range(steps)}) for m in margins
    )
    size = height - 2 * up, width - 2 * left
    return [small[:, :, r : r + size[0], c : c + size[1]] for r in rows for c in columns]


def _coarse(part: Tensor) -> Tensor:
    return adaptive_avg_pool2d(part, (min(COARSE, part.shape[2]), min(COARSE, part.shape[3])))


def _standard(part: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, D): each channel without its mean, the whole of length 1, or less where it is flat."""
    found = (part - part.mean((2, 3), keepdim=True)).flatten(1)
    standard: Tensor = found / found.norm(dim=1, keepdim=True).clamp_min(FLATTEST * found.shape[1] ** 0.5)
    return standard


def _candidates(points: Tensor, shifts: list[Tensor], *, themselves: bool) -> Tensor:
    """The nearest of (M, D), at the best of its shifts, to each of (N, D): indices (N, at most CANDIDATES)."""
    found = []
    for start in range(0, len(points), CHUNK):
        part = points[start : start + CHUNK]
        nearness = reduce(torch.maximum, (part @ shift.T for shift in shifts))
        if themselves:
            nearness.diagonal(start).fill_(-torch.inf)
        found.append(nearness.topk(min(CANDIDATES, nearness.shape[1])).indices)
    return torch.cat(found)


def _distances(points: Tensor, others: Tensor, margins: tuple[int, int], candidates: Tensor) -> Tensor:
    """Distance of each of (N, D) to the best shift of each of its candidates among (M, C, h, w): (N, K)."""
    found = []
    for part, own in zip(points.split(PASS), candidates.split(PASS), strict=True):  # type: ignore[no-untyped-call]
        shown = others[own.flatten()]
        best = torch.full((own.numel(),), -1.0)
        mine = part.repeat_interleave(own.shape[1], 0)
        for shift in _shifted(shown, margins, steps=2 * max(margins) + 1):
            best = torch.maximum(best, (_standard(shift) * mine).sum(1))
        found.append((2 - 2 * best).clamp_min(0).sqrt().view(own.shape))
    return torch.cat(found)


def _nearest(distances: Tensor, who: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row, each neighbour once."""
    order = distances.argsort(1)
    distances, who = distances.gather(1, order), who.gather(1, order)
    same = who[:, :, None] == who[:, None, :]
    again = same.tril(-1) & distances.isfinite()[:, None, :]
    distances = distances.masked_fill(again.any(2), torch.inf)
    distances, order = distances.sort(1)
    return distances[:, :k], who.gather(1, order)[:, :k]
