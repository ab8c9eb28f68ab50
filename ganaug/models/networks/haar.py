"""The Haar transform of images to four bands of half their resolution.

References
----------
- Haar (1910), "Zur Theorie der orthogonalen Funktionensysteme".
- Gal et al. (2021), "SWAGAN: A Style-based Wavelet-driven Generative Model".
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

N_BANDS = 4
# rows: average, horizontal, vertical and diagonal difference of the pixels (0, 0), (0, 1), (1, 0), (1, 1) of a block
MATRIX = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))


class HaarTransform(nn.Module):
    """Transforms each block of 2 x 2 pixels to its average and three differences. Nothing is trained.

    Parameters
    ----------
    n_channels : int
        C of the images.
    detail_weight : float, default=1.0
        Factor of the differences. With 1, the transform is orthonormal: it keeps distances between images.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.haar import HaarTransform
    >>> HaarTransform(1)(torch.full((1, 1, 2, 2), 3.0)).flatten()
    tensor([6., 0., 0., 0.])
    """

    filters: Tensor

    def __init__(self, n_channels: int, detail_weight: float = 1.0) -> None:
        super().__init__()
        matrix = torch.tensor(MATRIX, dtype=torch.float32) / 2
        matrix[1:] *= detail_weight
        filters = matrix.view(N_BANDS, 1, 2, 2).repeat(n_channels, 1, 1, 1)
        # a buffer, so that they are on the device of the images; constant, so not part of a checkpoint
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 4 C, H / 2, W / 2). The last row and column are repeated where H or W is odd."""
        n_channels, height, width = images.shape[1:]
        if height % 2 or width % 2:
            images = pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        return conv2d(images, self.filters, stride=2, groups=n_channels)
