"""What the utility test asks of an augmenter, and how it draws samples from one."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ganaug.errors import ClassNotLearnedError
from ganaug.evaluation.matching import match_classes
from ganaug.images import LabeledImages, concatenate


class Augmenter(Protocol):
    """The interface of an augmenter: any object with `fit` and `sample`.

    Notes
    -----
    It can have more:

    - ``cache_key() -> str | None`` identifies everything that its samples depend on besides the training images, so
      that they can be cached;
    - ``training_images_``, the `image_hashes` of the images that it was fitted on, so that leaks are detected;
    - ``other_training_images(images) -> Tensor | None``, the hashes of what a fit to `images` uses besides them, for
      example the images of a model that it starts from, for the same purpose;
    - a parameter ``callbacks`` of `fit`, which reports progress.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> class Resampler(BaseEstimator):
    ...     "Returns training images as if they were synthetic."
    ...     def fit(self, X, y=None):
    ...         self.images_ = X
    ...         return self
    ...     def sample(self, counts, *, random_state=None):
    ...         rows = [int(row) for name, n in counts.items() for row in self.images_.rows_of(name)[:n]]
    ...         return self.images_.take(rows)
    """

    def fit(self, X: Any, y: Any = None) -> Any: ...

    def sample(self, counts: Mapping[Any, int], *, random_state: int | None = None) -> LabeledImages: ...


def sample_learned_classes(augmenter: Any, counts: Mapping[str, int], seed: int, like: LabeledImages) -> LabeledImages:
    """Sample images of every class that the augmenter has learned.

    Parameters
    ----------
    augmenter : Augmenter
        Fitted.
    counts : dict of str to int
        Number of images of each class. Classes that raise `ClassNotLearnedError` are left out.
    seed : int
        Seed of the samples.
    like : LabeledImages
        Real images. The samples get their class order and their number of channels.

    Returns
    -------
    LabeledImages
    """
    with suppress(ClassNotLearnedError):
        return match_classes(augmenter.sample(counts, random_state=seed), like, "synthetic")
    # the whole request fails if one class was not learned, so each class is requested by itself
    samples = replace(like.take([]), metadata=None)
    for name, count in counts.items():
        with suppress(ClassNotLearnedError):
            of_class = match_classes(augmenter.sample({name: count}, random_state=seed), like, "synthetic")
            samples = concatenate(samples, replace(of_class, metadata=None))
    return samples


def is_fitted(augmenter: Any) -> bool:
    """Whether `fit` has been called, as scikit-learn checks it; False for any other object."""
    if not hasattr(augmenter, "__sklearn_tags__"):
        return False
    with suppress(NotFittedError, TypeError):
        check_is_fitted(augmenter)
        return True
    return False


def clone_unfitted(augmenter: Any) -> Any:
    """Clone an augmenter, without its run folder: a run folder holds one run only."""
    copy = clone(augmenter, safe=False)
    if getattr(copy, "run_dir", None) is not None:
        copy.set_params(run_dir=None)
    if hasattr(copy, "_checks_time_budget"):
        copy._checks_time_budget = False  # noqa: SLF001  # it is a part of the budget of an evaluation
    return copy


def get_cache_key(augmenter: Any) -> str | None:
    """Return what the augmenter's samples depend on besides the training images, or None if it does not say."""
    key: str | None = augmenter.cache_key() if hasattr(augmenter, "cache_key") else None
    return key
