"""The synthetic images of a trial: an augmenter fitted on the training part of each fold, and cached samples of it."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from ganaug._runtime.cache import cached, content_key, is_cached
from ganaug._runtime.parallel import run_parallel, uses_threads
from ganaug._runtime.randomness import derive
from ganaug.evaluation.augmenters import Augmenter, clone_unfitted, get_cache_key, is_fitted, sample_learned_classes
from ganaug.images import LabeledImages

MAX_SAMPLES, MIN_SAMPLES = 2000, 500  # bounds on the synthetic images of a class: as many as the largest class has


@dataclass
class Generators:
    """Samples for each fold and seed.

    Attributes
    ----------
    source : Augmenter or LabeledImages
        An augmenter, of which a clone is fitted on each training part; or synthetic images, the same for all.
    trains : sequence of LabeledImages
        Training part of each fold.
    uses_fitted : bool
        Whether a fitted augmenter is used as it is.
    n_jobs : int or None
        Generators that are fitted at once where joblib has a backend of processes. In threads they are fitted one after
        another, on all cores.
    report : callable
        Receives the current task.
    note : callable
        Receives remarks for the reader.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation.generators import Generators
    >>> images = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
    >>> len(Generators(images, [images]).sample(0, seed=0))
    2
    """

    source: Augmenter | LabeledImages
    trains: Sequence[LabeledImages]
    uses_fitted: bool = False
    n_jobs: int | None = None
    report: Callable[[str], None] = lambda task: None  # noqa: ARG005
    note: Callable[[str], None] = lambda text: None  # noqa: ARG005
    _fitted: dict[int, Any] = field(default_factory=dict)
    _samples: dict[tuple[int, int], dict[str, torch.Tensor]] = field(default_factory=dict)

    def prepare(self, seeds: Sequence[int]) -> None:
        """Fit generators, unless their samples are cached, and sample for all seeds that can be cached.

        Parameters
        ----------
        seeds : sequence of int
            Seeds of the trainings.
        """
        if isinstance(self.source, LabeledImages):
            return
        if not uses_threads() and not self.uses_fitted:
            self._fit_in_processes(seeds)
        for fold in range(len(self.trains)):
            # the first sample fits; all seeds are sampled now, so that the cache holds them if a time budget ends early
            for seed in seeds if self._key is not None else seeds[-1:]:
                self.sample(fold, seed)

    def sample(self, fold: int, seed: int) -> LabeledImages:
        """Return the synthetic images of a fold and seed.

        Parameters
        ----------
        fold : int
            Number of the fold.
        seed : int
            Seed of the training.

        Returns
        -------
        LabeledImages
        """
        if isinstance(self.source, LabeledImages):
            return self.source
        train = self.trains[fold]
        if self._key is None:
            tensors = self._generate(fold, seed)
        else:
            tensors = cached("synthetic", self._cache_key(fold, seed), lambda: self._generate(fold, seed))
        images = LabeledImages(tensors["images"], tensors["labels"], train.classes)
        for name, count in images.counts.items():
            if not count:
                self.note(f"class {name!r} was not learned: no synthetic images of it are used")
        return images

    @cached_property
    def _key(self) -> str | None:
        """Cache key of the source's samples, besides the training images."""
        return get_cache_key(self.source if self.uses_fitted else clone_unfitted(self.source))

    def _cache_key(self, fold: int, seed: int) -> str:
        assert self._key is not None
        return content_key(self._key, self.trains[fold].fingerprint(), f"{self._counts(fold)} {_sample_seed(seed)}")

    def _counts(self, fold: int) -> dict[str, int]:
        """Images to sample of each class."""
        train = self.trains[fold]
        return dict.fromkeys(train.classes, min(MAX_SAMPLES, max(MIN_SAMPLES, max(train.counts.values()))))

    def _generate(self, fold: int, seed: int) -> dict[str, torch.Tensor]:
        if (fold, seed) in self._samples:
            return self._samples[fold, seed]
        if fold not in self._fitted:
            self._fitted[fold] = self._fit(fold)
        return _sample(self._fitted[fold], self.trains[fold], self._counts(fold), seed)

    def _fit(self, fold: int) -> Any:
        """A clone of the source fitted on a training part, or the source itself where it is used as it is."""
        if self.uses_fitted:
            return self.source
        augmenter, task = clone_unfitted(self.source), f"fitting generator {fold + 1} of {len(self.trains)}"
        self.report(task)
        if "callbacks" not in inspect.signature(augmenter.fit).parameters:
            return augmenter.fit(self.trains[fold])
        return augmenter.fit(
            self.trains[fold],
            callbacks=[lambda step, logs: self.report(f"{task}, step {step:,}")],  # noqa: ARG005
        )

    def _fit_in_processes(self, seeds: Sequence[int]) -> None:
        """Fit generators and sample in workers, where samples are not in the cache of this machine."""
        missing = [fold for fold in range(len(self.trains)) if not self._is_cached(fold, seeds)]
        if not missing:
            return
        self.report(f"fitting {len(missing)} generators")
        rows = [(clone_unfitted(self.source), self.trains[fold], self._counts(fold), list(seeds)) for fold in missing]
        for fold, samples in zip(missing, run_parallel(_fit_and_sample, rows, self.n_jobs), strict=True):
            self._samples |= {(fold, seed): tensors for seed, tensors in zip(seeds, samples, strict=True)}

    def _is_cached(self, fold: int, seeds: Sequence[int]) -> bool:
        return self._key is not None and all(is_cached("synthetic", self._cache_key(fold, seed)) for seed in seeds)


def is_used_as_it_is(source: Augmenter | LabeledImages, test: LabeledImages | None) -> bool:
    """Whether an augmenter is not fitted again: it is fitted, and there are separate test images."""
    return test is not None and not isinstance(source, LabeledImages) and is_fitted(source)


def _fit_and_sample(
    augmenter: Any, train: LabeledImages, counts: dict[str, int], seeds: Sequence[int]
) -> list[dict[str, torch.Tensor]]:
    augmenter = augmenter.fit(train)
    return [_sample(augmenter, train, counts, seed) for seed in seeds]


def _sample(augmenter: Any, train: LabeledImages, counts: dict[str, int], seed: int) -> dict[str, torch.Tensor]:
    images = sample_learned_classes(augmenter, counts, _sample_seed(seed), train)
    return {"images": images.images, "labels": images.labels}


def _sample_seed(seed: int) -> int:
    # NumPy and scikit-learn accept seeds of 32 bits only
    return derive(seed, "samples") % 2**31
