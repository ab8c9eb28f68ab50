"""Networks compiled by torch.compile: the same training, sooner; left out where it cannot be done."""

import numpy as np
import pytest

from ganaug import GANAugmenter
from ganaug.training.engine import has_compiler
from ganaug.training.loop import StopTraining

compiles = pytest.mark.skipif(not has_compiler(__import__("torch").device("cpu")), reason="no compiler")
SMALL = {"width": 4, "latent_size": 8, "precision": "fp32", "filters": None, "device": "cpu", "random_state": 0}
FEW = {"check_every": 4, "batch_size": 16, **SMALL}


@pytest.fixture(scope="module")
def images():
    draws = np.random.default_rng(0)
    labels = np.repeat([0, 1], 24)
    return (draws.integers(0, 90, (48, 12)) + labels[:, None] * 100).astype(np.uint8), labels


def stop_at(step):
    def callback(done, logs):
        if done == step:
            raise StopTraining("interrupted")

    return callback


@compiles
@pytest.mark.timeout(600)
def test_a_compiled_run_learns_the_same_and_resumes_to_the_bit(images, tmp_path, untouched_global_randomness):
    plain = GANAugmenter(n_steps=6, **FEW).fit(*images)
    whole = GANAugmenter(n_steps=6, compiled=True, run_dir=tmp_path / "whole", **FEW).fit(*images)
    apart = np.abs(plain.sample(40).images.float() - whole.sample(40).images.float())
    assert float(apart.mean()) < 1  # of 255: sums in another order
    GANAugmenter(n_steps=6, compiled=True, run_dir=tmp_path / "cut", **FEW).fit(*images, callbacks=[stop_at(3)])
    again = GANAugmenter(n_steps=6, compiled=True, run_dir=tmp_path / "cut", **FEW).resume(*images)
    assert again.model_.hash() == whole.model_.hash()
    assert GANAugmenter.load(tmp_path / "whole").model_.hash() == whole.model_.hash()


@pytest.mark.parametrize("more", [{"loss": "wgan-gp"}, {"class_noise": 0.5}, {"conditioning_ramp": (0, 100)}])
def test_what_cannot_be_compiled_is_refused(more):
    draws = np.random.default_rng(0)
    pictures = draws.integers(0, 255, (32, 8, 8), dtype=np.uint8)
    with pytest.raises(ValueError, match="compiled=True does not go with"):
        GANAugmenter(n_steps=2, compiled=True, **{**FEW, **more}).fit(pictures, np.repeat([0, 1], 16))


def test_without_a_compiler_it_is_left_out_and_said(images, monkeypatch):
    monkeypatch.setattr("ganaug.training.sides.has_compiler", lambda device: False)
    plain = GANAugmenter(n_steps=3, **FEW).fit(*images)
    with pytest.warns(UserWarning, match="no compiler for cpu is found here"):
        made = GANAugmenter(n_steps=3, compiled=True, **FEW).fit(*images)
    assert made.model_.hash() == plain.model_.hash()
