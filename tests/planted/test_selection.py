"""The composition of a folder that is chosen by measuring, where the right choice is known."""

from dataclasses import replace

import pytest
import torch
from sklearn.base import BaseEstimator

from ganaug import LabeledImages
from ganaug.augmentation import measurement, selection
from ganaug.augmentation.selection import make_request, select_composition
from ganaug.datasets.alterations import ClassicalAugmentation
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.errors import RunInterruptedError
from ganaug.evaluation import CNN
from ganaug.sampling.composition import balanced_targets
from tests.sets import tones

CLASSES = ("T-shirt", "Trouser", "Pullover")


class PoolSampler(BaseEstimator):
    """Stands in for a generator: its samples are images of a pool."""

    sampling_strategy = "auto"
    unlearned_classes_ = ()
    stop_reason_ = "n_steps"

    def __init__(self, pool=None, time_budget=None, run_dir=None, stops=False, log=None):
        self.pool, self.time_budget, self.run_dir, self.stops, self.log = pool, time_budget, run_dir, stops, log

    def __sklearn_clone__(self):
        return type(self)(self.pool, self.time_budget, self.run_dir, self.stops, self.log)

    def fit(self, X, y=None, callbacks=()):
        if self.log is not None:
            self.log.append(len(X))
        self.stop_reason_ = "interrupted" if self.stops else "n_steps"
        return self

    def sample(self, counts, *, random_state=None):
        draws = torch.Generator().manual_seed(random_state or 0)
        rows = [
            self.pool.rows_of(name)[torch.randint(len(self.pool.rows_of(name)), (count,), generator=draws)]
            for name, count in counts.items()
        ]
        return self.pool.take(torch.cat(rows))


@pytest.fixture(scope="module")
def sets():
    """60, 20 and 8 images to augment, and others of the same classes."""
    whole = fashion_mnist_lt()
    training, others = [], []
    for name, count in zip(CLASSES, (60, 20, 8), strict=True):
        rows = whole.rows_of(name)
        training.append(rows[:count])
        others.append(rows[count : count + 150])

    def of_classes(rows):
        part = whole.take(torch.cat(rows))
        part = replace(part, images=part.images[:, :, ::2, ::2])
        labels = torch.tensor([CLASSES.index(whole.classes[label]) for label in part.labels.tolist()])
        return LabeledImages(part.images, labels, CLASSES)

    return of_classes(training), of_classes(others)


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch):
    monkeypatch.setattr(measurement, "MIN_STEPS", 80)
    monkeypatch.setattr(selection, "MAX_SEEDS", 1)
    monkeypatch.setattr(measurement, "CLASSIFIER", CNN(width=8))


def select(images, sampler, tmp_path, strategy="full", share="auto", **options):
    request = make_request(images, sampler, strategy, share, evaluate=True)
    return select_composition(images, request, sampler, tmp_path, seed=0, verbose=0, **{"resume": False, **options})


def noise_like(images):
    pixels = torch.randint(0, 256, images.images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return replace(images, images=pixels)


def permuted(images):
    return replace(images, labels=(images.labels + 1) % len(CLASSES))


def test_other_real_images_are_used_at_a_large_share(sets, tmp_path):
    chosen = select(sets[0], PoolSampler(sets[1]), tmp_path)
    assert chosen.share >= 0.25
    assert f"{100 * chosen.share:g} % synthetic in each class changes balanced accuracy by +" in chosen.sentences[-1]
    assert f"{100 * chosen.share:g} % is used" in chosen.sentences[-1]


@pytest.mark.parametrize("spoil", [noise_like, permuted])
def test_worthless_images_are_not_used(spoil, sets, tmp_path):
    chosen = select(sets[0], PoolSampler(spoil(sets[1])), tmp_path)
    assert chosen.share == 0
    assert "alone are used" in chosen.sentences[-1]


def test_alterations_that_turn_one_class_into_another_are_not_used(tmp_path, monkeypatch):
    """Dark and bright images, and an alteration that inverts."""
    monkeypatch.setattr(ClassicalAugmentation, "alter", lambda self, images, seed: (255 - images, ["[]"] * len(images)))
    images = tones(30, shape=(1, 8, 8))
    images = images.take(torch.cat([images.rows_of("dark"), images.rows_of("middle"), images.rows_of("bright")[:10]]))
    chosen = select(images, PoolSampler(images), tmp_path, strategy="double", share="auto")
    assert not chosen.is_altered
    assert "double, plain copies is better than double, altered copies" in chosen.sentences[0]


def test_what_was_measured_is_stored_and_taken_when_resumed(sets, tmp_path):
    log = []
    first = select(sets[0], PoolSampler(sets[1], log=log), tmp_path)
    assert len(log) == 2
    again = select(sets[0], PoolSampler(sets[1], log=log), tmp_path, resume=True)
    assert again == first
    assert len(log) == 2
    assert {"candidate", "seeds", "balanced accuracy", "change", "low", "high"} == set(first.table)


def test_an_interruption_of_a_generator_can_be_resumed(sets, tmp_path):
    with pytest.raises(RunInterruptedError, match="Resume it"):
        select(sets[0], PoolSampler(sets[1], stops=True), tmp_path)


def test_too_few_images_to_measure_use_the_default_and_say_so(sets, tmp_path):
    few = sets[0].take(torch.cat([sets[0].rows_of(name)[:3] for name in CLASSES]))
    chosen = select(few, PoolSampler(sets[1]), tmp_path, strategy="auto")
    assert (chosen.balance, chosen.is_altered, chosen.share) == ("double", True, 0.1)
    assert "Nothing was measured, and the default is used: class 'T-shirt' has 3 images" in chosen.sentences[0]


def test_too_short_a_budget_uses_the_default_and_says_so(sets, tmp_path):
    chosen = select(sets[0], PoolSampler(sets[1], time_budget=0.1), tmp_path)
    assert (chosen.balance, chosen.share) == ("full", 0.1)
    assert "too short to measure" in chosen.sentences[0]


def test_a_folder_is_not_doubled_where_it_would_be_very_large():
    assert selection.measured_balances({"a": 5000, "b": 50})[-1] == "double"
    large = {"a": 50_000, "b": 50}
    assert selection.measured_balances(large)[-1] == "full"
    assert sum(balanced_targets(large, "double").values()) > selection.MAX_FOLDER_IMAGES
