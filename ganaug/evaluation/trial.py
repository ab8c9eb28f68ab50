"""Train a classifier by every training method, on the same images with the same seeds, and collect its predictions."""

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from ganaug._runtime.cache import cached, content_key
from ganaug._runtime.randomness import derive
from ganaug._runtime.workers import thread_pool
from ganaug.datasets.alterations import Augment, classical_augmentation
from ganaug.evaluation.augmenters import Augmenter, clone_unfitted, get_cache_key, is_fitted, sample_learned_classes
from ganaug.evaluation.baselines import BASELINES
from ganaug.evaluation.classifiers import Classifier, train_and_predict
from ganaug.evaluation.leaks import check_copies, check_training_images
from ganaug.evaluation.predictions import Predictions, estimate_log_prior, share_name
from ganaug.evaluation.splits import Fold, merge_folds
from ganaug.evaluation.training_set import NotApplicableError, TrainingSet, fill_classes, mix_synthetic
from ganaug.images import LabeledImages

MAX_SAMPLES, MIN_SAMPLES = 2000, 500  # bounds on the synthetic images of a class: as many as the largest class has
MIN_SEEDS = 2  # that a time budget leaves
FILLED = "filled to balance"
Progress = Callable[[str, int, int], None]  # (current task, trainings finished, trainings in total)


@dataclass(frozen=True)
class _Split:
    """Images to train and test on, their classical augmentation, and a function seed -> synthetic images."""

    train: LabeledImages
    test: LabeledImages
    augment: Augment
    sample: Callable[[int], LabeledImages]


@dataclass
class Trial:
    """The trainings of one utility test.

    Attributes
    ----------
    real : LabeledImages
        Real images to train on; without `test` also to test on, by cross-validation.
    source : Augmenter or LabeledImages
        An augmenter, which is cloned and fitted on each training part, or used as it is if it is fitted and there are
        test images; or synthetic images, which need test images.
    classifier : Classifier
        An entry of `CLASSIFIERS`, or what `resolve_classifier` returns.
    test : LabeledImages or None
        Separate test images.
    folds : sequence of Fold
        Folds of `real`; empty where there are separate test images.
    groups : array of shape (N,) or None
        Group of each test image.
    shares : sequence of float
        Synthetic shares to try.
    seeds : sequence of int
        One training of each method and fold for each seed.
    time_budget : float, optional
        Time budget of the trainings, after which no further seed is started. At least two seeds are run. Fitting
        generators does not count.
    progress : callable
        Called with (current task, trainings finished, trainings in total).
    notes : list of str
        What was left out and why, for the reader of the report. `run` adds to it.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import Trial, resolve_classifier
    >>> pixels = torch.arange(8, dtype=torch.uint8).mul(30).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    >>> images = LabeledImages(pixels, torch.arange(8) // 4, ("dark", "bright"))
    >>> real, synthetic, test = images.take([0, 1, 6, 7]), images.take([2, 5]), images.take([3, 4])
    >>> classifier = resolve_classifier(lambda: LogisticRegression())
    >>> trial = Trial(
    ...     real, synthetic, classifier, test=test, folds=(), groups=None, shares=(0.25,), seeds=(0,)
    ... )
    >>> predictions = trial.run(np.arange(2))
    >>> list(predictions.with_synthetic[0.25])
    ['25% synthetic', '25% synthetic + classical']
    >>> predictions.baselines["real only"].argmax(2)
    array([[0, 1]])
    """

    real: LabeledImages
    source: Augmenter | LabeledImages
    classifier: Classifier
    test: LabeledImages | None
    folds: Sequence[Fold]
    groups: np.ndarray | None
    shares: Sequence[float]
    seeds: Sequence[int]
    time_budget: float | None = None
    progress: Progress = lambda task, done, total: None  # noqa: ARG005
    notes: list[str] = field(default_factory=list)
    _done: int = 0

    def check_leaks(self) -> None:
        """Check that the source of synthetic images was not trained on the test images.

        Raises
        ------
        DataError
            If it was, see `check_copies` and `check_training_images`. Without separate test images there is nothing to
            check, because augmenters are fitted inside each fold.
        """
        if self.test is None:
            return
        if isinstance(self.source, LabeledImages):
            check_copies(self.source, self.real, self.test)
        elif is_fitted(self.source):
            check_training_images(getattr(self.source, "training_images_", None), self.test)

    def run(self, selection_folds: np.ndarray) -> Predictions:
        """Train by every method with every seed.

        Parameters
        ----------
        selection_folds : array of shape (N,), int
            Fold of each test image, for `Predictions.folds`.

        Returns
        -------
        Predictions
            Of fewer seeds, but at least two, where the time budget ends the trial.

        Raises
        ------
        DataError
            If an augmenter's samples repeat test images.
        """
        splits = self._splits()
        self._fit_generators(splits)
        tables = self._run_seeds(splits)
        with_share = {
            share: {name: tables[name] for name in _method_names(share) if name in tables} for share in self.shares
        }
        return Predictions(
            (self.real if self.test is None else self.test).labels.numpy(),
            selection_folds,
            self.groups,
            estimate_log_prior(self.real.counts.values()),
            {name: tables[name] for name in BASELINES if name in tables},
            {share: methods for share, methods in with_share.items() if methods},
            {FILLED: tables[FILLED]},
        )

    @property
    def n_splits(self) -> int:
        """Number of folds, or 1 with separate test images."""
        return len(self.folds) or 1

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _report_progress(self, task: str) -> None:
        n_methods = len(BASELINES) + 2 * len(self.shares) + 1
        self.progress(task, self._done, len(self.seeds) * self.n_splits * n_methods)

    def _report_step(self, task: str, step: int, logs: Any) -> None:  # noqa: ARG002  # the signature of a callback
        self._report_progress(f"{task}, step {step:,}")

    def _splits(self) -> list[_Split]:
        pairs = [(self.real.take(fold.train), self.real.take(fold.test)) for fold in self.folds]
        pairs = pairs if self.test is None else [(self.real, self.test)]
        return [
            _Split(train, test, classical_augmentation(train), self._sampler(train, number))
            for number, (train, test) in enumerate(pairs, 1)
        ]

    def _fit_generators(self, splits: Sequence[_Split]) -> None:
        """Fit generators before the time budget starts, unless their samples are cached, and check their samples."""
        for split in splits:
            samples = split.sample(self.seeds[-1])
            if not isinstance(self.source, LabeledImages):
                check_copies(samples, split.train, split.test)
            if self._source_key is not None:
                # all seeds are sampled now, so that the cache holds them even if the time budget ends the trial
                for seed in self.seeds[:-1]:
                    split.sample(seed)

    def _run_seeds(self, splits: Sequence[_Split]) -> dict[str, np.ndarray]:
        """{method: log-probabilities (S, N, K)} of as many seeds as the time budget allows."""
        # whole seeds only, because methods are compared on the same seeds
        started, per_seed = time.perf_counter(), []
        for seed in self.seeds:
            per_seed.append(self._run_seed(splits, seed))
            if self.time_budget is None or len(per_seed) < MIN_SEEDS:
                continue
            mean_time = (time.perf_counter() - started) / len(per_seed)
            if mean_time * (len(per_seed) + 1) > self.time_budget:
                break
        if len(per_seed) < len(self.seeds):
            self._note(f"the time budget ended the comparison after {len(per_seed)} of {len(self.seeds)} seeds")
        return {name: np.stack([tables[name] for tables in per_seed]) for name in per_seed[0]}

    def _run_seed(self, splits: Sequence[_Split], seed: int) -> dict[str, np.ndarray]:
        """{method: log-probabilities (N, K) of all test images}, the methods trained in parallel threads."""
        methods = [self._methods(split, seed) for split in splits]
        tables: list[dict[str, np.ndarray]] = [{} for _ in splits]
        with thread_pool() as pool:
            futures = [
                (number, name, pool.submit(self._train_and_predict, split, prepare, seed))
                for number, split in enumerate(splits)
                for name, prepare in methods[number].items()
            ]
            # in order of submission, so that progress and notes do not depend on the number of threads
            for number, name, future in futures:
                self._report_progress(f"seed {seed}: {name}")
                try:
                    tables[number][name] = future.result()
                except NotApplicableError as error:
                    self._note(f"{name} is left out: {error}")
                self._done += 1
        return tables[0] if self.test is not None else merge_folds(self.folds, tables)

    def _methods(self, split: _Split, seed: int) -> dict[str, Callable[[], TrainingSet]]:
        """Functions that prepare the training set of each method."""
        train, synthetic = split.train, split.sample(seed)
        methods: dict[str, Callable[[], TrainingSet]] = {
            name: partial(prepare, train, derive(seed, "baseline")) for name, prepare in BASELINES.items()
        }
        for share in self.shares:
            plain, with_classical = _method_names(share)
            methods[plain] = partial(mix_synthetic, train, synthetic, share)
            methods[with_classical] = partial(_mix_and_augment, train, synthetic, share)
        methods[FILLED] = partial(fill_classes, train, synthetic)
        return methods

    def _train_and_predict(self, split: _Split, prepare: Callable[[], TrainingSet], seed: int) -> np.ndarray:
        """Log-probabilities (N, K) of the test images. Raises NotApplicableError where the method cannot be applied."""
        training = prepare()
        if training.operations.changes_images and min(split.train.shape[1:]) == 1:
            raise NotApplicableError("plain vectors have no pixels to alter")
        return train_and_predict(self.classifier, training, split.augment, split.test.images, seed)

    def _sampler(self, train: LabeledImages, number: int) -> Callable[[int], LabeledImages]:
        """Return a function seed -> synthetic images for classifiers trained on `train`, which caches its results."""
        if isinstance(self.source, LabeledImages):
            synthetic = self.source
            return lambda seed: synthetic  # noqa: ARG005
        largest = max(train.counts.values())
        counts = dict.fromkeys(train.classes, min(MAX_SAMPLES, max(MIN_SAMPLES, largest)))
        fitted: list[Any] = []  # fitted when first needed: not at all if all samples are cached

        def sample(seed: int) -> LabeledImages:
            # NumPy and scikit-learn accept seeds of 32 bits only
            sample_seed = derive(seed, "samples") % 2**31

            def generate() -> dict[str, torch.Tensor]:
                if not fitted:
                    fitted.append(self._fit(train, number))
                images = sample_learned_classes(fitted[0], counts, sample_seed, train)
                return {"images": images.images, "labels": images.labels}

            if self._source_key is None:
                tensors = generate()
            else:
                key = content_key(self._source_key, train.fingerprint(), f"{counts} {sample_seed}")
                tensors = cached("synthetic", key, generate)
            images = LabeledImages(tensors["images"], tensors["labels"], train.classes)
            for name, count in images.counts.items():
                if not count:
                    self._note(f"class {name!r} was not learned: no synthetic images of it are used")
            return images

        return sample

    @cached_property
    def _uses_fitted_source(self) -> bool:
        return self.test is not None and is_fitted(self.source)

    @cached_property
    def _source_key(self) -> str | None:
        """Cache key of the source's samples, besides the training images."""
        if isinstance(self.source, LabeledImages):
            return None
        return get_cache_key(self.source if self._uses_fitted_source else clone_unfitted(self.source))

    def _fit(self, train: LabeledImages, number: int) -> Any:
        """A clone of the source fitted on `train`, or the source itself where it is used as it is."""
        if self._uses_fitted_source:
            return self.source
        augmenter = clone_unfitted(self.source)
        task = f"fitting generator {number} of {self.n_splits}"
        self._report_progress(task)
        if "callbacks" not in inspect.signature(augmenter.fit).parameters:
            return augmenter.fit(train)
        return augmenter.fit(train, callbacks=[partial(self._report_step, task)])


def _mix_and_augment(train: LabeledImages, synthetic: LabeledImages, share: float) -> TrainingSet:
    return replace(mix_synthetic(train, synthetic, share), alteration="classical")


def _method_names(share: float) -> tuple[str, str]:
    """Names of the methods with a synthetic share: without and with classical augmentation."""
    return share_name(share), f"{share_name(share)} + classical"
