"""The networks of Pix2Pix and CycleGAN at the sizes that they are meant for."""

import pytest
import torch

from ganaug.models.networks.translation import PatchDiscriminator, ResNetTranslator, UNetGenerator, unet_depth

SIZES = [(64, 64), (96, 128), (100, 150), (256, 256), (341, 512)]


def no_dropout(*shape):
    return torch.full(shape, 0.75)


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_outputs_have_the_size_of_the_input(size):
    images = torch.zeros(1, 1, *size)
    assert UNetGenerator((1, *size), (3, *size), 2)(images, no_dropout).shape == (1, 3, *size)
    assert ResNetTranslator((1, *size), (3, *size), 2)(images).shape == (1, 3, *size)
    assert min(PatchDiscriminator((1, *size), 2)(images).shape[2:]) >= 4


@pytest.mark.parametrize(("size", "expected"), [((256, 256), 8), ((64, 64), 6), ((96, 128), 5), ((8, 8), 3)])
def test_the_unet_is_as_deep_as_size_and_padding_allow(size, expected):
    assert unet_depth(*size) == expected


@pytest.mark.parametrize(("size", "patch"), [(256, 70), (64, 34), (32, 16)])
def test_the_receptive_field_of_a_logit_is_one_patch(size, patch):
    """Measured by the gradient of the middle logit (Isola et al. 2017, appendix 6.1.2, for 70 x 70 and 16 x 16)."""
    torch.manual_seed(0)
    discriminator = PatchDiscriminator((1, size, size), 4)
    for layer in discriminator.modules():
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = lambda features: features  # its mean depends on every pixel
    images = torch.randn(1, 1, size, size, requires_grad=True)
    logits = discriminator(images)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    rows = torch.nonzero(images.grad[0, 0].abs().sum(1)).flatten()
    assert int(rows.max() - rows.min()) + 1 == patch
