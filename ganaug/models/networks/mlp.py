"""The multilayer perceptrons of the original GAN (Goodfellow et al. 2014), made conditional like the others."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganaug.models.networks.blocks import ConditionalBatchNorm, Normalization, Projection, Shape, normalized


class MLPGenerator(nn.Module):
    """Latent (N, latent_size) and labels (N,) -> images (N, C, H, W) in [-1, 1]; hidden layers of 8 and 16 * width."""

    def __init__(self, shape: Shape, n_classes: int, latent_size: int, width: int) -> None:
        super().__init__()
        self.shape = shape
        sizes = [latent_size, 8 * width, 16 * width]
        self.layers = nn.ModuleList(nn.Linear(before, after, bias=False) for before, after in pairwise(sizes))
        self.norms = nn.ModuleList(ConditionalBatchNorm(size, n_classes) for size in sizes[1:])
        self.last = nn.Linear(sizes[-1], math.prod(shape))

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        features = latent
        for layer, norm in zip(self.layers, self.norms, strict=True):
            features = torch.relu(norm(layer(features), labels))
        return torch.tanh(self.last(features)).view(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """Images (N, C, H, W) in [-1, 1] and labels (N,) -> logits (N,); hidden layers of 16 and 8 * width."""

    def __init__(self, shape: Shape, n_classes: int, width: int, normalization: Normalization) -> None:
        super().__init__()
        sizes = [math.prod(shape), 16 * width, 8 * width]
        self.layers = nn.ModuleList(
            normalized(nn.Linear(before, after), after, normalization) for before, after in pairwise(sizes)
        )
        self.head = Projection(sizes[-1], n_classes, normalization)

    def features(self, images: Tensor) -> Tensor:
        """Images -> (N, D)."""
        features = images.flatten(1)
        for layer in self.layers:
            features = nn.functional.leaky_relu(layer(features), 0.2)
        return features

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images), labels)
        return logits
