import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import interpolate

from ganaug.metrics import features
from ganaug.metrics.efficientnet import WEIGHTS, load_efficientnet_lite0
from tests.reference.convert_efficientnet import converted, published_network

SHAPES = [(1, 28, 28), (3, 50, 41), (3, 224, 224), (3, 320, 256)]


@pytest.fixture(scope="module")
def published():
    return published_network()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_features_equal_those_of_the_published_network(shape, published, monkeypatch):
    monkeypatch.setattr(features, "IMAGES_PER_PASS", 3)  # a pass is always full, and 32 images take a second
    images = torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rgb = images.expand(-1, 3, -1, -1).float()
    resized = interpolate(rgb, size=(224, 224), mode="bilinear", antialias=True, align_corners=False)
    with torch.no_grad():
        expected = published.extract_features((resized - 127) / 128).mean((2, 3))
    computed = features.efficientnet_features(images)
    assert computed.shape == (3, 1280)
    assert (computed - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (75, 113)], ids=str)
def test_feature_maps_of_any_size_equal_those_of_the_published_network(size, published):
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, computed = published.extract_features(images), load_efficientnet_lite0()(images)
    assert computed.shape == expected.shape
    assert (computed - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_shipped_weights_are_the_published_ones(published):
    expected, shipped = converted(published.state_dict()), load_file(WEIGHTS)
    assert shipped.keys() == expected.keys()
    assert all(torch.equal(shipped[name], value) for name, value in expected.items())
