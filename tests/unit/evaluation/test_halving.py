"""The rounds of a trial, on classifiers whose accuracy is known."""

import numpy as np
import pytest
import torch

from ganaug import LabeledImages
from ganaug.evaluation import Comparison, NotApplicableError, SklearnClassifier, Trial, trial
from ganaug.evaluation.comparison import ADVISED
from ganaug.evaluation.methods import TrainingMethod

CLASSES = ("common", "medium", "rare")
COUNTS = {"real": (40, 12, 4), "test": (120, 60, 30)}


def labeled(counts, number=0):
    """Images that show their label and the place of the image in its set."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    pixels = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 1, 1] = labels.to(torch.uint8), torch.arange(len(labels)) % 256
    pixels[:, 0, 2, 2] = number
    return LabeledImages(pixels, labels, CLASSES)


class Simulation:
    """Classifiers with a known accuracy for each method, a luck of their own for each training, and images that differ
    in how difficult they are for every classifier, and for each method."""

    def __init__(self, seed, accuracy, training_noise=0.015):
        self.random, self.accuracy, self.training_noise = np.random.default_rng(seed), accuracy, training_noise
        self.difficulty = self.random.normal(size=256)
        self.of_method, self.jobs = {}, []

    def train(self, classifier, method, prepare_base, train, synthetic, unrecognized, augment, images, seed):
        self.jobs.append((method, seed))
        accuracy = self.accuracy(method)
        if accuracy is None:
            return NotApplicableError("it is not trained in steps")
        labels, place = images[:, 0, 0, 0].long().numpy(), images[:, 0, 1, 1].numpy()
        # the samples do not matter: the images of a base are as difficult for it with synthetic images as without
        base = (method.base, method.balance, method.length)
        suits = self.of_method.setdefault(base, self.random.normal(size=256))
        score = 0.7 * self.difficulty[place] + 0.5 * suits[place] + 0.5 * self.random.normal(size=len(labels))
        luck = self.random.normal(0, self.training_noise)
        threshold = np.quantile(score, np.clip(1 - accuracy - luck, 0, 1))
        predicted = np.where(score >= threshold, labels, (labels + 1 + self.random.integers(0, 2, len(labels))) % 3)
        return np.log(np.where(np.arange(3) == predicted[:, None], 0.8, 0.1)).astype(np.float32)


def run(monkeypatch, accuracy, seed=0, **options):
    simulation = Simulation(seed, accuracy)
    monkeypatch.setattr(trial, "train_job", simulation.train)
    options = {"shares": (0.1, 0.25, 0.5), "seeds": range(5), "n_jobs": 1, **options}
    classifier = SklearnClassifier(lambda: None, "simulated")
    trial_ = Trial(
        labeled(COUNTS["real"]), labeled((30, 30, 30)), classifier, test=labeled(COUNTS["test"]), folds=(),
        groups=None, **options,
    )  # fmt: skip
    test_labels = trial_.test.labels.numpy()
    return trial_.run(np.arange(len(test_labels)) % 5), simulation, trial_


def by_base(values, default=0.7, synthetic=0.0):
    """Accuracy of methods by their base, plus what synthetic images add."""
    return lambda method: values.get(method.base, default) + synthetic * method.uses_synthetic


def test_the_best_baselines_reach_the_final_with_all_seeds_and_the_others_keep_a_row(monkeypatch):
    predictions, simulation, _ = run(monkeypatch, by_base({"CutMix": 0.9, "mixup": 0.8}))
    assert all("CutMix" in name or "mixup" in name for name in predictions.baselines)
    assert list(predictions.with_synthetic) == [0.1, 0.25, 0.5]
    # every share with both finalists, so that no share has more candidates
    assert [name.split(",")[0] for name in predictions.with_synthetic[0.1]] == ["CutMix", "CutMix"]
    assert predictions.n_seeds == 5
    left = {row.name: row for row in predictions.left_behind}
    assert left["SMOTE"].n_trainings == 1
    assert left["SMOTE"].score < 0.8
    assert not set(left) & {*predictions.baselines}
    trained = {method.name for method, _ in simulation.jobs}
    assert trained >= {"CutMix, square-root balance", "CutMix, classes as they are", "SMOTE, 4x steps"}


def test_methods_that_cannot_be_applied_are_left_out_with_one_note_for_each_reason(monkeypatch):
    predictions, _, trial_ = run(monkeypatch, lambda method: None if method.length > 1 else 0.7)
    assert not any("4x" in name for name in predictions.baselines)
    notes = [note for note in trial_.notes if "not trained in steps" in note]
    assert len(notes) == 1
    assert "CutMix, 4x steps" in notes[0] or "CutMix," in notes[0]


def test_a_time_budget_leaves_two_seeds_of_the_best_baseline_and_its_shares(monkeypatch):
    predictions, simulation, trial_ = run(monkeypatch, by_base({}), time_budget=1e-6)
    assert predictions.n_seeds == 2
    assert len(predictions.baselines) == 1
    assert set(predictions.with_synthetic) == {0.1, 0.25, 0.5}
    assert not any(method.length > 1 for method, _ in simulation.jobs)
    assert any("no time for longer trainings" in note for note in trial_.notes)
    assert any("after 2 of 5 seeds" in note for note in trial_.notes)


def test_trainings_are_counted_before_the_first(monkeypatch):
    calls = []
    run(monkeypatch, by_base({}), progress=lambda task, done, total: calls.append((task, done, total)))
    task, done, total = calls[0]
    assert (task.startswith("about"), done) == (True, 0)
    trainings = [done for _, done, _ in calls]
    assert trainings == sorted(trainings)
    assert total > 50


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_worthless_samples_rarely_help(monkeypatch):
    """Samples change nothing in any method, while the baselines differ: at most 5 % of 200 tables say "helps"."""
    verdicts = []
    for seed in range(200):
        accuracies = np.random.default_rng(seed).normal(0.75, 0.01, size=1000)
        names = {}

        def accuracy(method, accuracies=accuracies, names=names):
            key = (method.base, method.balance, method.length)
            return accuracies[names.setdefault(key, len(names))]

        predictions, _, _ = run(monkeypatch, accuracy, seed=seed)
        verdicts.append(Comparison(predictions, resamples=60, seed=seed).verdict)
    assert sum(verdict in ADVISED for verdict in verdicts) <= 10


def test_pre_selection_makes_the_gain_of_worthless_samples_negative_if_anything(monkeypatch):
    gains = []
    for seed in range(30):
        predictions, _, _ = run(monkeypatch, lambda method: 0.75, seed=seed)
        comparison = Comparison(predictions, resamples=2, seed=seed)
        gains.append(comparison.gain(comparison.best_with_synthetic).value)
    assert np.mean(gains) < 2 * np.std(gains) / np.sqrt(len(gains))


def test_samples_that_are_new_images_help(monkeypatch):
    predictions, _, _ = run(monkeypatch, lambda method: 0.7 + 0.3 * method.share)
    comparison = Comparison(predictions, resamples=200)
    assert (comparison.verdict, comparison.recommended_share) == ("helps", 0.5)


@pytest.mark.parametrize("recognized", [0.0, 0.4, 0.9])
def test_classes_of_unrecognized_samples_are_named(monkeypatch, recognized):
    probes = labeled((30, 30, 30))

    def accuracy(method):
        return 0.75

    original = Simulation.train

    def train(self, *arguments):
        table, images = original(self, *arguments), arguments[7]
        if len(images) == len(probes):  # the samples: of class 2, this fraction is right
            rows = np.flatnonzero(images[:, 0, 0, 0].numpy() == 2)
            table[:] = np.log(np.where(np.arange(3) == images[:, 0, 0, 0].numpy()[:, None], 0.8, 0.1))
            wrong = rows[: round((1 - recognized) * len(rows))]
            table[wrong] = np.log([0.8, 0.1, 0.1])
        return table

    monkeypatch.setattr(Simulation, "train", train)
    predictions, _, _ = run(monkeypatch, accuracy)
    assert predictions.unrecognized == (("rare",) if recognized < 0.5 else ())
    names = [name for methods in predictions.with_synthetic.values() for name in methods]
    assert any("in recognized classes" in name for name in names) == (recognized < 0.5)


def test_a_method_names_and_describes_itself():
    method = TrainingMethod("CutMix", 0.5, length=4, share=0.25)
    assert method.name == "CutMix, square-root balance, 4x steps, 25% synthetic"
    assert method.describe() == (
        "Train with real images altered by the classical augmentation and CutMix; classes drawn by the square root of "
        "their size; 4 times the usual number of steps; 25 % synthetic images in each class."
    )
