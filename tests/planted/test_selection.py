"""The composition of a folder that is chosen by measuring, where the right choice is known."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator

from ganaug import LabeledImages
from ganaug.augmentation import measurement, selection
from ganaug.augmentation.selection import make_request, select_composition
from ganaug.datasets.alterations import ClassicalAugmentation
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.errors import ClassNotLearnedError, RunInterruptedError
from ganaug.evaluation import CNN
from ganaug.images import concatenate
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

    def cells_of(self, images):
        return None

    def other_training_images(self, images):
        return None

    def smallest_time_budget(self, images):
        return 0.0

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
    assert "'double, plain copies' is better than the default 'double, altered copies'" in chosen.sentences[0]


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


def test_many_small_classes_beside_a_very_large_one_are_not_filled_up_to_it():
    counts = {"large": 5000, **{f"small {number}": 50 for number in range(100)}}
    assert selection.measured_balances(counts) == ("as-is", "square-root")


def test_resuming_with_another_request_or_other_images_measures_again(sets, tmp_path):
    log = []
    select(sets[0], PoolSampler(sets[1], log=log), tmp_path)
    fixed = select(sets[0], PoolSampler(sets[1], log=log), tmp_path, share=0.4, strategy="full", resume=True)
    assert (fixed.balance, fixed.share) == ("full", 0.4)
    other = select(sets[0], PoolSampler(sets[1], log=log), tmp_path, strategy="square-root", resume=True)
    assert other.balance == "square-root"
    assert len(log) == 4
    select(sets[1], PoolSampler(sets[0], log=log), tmp_path, strategy="square-root", resume=True)
    assert len(log) == 6


def test_copies_and_marked_images_are_not_measured_as_real_ones(sets, tmp_path):
    """A copy and its source would be in different folds."""
    log = []
    real = replace(sets[0], metadata=pd.DataFrame({"origin": ["original"] * len(sets[0])}))
    copies = replace(sets[0], metadata=pd.DataFrame({"origin": ["altered"] * len(sets[0])}))
    select(concatenate(real, copies), PoolSampler(sets[1], log=log), tmp_path)
    assert sum(log) == len(real)


def test_noise_that_looks_like_one_of_two_classes_is_not_used(sets, tmp_path):
    two, others = (
        LabeledImages(part.images[part.labels < 2], part.labels[part.labels < 2], CLASSES[:2]) for part in sets
    )
    chosen = select(two, PoolSampler(noise_like(others)), tmp_path)
    assert chosen.share == 0
    assert "predict the right class for synthetic images of 0 of 2 classes" in chosen.sentences[-1]


def test_few_groups_are_not_measured(sets, tmp_path):
    groups = pd.DataFrame({"group_id": [f"slide {row % 4}" for row in range(len(sets[0]))]})
    chosen = select(replace(sets[0], metadata=groups), PoolSampler(sets[1]), tmp_path)
    assert chosen.share == 0.1
    assert "4 groups" in chosen.sentences[0]


def test_nothing_is_measured_if_nothing_is_filled_up(sets, tmp_path):
    log = []
    chosen = select(sets[0], PoolSampler(sets[1], log=log), tmp_path, strategy="as-is")
    assert (chosen.balance, chosen.share, log) == ("as-is", 0.0, [])


def test_a_class_that_the_generator_cannot_fill_is_measured_with_copies(sets, tmp_path, monkeypatch):
    def sample(self, counts, *, random_state=None):
        if CLASSES[2] in counts:
            raise ClassNotLearnedError(f"class {CLASSES[2]!r} is not learned.")
        return PoolSampler.sample(self, counts, random_state=random_state)

    failing = type("Failing", (PoolSampler,), {"sample": sample})
    chosen = select(sets[0], failing(sets[1]), tmp_path)
    assert chosen.share > 0
