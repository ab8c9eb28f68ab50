"""A small classifier of images or of plain vectors, trained in seconds.

It filters samples, and its features compare samples with real images.
"""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu

from ganaug.models.networks.blocks import Shape

MAX_INPUT_SIZE = 32
MIN_CONVOLVED_SIZE = 8


class Classifier(nn.Module):
    """Three 3 x 3 convolutions with batch norm, of which the last two have stride 2, and a linear layer.

    Images are averaged down to at most 32 x 32 pixels first. If H or W is below 8, as for plain vectors, two linear
    layers replace the convolutions.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images.
    n_classes : int
    width : int, default=32
        Channels of the first convolution; the others have 2 and 4 times as many. Both linear layers have 4 * width
        units.
    first_stride : int, default=1
        Stride of the first convolution. 2 makes a step two to three times as fast.

    Attributes
    ----------
    takes_vectors : bool
        Whether the inputs are treated as plain vectors.
    """

    def __init__(self, shape: Shape, n_classes: int, width: int = 32, first_stride: int = 1) -> None:
        super().__init__()
        # the order of a vector's entries has no meaning, so neighbors must not be averaged or convolved
        self.takes_vectors = min(shape[1:]) < MIN_CONVOLVED_SIZE
        max_size = max(shape[1:]) if self.takes_vectors else MAX_INPUT_SIZE
        self.size = min(max_size, shape[1]), min(max_size, shape[2])
        if self.takes_vectors:
            n_inputs = shape[0] * math.prod(self.size)
            sizes = [n_inputs, 4 * width, 4 * width]
            # no biases: batch norm cancels them
            self.layers = nn.ModuleList([nn.Linear(before, after, bias=False) for before, after in pairwise(sizes)])
            self.norms = nn.ModuleList([nn.BatchNorm1d(size) for size in sizes[1:]])
            n_features = sizes[-1]
        else:
            sizes = [shape[0], width, 2 * width, 4 * width]
            self.layers = nn.ModuleList(
                nn.Conv2d(before, after, 3, stride=first_stride if index == 0 else 2, padding=1, bias=False)
                for index, (before, after) in enumerate(pairwise(sizes))
            )
            self.norms = nn.ModuleList([nn.BatchNorm2d(size) for size in sizes[1:]])
            n_features = 4 * sizes[-1]
        self.head = nn.Linear(n_features, n_classes)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> features (N, D): the last feature map, averaged over each quarter of the image."""
        features = adaptive_avg_pool2d(images, self.size) if tuple(images.shape[2:]) != self.size else images
        features = features.flatten(1) if self.takes_vectors else features
        for layer, norm in zip(self.layers, self.norms, strict=True):
            features = relu(norm(layer(features)))
        return features if self.takes_vectors else adaptive_avg_pool2d(features, 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] -> logits (N, n_classes)."""
        logits: Tensor = self.head(self.features(images))
        return logits
