"""Networks that turn one image into another: U-Net, residual translator, and the discriminator of patches.

Pix2Pix (Isola et al. 2017, appendix 6.1) and CycleGAN (Zhu et al. 2017, appendix 7.2), for any height and width: sides
that the strides do not divide are padded by reflection, and the result is cropped back.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from ganaug.models.networks.blocks import Shape, crop

Uniform = Callable[..., Tensor]  # (N, C, H, W) as four numbers -> uniform in [0, 1) of that shape
DROPOUT = 0.5
DROPPED = 3  # stages of the U-Net, from the innermost on, that drop features: its only source of randomness


def halvings(height: int, width: int, most: int = 8) -> int:
    """How often the U-Net halves: down to 1 or 2 pixels, or to where padding adds more than a tenth of the area."""
    deepest = max(1, min(most, round(math.log2(min(height, width)))))

    def area(n: int) -> int:
        side = 1 << n
        return -(-height // side) * -(-width // side) * side * side

    options = range(min(4, deepest), deepest + 1)
    little = [n for n in options if area(n) <= 1.1 * height * width]
    return max(little) if little else min(options, key=lambda n: (area(n), -n))


def padded(images: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) with sides that `multiple` divides, by reflection at the edges; the image stays in the center."""
    height, width = images.shape[2:]
    extra = [-side % multiple for side in (height, width)]
    top, left = extra[0] // 2, extra[1] // 2
    sides = [left, extra[1] - left, top, extra[0] - top]
    kind = "reflect" if max(sides[:2]) < width and max(sides[2:]) < height else "replicate"
    return pad(images, sides, mode=kind) if any(sides) else images


def normal_weights(module: nn.Module) -> None:
    """Weights of convolutions from N(0, 0.02), biases 0, as both papers have it."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def convolution(
    kind: type[nn.Module], before: int, after: int, size: int, *, norm: bool = True, **more: int
) -> nn.Module:
    """A convolution and, with `norm`, instance norm, which makes its bias idle."""
    layer = kind(before, after, size, bias=not norm, **more)
    return nn.Sequential(layer, nn.InstanceNorm2d(after)) if norm else layer


class UNetGenerator(nn.Module):
    """Images (N, C, H, W) -> (N, C', H, W) in [-1, 1]: an encoder, a decoder, and links between equal resolutions.

    Half of the features of the innermost stages are dropped, when sampling too: what is dropped decides which of the
    possible images of a mask is drawn. shapes: (C, H, W) going in and coming out. width: channels of the first stage.
    """

    def __init__(self, source: Shape, target: Shape, width: int) -> None:
        super().__init__()
        self.n_stages = halvings(source[1], source[2])
        channels = [width * 2 ** min(3, stage) for stage in range(self.n_stages)]
        last = self.n_stages - 1
        self.downs = nn.ModuleList(
            # one or two pixels have no variance, and the first stage sees the image as it is
            convolution(nn.Conv2d, before, after, 4, norm=0 < stage < last, stride=2, padding=1)
            for stage, (before, after) in enumerate(pairwise([source[0], *channels]))
        )
        inner = list(reversed(channels))
        self.ups = nn.ModuleList(
            convolution(
                nn.ConvTranspose2d,
                before if stage == 0 else 2 * before,
                after,
                4,
                norm=stage < last,
                stride=2,
                padding=1,
            )
            for stage, (before, after) in enumerate(pairwise([*inner, target[0]]))
        )
        normal_weights(self)

    def forward(self, images: Tensor, uniform: Uniform) -> Tensor:
        """uniform: the source of what is dropped."""
        features, links = padded(images, 2**self.n_stages), []
        for stage, down in enumerate(self.downs):
            features = down(features if stage == 0 else leaky_relu(features, 0.2))
            links.append(features)
        for stage, up in enumerate(self.ups):
            features = up(torch.relu(features))
            if stage < min(DROPPED, self.n_stages - 1):
                features = features * ((uniform(*features.shape) >= DROPOUT) / (1 - DROPOUT)).to(features)
            if stage < self.n_stages - 1:
                features = torch.cat([features, links[-2 - stage]], 1)
        return crop(torch.tanh(features), images.shape[2], images.shape[3])


class Residual(nn.Module):
    """Two convolutions of 3 x 3 with reflected edges, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(convolution(nn.Conv2d, channels, channels, 3) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        inner = torch.relu(self.layers[0](pad(features, [1, 1, 1, 1], mode="reflect")))
        added: Tensor = features + self.layers[1](pad(inner, [1, 1, 1, 1], mode="reflect"))
        return added


class ResNetTranslator(nn.Module):
    """Images (N, C, H, W) -> (N, C', H, W) in [-1, 1]: to a quarter, residual blocks, up again (Johnson et al. 2016).

    Six blocks up to 128 pixels a side and nine above, as in CycleGAN. width: channels at full resolution.
    """

    def __init__(self, source: Shape, target: Shape, width: int) -> None:
        super().__init__()
        blocks = 6 if max(source[1:]) <= 128 else 9
        self.first = convolution(nn.Conv2d, source[0], width, 7)
        self.downs = nn.ModuleList(
            convolution(nn.Conv2d, width * 2**n, width * 2 ** (n + 1), 3, stride=2, padding=1) for n in range(2)
        )
        self.blocks = nn.Sequential(*(Residual(4 * width) for _ in range(blocks)))
        self.ups = nn.ModuleList(
            convolution(
                nn.ConvTranspose2d, width * 2 ** (n + 1), width * 2**n, 3, stride=2, padding=1, output_padding=1
            )
            for n in (1, 0)
        )
        self.last = nn.Conv2d(width, target[0], 7)
        normal_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.relu(self.first(pad(padded(images, 4), [3, 3, 3, 3], mode="reflect")))
        for down in self.downs:
            features = torch.relu(down(features))
        features = self.blocks(features)
        for up in self.ups:
            features = torch.relu(up(features))
        found = torch.tanh(self.last(pad(features, [3, 3, 3, 3], mode="reflect")))
        return crop(found, images.shape[2], images.shape[3])


class PatchDiscriminator(nn.Module):
    """Images (N, C, H, W) -> logits (N, 1, h, w), one for each patch that a unit sees: of 70 x 70 pixels, or smaller.

    Three halvings from 128 pixels a side on (70 x 70), two from 48 on (34 x 34), one below (16 x 16), so that several
    patches lie in an image (Isola et al. 2017, section 4.4). width: channels of the first layer.
    """

    def __init__(self, source: Shape, width: int) -> None:
        super().__init__()
        shorter = min(source[1:])
        n_halvings = 3 if shorter >= 128 else 2 if shorter >= 48 else 1
        channels = [source[0], *(width * 2 ** min(3, stage) for stage in range(n_halvings + 1))]
        self.layers = nn.ModuleList(
            convolution(nn.Conv2d, before, after, 4, norm=stage > 0, stride=2 if stage < n_halvings else 1, padding=1)
            for stage, (before, after) in enumerate(pairwise(channels))
        )
        self.last = nn.Conv2d(channels[-1], 1, 4, padding=1)
        normal_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            images = leaky_relu(layer(images), 0.2)
        logits: Tensor = self.last(images)
        return logits
