"""Residual networks: with conditional batch norm (Miyato & Koyama 2018), or with no norm (Huang et al. 2024)."""

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
    crop,
    normalized,
    rows,
    upsampling_plan,
)


class ResNetGenerator(nn.Module):
    """Latent (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1], any H and W of at least 8.

    width: channels of the last stage; each earlier stage has twice as many, up to four times.
    conditional_norm: the class sets gains and biases in every block; else there is no normalization, the class enters
    beside the latent vector, and each block begins as its shortcut.
    """

    def __init__(
        self, shape: Shape, n_classes: int, latent_size: int, width: int, *, conditional_norm: bool = True
    ) -> None:
        super().__init__()
        self.shape, self.conditional_norm = shape, conditional_norm
        doublings, self.start = upsampling_plan(shape)
        channels = [width * 2 ** min(2, doublings - stage) for stage in range(doublings + 1)]
        self.embedding = None if conditional_norm else nn.Embedding(n_classes, latent_size)
        inputs = latent_size if conditional_norm else 2 * latent_size
        self.first = nn.Linear(inputs, channels[0] * self.start[0] * self.start[1])
        self.blocks = nn.ModuleList(
            _UpBlock(before, after, n_classes if conditional_norm else None) for before, after in pairwise(channels)
        )
        self.norm = ConditionalBatchNorm(channels[-1], n_classes) if conditional_norm else None
        self.last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        if self.embedding is not None:
            latent = torch.cat([latent, rows(self.embedding.weight, labels)], dim=1)
        features = self.first(latent).unflatten(1, (-1, *self.start))
        for block in self.blocks:
            features = block(features, labels)
        features = features if self.norm is None else self.norm(features, labels)
        return torch.tanh(self.last(torch.relu(crop(features, self.shape[1], self.shape[2]))))


class _UpBlock(nn.Module):
    def __init__(self, before: int, after: int, n_classes: int | None) -> None:
        super().__init__()
        sizes = (before, after)
        self.norms = (
            None if n_classes is None else nn.ModuleList(ConditionalBatchNorm(size, n_classes) for size in sizes)
        )
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1)
        if n_classes is None:
            nn.init.zeros_(self.second.weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        inner = torch.relu(features if self.norms is None else self.norms[0](features, labels))
        inner = self.first(interpolate(inner, scale_factor=2.0))
        inner = torch.relu(inner if self.norms is None else self.norms[1](inner, labels))
        # a 1x1 convolution and nearest upsampling commute: the cheap order first
        shortcut = interpolate(self.skip(features), scale_factor=2.0)
        out: Tensor = shortcut + self.second(inner)
        return out


class ResNetDiscriminator(nn.Module):
    """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,). width: channels of the first block."""

    def __init__(self, shape: Shape, n_classes: int, width: int, normalization: Normalization) -> None:
        super().__init__()
        halvings = max(1, round(math.log2(min(shape[1:]) / 4)))
        channels = [shape[0], *(width * 2 ** min(2, stage) for stage in range(halvings))]
        self.blocks = nn.ModuleList(
            _DownBlock(before, after, normalization, is_first=before == shape[0])
            for before, after in pairwise(channels)
        )
        with torch.no_grad():
            size = self.features(torch.zeros(2, *shape)).shape[1]
        self.head = Projection(size, n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images -> (N, D): summed over places, as Miyato & Koyama do."""
        for block in self.blocks:
            images = block(images)
        return leaky_relu(images, 0.2).sum((2, 3))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images), labels)
        return logits


class _DownBlock(nn.Module):
    def __init__(self, before: int, after: int, normalization: Normalization, *, is_first: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.first = normalized(nn.Conv2d(before, after, 3, padding=1), after, normalization)
        self.second = normalized(nn.Conv2d(after, after, 3, padding=1), after, normalization)
        self.skip = normalized(nn.Conv2d(before, after, 1), after, normalization)

    def forward(self, images: Tensor) -> Tensor:
        inner = images if self.is_first else leaky_relu(images, 0.2)  # the image itself is not rectified
        inner = avg_pool2d(self.second(leaky_relu(self.first(inner), 0.2)), 2)
        shortcut: Tensor = self.skip(avg_pool2d(images, 2))
        return inner + shortcut
