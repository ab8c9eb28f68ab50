"""The predictions that a comparison is computed from, and which classes they can say something about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ganaug.evaluation.methods import TrainingMethod, share_name

__all__ = ["LeftBehind", "Predictions", "estimate_log_prior", "share_name"]

MIN_IMAGES, MIN_GROUPS = 10, 6  # test images of a class, and groups: with fewer, bootstrap intervals are too narrow


def estimate_log_prior(counts: Iterable[int]) -> np.ndarray:
    """Estimate the log prior of each class from its number of training images.

    Parameters
    ----------
    counts : iterable of int
        Images of each of K classes. A class without images counts as one with one image.

    Returns
    -------
    array of shape (K,)

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import estimate_log_prior
    >>> np.exp(estimate_log_prior([30, 10]))
    array([0.75, 0.25])
    """
    # a class without training images would have a log prior of -inf
    sizes = np.array([max(1, count) for count in counts], dtype=float)
    log_prior: np.ndarray = np.log(sizes / sizes.sum())
    return log_prior


@dataclass(frozen=True)
class LeftBehind:
    """A training method that was tried on few images or seeds and left behind.

    Attributes
    ----------
    name : str
        Name of the method.
    score : float
        Its objective in those trainings, with the best strength of logit adjustment.
    n_trainings : int
        Number of trainings.

    Examples
    --------
    >>> from ganaug.evaluation.predictions import LeftBehind
    >>> LeftBehind("mixup", score=0.71, n_trainings=1).name
    'mixup'
    """

    name: str
    score: float
    n_trainings: int


@dataclass(frozen=True)
class Predictions:
    """Log-probabilities that classifiers of several training methods predict for the same test images.

    Shapes: S seeds, N test images, K classes. Every table has shape (S, N, K).

    Attributes
    ----------
    labels : array of shape (N,), int
        True classes of the test images.
    folds : array of shape (N,), int
        Fold of each test image. What is selected for a fold is selected on the other folds.
    groups : array of shape (N,) or None
        Group of each test image, for the bootstrap.
    log_prior : array of shape (K,)
        Log of the class frequencies among the training images.
    baselines : dict of str to array
        Tables of the training methods without synthetic images; at least one.
    with_synthetic : dict of float to dict of str to array
        For each synthetic share, the tables of the training methods with that share.
    display_only : dict of str to array
        Tables of methods that are reported but never selected.
    logit_adjustment : bool
        Whether every method is also tried with logit adjustment.
    methods : dict of str to TrainingMethod
        The methods of the tables by name, as far as they are known.
    left_behind : tuple of LeftBehind
        Methods that were tried in fewer trainings, from the best to the worst.
    unrecognized : tuple of str
        Classes whose synthetic images classifiers of the real images do not recognize.
    unsampled : tuple of str
        Classes without synthetic images.

    Examples
    --------
    Two classifiers of each method, four test images of two classes:

    >>> import numpy as np
    >>> from ganaug.evaluation import Predictions
    >>> labels = np.array([0, 0, 1, 1])
    >>> right = np.log(np.where(np.arange(2) == labels[:, None], 0.9, 0.1))
    >>> table = np.stack([right, right])
    >>> predictions = Predictions(
    ...     labels, np.arange(4) % 2, None, np.log([0.5, 0.5]), {"real only": table}, {0.5: {"50%": table}}, {}
    ... )
    >>> predictions.n_seeds, predictions.has_test_images.tolist()
    (2, [True, True])
    """

    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None
    log_prior: np.ndarray
    baselines: Mapping[str, np.ndarray]
    with_synthetic: Mapping[float, Mapping[str, np.ndarray]]
    display_only: Mapping[str, np.ndarray]
    logit_adjustment: bool = True
    methods: Mapping[str, TrainingMethod] = field(default_factory=dict)
    left_behind: tuple[LeftBehind, ...] = ()
    unrecognized: tuple[str, ...] = ()
    unsampled: tuple[str, ...] = ()

    @cached_property
    def candidates(self) -> dict[str, np.ndarray]:
        """Tables of all methods that can be selected."""
        tables = dict(self.baselines)
        for with_share in self.with_synthetic.values():
            tables |= with_share
        return tables

    @property
    def has_recognized(self) -> bool:
        """Whether there is a class whose synthetic images are recognized, or it was not tested."""
        return len({*self.unrecognized, *self.unsampled}) < len(self.log_prior)

    @property
    def n_seeds(self) -> int:
        """Number of seeds S."""
        return len(next(iter(self.baselines.values())))

    @property
    def has_test_images(self) -> np.ndarray:
        """Which classes have test images: bool, (K,)."""
        return np.isin(np.arange(len(self.log_prior)), self.labels)

    @property
    def has_enough_images(self) -> np.ndarray:
        """Which classes have at least 10 test images, in at least 6 groups if there are groups: bool, (K,)."""
        is_enough = np.zeros(len(self.log_prior), dtype=bool)
        for label in range(len(is_enough)):
            members = self.labels == label
            n_groups = MIN_GROUPS if self.groups is None else len(np.unique(self.groups[members]))
            is_enough[label] = members.sum() >= MIN_IMAGES and n_groups >= MIN_GROUPS
        return is_enough

    @property
    def is_rare(self) -> np.ndarray:
        """Which classes with test images have fewer training images than the mean class: bool, (K,)."""
        # the slack keeps rounding from turning classes of mean size into rare ones
        is_rare: np.ndarray = self.has_test_images & (np.exp(self.log_prior) < 1 / len(self.log_prior) - 1e-9)
        return is_rare

    @property
    def is_common(self) -> np.ndarray:
        """Which classes with test images are not rare: bool, (K,)."""
        is_common: np.ndarray = self.has_test_images & ~self.is_rare
        return is_common

    def subset(self, images: np.ndarray, seeds: np.ndarray) -> "Predictions":
        """Return the predictions of some images and seeds.

        Parameters
        ----------
        images : array of shape (N,), bool
            Mask of images.
        seeds : array of shape (S,), bool
            Mask of seeds.

        Returns
        -------
        Predictions
        """

        def select(tables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: table[seeds][:, images] for name, table in tables.items()}

        return replace(
            self,
            labels=self.labels[images],
            folds=self.folds[images],
            groups=None if self.groups is None else self.groups[images],
            baselines=select(self.baselines),
            with_synthetic={share: select(tables) for share, tables in self.with_synthetic.items()},
            display_only=select(self.display_only),
        )
