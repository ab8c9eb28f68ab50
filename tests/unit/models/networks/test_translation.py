"""The networks of Pix2Pix and CycleGAN at the sizes that they are for."""

import pytest
import torch

from ganaug.models.networks.translation import PatchDiscriminator, ResNetTranslator, UNetGenerator, halvings

SIZES = [(64, 64), (96, 128), (100, 150), (256, 256), (341, 512)]


def half(*shape):
    return torch.full(shape, 0.75)


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_any_size_comes_back_as_it_was(size):
    images = torch.zeros(1, 1, *size)
    assert UNetGenerator((1, *size), (3, *size), 2)(images, half).shape == (1, 3, *size)
    assert ResNetTranslator((1, *size), (3, *size), 2)(images).shape == (1, 3, *size)
    assert min(PatchDiscriminator((1, *size), 2)(images).shape[2:]) >= 4


@pytest.mark.parametrize(("size", "expected"), [((256, 256), 8), ((64, 64), 6), ((96, 128), 5), ((8, 8), 3)])
def test_it_halves_down_to_a_pixel_or_to_where_padding_would_grow(size, expected):
    assert halvings(*size) == expected


@pytest.mark.parametrize(("side", "patch"), [(256, 70), (64, 34), (32, 16)])
def test_a_unit_of_the_critic_sees_one_patch(side, patch):
    """By the gradient of the unit in the middle (Isola et al. 2017, appendix 6.1.2, for 70 x 70 and 16 x 16)."""
    torch.manual_seed(0)
    discriminator = PatchDiscriminator((1, side, side), 4)
    for layer in discriminator.modules():
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = lambda features: features  # its means would let every pixel in
    images = torch.randn(1, 1, side, side, requires_grad=True)
    logits = discriminator(images)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    rows = torch.nonzero(images.grad[0, 0].abs().sum(1)).flatten()
    assert int(rows.max() - rows.min()) + 1 == patch
