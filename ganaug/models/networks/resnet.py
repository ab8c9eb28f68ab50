"""Residual networks with class conditioning.

With conditional batch norm as in Miyato & Koyama (2018), or without normalization as in Huang et al. (2024).

References
----------
- Miyato & Koyama (2018), "cGANs with Projection Discriminator".
- Huang et al. (2024), "The GAN is dead; long live the GAN! A Modern GAN Baseline".
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from ganaug.models.networks.blocks import (
    ConditionalBatchNorm,
    Normalization,
    Projection,
    Shape,
    center_crop,
    embedding_rows,
    upsampling_plan,
    with_normalization,
)


class ResNetGenerator(nn.Module):
    """Generator of residual blocks that double the resolution.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images; H and W at least 8.
    n_classes : int
    latent_size : int
    width : int
        Channels of the last stage. Each earlier stage has twice as many, up to 4 times `width`.
    conditional_norm : bool, default=True
        If True, each block has conditional batch norm. If False, there is no normalization: an embedding of the class
        is concatenated to the latent vector, and each block starts as its shortcut.
    """

    def __init__(
        self, shape: Shape, n_classes: int, latent_size: int, width: int, *, conditional_norm: bool = True
    ) -> None:
        super().__init__()
        self.shape, self.conditional_norm = shape, conditional_norm
        n_doublings, self.start = upsampling_plan(shape)
        channels = [width * 2 ** min(2, n_doublings - stage) for stage in range(n_doublings + 1)]
        self.embedding = None if conditional_norm else nn.Embedding(n_classes, latent_size)
        input_size = latent_size if conditional_norm else 2 * latent_size
        self.first = nn.Linear(input_size, channels[0] * self.start[0] * self.start[1])
        self.blocks = nn.ModuleList(
            _UpBlock(before, after, n_classes if conditional_norm else None) for before, after in pairwise(channels)
        )
        self.norm = ConditionalBatchNorm(channels[-1], n_classes) if conditional_norm else None
        self.last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Latent vectors (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1]."""
        if self.embedding is not None:
            latent = torch.cat([latent, embedding_rows(self.embedding.weight, labels)], dim=1)
        features = self.first(latent).unflatten(1, (-1, *self.start))
        for block in self.blocks:
            features = block(features, labels)
        features = features if self.norm is None else self.norm(features, labels)
        return torch.tanh(self.last(torch.relu(center_crop(features, self.shape[1], self.shape[2]))))


class _UpBlock(nn.Module):
    """Residual block, (N, before, h, w) -> (N, after, 2h, 2w); without normalization if `n_classes` is None."""

    def __init__(self, before: int, after: int, n_classes: int | None) -> None:
        super().__init__()
        sizes = (before, after)
        self.norms = (
            None if n_classes is None else nn.ModuleList(ConditionalBatchNorm(size, n_classes) for size in sizes)
        )
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1)
        if n_classes is None:  # without normalization, starting as the shortcut keeps the scale of the features
            nn.init.zeros_(self.second.weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Features (N, before, h, w) and labels (N,) -> (N, after, 2h, 2w)."""
        residual = torch.relu(features if self.norms is None else self.norms[0](features, labels))
        residual = self.first(interpolate(residual, scale_factor=2.0))
        residual = torch.relu(residual if self.norms is None else self.norms[1](residual, labels))
        # a 1 x 1 convolution and nearest-neighbor upsampling commute; convolving first is cheaper
        shortcut = interpolate(self.skip(features), scale_factor=2.0)
        output: Tensor = shortcut + self.second(residual)
        return output


class ResNetDiscriminator(nn.Module):
    """Discriminator of residual blocks that halve the resolution, down to about 4 x 4 pixels.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images; H and W at least 8.
    n_classes : int
    width : int
        Channels of the first block. They double in each block, up to 4 times `width`.
    normalization : {"spectral", "batch", "none"}
    """

    def __init__(self, shape: Shape, n_classes: int, width: int, normalization: Normalization) -> None:
        super().__init__()
        n_halvings = max(1, round(math.log2(min(shape[1:]) / 4)))
        channels = [shape[0], *(width * 2 ** min(2, stage) for stage in range(n_halvings))]
        self.blocks = nn.ModuleList(
            _DownBlock(before, after, normalization, takes_image=block == 0)
            for block, (before, after) in enumerate(pairwise(channels))
        )
        # two images, because batch norm rejects a single value per channel
        with torch.no_grad():
            size = self.features(torch.zeros(2, *shape)).shape[1]
        self.head = Projection(size, n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> features (N, D), summed over pixels as in Miyato & Koyama (2018)."""
        for block in self.blocks:
            images = block(images)
        return leaky_relu(images, 0.2).sum((2, 3))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,)."""
        logits: Tensor = self.head(self.features(images), labels)
        return logits


class _DownBlock(nn.Module):
    """Residual block, (N, before, h, w) -> (N, after, h // 2, w // 2)."""

    def __init__(self, before: int, after: int, normalization: Normalization, *, takes_image: bool) -> None:
        super().__init__()
        self.takes_image = takes_image
        self.first = with_normalization(nn.Conv2d(before, after, 3, padding=1), after, normalization)
        self.second = with_normalization(nn.Conv2d(after, after, 3, padding=1), after, normalization)
        self.skip = with_normalization(nn.Conv2d(before, after, 1), after, normalization)

    def forward(self, features: Tensor) -> Tensor:
        """Images or features (N, before, h, w) -> (N, after, h // 2, w // 2)."""
        # a rectified image would lose its dark pixels, which are negative
        residual = features if self.takes_image else leaky_relu(features, 0.2)
        residual = avg_pool2d(self.second(leaky_relu(self.first(residual), 0.2)), 2)
        shortcut: Tensor = self.skip(avg_pool2d(features, 2))
        return residual + shortcut
