import numpy as np
import pytest
import torch

from ganaug import LabeledImages
from ganaug.evaluation import BASELINES, NotApplicableError, balance_classes, fill_classes, mix_synthetic, smote
from tests.sets import noise, tones

REAL, SYNTHETIC = noise((40, 10, 4)), noise((30, 30, 0), seed=1)


def sampled_fraction(training, label, synthetic=None):
    """Fraction of all draws that are images of a class, or its real or synthetic images only."""
    mask = training.images.labels == label
    mask = mask if synthetic is None else mask & (training.is_synthetic == synthetic)
    return float(training.sampling_weights[mask].sum() / training.sampling_weights.sum())


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_changes_the_images_of_a_class_and_not_how_often_it_is_sampled(share):
    training = mix_synthetic(REAL, SYNTHETIC, share)
    for label in range(3):
        assert sampled_fraction(training, label) == pytest.approx(1 / 3)
    assert sampled_fraction(training, 0, synthetic=True) == pytest.approx(share / 3)
    assert sampled_fraction(training, 1, synthetic=True) == pytest.approx(share / 3)
    assert sampled_fraction(training, 2, synthetic=True) == 0  # the class has no synthetic images


@pytest.mark.parametrize(
    "prepare",
    [
        balance_classes,
        lambda images: mix_synthetic(images, SYNTHETIC, 0.5),
        lambda images: fill_classes(images, SYNTHETIC),
    ],
)
def test_sample_weights_sum_to_the_number_of_real_images(prepare):
    assert float(prepare(REAL).sample_weights().sum()) == pytest.approx(len(REAL))


def test_repeats_keep_every_real_image_and_follow_the_sampling_weights():
    training = mix_synthetic(REAL, SYNTHETIC, 0.5)
    repeats = training.repeats()
    assert (repeats[~training.is_synthetic] >= 1).all()
    for label in range(3):
        assert int(repeats[training.images.labels == label].sum()) == pytest.approx(80, abs=1)
    assert (balance_classes(REAL).repeats()[REAL.labels == 0] == 1).all()


def test_real_only_repeats_nothing():
    assert (BASELINES["real only"](REAL, 0).repeats() == 1).all()


def test_filling_stops_at_the_largest_class_or_when_there_are_no_more_images():
    assert fill_classes(REAL, SYNTHETIC).images.counts == {"a": 40, "b": 40, "c": 4}


def test_smote_lies_between_the_images_of_its_class():
    images = tones(12)
    unbalanced = images.take([*range(12), *range(12, 17), *range(24, 28)])
    training = smote(unbalanced, 0)
    assert training.images.counts == {"dark": 12, "middle": 12, "bright": 12}
    for name in ("middle", "bright"):
        interpolated, real = training.images.of_class(name), unbalanced.of_class(name)
        assert interpolated.min() >= real.min()
        assert interpolated.max() <= real.max()
    assert int((~training.is_synthetic).sum()) == len(unbalanced)  # training steps are counted by the real images


def test_smote_of_a_single_image_is_not_possible():
    single = LabeledImages(REAL.images[:41], REAL.labels[:41], REAL.classes[:2])
    with pytest.raises(NotApplicableError):
        smote(single, 0)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_has_all_real_images_and_positive_finite_weights(name):
    training = BASELINES[name](REAL, 0)
    assert torch.equal(training.images.images[: len(REAL)], REAL.images)
    assert np.isfinite(training.sampling_weights.numpy()).all()
    assert (training.sampling_weights > 0).all()
