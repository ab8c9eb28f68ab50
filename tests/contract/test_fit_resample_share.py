"""`fit_resample` with altered copies beside synthetic images."""

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug.datasets.alterations import repeat_alteration
from tests.sets import augmenter, noise

SMALL = {"n_steps": 1, "batch_size": 4, "filters": None, "random_state": 0, "width": 2, "latent_size": 4}


def test_copies_come_after_the_originals_and_before_the_synthetic_images():
    images = noise((12, 4), shape=(3, 16, 16))
    filled, _ = augmenter(**SMALL).fit_resample(images, synthetic_share=0.25)
    assert filled.counts == dict.fromkeys(images.classes, 12)
    assert torch.equal(filled.images[:16], images.images)
    assert filled.metadata["origin"].tolist()[16:] == ["altered"] * 5 + ["synthetic"] * 3
    assert filled.metadata["is_synthetic"].tolist()[16:] == [False] * 5 + [True] * 3
    for pixels, row in zip(filled.images[16:21], filled.metadata[16:21].itertuples(), strict=True):
        assert torch.equal(repeat_alteration(images.images[int(row.altered_from)], row.operations), pixels)


@pytest.mark.parametrize("container", [np.asarray, lambda X: pd.DataFrame(X), torch.tensor])
def test_arrays_come_back_in_their_container(container):
    images = noise((12, 4), shape=(1, 8, 8))
    X, y = images.images.flatten(1).numpy().astype(np.float32), np.array(["a"] * 12 + ["b"] * 4)
    filled, labels = augmenter(image_shape=(8, 8), **SMALL).fit_resample(container(X), y, synthetic_share=0.5)
    assert type(filled) is type(container(X))
    assert (np.asarray(filled)[:16] == X).all()
    assert np.asarray(labels).tolist() == [*y, *["b"] * 8]


def test_without_synthetic_images_only_copies_are_added():
    filled, _ = augmenter(**SMALL).fit_resample(noise((12, 4)), synthetic_share=0)
    assert filled.metadata["origin"].tolist()[16:] == ["altered"] * 8


@pytest.mark.parametrize("share", [-0.1, 1.1, True, "auto"])
def test_a_share_out_of_range_is_refused_before_training(share):
    with pytest.raises(ValueError, match="synthetic_share must be a number from 0 to 1"):
        augmenter(**{**SMALL, "n_steps": 10**9}).fit_resample(noise((12, 4)), synthetic_share=share)


def test_vectors_cannot_be_altered():
    X, y = np.random.default_rng(0).normal(size=(16, 5)), [0] * 12 + [1] * 4
    with pytest.raises(ValueError, match=r"needs images.*Set image_shape"):
        augmenter(**{**SMALL, "n_steps": 10**9}).fit_resample(X, y, synthetic_share=0.5)
