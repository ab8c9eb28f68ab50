"""Building blocks of the networks: sizes, memory format, normalization, and how the class enters.

References
----------
- Dumoulin et al. (2017), "A Learned Representation For Artistic Style".
- de Vries et al. (2017), "Modulating early visual processing by language".
- Miyato & Koyama (2018), "cGANs with Projection Discriminator".
- Miyato et al. (2018), "Spectral Normalization for Generative Adversarial Networks".
- Shahbazi et al. (2022), "Collapse by Conditioning: Training Class-conditional GANs with Limited Data".
- Rangwani et al. (2023), "NoisyTwins: Class-Consistent and Diverse Image Generation through StyleGANs".
"""

import math
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganaug._runtime.randomness import normal

Shape = tuple[int, int, int]
ModuleOrTensor = TypeVar("ModuleOrTensor", bound=nn.Module | Tensor)
Normalization = Literal["spectral", "batch", "none"]
NO_CLASS = -1  # label with which a discriminator judges an image by itself


def to_memory_format(target: ModuleOrTensor, shape: Shape) -> ModuleOrTensor:
    """Convert a module or a batch of images to the memory format in which convolutions are fastest.

    Parameters
    ----------
    target : nn.Module or Tensor of shape (N, C, H, W)
    shape : tuple of int
        (C, H, W) of the images that the module processes.

    Returns
    -------
    nn.Module or Tensor
        The module, converted in place, or the converted images.

    Notes
    -----
    The format is chosen from `shape` alone, so that a network always runs in the same format: the result of a
    convolution differs in its last bits between formats.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.blocks import to_memory_format
    >>> images = to_memory_format(torch.zeros(2, 3, 8, 8), (3, 8, 8))
    >>> images.is_contiguous(memory_format=torch.channels_last)
    True
    """
    memory_format = torch.channels_last if min(shape[1:]) > 1 else torch.contiguous_format
    return target.to(memory_format=memory_format)  # type: ignore[return-value]  # each returns its type


def upsampling_plan(shape: Shape) -> tuple[int, tuple[int, int]]:
    """Choose the initial size of a generator's feature map, and how often it is doubled to cover the image.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images.

    Returns
    -------
    n_doublings : int
    size : tuple of int
        Initial (height, width). The shorter side is 4 to 8 pixels, fewer for images of less than 7 pixels.

    Notes
    -----
    Of the plans with such a size, the one that computes the fewest pixels beyond the image is chosen, and of equal ones
    that with the most doublings. `center_crop` removes the surplus pixels.

    Examples
    --------
    >>> from ganaug.models.networks.blocks import upsampling_plan
    >>> upsampling_plan((1, 28, 28))  # 7 -> 14 -> 28
    (2, (7, 7))
    >>> upsampling_plan((3, 32, 48))
    (3, (4, 6))
    """
    height, width = shape[1:]
    shorter = min(height, width)
    max_doublings = max(1, int(math.log2(shorter / 4)))
    options = [n for n in range(1, max_doublings + 1) if shorter / 2**n < 8] or [max_doublings]

    def surplus(n: int) -> int:
        """Pixels computed beyond those of the image."""
        area: int = math.ceil(height / 2**n) * math.ceil(width / 2**n) * 4**n
        return area - height * width

    n_doublings = min(options, key=lambda n: (surplus(n), -n))
    return n_doublings, (math.ceil(height / 2**n_doublings), math.ceil(width / 2**n_doublings))


def center_crop(images: Tensor, height: int, width: int) -> Tensor:
    """Crop (N, C, H, W) to the center: (N, C, height, width)."""
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width]


class ConditionalBatchNorm(nn.Module):
    """Batch normalization with a gain and a bias for each class (Dumoulin et al. 2017; de Vries et al. 2017).

    Parameters
    ----------
    channels : int
    n_classes : int
        With 1, pass labels of zeros; all images then have the same gain and bias.

    Attributes
    ----------
    gain, bias : nn.Embedding of shape (n_classes, channels)
        Gains start at 1, biases at 0.
    strength : Tensor of shape ()
        Interpolates between the mean gain and bias of all classes (0) and those of the class (1, the default). Training
        may ramp it up (Shahbazi et al. 2022, eq. 4).
    noise : Tensor of shape (n_classes,) or None
        Standard deviation of the Gaussian noise on gain and bias, relative to their standard deviation over classes.
        In training mode only (Rangwani et al. 2023, eq. 4). None adds no noise.
    random : torch.Generator or None
        Source of that noise.
    normalize : callable
        Replacement for `torch.nn.functional.batch_norm`, set for data-parallel training.

    Notes
    -----
    Input: features (N, channels, H, W) or (N, channels), and labels (N,). Output: the shape of the features.
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
        # a buffer, so that it is saved and averaged with the weights
        self.register_buffer("strength", torch.ones(()))
        self.noise: Tensor | None = None
        self.random: torch.Generator | None = None
        self.normalize: Callable[..., Tensor] = nn.functional.batch_norm

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Features (N, channels, ...) and labels (N,) -> normalized features, same shape."""
        normalized = self.normalize(features, self.running_mean, self.running_var, training=self.training, momentum=0.1)
        shape = (*features.shape[:2], *[1] * (features.ndim - 2))
        gain, bias = (self._parameters_of(table, labels, features.dtype) for table in (self.gain, self.bias))
        # one kernel instead of a multiplication and an addition
        return torch.addcmul(bias.view(shape), normalized, gain.view(shape))

    def _parameters_of(self, table: nn.Embedding, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """Gains or biases of each image, after `strength` and `noise`: (N, channels)."""
        mean = table.weight.mean(0)
        values = embedding_rows(torch.lerp(mean, table.weight, self.strength), labels)
        if self.noise is not None and self.training:
            # detached, because training would otherwise shrink the noise by shrinking this deviation
            std = table.weight.detach().std(0)
            values = values + self.noise[labels][:, None] * std * normal(self.random, *values.shape)
        # under autocast, a float32 gain would turn the whole feature map to float32
        return values.to(dtype)


def embedding_rows(table: Tensor, labels: Tensor) -> Tensor:
    """Select rows of a table by label: (K, D) and (N,) -> (N, D), with a gradient that is reproducible bit by bit.

    The gradient of ``table[labels]`` is summed in an order that depends on the timing of threads.
    """
    return nn.functional.embedding(labels, table)


def with_normalization(layer: nn.Module, channels: int, normalization: Normalization) -> nn.Module:
    """Add a normalization to a layer of a discriminator.

    Parameters
    ----------
    layer : nn.Conv2d or nn.Linear
    channels : int
        Output channels or features of the layer.
    normalization : {"spectral", "batch", "none"}
        Spectral normalization of the layer's weights (Miyato et al. 2018), batch normalization of its output, or none.

    Returns
    -------
    nn.Module

    Examples
    --------
    >>> from torch import nn
    >>> from ganaug.models.networks.blocks import with_normalization
    >>> [type(layer).__name__ for layer in with_normalization(nn.Linear(4, 2), 2, "batch")]
    ['Linear', 'BatchNorm1d']
    """
    if normalization == "spectral":
        return spectral_norm(layer)
    if normalization == "batch":
        norm_type = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
        return nn.Sequential(layer, norm_type(channels))
    return layer


class Projection(nn.Module):
    """Projection head of a conditional discriminator, linear(h) + <embedding(y), h> (Miyato & Koyama 2018, eq. 3).

    Parameters
    ----------
    size : int
        Number of features D.
    n_classes : int
    normalization : {"spectral", "batch", "none"}
        With "spectral", the linear layer and the embedding are spectrally normalized.

    Attributes
    ----------
    strength : Tensor of shape ()
        Factor of the class-dependent term, 1 by default. Training may ramp it up (Shahbazi et al. 2022, eq. 5).
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
        """Features (N, D) and labels (N,) -> logits (N,). A label of -1 is no class: its image has the linear term."""
        conditional = (embedding_rows(self.embedding.weight, labels.clamp_min(0)) * features).sum(1)
        conditional = conditional * (labels != NO_CLASS)
        logits: Tensor = self.linear(features).squeeze(1) + self.strength * conditional
        return logits
