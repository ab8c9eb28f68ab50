"""Networks by name. One line adds one: an entry in NETWORKS, or pass a `Network` of your own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from ganaug.models.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from ganaug.models.networks.mlp import MLPDiscriminator, MLPGenerator
from ganaug.models.networks.resnet import ResNetDiscriminator, ResNetGenerator


@dataclass(frozen=True)
class Network:
    """A pair that trains together.

    generator: (shape, n_classes, latent_size, width) -> module; forward(latent (N, latent_size), labels (N,)) ->
        images (N, C, H, W) in [-1, 1].
    discriminator: (shape, n_classes, width, normalization) -> module; forward(images, labels) -> logits (N,).
    """

    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]


NETWORKS: dict[str, Network] = {
    "mlp": Network(MLPGenerator, MLPDiscriminator),
    "dcgan": Network(DCGANGenerator, DCGANDiscriminator),
    "dcgan-shared-low": Network(partial(DCGANGenerator, shared_stages=1), DCGANDiscriminator),
    "resnet": Network(ResNetGenerator, ResNetDiscriminator),
    "resnet-plain": Network(partial(ResNetGenerator, conditional_norm=False), ResNetDiscriminator),
}
