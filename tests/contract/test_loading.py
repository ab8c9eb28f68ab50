"""A loaded estimator has every attribute of the fitted one, and says what a file could not hold."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from ganaug import ClassTranslator, CycleGAN, GANAugmenter, Pix2Pix
from ganaug.models.losses import LOSSES
from ganaug.models.networks import NETWORKS
from tests.sets import SMALL, augmenter, cyclegan, noise, pix2pix, tones

TINY = {"n_steps": 4, "width": 2, "batch_size": 2, "check_every": 2, "device": "cpu", "random_state": 0}
DRAWS = np.random.default_rng(0)
PHOTOS = DRAWS.integers(0, 200, (12, 8, 8), np.uint8)
UNEVEN = (np.concatenate([PHOTOS, 255 - PHOTOS[:4]]), ["common"] * 12 + ["rare"] * 4)
FITS = {
    "GANAugmenter": lambda: augmenter(n_steps=4, check_every=2, **{**SMALL, "filters": "copies,label"}).fit(tones(12)),
    "Pix2Pix": lambda: pix2pix(**TINY).fit(PHOTOS, 255 - PHOTOS),
    "CycleGAN": lambda: cyclegan(**TINY).fit(PHOTOS, 255 - PHOTOS),
    "ClassTranslator": lambda: ClassTranslator(cyclegan(**TINY), filters="copies", device="cpu", random_state=0).fit(
        *UNEVEN
    ),
}
CLASSES = {cls.__name__: cls for cls in (GANAugmenter, Pix2Pix, CycleGAN, ClassTranslator)}


def is_equal(first, second):
    if isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second, check_dtype=False)
        return True
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(is_equal(first[key], second[key]) for key in first)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    return str(first) == str(second) if type(first).__name__ in ("Plan", "Finding", "list") else first == second


@pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")
@pytest.mark.parametrize("name", CLASSES)
def test_every_fitted_attribute_comes_back(name, tmp_path):
    fitted = FITS[name]()
    fitted.save(tmp_path)
    loaded = CLASSES[name].load(tmp_path, "cpu")
    attributes = [attribute for attribute in vars(fitted) if attribute.endswith("_") and attribute != "model_"]
    assert len(attributes) >= 8
    for attribute in attributes:
        assert is_equal(getattr(fitted, attribute), getattr(loaded, attribute)), attribute
    assert loaded.model_.hash() == fitted.model_.hash()
    assert json.dumps(loaded._params_as_json(), default=str) == json.dumps(fitted._params_as_json(), default=str)


@pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")
def test_a_class_translator_draws_the_same_after_loading(tmp_path):
    fitted = FITS["ClassTranslator"]()
    fitted.save(tmp_path)
    loaded = ClassTranslator.load(tmp_path, "cpu")
    first, second = (each.sample({"rare": 5}, filtered=False) for each in (fitted, loaded))
    assert torch.equal(first.images, second.images)
    assert first.metadata.equals(second.metadata)
    blocks = list(loaded.sample_blocks({"rare": 5}, block_size=2, start=0, filtered=False))
    assert torch.equal(torch.cat([block.images for block in blocks]), first.images)


@pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")
@pytest.mark.parametrize(
    ("parameter", "value"), [("loss", LOSSES["hinge"]), ("augmentation", [lambda images, draws: images])]
)
def test_an_object_that_a_file_cannot_hold_is_asked_for_before_a_refit(parameter, value, tmp_path):
    augmenter(n_steps=1, **{parameter: value}, **SMALL).fit(noise()).save(tmp_path)
    loaded = GANAugmenter.load(tmp_path, "cpu")
    assert loaded.sample(4).counts == {"a": 2, "b": 2}
    with pytest.raises(ValueError, match=rf"{parameter} was an object of .* Pass it again"):
        loaded.fit(noise())
    with pytest.raises(ValueError, match=f"{parameter} was an object of"):
        clone(loaded).fit(noise())
    assert loaded.set_params(**{parameter: value}).fit(noise()).n_steps_ == 1


@pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")
def test_a_network_of_the_users_own_is_given_to_load(tmp_path):
    network = NETWORKS["dcgan"]
    augmenter(network, n_steps=1, **SMALL).fit(noise()).save(tmp_path)
    loaded = GANAugmenter.load(tmp_path, "cpu", network=network)
    assert loaded.network is network
    assert loaded.fit(noise()).n_steps_ == 1
