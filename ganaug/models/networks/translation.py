"""Networks of image-to-image translation: U-Net, residual translator, and patch discriminator.

They follow Pix2Pix (Isola et al. 2017, appendix 6.1) and CycleGAN (Zhu et al. 2017, appendix 7.2) and take any height
and width: images whose height or width the strides do not divide are padded by reflection, and the output is cropped.

References
----------
- Isola et al. (2017), "Image-to-Image Translation with Conditional Adversarial Networks" (Pix2Pix).
- Zhu et al. (2017), "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (CycleGAN).
- Johnson et al. (2016), "Perceptual Losses for Real-Time Style Transfer and Super-Resolution".
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from ganaug.models.networks.blocks import Shape, center_crop

Uniform = Callable[..., Tensor]  # (N, C, H, W) as four integers -> uniform in [0, 1) of that shape
DROPOUT = 0.5
N_DROPOUT_STAGES = 3  # decoder stages with dropout, from the innermost on (Isola et al. 2017, appendix 6.1.1)
MAX_DEPTH = 8
MAX_PADDED_AREA_RATIO = 1.1  # padded area / image area


def unet_depth(height: int, width: int) -> int:
    """Choose the number of halvings of a U-Net.

    Parameters
    ----------
    height, width : int
        Size of the images in pixels.

    Returns
    -------
    int
        At most 8, and at most ``round(log2(shorter side))``. From depth 4 (or this maximum, if smaller) up to it: the
        largest depth whose padding to a multiple of ``2 ** depth`` adds at most 10 % of the area; if none, the depth
        that adds least.

    Examples
    --------
    >>> from ganaug.models.networks.translation import unet_depth
    >>> unet_depth(256, 256), unet_depth(96, 128)
    (8, 5)
    """
    deepest = max(1, min(MAX_DEPTH, round(math.log2(min(height, width)))))

    def padded_area(depth: int) -> int:
        multiple = 1 << depth
        return -(-height // multiple) * -(-width // multiple) * multiple * multiple

    depths = range(min(4, deepest), deepest + 1)
    economical = [depth for depth in depths if padded_area(depth) <= MAX_PADDED_AREA_RATIO * height * width]
    return max(economical) if economical else min(depths, key=lambda depth: (padded_area(depth), -depth))


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad images by reflection so that `multiple` divides height and width; the image stays in the center.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
    multiple : int

    Returns
    -------
    Tensor of shape (N, C, H', W')
        If an image is too small to be reflected, its border is repeated.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.translation import pad_to_multiple
    >>> pad_to_multiple(torch.arange(3.0).expand(1, 1, 2, 3), 2)[0, 0, 0]
    tensor([0., 1., 2., 1.])
    """
    height, width = images.shape[2:]
    vertical, horizontal = -height % multiple, -width % multiple
    top, left = vertical // 2, horizontal // 2
    padding = [left, horizontal - left, top, vertical - top]
    # torch cannot reflect as many pixels as the image has, or more
    mode = "reflect" if max(padding[:2]) < width and max(padding[2:]) < height else "replicate"
    return pad(images, padding, mode=mode) if any(padding) else images


def initialize_weights(module: nn.Module) -> None:
    """Draw the weights of all convolutions from N(0, 0.02) and set their biases to 0, as in both papers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def convolution(
    layer_type: type[nn.Module], before: int, after: int, size: int, *, norm: bool = True, **options: int
) -> nn.Module:
    """Create a convolution, followed by instance norm if `norm`.

    Parameters
    ----------
    layer_type : type
        `nn.Conv2d` or `nn.ConvTranspose2d`.
    before, after : int
        Input and output channels.
    size : int
        Size of the kernel.
    norm : bool, default=True
    **options : int
        Such as ``stride=2``.

    Returns
    -------
    nn.Module
    """
    layer = layer_type(before, after, size, bias=not norm, **options)  # instance norm cancels a bias
    return nn.Sequential(layer, nn.InstanceNorm2d(after)) if norm else layer


class UNetGenerator(nn.Module):
    """U-Net of Pix2Pix: an encoder, a decoder, and skip connections between equal resolutions.

    Dropout in the innermost decoder stages stays on during sampling. It is the only source of randomness, so it decides
    which of the possible outputs for an input is drawn.

    Parameters
    ----------
    source, target : tuple of int
        (C, H, W) of the inputs and (C', H, W) of the outputs.
    width : int
        Channels of the first stage. They double in each stage, up to 8 times `width`.
    """

    def __init__(self, source: Shape, target: Shape, width: int) -> None:
        super().__init__()
        self.n_stages = unet_depth(source[1], source[2])
        channels = [width * 2 ** min(3, stage) for stage in range(self.n_stages)]
        last = self.n_stages - 1
        self.downs = nn.ModuleList(
            # the last stage has one or two pixels, which have no variance; the first sees the image unchanged
            convolution(nn.Conv2d, before, after, 4, norm=0 < stage < last, stride=2, padding=1)
            for stage, (before, after) in enumerate(pairwise([source[0], *channels]))
        )
        decoder_channels = [*reversed(channels), target[0]]
        self.ups = nn.ModuleList(
            # twice the channels from the second stage on: those of the skip connection are concatenated
            convolution(
                nn.ConvTranspose2d,
                before if stage == 0 else 2 * before,
                after,
                4,
                norm=stage < last,
                stride=2,
                padding=1,
            )
            for stage, (before, after) in enumerate(pairwise(decoder_channels))
        )
        initialize_weights(self)

    def forward(self, images: Tensor, uniform: Uniform) -> Tensor:
        """Images (N, C, H, W) -> images (N, C', H, W) in [-1, 1]; `uniform` draws what dropout removes."""
        features, skips = pad_to_multiple(images, 2**self.n_stages), []
        for stage, down in enumerate(self.downs):
            features = down(features if stage == 0 else leaky_relu(features, 0.2))
            skips.append(features)
        for stage, up in enumerate(self.ups):
            features = up(torch.relu(features))
            if stage < min(N_DROPOUT_STAGES, self.n_stages - 1):
                # nn.Dropout would draw from the global generator, and samples could not be reproduced from their seeds
                features = features * (uniform(*features.shape) >= DROPOUT).to(features) / (1 - DROPOUT)
            if stage < self.n_stages - 1:
                features = torch.cat([features, skips[-2 - stage]], 1)
        return center_crop(torch.tanh(features), images.shape[2], images.shape[3])


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with reflection padding and instance norm, added to the input: (N, C, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(convolution(nn.Conv2d, channels, channels, 3) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, channels, H, W) -> same shape."""
        residual = torch.relu(self.layers[0](pad(features, [1, 1, 1, 1], mode="reflect")))
        output: Tensor = features + self.layers[1](pad(residual, [1, 1, 1, 1], mode="reflect"))
        return output


class ResNetTranslator(nn.Module):
    """Generator of CycleGAN: downsampling to a quarter, residual blocks, upsampling (Johnson et al. 2016).

    Six residual blocks for images of up to 128 pixels on the longer side, and nine for larger ones, as in CycleGAN.

    Parameters
    ----------
    source, target : tuple of int
        (C, H, W) of the inputs and (C', H, W) of the outputs.
    width : int
        Channels at full resolution.
    """

    def __init__(self, source: Shape, target: Shape, width: int) -> None:
        super().__init__()
        # 6 blocks for 128 x 128 pixels and 9 for more, as in Zhu et al. (2017), section 4
        n_blocks = 6 if max(source[1:]) <= 128 else 9
        self.first = convolution(nn.Conv2d, source[0], width, 7)
        self.downs = nn.ModuleList(
            convolution(nn.Conv2d, width * 2**n, width * 2 ** (n + 1), 3, stride=2, padding=1) for n in range(2)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(n_blocks)))
        self.ups = nn.ModuleList(
            # output_padding makes the output exactly twice as large
            convolution(
                nn.ConvTranspose2d, width * 2 ** (n + 1), width * 2**n, 3, stride=2, padding=1, output_padding=1
            )
            for n in (1, 0)
        )
        self.last = nn.Conv2d(width, target[0], 7)
        initialize_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> images (N, C', H, W) in [-1, 1]."""
        features = torch.relu(self.first(pad(pad_to_multiple(images, 4), [3, 3, 3, 3], mode="reflect")))
        for down in self.downs:
            features = torch.relu(down(features))
        features = self.blocks(features)
        for up in self.ups:
            features = torch.relu(up(features))
        output = torch.tanh(self.last(pad(features, [3, 3, 3, 3], mode="reflect")))
        return center_crop(output, images.shape[2], images.shape[3])


class PatchDiscriminator(nn.Module):
    """Discriminator with one logit for each patch of the image (Isola et al. 2017, section 4.4).

    The patch is chosen so that several lie in an image: 70 x 70 pixels if the shorter side is 128 or more, 34 x 34 if
    it is 48 or more, and 16 x 16 below.

    Parameters
    ----------
    source : tuple of int
        (C, H, W) of the images.
    width : int
        Channels of the first layer. They double in each layer, up to 8 times `width`.
    """

    def __init__(self, source: Shape, width: int) -> None:
        super().__init__()
        shorter = min(source[1:])
        # fewer halvings for small images keep the patch of a logit small relative to the image
        n_halvings = 3 if shorter >= 128 else 2 if shorter >= 48 else 1
        channels = [source[0], *(width * 2 ** min(3, stage) for stage in range(n_halvings + 1))]
        self.layers = nn.ModuleList(
            convolution(nn.Conv2d, before, after, 4, norm=stage > 0, stride=2 if stage < n_halvings else 1, padding=1)
            for stage, (before, after) in enumerate(pairwise(channels))
        )
        self.last = nn.Conv2d(channels[-1], 1, 4, padding=1)
        initialize_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, 1, h, w)."""
        for layer in self.layers:
            images = leaky_relu(layer(images), 0.2)
        logits: Tensor = self.last(images)
        return logits


class VectorTranslator(nn.Module):
    """Generator of CycleGAN for plain vectors: a residual multilayer perceptron, near the identity at first.

    Parameters
    ----------
    source, target : tuple of int
        (1, 1, D) of inputs and outputs.
    width : int
        A hidden layer has four times as many units.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.translation import VectorTranslator
    >>> VectorTranslator((1, 1, 5), (1, 1, 5), width=2)(torch.zeros(3, 1, 1, 5)).shape
    torch.Size([3, 1, 1, 5])
    """

    def __init__(self, source: Shape, target: Shape, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(source[2], 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, target[2]),
        )
        initialize_weights(self)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (N, 1, 1, D) -> vectors (N, 1, 1, D) in [-1, 1]."""
        # clamped, not squashed by tanh, so that the identity is exact
        translated: Tensor = vectors + self.layers(vectors)
        return translated.clamp(-1, 1)


class VectorDiscriminator(nn.Module):
    """Discriminator of CycleGAN for plain vectors, with one logit for each vector.

    Parameters
    ----------
    source : tuple of int
        (1, 1, D) of the vectors.
    width : int
        A hidden layer has four times as many units.
    """

    def __init__(self, source: Shape, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(source[2], 4 * width), nn.LeakyReLU(0.2), nn.Linear(4 * width, 4 * width), nn.LeakyReLU(0.2)
        )
        self.last = nn.Linear(4 * width, 1)
        initialize_weights(self)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (N, 1, 1, D) -> logits (N, 1, 1, 1)."""
        logits: Tensor = self.last(self.layers(vectors))
        return logits
