"""DCGAN (Radford et al. 2016) with class conditioning.

The class enters the generator through conditional batch norm and the discriminator through projection.

References
----------
- Radford et al. (2016), "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks".
- Khorram et al. (2024), "Taming the Tail in Class-Conditional GANs: Knowledge Sharing via Unconditional Training at
  Lower Resolutions" (UTLO).
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganaug.models.networks.blocks import (
    ConditionalBatchNorm,
    Normalization,
    Projection,
    Shape,
    center_crop,
    upsampling_plan,
    with_normalization,
)


class DCGANGenerator(nn.Module):
    """Generator of transposed convolutions that double the resolution in each stage.

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
    """

    def __init__(self, shape: Shape, n_classes: int, latent_size: int, width: int, *, shared_stages: int = 0) -> None:
        super().__init__()
        self.shape, self.shared_stages = shape, shared_stages
        n_doublings, self.start = upsampling_plan(shape)
        # the last stage has the most pixels, and its element-wise operations cost more than its convolutions
        channels = [width * 2 ** min(3, n_doublings - stage) for stage in range(n_doublings)] + [max(1, width // 2)]
        self.first = nn.Linear(latent_size, channels[0] * self.start[0] * self.start[1], bias=False)
        self.norms = nn.ModuleList(
            ConditionalBatchNorm(size, 1 if stage < shared_stages else n_classes) for stage, size in enumerate(channels)
        )
        self.ups = nn.ModuleList(
            # no biases: batch norm cancels them
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            for before, after in pairwise(channels)
        )
        self.last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        # initial weights as in Radford et al. (2016), section 4
        for layer in (self.first, *self.ups, self.last):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Latent vectors (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1]."""
        features = self.first(latent).unflatten(1, (-1, *self.start))
        zeros = torch.zeros_like(labels)  # a shared stage has one row of gains and biases
        features = torch.relu_(self.norms[0](features, zeros if self.shared_stages else labels))
        for stage, (up, norm) in enumerate(zip(self.ups, self.norms[1:], strict=True), start=1):
            features = torch.relu_(norm(up(features), zeros if stage < self.shared_stages else labels))
        return torch.tanh(self.last(center_crop(features, self.shape[1], self.shape[2])))


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
    """

    def __init__(self, shape: Shape, n_classes: int, width: int, normalization: Normalization) -> None:
        super().__init__()
        n_halvings = max(1, round(math.log2(min(shape[1:]) / 4)))
        channels = [shape[0], *(width * 2 ** min(3, stage) for stage in range(n_halvings))]
        self.downs = nn.ModuleList(
            with_normalization(
                nn.Conv2d(before, after, 4, stride=2, padding=1),
                after,
                # batch norm of the first layer makes training unstable (Radford et al. 2016, section 3)
                "none" if normalization == "batch" and before == shape[0] else normalization,
            )
            for before, after in pairwise(channels)
        )
        # two images, because batch norm rejects a single value per channel
        with torch.no_grad():
            size = self.features(torch.zeros(2, *shape)).shape[1]
        self.head = Projection(size, n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> flattened features (N, D) before the projection head."""
        for down in self.downs:
            # in place to save memory: no layer needs its output in the backward pass
            images = nn.functional.leaky_relu_(down(images), 0.2)
        return images.flatten(1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,)."""
        logits: Tensor = self.head(self.features(images), labels)
        return logits
