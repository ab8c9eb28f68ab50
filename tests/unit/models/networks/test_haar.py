import pytest
import torch

from ganaug.models.networks.haar import HaarTransform
from tests.sets import noise


def test_bands_are_the_average_and_the_differences_of_a_block():
    block = torch.tensor([[1.0, 2.0], [3.0, 6.0]]).view(1, 1, 2, 2)
    assert HaarTransform(1)(block).flatten().tolist() == [6.0, -2.0, -3.0, 1.0]
    assert HaarTransform(1, 3.0)(block).flatten().tolist() == [6.0, -6.0, -9.0, 3.0]


def test_bands_keep_the_distances_between_images():
    images = noise((4,), shape=(3, 8, 6)).images / 255
    bands = HaarTransform(3)(images)
    assert bands.shape == (4, 12, 4, 3)
    torch.testing.assert_close(
        torch.cdist(bands.flatten(1), bands.flatten(1)), torch.cdist(images.flatten(1), images.flatten(1))
    )


@pytest.mark.parametrize("shape", [(1, 7, 9), (1, 8, 9)])
def test_an_odd_side_repeats_its_last_pixels(shape):
    bands = HaarTransform(1)(torch.full((1, *shape), 2.0))
    assert bands.shape == (1, 4, -(-shape[1] // 2), -(-shape[2] // 2))
    assert torch.equal(bands[0, 0], torch.full(bands.shape[2:], 4.0))
    assert not bands[0, 1:].any()
