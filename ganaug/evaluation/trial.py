"""Trains a classifier in every way, on the same images with the same seeds; collects what it says of test images."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ganaug._runtime.cache import cached, key_of
from ganaug._runtime.randomness import derive
from ganaug._runtime.workers import side_by_side
from ganaug.errors import ClassNotLearnedError
from ganaug.evaluation.baselines import BASELINES
from ganaug.evaluation.classical import Augment, classical
from ganaug.evaluation.classifiers import Classifier
from ganaug.evaluation.comparison import Predictions, log_prior, share_name
from ganaug.evaluation.leaks import refuse_copies, refuse_seen
from ganaug.evaluation.splits import Fold
from ganaug.evaluation.training_set import NotPossible, TrainingSet, filled, mixed
from ganaug.images import LabeledImages, concatenate, matched

MAX_SAMPLES, MIN_SAMPLES = 2000, 500  # synthetic images of a class that one classifier is given
NAIVE = "filled to balance"
Progress = Callable[[str, int, int], None]  # what is done, trainings done, trainings in all


class Augmenter(Protocol):
    """All that is asked of an augmenter: any object with these two.

    It may have more: `cache_key() -> str | None`, which names all that its samples depend on beside the training
    images, so that they can be kept; `training_images_`, the hashes of what it was fitted on; a `fit` with `callbacks`.
    """

    def fit(self, X: Any, y: Any = None) -> Any: ...

    def sample(self, counts: Mapping[Any, int], *, random_state: int | None = None) -> LabeledImages: ...


@dataclass(frozen=True)
class _Side:
    """One fold, or the whole: what trains, what tests, the classical augmentation, and seed -> synthetic images."""

    train: LabeledImages
    test: LabeledImages
    augment: Augment
    samples: Callable[[int], LabeledImages]


@dataclass
class Trial:
    """Real images, the folds to cross-fit over or the images to test on, and where synthetic images come from.

    test: images apart; then `folds` is empty. source: an augmenter, fitted inside each fold (or used as it is, with
    `test`); or synthetic images. seconds: after which no further seed is begun, the fitting of generators apart.
    notes: sentences on what was left out, for the reader of the report.
    """

    real: LabeledImages
    source: Augmenter | LabeledImages
    classifier: Classifier
    test: LabeledImages | None
    folds: Sequence[Fold]
    groups: np.ndarray | None
    shares: Sequence[float]
    seeds: Sequence[int]
    seconds: float | None = None
    progress: Progress = lambda what, done, total: None  # noqa: ARG005
    notes: list[str] = field(default_factory=list)
    _done: int = 0

    def run(self, parts: np.ndarray) -> Predictions:
        """Train in every way with every seed; fewer seeds where `seconds` end it, two at least."""
        sides = self._sides()
        for side in sides:
            made = side.samples(self.seeds[-1])  # generators are fitted before the clock runs, unless samples are kept
            if not isinstance(self.source, LabeledImages):
                refuse_copies(made, side.train, side.test)
            for seed in self.seeds[:-1] if self._described is not None else ():
                side.samples(seed)  # are kept, so that a second look has the same
        began, found = time.perf_counter(), []
        for seed in self.seeds:
            found.append(self._one_seed(sides, seed))
            a_seed = (time.perf_counter() - began) / len(found)
            if self.seconds is not None and len(found) >= 2 and a_seed * (len(found) + 1) > self.seconds:
                break
        if len(found) < len(self.seeds):
            self.note(f"the time budget ended the comparison after {len(found)} of {len(self.seeds)} seeds")
        tables = {name: np.stack([one[name] for one in found]) for name in found[0]}
        ours = {s: {name: tables[name] for name in _names(s) if name in tables} for s in self.shares}
        return Predictions(
            (self.real if self.test is None else self.test).labels.numpy(),
            parts,
            self.groups,
            log_prior(self.real.counts.values()),
            {name: tables[name] for name in BASELINES if name in tables},
            {share: ways for share, ways in ours.items() if ways},
            {NAIVE: tables[NAIVE]},
        )

    def note(self, text: str) -> None:
        """Say it once."""
        if text not in self.notes:
            self.notes.append(text)

    def _sides(self) -> list[_Side]:
        pairs = [(self.real.take(fold.train), self.real.take(fold.test)) for fold in self.folds]
        pairs = pairs if self.test is None else [(self.real, self.test)]
        return [
            _Side(train, test, classical(train), self._samples_of(train, number))
            for number, (train, test) in enumerate(pairs, 1)
        ]

    @property
    def n_sides(self) -> int:
        """In how many ways the images are split: the folds, or one with test images apart."""
        return len(self.folds) or 1

    def _say(self, what: str) -> None:
        total = len(self.seeds) * self.n_sides * (len(BASELINES) + 2 * len(self.shares) + 1)
        self.progress(what, self._done, total)

    def _one_seed(self, sides: Sequence[_Side], seed: int) -> dict[str, np.ndarray]:
        """{way: (N, K) log-probabilities of all test images}."""
        ways = [self._ways(side, seed) for side in sides]
        found: list[dict[str, np.ndarray]] = [{} for _ in sides]
        with side_by_side() as pool:
            begun = [
                (place, name, pool.submit(self._predict, side, prepare, seed))
                for place, side in enumerate(sides)
                for name, prepare in ways[place].items()
            ]
            for place, name, future in begun:
                self._say(f"seed {seed}: {name}")
                try:
                    found[place][name] = future.result()
                except NotPossible as error:
                    self.note(f"{name} is left out: {error}")
                self._done += 1
        return found[0] if self.test is not None else gathered(self.folds, found)

    def _ways(self, side: _Side, seed: int) -> dict[str, Callable[[], TrainingSet]]:
        train, synthetic = side.train, side.samples(seed)
        sets: dict[str, Callable[[], TrainingSet]] = {
            name: partial(prepare, train, derive(seed, "baseline")) for name, prepare in BASELINES.items()
        }
        for share in self.shares:
            plain, altered = _names(share)
            sets[plain] = partial(mixed, train, synthetic, share)
            sets[altered] = partial(_altered, train, synthetic, share)
        sets[NAIVE] = partial(filled, train, synthetic)
        return sets

    def _predict(self, side: _Side, prepare: Callable[[], TrainingSet], seed: int) -> np.ndarray:
        """Log-probabilities (N, K) of the test images. Raises NotPossible where there is no such way."""
        training = prepare()
        if training.classical and min(side.train.shape[1:]) == 1:
            raise NotPossible("plain vectors have no pixels to alter")

        return predicted(self.classifier, training, side.augment, side.test.images, seed)

    def _samples_of(self, train: LabeledImages, number: int) -> Callable[[int], LabeledImages]:
        """seed -> synthetic images of each class, for classifiers trained on `train`."""
        if isinstance(self.source, LabeledImages):
            given = self.source
            return lambda seed: given  # noqa: ARG005
        largest = max(train.counts.values())
        counts = dict.fromkeys(train.classes, min(MAX_SAMPLES, max(MIN_SAMPLES, largest)))
        fitted: list[Any] = []

        def samples(seed: int) -> LabeledImages:
            own = derive(seed, "samples") % 2**31

            def drawn() -> dict[str, torch.Tensor]:
                if not fitted:
                    fitted.append(self._fitted(train, number))
                images = draw(fitted[0], counts, own, train)
                return {"images": images.images, "labels": images.labels}

            key = None if self._described is None else key_of(self._described, train.fingerprint(), f"{counts} {own}")
            found = drawn() if key is None else cached("synthetic", key, drawn)
            images = LabeledImages(found["images"], found["labels"], train.classes)
            for name, count in images.counts.items():
                if not count:
                    self.note(f"class {name!r} was not learned: no synthetic images of it are used")
            return images

        return samples

    @cached_property
    def _described(self) -> str | None:
        """What the samples depend on, of the source as it is or as it will be fitted anew."""
        if isinstance(self.source, LabeledImages):
            return None
        as_it_is = self.test is not None and is_fitted(self.source)
        return cache_key(self.source if as_it_is else unfitted(self.source))

    def _fitted(self, train: LabeledImages, number: int) -> Any:
        if self.test is not None and is_fitted(self.source):
            return self.source
        augmenter = unfitted(self.source)
        what = f"fitting generator {number} of {self.n_sides}"
        self._say(what)
        if "callbacks" not in inspect.signature(augmenter.fit).parameters:
            return augmenter.fit(train)
        return augmenter.fit(train, callbacks=[lambda done, logs: self._say(f"{what}, step {done:,}")])  # noqa: ARG005

    def refuse_leaks(self) -> None:
        """Raise DataError where what makes the synthetic images has seen the test images."""
        if self.test is None:
            return
        if isinstance(self.source, LabeledImages):
            refuse_copies(self.source, self.real, self.test)
        elif is_fitted(self.source):
            refuse_seen(getattr(self.source, "training_images_", None), self.test)


def predicted(
    classifier: Classifier, training: TrainingSet, augment: Augment, images: torch.Tensor, seed: int
) -> np.ndarray:
    """Log-probabilities (N, K) of images (N, C, H, W) by a classifier trained on `training`; kept by their content."""

    def predict() -> np.ndarray:
        return classifier(training, augment, derive(seed, "train"))(images)

    if classifier.key is None:
        return predict()
    altered_by = f"albumentations {version('albumentations')}" if training.classical else "nothing"
    key = key_of(classifier.key, training.fingerprint(), altered_by, str(seed), images)
    kept = cached("predictions", key, lambda: {"table": torch.from_numpy(predict())})
    found: np.ndarray = kept["table"].numpy()
    return found


def gathered(folds: Sequence[Fold], found: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The tables (n, K) of each fold's test images, put together: {way: (N, K)} for the ways that every fold has."""
    tables = {}
    for name in set.intersection(*(set(part) for part in found)):
        rows, columns = sum(len(fold.test) for fold in folds), found[0][name].shape[1]
        tables[name] = np.empty((rows, columns), np.float32)
        for fold, part in zip(folds, found, strict=True):
            tables[name][fold.test.numpy()] = part[name]
    return tables


def draw(augmenter: Any, counts: Mapping[str, int], seed: int, like: LabeledImages) -> LabeledImages:
    """Samples of every class that was learned, with the classes of `like`."""
    with suppress(ClassNotLearnedError):
        return matched(augmenter.sample(counts, random_state=seed), like, "synthetic")
    found = replace(like.take([]), metadata=None)
    for name, count in counts.items():
        with suppress(ClassNotLearnedError):
            own = matched(augmenter.sample({name: count}, random_state=seed), like, "synthetic")
            found = concatenate(found, replace(own, metadata=None))
    return found


def is_fitted(augmenter: Any) -> bool:
    """Whether `fit` has been called on it, as scikit-learn tells; False where it is no estimator of that kind."""
    if not hasattr(augmenter, "__sklearn_tags__"):
        return False
    with suppress(NotFittedError, TypeError):
        check_is_fitted(augmenter)
        return True
    return False


def unfitted(augmenter: Any) -> Any:
    """A clone to be fitted; without a run folder, which can hold one run only."""
    fresh = clone(augmenter, safe=False)
    if getattr(fresh, "run_dir", None) is not None:
        fresh.set_params(run_dir=None)
    return fresh


def cache_key(augmenter: Any) -> str | None:
    """What the augmenter says that its samples depend on; None where it does not say."""
    found: str | None = augmenter.cache_key() if hasattr(augmenter, "cache_key") else None
    return found


def _altered(train: LabeledImages, synthetic: LabeledImages, share: float) -> TrainingSet:
    return replace(mixed(train, synthetic, share), classical=True)


def _names(share: float) -> tuple[str, str]:
    return share_name(share), f"{share_name(share)} + classical"
