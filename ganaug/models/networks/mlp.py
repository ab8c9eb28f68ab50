"""Multilayer perceptrons as in the first GAN (Goodfellow et al. 2014), with class conditioning.

The class enters the generator through conditional batch norm and the discriminator through projection.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganaug.models.networks.blocks import ConditionalBatchNorm, Normalization, Projection, Shape, with_normalization


class MLPGenerator(nn.Module):
    """Generator with two hidden layers, of 8 * width and 16 * width units.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images.
    n_classes : int
    latent_size : int
    width : int
        Factor of the layer sizes.
    """

    def __init__(self, shape: Shape, n_classes: int, latent_size: int, width: int) -> None:
        super().__init__()
        self.shape = shape
        sizes = [latent_size, 8 * width, 16 * width]
        # no biases: batch norm cancels them
        self.layers = nn.ModuleList(nn.Linear(before, after, bias=False) for before, after in pairwise(sizes))
        self.norms = nn.ModuleList(ConditionalBatchNorm(size, n_classes) for size in sizes[1:])
        self.last = nn.Linear(sizes[-1], math.prod(shape))

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Latent vectors (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1]."""
        features = latent
        for layer, norm in zip(self.layers, self.norms, strict=True):
            features = torch.relu(norm(layer(features), labels))
        return torch.tanh(self.last(features)).view(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """Discriminator with two hidden layers, of 16 * width and 8 * width units.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images.
    n_classes : int
    width : int
        Factor of the layer sizes.
    normalization : {"spectral", "batch", "none"}
    """

    def __init__(self, shape: Shape, n_classes: int, width: int, normalization: Normalization) -> None:
        super().__init__()
        sizes = [math.prod(shape), 16 * width, 8 * width]
        self.layers = nn.ModuleList(
            with_normalization(nn.Linear(before, after), after, normalization) for before, after in pairwise(sizes)
        )
        self.head = Projection(sizes[-1], n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> features (N, 8 * width) before the projection head."""
        features = images.flatten(1)
        for layer in self.layers:
            features = nn.functional.leaky_relu(layer(features), 0.2)
        return features

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,)."""
        logits: Tensor = self.head(self.features(images), labels)
        return logits
