"""DCGAN (Radford et al. 2016) with class conditioning.

The class enters the generator through conditional batch norm and the discriminator through projection.

References
----------
- Gal et al. (2021), "SWAGAN: A Style-based Wavelet-driven Generative Model".
- Odena et al. (2016), "Deconvolution and Checkerboard Artifacts".
- Radford et al. (2016), "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks".
- Khorram et al. (2024), "Taming the Tail in Class-Conditional GANs: Knowledge Sharing via Unconditional Training at
  Lower Resolutions" (UTLO).
"""

import math
from collections.abc import Callable
from functools import reduce
from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, leaky_relu_, pad

from ganaug.models.networks.blocks import (
    ConditionalBatchNorm,
    Normalization,
    Projection,
    Shape,
    center_crop,
    upsampling_plan,
    with_normalization,
)
from ganaug.models.networks.haar import N_BANDS, HaarTransform

DETAIL_WEIGHT = 2.0  # in photos, differences of neighboring pixels are small
INITIAL_STD = 0.02  # of weights (Radford et al. 2016, section 4)


class SmoothUpsampling(nn.Module):
    """Upsampling by 2 and a convolution, computed as one transposed convolution.

    All pixels of the output have the same weights, so the layer makes no checkerboard (Odena et al. 2016), which a
    transposed convolution with free weights does. Both steps are linear: a larger kernel, sums of the shifted weights,
    gives the same output without multiplications at the full resolution.

    Parameters
    ----------
    before, after : int
        Channels.
    size : int, default=3
        Pixels a side of the convolution; odd for nearest-neighbor upsampling, even for linear interpolation.
    is_linear : bool, default=False
        Whether upsampling interpolates linearly, instead of repeating each pixel.
    bias : bool, default=False

    Examples
    --------
    >>> import torch
    >>> from torch.nn.functional import conv2d, interpolate
    >>> from ganaug.models.networks.dcgan import SmoothUpsampling
    >>> layer, features = SmoothUpsampling(2, 3), torch.rand(1, 2, 4, 5)
    >>> weight = layer.weight.transpose(0, 1).flip(2, 3)
    >>> expected = conv2d(interpolate(features, scale_factor=2.0), weight, padding=1)
    >>> torch.allclose(layer(features), expected, atol=1e-6)
    True
    """

    def __init__(self, before: int, after: int, size: int = 3, *, is_linear: bool = False, bias: bool = False) -> None:
        super().__init__()
        self.is_linear = is_linear
        self.weight = nn.Parameter(torch.empty(before, after, size, size))
        nn.init.normal_(self.weight, std=INITIAL_STD)
        self.bias = nn.Parameter(torch.zeros(after)) if bias else None
        self.padding = size // 2

    def forward(self, features: Tensor) -> Tensor:
        """(N, before, H, W) -> (N, after, 2 H, 2 W)."""
        kernel = _sum_of_shifted(self.weight)
        if self.is_linear:  # a triangle is two boxes
            kernel = _sum_of_shifted(kernel) / 4
        return conv_transpose2d(features, kernel, self.bias, stride=2, padding=self.padding)


def _sum_of_shifted(weights: Tensor) -> Tensor:
    """(..., k, k) -> (..., k + 1, k + 1): the sum of the weights shifted by 0 and 1 pixels in each direction."""
    return reduce(torch.add, (pad(weights, (x, 1 - x, y, 1 - y)) for y, x in product((0, 1), (0, 1))))


def _transposed(before: int, after: int) -> nn.Module:
    """4 x 4 transposed convolution with stride 2 (Radford et al. 2016)."""
    # no biases in these layers: batch norm cancels them
    layer = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
    nn.init.normal_(layer.weight, std=INITIAL_STD)
    return layer


# name -> (channels before, after) -> layer that doubles height and width
UPSAMPLING: dict[str, Callable[[int, int], nn.Module]] = {"transposed": _transposed, "smooth": SmoothUpsampling}


class DCGANGenerator(nn.Module):
    """Generator of convolutions that double the resolution in each stage.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images; H and W at least 8.
    n_classes : int
    latent_size : int
    width : int
        Sets the channels. Counted from the last stage, they are width / 2, then 2, 4 and 8 times `width`, then 8 times
        `width` in all earlier stages.
    shared_stages : int, default=0
        Number of first stages, of the lowest resolutions, in which all classes share gains and biases, so rare classes
        learn coarse shapes from common ones (Khorram et al. 2024, without their second discriminator).
    upsampling : str, default="transposed"
        A key of `UPSAMPLING`.
    is_halved : bool, default=False
        Whether all layers but the last work at half the resolution, at a quarter of the cost. The last one is then a
        `SmoothUpsampling` with linear interpolation and 4 x 4 weights.
    """

    def __init__(
        self,
        shape: Shape,
        n_classes: int,
        latent_size: int,
        width: int,
        *,
        shared_stages: int = 0,
        upsampling: str = "transposed",
        is_halved: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.shared_stages, self.is_halved = shape, shared_stages, is_halved
        n_doublings, self.start = upsampling_plan(_halved(shape) if is_halved else shape)
        # the last stage has the most pixels, and its element-wise operations cost more than its convolutions
        channels = [width * 2 ** min(3, n_doublings - stage) for stage in range(n_doublings)] + [max(1, width // 2)]
        self.first = nn.Linear(latent_size, channels[0] * self.start[0] * self.start[1], bias=False)
        self.norms = nn.ModuleList(
            ConditionalBatchNorm(size, 1 if stage < shared_stages else n_classes) for stage, size in enumerate(channels)
        )
        self.ups = nn.ModuleList(UPSAMPLING[upsampling](before, after) for before, after in pairwise(channels))
        self.last = (
            SmoothUpsampling(channels[-1], shape[0], 4, is_linear=True, bias=True)
            if is_halved
            else nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        )
        for layer in (self.first, self.last):
            nn.init.normal_(layer.weight, std=INITIAL_STD)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Latent vectors (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1]."""
        features = self.first(latent).unflatten(1, (-1, *self.start))
        zeros = torch.zeros_like(labels)  # a shared stage has one row of gains and biases
        features = torch.relu_(self.norms[0](features, zeros if self.shared_stages else labels))
        for stage, (up, norm) in enumerate(zip(self.ups, self.norms[1:], strict=True), start=1):
            features = torch.relu_(norm(up(features), zeros if stage < self.shared_stages else labels))
        _, height, width = self.shape
        if self.is_halved:
            return torch.tanh(center_crop(self.last(features), height, width))
        # cropped first, because that is cheaper
        return torch.tanh(self.last(center_crop(features, height, width)))


class DCGANDiscriminator(nn.Module):
    """Discriminator of strided convolutions, down to about 4 x 4 pixels.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images; H and W at least 8.
    n_classes : int
    width : int
        Channels of the first layer. They double in each layer, up to 8 times `width`.
    normalization : {"spectral", "batch", "none"}
        "batch" leaves the first layer without normalization (Radford et al. 2016, section 3).
    is_halved : bool, default=False
        Whether the first layer sees the Haar bands of an image, at half its resolution (Gal et al. 2021); those of fine
        details with a larger weight.
    gain : float, default=1.0
        Factor of each layer's output. Spectral normalization and leaky ReLU halve a signal in about two layers, and
        with it the generator's gradient; sqrt(2) keeps it.
    """

    def __init__(
        self,
        shape: Shape,
        n_classes: int,
        width: int,
        normalization: Normalization,
        *,
        is_halved: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.stem = HaarTransform(shape[0], DETAIL_WEIGHT) if is_halved else nn.Identity()
        inner = _halved(shape) if is_halved else shape
        n_halvings = max(1, round(math.log2(min(inner[1:]) / 4)))
        channels = [inner[0], *(width * 2 ** min(3, stage) for stage in range(n_halvings))]
        self.downs = nn.ModuleList(
            with_normalization(
                nn.Conv2d(before, after, 4, stride=2, padding=1),
                after,
                # batch norm of the first layer makes training unstable (Radford et al. 2016, section 3)
                "none" if normalization == "batch" and layer == 0 else normalization,
            )
            for layer, (before, after) in enumerate(pairwise(channels))
        )
        # two images, because batch norm rejects a single value per channel
        with torch.no_grad():
            size = self.features(torch.zeros(2, *shape)).shape[1]
        self.head = Projection(size, n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> flattened features (N, D) before the projection head."""
        images = self.stem(images)
        for down in self.downs:
            # in place to save memory: no layer needs its output in the backward pass
            images = leaky_relu_(down(images), 0.2)
            images = images if self.gain == 1 else images * self.gain
        return images.flatten(1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,)."""
        logits: Tensor = self.head(self.features(images), labels)
        return logits


def _halved(shape: Shape) -> Shape:
    """Return the shape of the Haar bands of images."""
    return N_BANDS * shape[0], -(-shape[1] // 2), -(-shape[2] // 2)
