import math

import pytest
import torch

from ganaug.models.networks.blocks import ConditionalBatchNorm, center_crop, embedding_rows, upsampling_plan


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
def test_the_upsampling_plan_has_no_surplus_where_none_is_needed(size, expected):
    assert upsampling_plan((1, *size)) == expected


def test_the_upsampling_plan_covers_every_image_and_starts_small():
    for height in range(8, 257, 7):
        for width in range(8, 257, 11):
            n_doublings, start = upsampling_plan((3, height, width))
            assert start[0] * 2**n_doublings >= height
            assert start[1] * 2**n_doublings >= width
            assert 2 <= min(start) <= 8
            assert start == (math.ceil(height / 2**n_doublings), math.ceil(width / 2**n_doublings))


def test_cropping_keeps_the_center():
    images = torch.arange(36.0).view(1, 1, 6, 6)
    assert torch.equal(center_crop(images, 2, 4), images[:, :, 2:4, 1:5])
    assert torch.equal(center_crop(images, 6, 6), images)


def test_conditional_batch_norm_is_batch_norm_with_the_gain_and_bias_of_the_class():
    norm, reference = ConditionalBatchNorm(3, 2), torch.nn.BatchNorm2d(3, affine=False)
    features = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    labels = torch.tensor([0, 1] * 4)
    with torch.no_grad():
        norm.gain.weight[1], norm.bias.weight[1] = 2.0, -1.0
    expected = reference(features)
    torch.testing.assert_close(norm(features, labels)[labels == 0], expected[labels == 0])
    torch.testing.assert_close(norm(features, labels)[labels == 1], expected[labels == 1] * 2 - 1)
    norm.eval(), reference.eval()
    torch.testing.assert_close(
        norm(features, labels * 0),
        (features - norm.running_mean.view(1, 3, 1, 1)) / (norm.running_var.view(1, 3, 1, 1) + 1e-5).sqrt(),
    )


@pytest.mark.usefixtures("two_threads")
def test_the_gradient_of_embedding_rows_is_reproducible_bit_by_bit():
    table, labels = torch.randn(10, 1152, requires_grad=True), torch.randint(0, 10, (256,))
    weights = torch.randn(256, 1152)
    assert torch.equal(embedding_rows(table, labels), table[labels])
    gradients = [torch.autograd.grad((embedding_rows(table, labels) * weights).sum(), table)[0] for _ in range(30)]
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
