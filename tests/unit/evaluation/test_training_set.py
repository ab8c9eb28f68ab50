import numpy as np
import pytest
import torch

from ganaug import LabeledImages
from ganaug.evaluation.baselines import BASELINES, smote
from ganaug.evaluation.training_set import NotPossible, balanced, filled, mixed
from tests.sets import noise, tones

REAL, FAKE = noise((40, 10, 4)), noise((30, 30, 0), seed=1)


def drawn(found, label, synthetic=None):
    """How much of all draws falls on a class, or on its synthetic images."""
    own = found.images.labels == label
    own = own if synthetic is None else own & (found.is_synthetic == synthetic)
    return float(found.chances[own].sum() / found.chances.sum())


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_changes_what_stands_for_a_class_and_not_how_often_it_is_drawn(share):
    found = mixed(REAL, FAKE, share)
    for label in range(3):
        assert drawn(found, label) == pytest.approx(1 / 3)
    assert drawn(found, 0, synthetic=True) == pytest.approx(share / 3)
    assert drawn(found, 1, synthetic=True) == pytest.approx(share / 3)
    assert drawn(found, 2, synthetic=True) == 0  # there are none


@pytest.mark.parametrize(
    "make", [balanced, lambda images: mixed(images, FAKE, 0.5), lambda images: filled(images, FAKE)]
)
def test_sample_weights_sum_to_the_real_images_whatever_is_added(make):
    assert float(make(REAL).sample_weights().sum()) == pytest.approx(len(REAL))


def test_repeats_keep_every_real_image_and_come_as_often_as_chances_say():
    found = mixed(REAL, FAKE, 0.5)
    repeats = found.repeats()
    assert (repeats[~found.is_synthetic] >= 1).all()
    for label in range(3):
        own = found.images.labels == label
        assert int(repeats[own].sum()) == pytest.approx(80, abs=1)
    assert (balanced(REAL).repeats()[REAL.labels == 0] == 1).all()


def test_real_only_repeats_nothing():
    assert (BASELINES["real only"](REAL, 0).repeats() == 1).all()


def test_filling_up_stops_at_the_largest_class_or_where_there_are_no_more():
    found = filled(REAL, FAKE)
    assert found.images.counts == {"a": 40, "b": 40, "c": 4}


def test_smote_lies_between_the_images_of_its_class():
    images = tones(12)
    unbalanced = images.take([*range(12), *range(12, 17), *range(24, 28)])
    found = smote(unbalanced, 0)
    assert found.images.counts == {"dark": 12, "middle": 12, "bright": 12}
    for name in ("middle", "bright"):
        own, real = found.images.of_class(name), unbalanced.of_class(name)
        assert own.min() >= real.min()
        assert own.max() <= real.max()
    assert int((~found.is_synthetic).sum()) == len(unbalanced)  # so that steps are counted by the real images


def test_smote_of_a_single_image_is_not_possible():
    lonely = LabeledImages(REAL.images[:41], REAL.labels[:41], REAL.classes[:2])
    with pytest.raises(NotPossible):
        smote(lonely, 0)


@pytest.mark.parametrize("name", BASELINES)
def test_every_rival_has_all_real_images_and_finite_chances(name):
    found = BASELINES[name](REAL, 0)
    assert torch.equal(found.images.images[: len(REAL)], REAL.images)
    assert np.isfinite(found.chances.numpy()).all()
    assert (found.chances > 0).all()
