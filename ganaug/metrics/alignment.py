"""Nearest images by their pixels, whatever the brightness, contrast, small shifts, or mirroring.

Both images are averaged down to at most 32 x 32 pixels. The inner part of one image, as it is and mirrored, is compared
with every equally large part of the other, each standardized.
"""

from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from ganaug.images import downsample

MAX_SIDE = 32  # pixels a side that are compared
MARGIN = 1 / 8  # of a side, by which one image may be shifted against the other
COARSE_SIDE = 8  # pixels a side by which candidates are chosen
N_CANDIDATES = 8
MIN_DEVIATION = 0.02  # standard deviation of pixels in [0, 1]; flatter images are not amplified to a deviation of 1
IMAGES_PER_SEARCH, IMAGES_PER_COMPARISON = 512, 64  # for choosing candidates, and for comparing with them, at once


def aligned_nearest(
    images: Tensor, others: Tensor, *, k: int = 1, places: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Find the k nearest images of another set, by the distance of aligned pixels.

    Parameters
    ----------
    images, others : Tensor
        uint8 (N, C, H, W) and (M, C, H, W).
    k : int
        Number of neighbors, at most 16.
    places : Tensor or None
        Where `images` are a part of `others`: the row of each image there, int64 (N,), so that no image is its own
        neighbor.

    Returns
    -------
    distances : Tensor
        float32, (N, k), nearest first: 0 for the same picture, about 1.41 for an unrelated one, at most 2. Infinity
        where there are fewer than k others.
    rows : Tensor
        int64, (N, k): rows of `others`.

    Notes
    -----
    The distance is sqrt(2 - 2 r), where r is the correlation at the best alignment. Only 8 candidates for each image,
    and 8 for its mirror image, are compared; they are chosen by 8 x 8 pixels. So a neighbor may be missed unless it is
    near.

    References
    ----------
    Lewis, "Fast normalized cross-correlation", 1995, for the correlation at all shifts.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import aligned_nearest
    >>> others = torch.randint(0, 256, (9, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    >>> changed = others[:3].flip(3) // 2 + 20  # mirrored, darker and with less contrast
    >>> distances, rows = aligned_nearest(changed, others)
    >>> rows[:, 0].tolist(), bool((distances < 0.1).all())
    ([0, 1, 2], True)
    """
    columns = 2 * N_CANDIDATES
    distances, rows = (
        torch.full((len(images), columns), torch.inf, dtype=torch.float32),
        torch.zeros(len(images), columns, dtype=torch.int64),
    )
    if len(images) and len(others):
        small, small_others = downsample(images, MAX_SIDE), downsample(others, MAX_SIDE)
        margins = shift_margins(small_others)
        shifts = [_standardize(_coarse(part)) for part in _all_shifts(small_others, margins)]
        (top, left), (height, width) = margins, small.shape[2:]
        for is_mirrored in (False, True):
            view = small.flip(3) if is_mirrored else small
            inner = view[:, :, top : height - top, left : width - left]
            candidates = _find_candidates(_standardize(_coarse(inner)), shifts, places)
            at = slice(N_CANDIDATES * is_mirrored, N_CANDIDATES * is_mirrored + candidates.shape[1])
            distances[:, at] = _compare(inner, small_others, margins, candidates)
            rows[:, at] = candidates
    if places is not None:
        distances[rows == places[:, None]] = torch.inf
    return _smallest(distances, rows, k)


def shift_margins(small: Tensor) -> tuple[int, int]:
    """Rows and columns by which images (N, C, h, w) may be shifted; 0 along sides of fewer than 8 pixels."""
    rows, columns = (max(1, round(MARGIN * side)) if side >= COARSE_SIDE else 0 for side in small.shape[2:])
    return rows, columns


def window_norms(images: Tensor, window: torch.Size) -> Tensor:
    """Norm of each part of (N, C, h, w) of size `window`, after its channels' means are subtracted.

    Returns float64 (N, h - h' + 1, w - w' + 1) for a window (h', w'), with the lower bound of `_standardize`.
    """
    # the difference of two nearly equal means cancels in float32
    images = images.double()
    mean_squares, means = (
        # two one-dimensional pools cost less than one over the whole window
        avg_pool2d(avg_pool2d(values, (window[0], 1), stride=1), (1, window[1]), stride=1)
        for values in (images.square(), images)
    )
    n = window.numel()
    # rounding can make a variance slightly negative
    norms = (n * (mean_squares - means.square()).sum(1)).clamp_min(0).sqrt()
    return norms.clamp_min(MIN_DEVIATION * (n * images.shape[1]) ** 0.5)


def _all_shifts(small: Tensor, margins: tuple[int, int]) -> list[Tensor]:
    """Parts of (N, C, h, w) that are smaller by the margins on each side, at every shift."""
    (top, left), (height, width) = margins, small.shape[2:]
    return [
        small[:, :, row : height - 2 * top + row, column : width - 2 * left + column]
        for row in range(2 * top + 1)
        for column in range(2 * left + 1)
    ]


def _coarse(part: Tensor) -> Tensor:
    """Average (N, C, h, w) down to at most 8 x 8 pixels."""
    return adaptive_avg_pool2d(part, (min(COARSE_SIDE, part.shape[2]), min(COARSE_SIDE, part.shape[3])))


def _standardize(part: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, D): each channel less its mean, then divided by the norm; nearly flat ones stay shorter."""
    centered = (part - part.mean((2, 3), keepdim=True)).flatten(1)
    standardized: Tensor = centered / centered.norm(dim=1, keepdim=True).clamp_min(
        MIN_DEVIATION * centered.shape[1] ** 0.5
    )
    return standardized


def _find_candidates(points: Tensor, shifts: list[Tensor], places: Tensor | None) -> Tensor:
    """The most correlated of (M, D), at the best of its shifts, for each of (N, D): rows, (N, min(M, 8))."""
    parts = []
    for rows in torch.arange(len(points)).split(IMAGES_PER_SEARCH):  # type: ignore[no-untyped-call]
        correlations = reduce(torch.maximum, (points[rows] @ shift.T for shift in shifts))
        if places is not None:
            correlations[torch.arange(len(rows)), places[rows]] = -torch.inf
        parts.append(correlations.topk(min(N_CANDIDATES, correlations.shape[1])).indices)
    return torch.cat(parts)


def _compare(inner: Tensor, others: Tensor, margins: tuple[int, int], candidates: Tensor) -> Tensor:
    """Distance of each inner part (N, C, h', w') to the best shift of its candidates among (M, C, h, w): (N, K).

    The Fourier transform gives the products at all shifts at once. Since the inner part has mean 0, the means of the
    other image's parts do not matter, and the norms of these parts do not depend on what they are compared with.
    """
    size, window = others.shape[2:], inner.shape[2:]
    standardized = _standardize(inner).double().view(inner.shape)
    # all shifts by one FFT cost less than a product for each shift
    spectra, other_spectra = torch.fft.rfft2(standardized, s=size).conj(), torch.fft.rfft2(others.double())
    norms = window_norms(others, window)
    row_shifts, column_shifts = (slice(0, 2 * margin + 1) for margin in margins)
    parts = []
    for number, rows in enumerate(candidates.split(IMAGES_PER_COMPARISON)):  # type: ignore[no-untyped-call]
        start = number * IMAGES_PER_COMPARISON
        product_spectra = (spectra[start : start + len(rows), None] * other_spectra[rows]).sum(2)
        products = torch.fft.irfft2(product_spectra, s=size)[:, :, row_shifts, column_shifts]
        correlations = (products / norms[rows]).flatten(2).amax(2)
        parts.append((2 - 2 * correlations).clamp_min(0).sqrt().float())
    return torch.cat(parts)


def _smallest(distances: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest distances of each image, and their rows, each row once."""
    order = distances.argsort(1)
    distances, rows = distances.gather(1, order), rows.gather(1, order)
    is_same_row = rows[:, :, None] == rows[:, None, :]
    is_repeated = (is_same_row.tril(-1) & distances.isfinite()[:, None, :]).any(2)
    distances, order = distances.masked_fill(is_repeated, torch.inf).sort(1)
    return distances[:, :k], rows.gather(1, order)[:, :k]
