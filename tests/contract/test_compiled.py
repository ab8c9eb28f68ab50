"""Networks compiled by torch.compile: the same training, sooner; left out where it cannot be done."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch._dynamo

from ganaug import GANAugmenter
from ganaug.training.adversarial_pair import OPTIONS
from ganaug.training.engine import has_compiler
from ganaug.training.loop import StopTraining

compiles = pytest.mark.skipif(not has_compiler(torch.device("cpu")), reason="no compiler")
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
@pytest.mark.usefixtures("two_threads")
def test_a_compiled_run_learns_the_same_and_resumes_to_the_bit(images, tmp_path, untouched_global_randomness):
    plain = GANAugmenter(n_steps=6, **FEW).fit(*images)
    whole = GANAugmenter(n_steps=6, compiled=True, run_dir=tmp_path / "whole", **FEW).fit(*images)
    apart = np.abs(plain.sample(40).images.float() - whole.sample(40).images.float())
    assert float(apart.mean()) < 1  # of 255: sums in another order
    GANAugmenter(n_steps=6, compiled=True, run_dir=tmp_path / "cut", **FEW).fit(*images, callbacks=[stop_at(3)])
    again = GANAugmenter(n_steps=6, compiled=True, run_dir=tmp_path / "cut", **FEW).resume(*images)
    assert again.model_.hash() == whole.model_.hash()
    assert GANAugmenter.load(tmp_path / "whole").model_.hash() == whole.model_.hash()


@compiles
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("network", ["dcgan", "resnet"])
def test_compiled_networks_learn_the_same_to_the_bit_each_time(network):
    draws = np.random.default_rng(0)
    pictures, labels = draws.integers(0, 255, (60, 16, 16), dtype=np.uint8), np.repeat([0, 1, 2], 20)
    made = [GANAugmenter(network, n_steps=5, compiled=True, **FEW).fit(pictures, labels) for _ in range(3)]
    assert len({gan.model_.hash() for gan in made}) == 1


@compiles
@pytest.mark.skipif("isolate_recompiles" not in OPTIONS, reason="this torch counts variants over all runs")
@pytest.mark.timeout(600)
def test_one_compiled_run_after_another_is_compiled_too(images):
    with torch._dynamo.config.patch(recompile_limit=4, fail_on_recompile_limit_hit=True):
        for _ in range(3):
            assert GANAugmenter(n_steps=3, compiled=True, **FEW).fit(*images).compiled_


@pytest.mark.parametrize("more", [{"loss": "wgan-gp"}, {"class_noise": 0.5}, {"conditioning_ramp": (0, 100)}])
def test_what_cannot_be_compiled_is_refused(more):
    draws = np.random.default_rng(0)
    pictures = draws.integers(0, 255, (32, 8, 8), dtype=np.uint8)
    with pytest.raises(ValueError, match="compiled=True does not go with"):
        GANAugmenter(n_steps=2, compiled=True, **{**FEW, **more}).fit(pictures, np.repeat([0, 1], 16))


def test_without_a_compiler_it_is_left_out_and_said(images, monkeypatch):
    monkeypatch.setattr("ganaug.training.adversarial_pair.has_compiler", lambda device: False)
    plain = GANAugmenter(n_steps=3, **FEW).fit(*images)
    with pytest.warns(UserWarning, match="no compiler for cpu is found here"):
        made = GANAugmenter(n_steps=3, compiled=True, **FEW).fit(*images)
    assert made.model_.hash() == plain.model_.hash()


@pytest.fixture
def compiling(monkeypatch):
    """What a trial is to find, and how often it is made."""
    found = SimpleNamespace(gain=1.0, trials=0, compiled=0)

    def trial(step, batch):
        found.trials += 1
        return found.gain

    def compile_(sides):
        found.compiled += 1
        return True

    monkeypatch.setattr("ganaug.training.compiling._gain", trial)
    monkeypatch.setattr("ganaug.training.adversarial_pair.Sides.compile", compile_)
    monkeypatch.setattr("ganaug.training.steps.has_compiler", lambda device: True)
    return found


@pytest.mark.parametrize(("gain", "compiled"), [(1.2, 1), (1.02, 0), (0.7, 0)])
def test_auto_compiles_where_a_trial_finds_it_quicker_and_remembers_what_it_found(images, compiling, gain, compiled):
    compiling.gain = gain
    for time in (1, 2):
        GANAugmenter(n_steps=2, compiled="auto", **FEW).fit(*images)
        assert (compiling.trials, compiling.compiled) == (1, time * compiled)
    GANAugmenter(n_steps=2, compiled="auto", **{**FEW, "width": 6}).fit(*images)
    assert compiling.trials == 2  # other networks


def test_a_run_keeps_to_what_its_first_trial_decided(images, compiling, tmp_path, monkeypatch):
    compiling.gain = 1.2
    run = GANAugmenter(n_steps=4, compiled="auto", run_dir=tmp_path / "run", **FEW)
    run.fit(*images, callbacks=[stop_at(2)])
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "another"))
    compiling.gain = 0.5
    run.resume(*images)
    assert (compiling.trials, compiling.compiled) == (1, 2)


@pytest.mark.parametrize("more", [{"loss": "wgan-gp"}, {"class_noise": 0.5}, {"conditioning_ramp": (0, 100)}])
def test_auto_tries_nothing_where_networks_cannot_be_compiled(compiling, more):
    pictures = np.random.default_rng(0).integers(0, 255, (32, 8, 8), dtype=np.uint8)
    GANAugmenter(n_steps=2, compiled="auto", **{**FEW, **more}).fit(pictures, np.repeat([0, 1], 16))
    assert compiling.trials == compiling.compiled == 0


def test_a_run_begun_compiled_says_so_where_it_cannot_be_gone_on_with_so(images, compiling, tmp_path, monkeypatch):
    compiling.gain = 1.2
    run = GANAugmenter(n_steps=4, compiled="auto", run_dir=tmp_path / "run", **FEW)
    run.fit(*images, callbacks=[stop_at(2)])
    monkeypatch.setattr("ganaug.training.steps.has_compiler", lambda device: False)
    with pytest.warns(UserWarning, match="begun with compiled networks"):
        run.resume(*images)
    assert not run.compiled_


def test_auto_says_nothing_where_there_is_no_compiler(images, monkeypatch, recwarn):
    monkeypatch.setattr("ganaug.training.steps.has_compiler", lambda device: False)
    made = GANAugmenter(n_steps=3, compiled="auto", **FEW).fit(*images)
    assert made.model_.hash() == GANAugmenter(n_steps=3, **FEW).fit(*images).model_.hash()
    assert not [warning for warning in recwarn if "compil" in str(warning.message)]


def test_a_compiler_that_fails_is_warned_of_and_left_out(images, monkeypatch):
    def broken(step, batch):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr("ganaug.training.compiling._gain", broken)
    monkeypatch.setattr("ganaug.training.steps.has_compiler", lambda device: True)
    with pytest.warns(UserWarning, match="no such instruction"):
        made = GANAugmenter(n_steps=3, compiled="auto", **FEW).fit(*images)
    assert made.model_.hash() == GANAugmenter(n_steps=3, **FEW).fit(*images).model_.hash()


@compiles
@pytest.mark.timeout(600)
def test_a_trial_leaves_the_step_as_it_was(images, monkeypatch, untouched_global_randomness):
    monkeypatch.setattr("ganaug.training.compiling.GAIN", 1e9)  # a real trial that decides against it
    made = GANAugmenter(n_steps=3, compiled="auto", **FEW).fit(*images)
    assert made.model_.hash() == GANAugmenter(n_steps=3, **FEW).fit(*images).model_.hash()
