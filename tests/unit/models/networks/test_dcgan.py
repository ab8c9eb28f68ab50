import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate

from ganaug.models import NETWORKS
from ganaug.models.networks.dcgan import DCGANDiscriminator, SmoothUpsampling


def test_only_the_first_layer_has_no_batch_norm_even_if_its_width_equals_the_image_channels():
    discriminator = DCGANDiscriminator((3, 32, 32), n_classes=2, width=3, normalization="batch")
    has_norm = [any(isinstance(layer, nn.BatchNorm2d) for layer in down.modules()) for down in discriminator.downs]
    assert has_norm == [False, True, True]


def test_smooth_upsampling_is_nearest_neighbor_upsampling_and_a_convolution():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer, features = SmoothUpsampling(4, 6), torch.randn(2, 4, 5, 7)
    weight = layer.weight.transpose(0, 1).flip(2, 3)
    expected = conv2d(interpolate(features, scale_factor=2.0), weight, padding=1)
    torch.testing.assert_close(layer(features), expected, atol=1e-5, rtol=1e-5)


def test_linear_interpolation_draws_ramps_between_pixels():
    layer = SmoothUpsampling(1, 1, 2, is_linear=True)
    nn.init.constant_(layer.weight, 1.0)
    ramp = layer(torch.arange(8.0).expand(1, 1, 8, 8))[0, 0, 8, 2:-2]
    torch.testing.assert_close(ramp.diff(), torch.full_like(ramp.diff(), ramp.diff().mean().item()))


@pytest.mark.parametrize("seed", range(5))
def test_uniform_features_give_uniform_images_without_a_checkerboard(seed):
    def spread(network):
        """Largest difference between pixels, relative to the largest value."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            generator = NETWORKS[network].generator((3, 128, 128), 2, 8, 16).eval()
            weights = generator.first.weight.unflatten(0, (-1, *generator.start))
            generator.first.weight.data = weights[:, :1, :1].expand_as(weights).flatten(0, 2).clone()
            nn.init.zeros_(generator.last.bias)
            image = generator(torch.randn(1, 8), torch.tensor([1]))[0].detach()
        inner = image[:, 52:76, 52:76]  # the padding reaches the borders only
        return float((inner.amax((1, 2)) - inner.amin((1, 2))).max() / inner.abs().max())

    assert spread("dcgan-smooth") < 1e-4
    assert spread("dcgan-halved") < 1e-4
    assert spread("dcgan") > 0.1


def test_a_halved_generator_costs_a_quarter_of_the_whole_one():
    parameters = {name: NETWORKS[name].generator((3, 64, 64), 2, 8, 8) for name in ("dcgan-smooth", "dcgan-halved")}
    multiplications = {}
    for name, generator in parameters.items():
        total = []
        for layer in generator.ups:
            layer.register_forward_hook(lambda m, i, o, total=total: total.append(m.weight.numel() * o[0, 0].numel()))
        generator(torch.zeros(1, 8), torch.tensor([0]))
        multiplications[name] = sum(total)
    assert 3 < multiplications["dcgan-smooth"] / multiplications["dcgan-halved"] < 5
