"""Pieces that networks share: the plan of sizes, conditional batch norm, normalization of the discriminator, projection."""

import math
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganaug._runtime.randomness import normal

Shape = tuple[int, int, int]
Laid = TypeVar("Laid", bound=nn.Module | Tensor)
Normalization = Literal["spectral", "batch", "none"]


def to_memory_format(what: Laid, shape: Shape) -> Laid:
    """A module, or images (N, C, H, W), in the memory format that is quickest for `shape`.

    Always the same one for a shape, since the last bits of a convolution depend on it.
    """
    memory_format = torch.channels_last if min(shape[1:]) > 1 else torch.contiguous_format
    return what.to(memory_format=memory_format)  # type: ignore[return-value]  # each returns its own type


def upsampling_plan(shape: Shape) -> tuple[int, tuple[int, int]]:
    """How often to double, and the (height, width) to start from, so that little is cropped at the end.

    shape: (C, H, W) of the images. The start is 4..7 pixels on the shorter side, or fewer where the image is below 16.
    """
    height, width = shape[1:]
    shorter = min(height, width)
    most = max(1, int(math.log2(shorter / 4)))
    options = [n for n in range(1, most + 1) if shorter / 2**n < 8] or [most]

    def waste(n: int) -> int:
        area: int = math.ceil(height / 2**n) * math.ceil(width / 2**n) * 4**n
        return area - height * width

    doublings = min(options, key=lambda n: (waste(n), -n))
    return doublings, (math.ceil(height / 2**doublings), math.ceil(width / 2**doublings))


def crop(images: Tensor, height: int, width: int) -> Tensor:
    """The center `height` x `width` of (N, C, H, W)."""
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width]


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain and bias belong to the class (Dumoulin et al. 2017; de Vries et al. 2017).

    (N, C, H, W) or (N, C), labels (N,) -> the same shape. Gains start at 1, biases at 0.

    strength: 0 gives every class the mean of all classes' gains and biases, 1 its own; ramped up by training
    (Shahbazi et al. 2022, eq. 4). noise: (K,), in training only, the standard deviation of what is added to the gains
    and biases, as a share of their spread over classes (Rangwani et al. 2023, eq. 4), drawn from `random`.
    """

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.gain = nn.Embedding(n_classes, channels)
        self.bias = nn.Embedding(n_classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.strength: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("strength", torch.ones(()))
        self.noise: Tensor | None = None
        self.random: torch.Generator | None = None
        self.normalize: Callable[..., Tensor] = nn.functional.batch_norm

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        centered = self.normalize(features, self.running_mean, self.running_var, training=self.training, momentum=0.1)
        shape = (*features.shape[:2], *[1] * (features.ndim - 2))
        gain, bias = (self._of(table, labels, features.dtype) for table in (self.gain, self.bias))
        return torch.addcmul(bias.view(shape), centered, gain.view(shape))

    def _of(self, table: nn.Embedding, labels: Tensor, dtype: torch.dtype) -> Tensor:
        mean = table.weight.mean(0)
        own = rows(torch.lerp(mean, table.weight, self.strength), labels)
        if self.noise is not None and self.training:
            spread = table.weight.detach().std(0)
            draws = normal(self.random, *own.shape)
            own = own + self.noise[labels][:, None] * spread * draws
        return own.to(dtype)  # under autocast a float32 gain would turn the whole feature map to float32


def rows(table: Tensor, labels: Tensor) -> Tensor:
    """table[labels]: (K, D) and (N,) -> (N, D), with a gradient that is the same to the bit each time.

    Indexing adds the gradient up in whatever order its threads come.
    """
    return nn.functional.embedding(labels, table)


def normalized(layer: nn.Module, channels: int, normalization: Normalization) -> nn.Module:
    """A discriminator's layer under the normalization asked for; `channels` is what the layer puts out."""
    if normalization == "spectral":
        return spectral_norm(layer)
    if normalization == "batch":
        kind = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
        return nn.Sequential(layer, kind(channels))
    return layer


class Projection(nn.Module):
    """Head of a conditional discriminator: linear(h) + <embedding of y, h> (Miyato & Koyama 2018, eq. 3). (N, D) -> (N,).

    strength: what the second term is multiplied with; ramped up by training (Shahbazi et al. 2022, eq. 5).
    """

    def __init__(self, size: int, n_classes: int, normalization: Normalization) -> None:
        super().__init__()
        self.linear = nn.Linear(size, 1)
        self.embedding = nn.Embedding(n_classes, size)
        nn.init.normal_(self.embedding.weight, std=0.02)
        if normalization == "spectral":
            spectral_norm(self.linear)
            spectral_norm(self.embedding)
        self.strength: Tensor
        self.register_buffer("strength", torch.ones(()))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        conditional = (rows(self.embedding.weight, labels) * features).sum(1)
        logits: Tensor = self.linear(features).squeeze(1) + self.strength * conditional
        return logits
