"""The Haar transform between images and four bands of half their resolution.

References
----------
- Haar (1910), "Zur Theorie der orthogonalen Funktionensysteme".
- Gal et al. (2021), "SWAGAN: A Style-based Wavelet-driven Generative Model".
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, pad

N_BANDS = 4
# rows: average, horizontal, vertical and diagonal difference of the pixels (0, 0), (0, 1), (1, 0), (1, 1) of a block
MATRIX = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))


def split_bands(images: Tensor) -> Tensor:
    """Transform each block of 2 x 2 pixels to its average and three differences.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
        The last row and column are repeated where H or W is odd.

    Returns
    -------
    Tensor of shape (N, 4 C, H / 2, W / 2)
        The four bands of each channel. The transform is orthonormal: it keeps distances between images.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.haar import split_bands
    >>> split_bands(torch.full((1, 1, 2, 2), 3.0)).flatten()
    tensor([6., 0., 0., 0.])
    """
    height, width = images.shape[2:]
    if height % 2 or width % 2:
        images = pad(images, (0, width % 2, 0, height % 2), mode="replicate")
    return conv2d(images, _filters(images, images.shape[1]), stride=2, groups=images.shape[1])


def merge_bands(bands: Tensor) -> Tensor:
    """Transform bands back to images: the inverse of `split_bands`.

    Parameters
    ----------
    bands : Tensor of shape (N, 4 C, H, W)

    Returns
    -------
    Tensor of shape (N, C, 2 H, 2 W)

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.haar import merge_bands, split_bands
    >>> images = torch.rand(2, 3, 8, 6)
    >>> torch.allclose(merge_bands(split_bands(images)), images, atol=1e-6)
    True
    """
    n_channels = bands.shape[1] // N_BANDS
    # the transform is orthonormal, so its transpose is its inverse
    return conv_transpose2d(bands, _filters(bands, n_channels), stride=2, groups=n_channels)


def _filters(like: Tensor, n_channels: int) -> Tensor:
    """Return the filters (4 C, 1, 2, 2) of C channels."""
    matrix = torch.tensor(MATRIX, dtype=like.dtype, device=like.device) / 2
    return matrix.view(N_BANDS, 1, 2, 2).repeat(n_channels, 1, 1, 1)
