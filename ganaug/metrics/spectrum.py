"""Spectra of images: checkerboards and missing detail, two flaws of convolutional generators."""

import torch
from torch import Tensor

PERIODS = (2, 4, 8)  # pixels: the strides of up to three stages that double the resolution
N_NEIGHBORS = 2  # frequencies on each side that a period is compared with
CHUNK = 256  # images


def grid_score(images: Tensor, real: Tensor) -> dict[int, float]:
    """Measure periodic grids, such as the checkerboard of transposed convolutions.

    Parameters
    ----------
    images, real : Tensor of shape (N, C, H, W), uint8
        Synthetic and real images of one size.

    Returns
    -------
    dict of int to float
        Period in pixels -> power at this period relative to the two next frequencies on each side, divided by the same
        ratio of the real images. 1: no grid. Periods for which the images are too small are left out.

    Notes
    -----
    Powers are averaged over images, channels, and the rows and columns; those of neighboring frequencies by their
    geometric mean, because spectra of photos fall with the frequency.

    References
    ----------
    Odena et al. (2016). Deconvolution and checkerboard artifacts. Distill.
    Durall et al. (2020). Watch your up-convolution. CVPR.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import grid_score
    >>> real = torch.randint(0, 256, (50, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    >>> board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 40
    >>> scores = grid_score(real.div(2, rounding_mode="floor") + board.to(torch.uint8), real)
    >>> scores[2] > 2, scores[4] < 1.5
    (True, True)
    """
    of_images, of_real = _axis_spectra(images), _axis_spectra(real)
    sizes = [2 * (len(spectrum) - 1) for spectrum in of_real]
    periods = [p for p in PERIODS if all(size % p == 0 and size // p > N_NEIGHBORS for size in sizes)]
    return {
        period: sum(_peak_ratio(spectrum, period) for spectrum in of_images)
        / max(sum(_peak_ratio(spectrum, period) for spectrum in of_real), 1e-12)
        for period in periods
    }


def detail_score(images: Tensor, real: Tensor) -> float:
    """Measure how much fine detail images have: the power of the upper half of the frequencies, relative to real ones.

    Parameters
    ----------
    images, real : Tensor of shape (N, C, H, W), uint8
        Synthetic and real images of one size.

    Returns
    -------
    float
        1: as much as real images; less: blurred; more: noisy, or with a grid.

    Notes
    -----
    Mean power along rows and columns at periods below four pixels.

    References
    ----------
    Schwarz et al. (2021). On the frequency bias of generative models. NeurIPS 34.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import detail_score
    >>> real = torch.randint(0, 256, (50, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    >>> blurred = torch.nn.functional.avg_pool2d(real.float(), 3, stride=1, padding=1).to(torch.uint8)
    >>> detail_score(blurred, real) < 0.5
    True
    """
    powers = [
        sum(float(spectrum[len(spectrum) // 2 :].mean()) for spectrum in _axis_spectra(part)) for part in (images, real)
    ]
    return powers[0] / max(powers[1], 1e-12)


def _axis_spectra(images: Tensor) -> list[Tensor]:
    """Mean power along the columns and along the rows, each at frequencies 0 to 1/2."""
    spectra = []
    for axis in (2, 3):
        size = images.shape[axis] // max(PERIODS) * max(PERIODS) or images.shape[axis]
        total = torch.zeros(size // 2 + 1, dtype=torch.float64)
        for part in torch.split(images.narrow(axis, 0, size), CHUNK):
            power = torch.fft.rfft(part.to(torch.float32), dim=axis, norm="ortho").abs().square()
            total += power.movedim(axis, -1).flatten(0, -2).to(torch.float64).mean(0) * len(part)
        spectra.append(total / len(images))
    return spectra


def _peak_ratio(spectrum: Tensor, period: int) -> float:
    """Power at a period relative to its neighbors."""
    place = 2 * (len(spectrum) - 1) // period
    shifts = [shift for shift in range(-N_NEIGHBORS, N_NEIGHBORS + 1) if shift]
    beside = [place + shift for shift in shifts if place + shift < len(spectrum)]
    neighbors = spectrum[beside].clamp_min(1e-12).log().mean().exp()
    return float(spectrum[place] / neighbors)
