"""Measure what a classifier gains from a data set that is filled up, on folds of the real images."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.parallel import run_parallel
from ganaug._runtime.progress import StepProgress
from ganaug._runtime.randomness import derive, generator
from ganaug._runtime.workers import one_core
from ganaug.datasets.alterations import ClassicalAugmentation, classical_augmentation
from ganaug.evaluation.bootstrap import Interval, Resamples, interval
from ganaug.evaluation.classifiers import train_and_predict
from ganaug.evaluation.networks import CNN
from ganaug.evaluation.recognition import find_unrecognized
from ganaug.evaluation.scores import compute_recall
from ganaug.evaluation.splits import Fold
from ganaug.evaluation.training_set import TrainingSet
from ganaug.images import LabeledImages
from ganaug.sampling.composition import alter_images, compose, split_additions, target_counts

# a sixth of the cost of the CNN of `evaluate`, for the same number of steps
CLASSIFIER = CNN(width=16, first_stride=2)
MIN_STEPS, MAX_STEPS, TIMED_STEPS = 400, 2000, 20  # with fewer steps, balance counts for too much
RESAMPLES = 1000
MAX_ERROR = 0.05  # probability of a loss of recall that is found where there is none
MAX_PROBES = 100  # synthetic images of a class that show whether it is recognized


@dataclass(frozen=True)
class Candidate:
    """A composition of the data set that is measured.

    Attributes
    ----------
    balance : str or None
        A key of `ganaug.sampling.composition.BALANCES`. None: the target counts that the user asked for.
    is_altered : bool
        Whether copies of real images are altered.
    share : float
        Synthetic fraction of each class.

    Examples
    --------
    >>> from ganaug.augmentation.measurement import Candidate
    >>> str(Candidate("full", True)), str(Candidate("as-is", True)), str(Candidate("full", True, 0.25))
    ('full, altered copies', 'as-is', 'full, altered copies, 25 % synthetic')
    """

    balance: str | None
    is_altered: bool
    share: float = 0.0

    def __str__(self) -> str:
        balance = self.balance or "as requested"
        if balance == "as-is" and not self.share:
            return balance
        copies = "altered copies" if self.is_altered else "plain copies"
        return f"{balance}, {copies}" + (f", {100 * self.share:g} % synthetic" if self.share else "")


@dataclass
class Measurement:
    """Trainings on compositions of the real images, without weights: as an ordinary program trains on a folder.

    Attributes
    ----------
    images : LabeledImages
        Real images.
    folds : sequence of Fold
        Each image is a test image of one fold.
    groups : array of shape (N,) or None
        Group of each image, for the intervals.
    growth : mapping
        Class name -> target count relative to the number of real images, for candidates without a balance.
    seed : int
    progress : callable
        Called with (what is trained, trainings done, trainings in total).
    samples : sequence of LabeledImages
        Synthetic images for the training part of each fold.
    unlearned : sequence of sequences of str
        For each fold, the classes that get altered copies only.
    """

    images: LabeledImages
    folds: Sequence[Fold]
    groups: np.ndarray | None
    growth: Mapping[str, float]
    seed: int
    progress: StepProgress
    samples: Sequence[LabeledImages] = ()
    unlearned: Sequence[Sequence[str]] = ()
    predictions: dict[Candidate, list[np.ndarray]] = field(default_factory=dict)
    _augmentations: list[ClassicalAugmentation] = field(default_factory=list)

    def run(self, candidates: Sequence[Candidate], n_seeds: int) -> None:
        """Train on each candidate and fold with each seed, and predict the test images."""
        for number in range(n_seeds):
            self._run_seed(candidates, number, n_seeds)

    def _run_seed(self, candidates: Sequence[Candidate], number: int, n_seeds: int) -> None:
        """Train with one seed. All candidates share its weights and its order of the images."""
        tasks = [(candidate, fold) for candidate in candidates for fold in range(len(self.folds))]
        tables = [np.empty((len(self.images), len(self.images.classes)), np.float32) for _ in candidates]
        arguments = (
            self._arguments(candidate, fold, number, self.images.images[self.folds[fold].test])
            for candidate, fold in tasks
        )
        results = run_parallel(_train_and_predict, arguments)
        for done, ((candidate, fold), result) in enumerate(zip(tasks, results, strict=True)):
            self.progress(str(candidate), number * len(tasks) + done, n_seeds * len(tasks))
            tables[candidates.index(candidate)][self.folds[fold].test.numpy()] = result
        for candidate, table in zip(candidates, tables, strict=True):
            self.predictions.setdefault(candidate, []).append(table)

    def find_unrecognized(self, candidate: Candidate) -> list[frozenset[str]]:
        """Return the classes whose samples classifiers of the real images do not recognize, for each fold.

        Parameters
        ----------
        candidate : Candidate
            Without synthetic images: what the classifiers are trained on.
        """
        probes = [of_fold.take(_first_rows(of_fold, MAX_PROBES)) for of_fold in self.samples]
        arguments = (self._arguments(candidate, fold, 0, probe.images) for fold, probe in enumerate(probes))
        tables = run_parallel(_train_and_predict, arguments)
        return [find_unrecognized(probe, table.argmax(1)) for probe, table in zip(probes, tables, strict=True)]

    def _arguments(self, candidate: Candidate, fold: int, number: int, test: Tensor) -> tuple[Any, ...]:
        """Return the arguments of `_train_and_predict`."""
        training = self._training_set(candidate, fold, number)
        return training, self._augmentation(fold), test, self._n_steps, derive(self.seed, "fit", number)

    def seconds_per_training(self) -> float:
        """Measure how long one training of a classifier takes on one core."""
        training, augmentation = TrainingSet.from_images(self.images), self._augmentation(0)
        with one_core():
            replace(CLASSIFIER, steps=1)(training, augmentation, self.seed)  # what the first step loads does not count
            began = time.monotonic()
            replace(CLASSIFIER, steps=TIMED_STEPS)(training, augmentation, self.seed)
            return (time.monotonic() - began) / TIMED_STEPS * self._n_steps

    @property
    def _n_steps(self) -> int:
        """Steps of every training: the same for each candidate, so that differences are due to the images."""
        return min(MAX_STEPS, max(MIN_STEPS, round(22 * math.sqrt(len(self.folds[0].train)))))

    def _augmentation(self, fold: int) -> ClassicalAugmentation:
        """Return the augmentation for the training part of a fold."""
        if not self._augmentations:
            self._augmentations = [classical_augmentation(self.images.take(each.train)) for each in self.folds]
        return self._augmentations[fold]

    def _training_set(self, candidate: Candidate, fold: int, number: int) -> TrainingSet:
        """Compose the training part of a fold as the folder would be written."""
        train = self.images.take(self.folds[fold].train)
        targets = target_counts(train.counts, candidate.balance, self.growth)
        unlearned = self.unlearned[fold] if self.unlearned else ()
        additions = split_additions(train.counts, targets, candidate.share, unlearned)
        augmentation = self._augmentation(fold) if candidate.is_altered else None
        copies = alter_images(train, additions.altered, augmentation, derive(self.seed, "copies", number))
        parts = [copies]
        if additions.synthetic:
            parts.append(_take(self.samples[fold], additions.synthetic, derive(self.seed, "samples", number)))
        return TrainingSet.from_images(compose(train, *parts))

    def accuracy(self, candidate: Candidate, n_seeds: int | None = None) -> np.ndarray:
        """Balanced accuracy of a candidate in B + 1 resamples, over its first `n_seeds` seeds."""
        accuracy: np.ndarray = np.nanmean(self._recall(candidate, n_seeds), axis=1)
        return accuracy

    def _recall(self, candidate: Candidate, n_seeds: int | None) -> np.ndarray:
        """Recall of each class in B + 1 resamples, (B + 1, K), over the first `n_seeds` seeds."""
        table = np.stack(self.predictions[candidate][:n_seeds])
        labels = self.images.labels.numpy()
        resamples = Resamples.draw(labels, len(table), groups=self.groups, n=RESAMPLES, seed=self.seed % 2**31)
        return compute_recall(labels, table, resamples)

    def find_losses(self, candidate: Candidate, baseline: Candidate) -> tuple[str, ...]:
        """Return the classes whose recall is lower than that of a baseline, at 5 % over all classes (Bonferroni)."""
        n_seeds = min(len(self.predictions[candidate]), len(self.predictions[baseline]))
        changes = self._recall(candidate, n_seeds) - self._recall(baseline, n_seeds)
        names = [name for name, count in self.images.counts.items() if count]
        level = 1 - MAX_ERROR / (2 * len(names))
        upper = dict(zip(self.images.classes, np.nanquantile(changes, level, axis=0), strict=True))
        return tuple(name for name in names if upper[name] < 0)

    def best(self, candidates: Iterable[Candidate]) -> Candidate:
        """Return the candidate with the highest balanced accuracy, of those given."""
        return max(candidates, key=lambda candidate: float(self.accuracy(candidate)[0]))

    def difference(self, candidate: Candidate, baseline: Candidate) -> Interval:
        """Return the change in balanced accuracy from a baseline to a candidate, over the seeds that both have."""
        n_seeds = min(len(self.predictions[candidate]), len(self.predictions[baseline]))
        return interval(self.accuracy(candidate, n_seeds) - self.accuracy(baseline, n_seeds))


def _train_and_predict(
    training: TrainingSet, augmentation: ClassicalAugmentation, test: Tensor, steps: int, seed: int
) -> np.ndarray:
    """Log-probabilities (n, K) of test images."""
    return train_and_predict(replace(CLASSIFIER, steps=steps), training, augmentation, test, seed)


def _first_rows(images: LabeledImages, n: int) -> Tensor:
    """Rows of the first `n` images of each class."""
    return torch.cat([images.rows_of(name)[:n] for name in images.classes])


def _take(samples: LabeledImages, counts: Mapping[str, int], seed: int) -> LabeledImages:
    """Draw synthetic images of each class; each about equally often where there are too few."""
    rows = []
    for name, count in counts.items():
        members = samples.rows_of(name)
        order = torch.randperm(len(members), generator=generator(seed, name))
        rows.append(members[order.repeat(-(-count // len(members)))[:count]])
    return samples.take(torch.cat(rows))
