"""Time budgets: one that is too small is refused before any work, and its division is printed."""

import re

import pytest

from ganaug import GANAugmenter, TrainingRecipe, write_folder
from ganaug.augmentation import augment_folder, job
from ganaug.augmentation.job import _affordable_images
from ganaug.estimators import smallest_budget
from tests.sets import tones

TINY = TrainingRecipe(width=4, latent_size=4)


@pytest.fixture
def slow_classifier(monkeypatch):
    """The auxiliary classifier takes 60 s."""
    monkeypatch.setattr(smallest_budget, "estimate_training_seconds", lambda images, device, design: 60.0)


@pytest.mark.usefixtures("slow_classifier")
def test_a_fit_in_too_little_time_is_refused_with_the_smallest_budget(tmp_path):
    with pytest.raises(ValueError, match=r"15 s is too short.*about 150 s.*filters='copies'"):
        GANAugmenter(time_budget=15, recipe=TINY, run_dir=tmp_path / "run").fit(tones(12))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("slow_classifier")
def test_without_the_classifier_any_budget_is_used():
    assert GANAugmenter(time_budget=0.5, recipe=TINY, filters="copies", random_state=0).fit(tones(12)).n_steps_ > 0


@pytest.mark.usefixtures("slow_classifier")
def test_augment_in_too_little_time_is_refused_and_writes_nothing(tmp_path):
    data = write_folder(tones(12).take(range(30)), tmp_path / "data")
    with pytest.raises(ValueError, match=r"100 s is too short.*about 270 s"):
        augment_folder(data, tmp_path / "out", time_budget=100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.mark.usefixtures("slow_classifier")
def test_nothing_is_refused_where_no_generator_is_trained(tmp_path):
    data = write_folder(tones(12).take(range(30)), tmp_path / "data")
    result = augment_folder(
        data, tmp_path / "out", time_budget=100, sampling_strategy="full", synthetic_share=0.0, evaluate=False
    )
    assert result.counts["altered"].sum() == 6


def test_the_estimate_grows_with_the_images():
    small, large = (GANAugmenter().smallest_time_budget(tones(count, shape=(1, 28, 28))) for count in (4, 400))
    assert 0 < small < large


def test_the_division_of_a_budget_is_printed(tmp_path, capfd):
    data = write_folder(tones(12).take(range(30)), tmp_path / "data")
    method = GANAugmenter(time_budget=2, recipe=TINY, filters=None, verbose=1, random_state=0)
    augment_folder(data, tmp_path / "out", method=method, sampling_strategy="full", synthetic_share=0.5, report=False)
    assert "Time budget 0:02 min: 0:01 for training the generator" in capfd.readouterr().err


def test_a_report_compares_fewer_images_where_there_is_little_time():
    images = tones(40)
    assert _affordable_images(images, None) == 100
    assert _affordable_images(images, 1e6) == 100
    assert _affordable_images(images, 0.01) == 30
    assert _affordable_images(images, -5.0) == 30


def test_what_is_left_for_the_report_is_part_of_the_whole_budget(tmp_path, monkeypatch):
    left = []
    monkeypatch.setattr(job, "_affordable_images", lambda images, seconds: left.append(seconds) or 30)
    data = write_folder(tones(12).take(range(30)), tmp_path / "data")
    method = GANAugmenter(time_budget=40, n_steps=2, recipe=TINY, filters=None, random_state=0)
    augment_folder(data, tmp_path / "out", method=method, sampling_strategy="full", synthetic_share=0.5)
    assert 20 < left[0] < 40


def test_a_budget_that_was_recommended_is_accepted(monkeypatch):
    seconds = iter((60.0, 66.0))
    monkeypatch.setattr(smallest_budget, "estimate_training_seconds", lambda images, device, design: next(seconds))
    with pytest.raises(ValueError, match=r"about (\d+) s") as caught:
        GANAugmenter(time_budget=15, recipe=TINY).fit(tones(12))
    recommended = float(re.search(r"about (\d+) s", str(caught.value))[1])
    smallest_budget.check_time_budget(recommended, GANAugmenter(recipe=TINY).smallest_time_budget(tones(12)))


@pytest.mark.usefixtures("slow_classifier")
def test_pseudo_labels_need_the_classifier_too():
    recipe = TrainingRecipe(width=4, latent_size=4, pseudo_label_threshold=0.8)
    assert GANAugmenter(filters="copies", recipe=recipe).smallest_time_budget(tones(12)) == 120
