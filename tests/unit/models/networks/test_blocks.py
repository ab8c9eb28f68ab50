import math

import pytest
import torch

from ganaug.models.networks.blocks import ConditionalBatchNorm, crop, rows, upsampling_plan


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((28, 28), (2, (7, 7))),
        ((32, 32), (3, (4, 4))),
        ((32, 48), (3, (4, 6))),
        ((64, 64), (4, (4, 4))),
        ((8, 8), (1, (4, 4))),
    ],
)
def test_the_plan_wastes_nothing_where_it_need_not(size, expected):
    assert upsampling_plan((1, *size)) == expected


def test_the_plan_always_covers_the_image_and_starts_small():
    for height in range(8, 257, 7):
        for width in range(8, 257, 11):
            doublings, start = upsampling_plan((3, height, width))
            assert start[0] * 2**doublings >= height
            assert start[1] * 2**doublings >= width
            assert 2 <= min(start) <= 8
            assert start == (math.ceil(height / 2**doublings), math.ceil(width / 2**doublings))


def test_cropping_takes_the_center():
    images = torch.arange(36.0).view(1, 1, 6, 6)
    assert torch.equal(crop(images, 2, 4), images[:, :, 2:4, 1:5])
    assert crop(images, 6, 6) is not None


def test_conditional_batch_norm_is_batch_norm_with_the_gain_of_the_class():
    norm, plain = ConditionalBatchNorm(3, 2), torch.nn.BatchNorm2d(3, affine=False)
    features = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    labels = torch.tensor([0, 1] * 4)
    with torch.no_grad():
        norm.gain.weight[1], norm.bias.weight[1] = 2.0, -1.0
    expected = plain(features)
    torch.testing.assert_close(norm(features, labels)[labels == 0], expected[labels == 0])
    torch.testing.assert_close(norm(features, labels)[labels == 1], expected[labels == 1] * 2 - 1)
    norm.eval(), plain.eval()
    plain(features)
    torch.testing.assert_close(
        norm(features, labels * 0),
        (features - norm.running_mean.view(1, 3, 1, 1)) / (norm.running_var.view(1, 3, 1, 1) + 1e-5).sqrt(),
    )


@pytest.mark.usefixtures("two_threads")
def test_the_gradient_of_a_lookup_is_the_same_to_the_bit_each_time():
    table, labels = torch.randn(10, 1152, requires_grad=True), torch.randint(0, 10, (256,))
    weights = torch.randn(256, 1152)
    assert torch.equal(rows(table, labels), table[labels])
    found = [torch.autograd.grad((rows(table, labels) * weights).sum(), table)[0] for _ in range(30)]
    assert all(torch.equal(one, found[0]) for one in found)
