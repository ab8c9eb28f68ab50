"""The Haar transform of images to four bands of half their resolution.

References
----------
- Haar (1910), "Zur Theorie der orthogonalen Funktionensysteme".
- Gal et al. (2021), "SWAGAN: A Style-based Wavelet-driven Generative Model".
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

N_BANDS = 4
# rows: average, horizontal, vertical and diagonal difference of the pixels (0, 0), (0, 1), (1, 0), (1, 1) of a block
MATRIX = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))


def split_bands(images: Tensor, detail_weight: float = 1.0) -> Tensor:
    """Transform each block of 2 x 2 pixels to its average and three differences.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
        The last row and column are repeated where H or W is odd.
    detail_weight : float, default=1.0
        Factor of the differences.

    Returns
    -------
    Tensor of shape (N, 4 C, H / 2, W / 2)
        The four bands of each channel. With a weight of 1 the transform is orthonormal: it keeps distances between
        images.

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
    n_channels = images.shape[1]
    matrix = torch.tensor(MATRIX, dtype=images.dtype, device=images.device) / 2
    matrix[1:] *= detail_weight
    filters = matrix.view(N_BANDS, 1, 2, 2).repeat(n_channels, 1, 1, 1)
    return conv2d(images, filters, stride=2, groups=n_channels)
