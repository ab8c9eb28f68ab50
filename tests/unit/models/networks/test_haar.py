import pytest
import torch

from ganaug.models.networks.haar import merge_bands, split_bands
from tests.sets import noise


def test_bands_are_the_average_and_the_differences_of_a_block():
    block = torch.tensor([[1.0, 2.0], [3.0, 6.0]]).view(1, 1, 2, 2)
    assert split_bands(block).flatten().tolist() == [6.0, -2.0, -3.0, 1.0]


@pytest.mark.parametrize("shape", [(3, 8, 6), (1, 7, 9)])
def test_bands_merge_to_the_image_and_keep_its_norm(shape):
    images = noise((3,), shape=shape).images / 255
    bands = split_bands(images)
    assert bands.shape == (3, 4 * shape[0], -(-shape[1] // 2), -(-shape[2] // 2))
    merged = merge_bands(bands)
    torch.testing.assert_close(merged[:, :, : shape[1], : shape[2]], images)
    torch.testing.assert_close(bands.norm(), merged.norm())
