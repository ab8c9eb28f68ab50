"""A small classifier of images or plain vectors, trained in seconds; its features compare samples with real images."""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu

from ganaug.models.networks.blocks import Shape

LARGEST_INPUT = 32


class Classifier(nn.Module):
    """Images (N, C, H, W) in [-1, 1] -> logits (N, n_classes). Images are averaged down to at most 32 x 32 first.

    Three convolutions with batch norm, the last two of stride 2; two linear layers where a side is below 8 pixels.
    """

    def __init__(self, shape: Shape, n_classes: int, width: int = 32) -> None:
        super().__init__()
        self.vectors = min(shape[1:]) < 8  # whose neighbors have nothing to do with each other
        largest = max(shape[1:]) if self.vectors else LARGEST_INPUT
        self.size = min(largest, shape[1]), min(largest, shape[2])
        if self.vectors:
            flat = shape[0] * math.prod(self.size)
            sizes = [flat, 4 * width, 4 * width]
            self.layers = nn.ModuleList([nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)])
            self.norms = nn.ModuleList([nn.BatchNorm1d(size) for size in sizes[1:]])
            found = sizes[-1]
        else:
            sizes = [shape[0], width, 2 * width, 4 * width]
            self.layers = nn.ModuleList(
                nn.Conv2d(a, b, 3, stride=1 if index == 0 else 2, padding=1, bias=False)
                for index, (a, b) in enumerate(pairwise(sizes))
            )
            self.norms = nn.ModuleList([nn.BatchNorm2d(size) for size in sizes[1:]])
            found = 4 * sizes[-1]
        self.head = nn.Linear(found, n_classes)

    def features(self, images: Tensor) -> Tensor:
        """Images -> (N, D): the last feature map, averaged over quarters of the image."""
        found = adaptive_avg_pool2d(images, self.size) if tuple(images.shape[2:]) != self.size else images
        found = found.flatten(1) if self.vectors else found
        for layer, norm in zip(self.layers, self.norms, strict=True):
            found = relu(norm(layer(found)))
        return found if self.vectors else adaptive_avg_pool2d(found, 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits
