"""Class-conditional generators and discriminators, in pairs.

The dictionary `NETWORKS` names the pairs that ship with ganaug. To add one, add an entry there, or pass a `Network`.
Every generator produces any image size of at least 8 x 8 pixels, and every discriminator takes it.

Examples
--------
>>> from ganaug.models import NETWORKS
>>> list(NETWORKS)
['mlp', 'dcgan', 'dcgan-smooth', 'dcgan-halved', 'resnet', 'resnet-plain']
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from ganaug.models.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from ganaug.models.networks.mlp import MLPDiscriminator, MLPGenerator
from ganaug.models.networks.resnet import ResNetDiscriminator, ResNetGenerator


@dataclass(frozen=True)
class Network:
    """Constructors of a generator and of the discriminator that it is trained with.

    Parameters
    ----------
    generator : callable
        ``(shape, n_classes, latent_size, width) -> nn.Module``, with `shape` the (C, H, W) of the images. The module
        maps latent vectors (N, latent_size) and labels (N,) to images (N, C, H, W) in [-1, 1].
    discriminator : callable
        ``(shape, n_classes, width, normalization) -> nn.Module``, with `normalization` one of "spectral", "batch" and
        "none". The module maps images (N, C, H, W) and labels (N,) to logits (N,).

    Examples
    --------
    The DCGAN generator with the residual discriminator:

    >>> import torch
    >>> from ganaug.models import NETWORKS, Network
    >>> network = Network(NETWORKS["dcgan"].generator, NETWORKS["resnet"].discriminator)
    >>> generator = network.generator((3, 12, 8), n_classes=2, latent_size=4, width=4)
    >>> images = generator(torch.zeros(5, 4), torch.tensor([0, 0, 1, 1, 1]))
    >>> images.shape
    torch.Size([5, 3, 12, 8])
    >>> discriminator = network.discriminator((3, 12, 8), n_classes=2, width=4, normalization="spectral")
    >>> discriminator(images, torch.tensor([0, 0, 1, 1, 1])).shape
    torch.Size([5])
    """

    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]


NETWORKS: dict[str, Network] = {
    "mlp": Network(MLPGenerator, MLPDiscriminator),
    "dcgan": Network(DCGANGenerator, DCGANDiscriminator),
    "dcgan-smooth": Network(partial(DCGANGenerator, upsampling="smooth"), DCGANDiscriminator),
    "dcgan-halved": Network(
        partial(DCGANGenerator, shared_stages=1, upsampling="smooth", is_halved=True),
        partial(DCGANDiscriminator, is_halved=True, gain=math.sqrt(2)),
    ),
    "resnet": Network(ResNetGenerator, ResNetDiscriminator),
    "resnet-plain": Network(partial(ResNetGenerator, conditional_norm=False), ResNetDiscriminator),
}
