"""A fault planted in training is named, acted on, and what was good before it is kept."""

import dataclasses

import pytest
import torch
from torch import nn

from ganaug import LabeledImages
from ganaug.errors import TrainingError
from ganaug.models.losses import LOSSES
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.dcgan import DCGANGenerator
from ganaug.training.health import RETRIES
from tests.sets import SMALL, augmenter, clothes

HINGE = LOSSES["hinge"]
SETTINGS = {**SMALL, "width": 32, "check_every": 10, "ema_half_life": 200}


class Spoilt:
    """Breaks a loss from its `first` call to its `last`."""

    def __init__(self, first, last, how):
        self.calls, self.first, self.last, self.how = 0, first, last, how

    def __call__(self, fake):
        self.calls += 1
        value = HINGE.generator(fake)
        return self.how(value) if self.first <= self.calls <= self.last else value


def fitted(loss=HINGE, network="dcgan", steps=80, **changes):
    return augmenter(network, loss, n_steps=steps, **{**SETTINGS, **changes})


def names(gan):
    return [finding.symptom for finding in gan.health_]


def test_a_healthy_run_raises_no_alarm():
    gan = fitted(steps=200).fit(clothes())
    assert names(gan) == []
    assert gan.stop_reason_ == "finished"


def test_one_nan_is_rolled_back_and_training_goes_on_at_a_lower_rate():
    gan = fitted(dataclasses.replace(HINGE, generator=Spoilt(25, 25, lambda value: value * float("nan"))))
    gan.fit(clothes())
    assert names(gan).count("nan") == 1
    assert gan.health_[0].step == 30
    assert gan.stop_reason_ == "finished"
    assert gan.n_steps_ == 80
    assert all(torch.isfinite(parameter).all() for parameter in gan.model_.generator.parameters())
    assert gan.history_["score"].iloc[-1] is not None


def test_nan_without_end_is_an_error_and_publishes_nothing(tmp_path):
    gan = fitted(
        dataclasses.replace(HINGE, generator=Spoilt(25, 10**9, lambda value: value * float("inf"))),
        run_dir=tmp_path / "run",
    )
    with pytest.raises(TrainingError, match=f"not finite at step 60.*after {RETRIES} roll-backs"):
        gan.fit(clothes())
    assert not (tmp_path / "run" / "model").exists()
    assert not hasattr(gan, "model_")
    assert len(gan.health_) == RETRIES + 1


def test_a_vanishing_generator_gradient_is_named_and_the_best_state_kept():
    gan = fitted(dataclasses.replace(HINGE, generator=Spoilt(41, 10**9, lambda value: value * 1e-9)), steps=500)
    gan.fit(clothes())
    assert set(names(gan)) == {"vanishing-gradient"}
    assert gan.stop_reason_.startswith("vanishing-gradient")
    assert gan.n_steps_ < 500
    assert gan.best_step_ <= 40


class Deaf(nn.Module):
    """A generator that does not hear its latent vector: every sample of a class is the same."""

    def __init__(self, shape, n_classes, latent_size, width):
        super().__init__()
        self.inner = DCGANGenerator(shape, n_classes, latent_size, width)

    def forward(self, latent, labels):
        return self.inner(torch.ones_like(latent) + 0.001 * latent, labels)


def test_mode_collapse_is_named_with_its_class_and_ends_the_run():
    deaf = dataclasses.replace(NETWORKS["dcgan"], generator=Deaf)
    gan = fitted(network=deaf, steps=1000).fit(clothes())
    assert set(names(gan)) == {"mode-collapse"}
    assert gan.health_[0].subject in ("Trouser", "Sandal", "Sneaker")
    assert gan.health_[0].value < gan.health_[0].threshold
    assert gan.stop_reason_.startswith("mode-collapse")
    assert gan.n_steps_ < 1000


def test_a_collapse_late_in_training_keeps_the_state_from_before_it():
    collapsing = {"on": False}

    class Late(Deaf):
        def forward(self, latent, labels):
            return self.inner(torch.ones_like(latent) if collapsing["on"] else latent, labels)

    gan = fitted(network=dataclasses.replace(NETWORKS["dcgan"], generator=Late), steps=400)
    gan.fit(clothes(), callbacks=[lambda done, logs: collapsing.update(on=done > 100)])
    assert set(names(gan)) == {"mode-collapse"}
    assert gan.best_step_ <= 110
    assert gan.stop_reason_.startswith("mode-collapse")


def test_a_critic_that_is_far_ahead_is_slowed_down():
    gan = fitted(steps=90, generator_lr=1e-7, discriminator_lr=2e-3).fit(clothes())
    assert names(gan)[0] == "discriminator-ahead"
    assert gan.health_[0].action == "halve the discriminator's rate"
    assert gan.stop_reason_ == "finished"


def test_a_run_that_never_had_a_finite_check_is_an_error():
    gan = fitted(dataclasses.replace(HINGE, generator=Spoilt(1, 10**9, lambda value: value * float("nan"))), steps=4)
    with pytest.raises(TrainingError, match="no state worth keeping"):
        gan.fit(clothes())


def test_two_images_a_class_do_not_stop_a_run():
    pairs = LabeledImages(clothes(14).images[:40], torch.arange(20).repeat(2), tuple(f"k{i:02d}" for i in range(20)))
    gan = fitted(steps=150, check_every=10).fit(pairs)
    assert gan.stop_reason_ == "finished"
