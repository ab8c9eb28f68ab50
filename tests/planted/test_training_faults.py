"""Faults planted in training are detected and acted on, and the best state before them is kept."""

import dataclasses

import pytest
import torch
from torch import nn

from ganaug import LabeledImages
from ganaug.errors import TrainingError
from ganaug.models import LOSSES, NETWORKS
from ganaug.models.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from ganaug.training.checkpoint import Checkpoints
from ganaug.training.health import MAX_RETRIES, RECOVERY_CHECKS
from tests.sets import SMALL, augmenter, clothes

HINGE = LOSSES["hinge"]
SETTINGS = {**SMALL, "width": 32, "check_every": 10, "ema_half_life": 200}
FOREVER = 10**9


class FaultyGeneratorLoss:
    """The hinge loss, changed by `fault` from the `first` to the `last` call."""

    def __init__(self, first, last, fault):
        self.n_calls, self.first, self.last, self.fault = 0, first, last, fault

    def __call__(self, fake):
        self.n_calls += 1
        loss = HINGE.generator(fake)
        return self.fault(loss) if self.first <= self.n_calls <= self.last else loss


def faulty(first, last, factor):
    return dataclasses.replace(HINGE, generator=FaultyGeneratorLoss(first, last, lambda loss: loss * factor))


def small_augmenter(loss=HINGE, network="dcgan", steps=80, **changes):
    return augmenter(network, loss, n_steps=steps, **{**SETTINGS, **changes})


def symptoms(gan):
    return [finding.symptom for finding in gan.health_]


def test_a_healthy_run_has_no_findings():
    gan = small_augmenter(steps=200).fit(clothes())
    assert symptoms(gan) == []
    assert gan.stop_reason_ == "finished"


def test_a_single_nan_is_rolled_back_and_training_continues_at_a_lower_rate():
    gan = small_augmenter(faulty(25, 25, float("nan"))).fit(clothes())
    assert symptoms(gan).count("nan") == 1
    assert gan.health_[0].step == 30
    assert gan.stop_reason_ == "finished"
    assert gan.n_steps_ == 80
    assert all(torch.isfinite(parameter).all() for parameter in gan.model_.generator.parameters())
    assert gan.history_["score"].iloc[-1] is not None


def test_a_permanent_nan_is_an_error_and_publishes_no_model(tmp_path):
    gan = small_augmenter(faulty(25, FOREVER, float("inf")), run_dir=tmp_path / "run")
    with pytest.raises(TrainingError, match=f"not finite at step 60.*after {MAX_RETRIES} roll-backs"):
        gan.fit(clothes())
    assert not (tmp_path / "run" / "model").exists()
    assert not hasattr(gan, "model_")
    assert len(gan.health_) == MAX_RETRIES + 1


def test_a_vanishing_generator_gradient_stops_the_run_with_the_best_state():
    gan = small_augmenter(faulty(41, FOREVER, 1e-9), steps=500).fit(clothes())
    assert set(symptoms(gan)) == {"vanishing-gradient"}
    assert gan.stop_reason_.startswith("vanishing-gradient")
    assert gan.n_steps_ < 500
    assert gan.best_step_ <= 40


class CollapsedGenerator(nn.Module):
    """A generator that ignores its latent vector: all samples of a class are the same."""

    def __init__(self, shape, n_classes, latent_size, width):
        super().__init__()
        self.inner = DCGANGenerator(shape, n_classes, latent_size, width)

    def forward(self, latent, labels):
        return self.inner(torch.ones_like(latent) + 0.001 * latent, labels)


def test_mode_collapse_is_reported_with_its_class_and_stops_the_run():
    collapsed = dataclasses.replace(NETWORKS["dcgan"], generator=CollapsedGenerator)
    gan = small_augmenter(network=collapsed, steps=1000).fit(clothes())
    assert set(symptoms(gan)) == {"mode-collapse"}
    assert gan.health_[0].subject in ("Trouser", "Sandal", "Sneaker")
    assert gan.health_[0].value < gan.health_[0].threshold
    assert gan.stop_reason_.startswith("mode-collapse")
    assert gan.n_steps_ < 1000


def test_a_late_collapse_keeps_the_state_from_before_it():
    state = {"is_collapsed": False}

    class LateCollapse(CollapsedGenerator):
        def forward(self, latent, labels):
            return self.inner(torch.ones_like(latent) if state["is_collapsed"] else latent, labels)

    gan = small_augmenter(network=dataclasses.replace(NETWORKS["dcgan"], generator=LateCollapse), steps=400)
    gan.fit(clothes(), callbacks=[lambda done, logs: state.update(is_collapsed=done > 100)])
    assert set(symptoms(gan)) == {"mode-collapse"}
    assert gan.best_step_ <= 110
    assert gan.stop_reason_.startswith("mode-collapse")


def test_a_discriminator_that_is_far_ahead_is_slowed_down():
    gan = small_augmenter(steps=90, generator_lr=1e-7, discriminator_lr=2e-3).fit(clothes())
    assert symptoms(gan)[0] == "discriminator-ahead"
    assert gan.health_[0].action == "halve the discriminator's learning rate"
    assert gan.stop_reason_ == "finished"


class FadingDiscriminator(DCGANDiscriminator):
    """A discriminator whose logits fade to nothing, as if spectral norms of many layers had shrunk the signal."""

    def __init__(self, *args):
        super().__init__(*args)
        self.n_calls = 0

    def forward(self, images, labels):
        self.n_calls += 1
        return super().forward(images, labels) * (0.01 if self.n_calls > 80 else 1.0)


def test_a_standstill_is_found_and_the_generator_slowed_down():
    fading = dataclasses.replace(NETWORKS["dcgan"], discriminator=FadingDiscriminator)
    # Adam undoes a constant factor of the loss: only a rate of nearly 0 keeps the discriminator where it is
    gan = small_augmenter(network=fading, steps=200, discriminator_lr=1e-7).fit(clothes())
    assert "standstill" in symptoms(gan)
    first = next(finding for finding in gan.health_ if finding.symptom == "standstill")
    assert first.action == "halve the generator's learning rate"
    assert first.step <= 120
    assert gan.stop_reason_ == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_standstill_is_found_in_every_run_and_never_in_a_healthy_one(seed):
    fading = dataclasses.replace(NETWORKS["dcgan"], discriminator=FadingDiscriminator)
    gan = small_augmenter(network=fading, steps=200, discriminator_lr=1e-7, random_state=seed).fit(clothes())
    assert "standstill" in symptoms(gan)
    assert "standstill" not in symptoms(small_augmenter(steps=200, random_state=seed).fit(clothes()))


def test_learning_rates_recover_after_a_nan(tmp_path):
    factors = {}

    def record(done, logs):
        steps = (60, 30 + 10 * RECOVERY_CHECKS)
        if done in steps:
            factors[done] = Checkpoints(tmp_path / "run" / "checkpoints").load(done)["rate_factors"]

    gan = small_augmenter(faulty(25, 25, float("nan")), steps=30 + 10 * RECOVERY_CHECKS, run_dir=tmp_path / "run")
    gan.fit(clothes(), callbacks=[record])
    assert symptoms(gan) == ["nan"]
    assert list(factors.values()) == [{"generator": 0.5, "discriminator": 0.5}, {"generator": 1, "discriminator": 1}]


def test_a_run_without_a_finite_check_is_an_error():
    gan = small_augmenter(faulty(1, FOREVER, float("nan")), steps=4)
    with pytest.raises(TrainingError, match="No check in 4 steps found a state worth keeping"):
        gan.fit(clothes())


def test_classes_of_two_images_do_not_stop_a_run():
    pairs = LabeledImages(clothes(14).images[:40], torch.arange(20).repeat(2), tuple(f"k{i:02d}" for i in range(20)))
    gan = small_augmenter(steps=150, check_every=10).fit(pairs)
    assert gan.stop_reason_ == "finished"
