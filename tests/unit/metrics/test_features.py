"""Features of names, modules and functions, with weights that ganaug ships and weights that the user provides."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from ganaug.errors import DataError
from ganaug.metrics import efficientnet, features
from ganaug.metrics.features import FEATURES, efficientnet_features, get_extractor
from tests.hostile import FORMS, pickles

IMAGES = torch.randint(0, 256, (5, 1, 20, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The empty checkpoint folder of torch.hub, and an empty cache; a download attempt fails the test."""
    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: pytest.fail("the network was accessed"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_a_module_is_applied_in_evaluation_mode_and_left_unchanged():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(320), nn.Dropout(0.5), nn.Linear(320, 7))
    net[2].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    name, features_of = get_extractor(net)
    rows = features_of(IMAGES)
    assert name == "Sequential"
    assert rows.shape == (5, 7)
    assert not rows.requires_grad
    assert torch.equal(rows, features_of(IMAGES))  # no dropout, no batch statistics
    assert net.training
    assert not net[2].training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_function_must_return_a_finite_row_for_each_image():
    name, features_of = get_extractor(lambda images: images.flatten(1))
    assert name == "<lambda>"
    assert features_of(IMAGES).shape == (5, 320)
    for wrong in (lambda images: images[:2].flatten(1), lambda images: torch.full((len(images), 2), torch.nan)):
        with pytest.raises(DataError, match="not finite; it must map"):
            get_extractor(wrong)[1](IMAGES)


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="inception"):
        get_extractor("inceptoin")


@pytest.mark.parametrize("name", ["inception", "dinov2"])
def test_missing_weights_are_named_and_never_downloaded(name, hub):
    with pytest.raises(DataError, match=FEATURES[name].weights_file.replace(".", r"\.")):
        get_extractor(name)[1](IMAGES)
    assert not list(hub.iterdir())


@pytest.mark.parametrize("name", ["inception", "dinov2"])
@pytest.mark.parametrize("form", FORMS)
def test_unpublished_weights_are_refused_and_never_opened(name, form, hub, tmp_path):
    (hub.parent / "facebookresearch_dinov2_main").mkdir()
    (hub.parent / "facebookresearch_dinov2_main" / "hubconf.py").write_text("raise AssertionError('this must not run')")
    (hub / FEATURES[name].weights_file).write_bytes(pickles(tmp_path / "ran")[form])
    with pytest.raises(DataError, match="not the published weights"):
        FEATURES[name](IMAGES)
    assert not (tmp_path / "ran").exists()


def test_the_missing_code_of_dinov2_is_named_and_never_downloaded(hub):
    (hub / FEATURES["dinov2"].weights_file).write_bytes(b"weights")
    with pytest.raises(DataError, match="facebookresearch_dinov2_main: not found"):
        FEATURES["dinov2"](IMAGES)


def test_shipped_weights_with_one_changed_bit_are_refused(tmp_path, monkeypatch):
    content = bytearray(efficientnet.WEIGHTS.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(content)
    monkeypatch.setattr(efficientnet, "WEIGHTS", tmp_path / "weights.safetensors")
    efficientnet.load_efficientnet_lite0.cache_clear()
    with pytest.raises(DataError, match=r"weights\.safetensors: not the weights that ganaug ships.*Reinstall ganaug"):
        FEATURES["auto"](IMAGES)


def with_stored_weights(name, hub):
    """The features `name`, as if the weights that the test has stored were the published ones."""
    published = FEATURES[name]
    return replace(published, sha256=hashlib.sha256((hub / published.weights_file).read_bytes()).hexdigest())


def test_inception_features_are_those_of_the_users_weights(hub, monkeypatch):
    with monkeypatch.context() as without_weights:
        module = "torch_fidelity.feature_extractor_inceptionv3"
        without_weights.setattr(f"{module}.load_state_dict_from_url", lambda *_, **__: {})
        without_weights.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        net = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(net.state_dict(), hub / FEATURES["inception"].weights_file)
    rows = with_stored_weights("inception", hub)(IMAGES)
    with torch.no_grad():
        expected = net.eval()(IMAGES.expand(-1, 3, -1, -1))[0]
    assert rows.shape == (5, 2048)
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-5)


def test_dinov2_features_are_those_of_the_users_network(hub):
    repository = hub.parent / "facebookresearch_dinov2_main"
    repository.mkdir()
    (repository / "hubconf.py").write_text(
        "import torch\n"
        "def dinov2_vits14(**_):\n"
        "    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())\n"
    )
    (hub / FEATURES["dinov2"].weights_file).write_bytes(b"weights")
    rows = with_stored_weights("dinov2", hub)(IMAGES)
    assert rows.shape == (5, 3)
    assert rows[:, 0].argsort().equal(IMAGES.float().mean((1, 2, 3)).argsort())


@pytest.fixture(scope="module")
def default_features(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANAUG_CACHE", str(tmp_path_factory.mktemp("cache")))
        return efficientnet_features(IMAGES)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_size_of_a_pass_changes_no_feature(size, default_features, monkeypatch):
    monkeypatch.setattr(features, "IMAGES_PER_PASS", size)
    torch.testing.assert_close(efficientnet_features(IMAGES), default_features, rtol=1e-4, atol=1e-5)


def test_loading_the_network_prints_nothing_and_draws_no_random_numbers(capfd, untouched_global_randomness):
    efficientnet.load_efficientnet_lite0.cache_clear()
    net = efficientnet.load_efficientnet_lite0()
    assert 3_000_000 < sum(value.numel() for value in net.parameters()) < 4_000_000
    assert capfd.readouterr() == ("", "")


def test_importing_the_metrics_loads_no_weights():
    code = (
        "import sys, ganaug.metrics\n"
        "from ganaug.metrics.efficientnet import load_efficientnet_lite0\n"
        "print(load_efficientnet_lite0.cache_info().currsize, 'torch_fidelity' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]
