"""DCGAN (Radford et al. 2016), made conditional: class gains in the generator, projection in the discriminator."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganaug.models.networks.blocks import (
    ConditionalBatchNorm,
    Normalization,
    Projection,
    Shape,
    crop,
    normalized,
    upsampling_plan,
)


class DCGANGenerator(nn.Module):
    """Latent (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1], any H and W of at least 8.

    width: half of it are the channels of the last stage; those of the earlier stages, counted from the end, are twice,
        four times and eight times the width.
    shared_stages: the first stages, of the lowest resolutions, in which all classes have the same gains and biases, so
        that rare classes learn coarse shapes from common ones (UTLO, Khorram et al. 2024; without its second discriminator).
    """

    def __init__(self, shape: Shape, n_classes: int, latent_size: int, width: int, *, shared_stages: int = 0) -> None:
        super().__init__()
        self.shape, self.shared_stages = shape, shared_stages
        doublings, self.start = upsampling_plan(shape)
        # the last stage has the most pixels, and its element-wise operations cost more than its convolutions
        channels = [width * 2 ** min(3, doublings - stage) for stage in range(doublings)] + [max(1, width // 2)]
        self.first = nn.Linear(latent_size, channels[0] * self.start[0] * self.start[1], bias=False)
        self.norms = nn.ModuleList(
            ConditionalBatchNorm(size, 1 if stage < shared_stages else n_classes) for stage, size in enumerate(channels)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            for before, after in pairwise(channels)
        )
        self.last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        for layer in (self.first, *self.ups, self.last):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        features = self.first(latent).unflatten(1, (-1, *self.start))
        shared = torch.zeros_like(labels)
        features = torch.relu_(self.norms[0](features, shared if self.shared_stages else labels))
        for stage, (up, norm) in enumerate(zip(self.ups, self.norms[1:], strict=True), start=1):
            features = torch.relu_(norm(up(features), shared if stage < self.shared_stages else labels))
        return torch.tanh(self.last(crop(features, self.shape[1], self.shape[2])))


class DCGANDiscriminator(nn.Module):
    """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,). width: channels of the first layer."""

    def __init__(self, shape: Shape, n_classes: int, width: int, normalization: Normalization) -> None:
        super().__init__()
        halvings = max(1, round(math.log2(min(shape[1:]) / 4)))
        channels = [shape[0], *(width * 2 ** min(3, stage) for stage in range(halvings))]
        self.downs = nn.ModuleList(
            # no batch norm on the first layer (Radford et al. 2016, section 3)
            normalized(
                nn.Conv2d(before, after, 4, stride=2, padding=1),
                after,
                "none" if normalization == "batch" and before == shape[0] else normalization,
            )
            for before, after in pairwise(channels)
        )
        with torch.no_grad():
            size = self.features(torch.zeros(2, *shape)).shape[1]
        self.head = Projection(size, n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images -> (N, D)."""
        for down in self.downs:
            images = nn.functional.leaky_relu_(down(images), 0.2)
        return images.flatten(1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images), labels)
        return logits
