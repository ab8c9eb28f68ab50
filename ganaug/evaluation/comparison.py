"""Paired comparison of training methods, from their predictions for the same real test images.

Selection is cross-fitted: the best baseline, the strength of logit adjustment and the synthetic share are selected on
other folds of the test images and other seeds than they are scored on. Selecting and scoring on the same predictions
would favor whichever group of methods has more candidates.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ganaug.evaluation.baselines import LOGIT_ADJUSTMENT, REAL_ONLY, TAUS
from ganaug.evaluation.bootstrap import Interval, Resamples, holm, interval
from ganaug.evaluation.offset_curve import OFFSET_STRENGTHS, height_above_curve, mean_recalls
from ganaug.evaluation.predictions import MIN_GROUPS, MIN_IMAGES, Predictions, share_name
from ganaug.evaluation.scores import Scores, adjust_logits, compute_recall, compute_scores
from ganaug.evaluation.verdict import (
    HELPS,
    HURTS,
    NO_EVIDENCE,
    judge_method,
    judge_shares,
    smallest_within_one_standard_error,
)

__all__ = ["HELPS", "HURTS", "MIN_GROUPS", "MIN_IMAGES", "NO_EVIDENCE", "Comparison", "Method", "Predictions"]

MIN_SEEDS_FOR_POLICY = 4  # all but one give the verdict that the last is scored by; two say too little about spread
POLICY_RESAMPLES = 100  # of each verdict that the policy follows: there is one for each fold and seed


@dataclass(frozen=True)
class Method:
    """A training method with its scores.

    Attributes
    ----------
    name : str
        Name in the report.
    log_probabilities : array of shape (S, N, K)
        Predictions; those of the selected method in each fold and seed where the method is a selection.
    scores : Scores
        In every resample.
    selected : tuple of str
        Name of the method that was selected for each fold and seed; empty where nothing was selected.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import Method, Scores
    >>> one = np.ones(1)
    >>> scores = Scores(recall=np.ones((1, 2)), balanced_accuracy=one, macro_f1=one, ece=np.zeros(1))
    >>> Method("real only", np.zeros((1, 4, 2)), scores).selected
    ()
    """

    name: str
    log_probabilities: np.ndarray
    scores: Scores
    selected: tuple[str, ...] = ()


class Comparison:
    """Compare training with synthetic images to the best baseline.

    Parameters
    ----------
    predictions : Predictions
        Of all training methods.
    resamples : int
        Number of bootstrap resamples.
    seed : int
        Seed of the bootstrap.

    Attributes
    ----------
    predictions : Predictions
        The argument `predictions`.
    resamples : Resamples
        Shared by all methods, so that their scores are paired.

    Notes
    -----
    The verdict is "helps" if, for the selected share, the interval of the gain in balanced accuracy over the selected
    baseline lies above 0, no single baseline scores higher, and the gain exceeds what class-wise offsets of the
    baseline reach. It is "hurts" if the interval lies below 0 for every share above the smallest. Otherwise it is "no
    evidence".

    Examples
    --------
    A method with synthetic images that is right on 90 % of the test images, a baseline that is right on 60 %:

    >>> import numpy as np
    >>> from ganaug.evaluation import Comparison, Predictions
    >>> labels = np.arange(200) % 2
    >>> def predict(accuracy, seed):
    ...     is_right = np.random.default_rng(seed).uniform(size=(3, 200)) < accuracy
    ...     return np.log(np.where((np.arange(2) == labels[:, None]) == is_right[..., None], 0.9, 0.1))
    >>> predictions = Predictions(
    ...     labels, np.arange(200) // 40, None, np.log([0.5, 0.5]),
    ...     {"real only": predict(0.6, 0)}, {0.25: {"25% synthetic": predict(0.9, 1)}}, {},
    ... )
    >>> comparison = Comparison(predictions, resamples=50)
    >>> comparison.verdict, comparison.recommended_share
    ('helps', 0.25)
    >>> comparison.gain(comparison.best_with_synthetic).low > 0.1
    True
    """

    def __init__(self, predictions: Predictions, *, resamples: int = 1000, seed: int = 0) -> None:
        self.predictions = predictions
        self.resamples = Resamples.draw(
            predictions.labels, predictions.n_seeds, groups=predictions.groups, n=resamples, seed=seed
        )

    def score_method(self, name: str, table: np.ndarray, selected: Sequence[str] = ()) -> Method:
        """Score a training method.

        Parameters
        ----------
        name : str
            Name in the report.
        table : array of shape (S, N, K)
            Log-probabilities.
        selected : sequence of str
            What was selected for each fold and seed.

        Returns
        -------
        Method
        """
        return Method(name, table, compute_scores(self.predictions.labels, table, self.resamples), tuple(selected))

    @cached_property
    def _candidates(self) -> dict[str, np.ndarray]:
        """Tables of all methods that can be selected."""
        tables = {**self.predictions.baselines, **self.adjusted}
        for with_share in self.predictions.with_synthetic.values():
            tables |= with_share
        return tables

    @cached_property
    def _is_correct(self) -> dict[str, np.ndarray]:
        """Which predictions of each method that can be selected are correct: bool, (S, N)."""
        return {name: table.argmax(2) == self.predictions.labels for name, table in self._candidates.items()}

    def _select_best(self, names: Iterable[str], images: np.ndarray, seeds: np.ndarray) -> str:
        """The method with the highest balanced accuracy on masks of images (N,) and seeds (S,)."""
        labels = self.predictions.labels[images]
        weights = 1 / np.bincount(labels)[labels]  # every class counts equally
        return max(names, key=lambda name: float((self._is_correct[name][seeds][:, images] @ weights).mean()))

    def _cross_select(self, name: str, select: Callable[[np.ndarray, np.ndarray], str]) -> Method:
        """Score, in each fold and seed, the method that `select` returns for masks of the other images and seeds."""
        n_seeds = self.predictions.n_seeds
        table, selected = np.empty_like(self._candidates[REAL_ONLY]), []
        for fold in np.unique(self.predictions.folds):
            in_fold = self.predictions.folds == fold
            for seed in range(n_seeds):
                # a single seed has to be both selected on and scored
                other_seeds = np.arange(n_seeds) != seed if n_seeds > 1 else np.array([True])
                # selecting by the scores that are reported would make them too good
                selected.append(select(~in_fold, other_seeds))
                table[seed, in_fold] = self._candidates[selected[-1]][seed, in_fold]
        return self.score_method(name, table, selected)

    def _cross_select_best(self, name: str, candidates: Iterable[str]) -> Method:
        """Score, in each fold and seed, the candidate with the best balanced accuracy on the others."""
        names = list(candidates)
        return self._cross_select(name, lambda images, seeds: self._select_best(names, images, seeds))

    @property
    def _baseline_names(self) -> list[str]:
        return [*self.predictions.baselines, *self.adjusted]

    @cached_property
    def adjusted(self) -> dict[str, np.ndarray]:
        """Tables of logit adjustment of "real only", one for each strength."""
        if not self.predictions.logit_adjustment:
            return {}
        real_only = self.predictions.baselines[REAL_ONLY]
        return {
            f"{LOGIT_ADJUSTMENT}, tau {tau:g}": adjust_logits(real_only, self.predictions.log_prior, tau)
            for tau in TAUS
        }

    @cached_property
    def baselines(self) -> dict[str, Method]:
        """Every baseline by name. The strength of logit adjustment is selected."""
        methods = self._score_all(self.predictions.baselines)
        return (
            {**methods, LOGIT_ADJUSTMENT: self._cross_select_best(LOGIT_ADJUSTMENT, self.adjusted)}
            if self.adjusted
            else methods
        )

    @cached_property
    def display_only(self) -> dict[str, Method]:
        """Methods that are reported but never selected."""
        return self._score_all(self.predictions.display_only)

    def _score_all(self, tables: Mapping[str, np.ndarray]) -> dict[str, Method]:
        return {name: self.score_method(name, table) for name, table in tables.items()}

    @cached_property
    def best_baseline(self) -> Method:
        """The selected baseline, which the gains refer to."""
        return self._cross_select_best("best baseline", self._baseline_names)

    @cached_property
    def shares(self) -> dict[float, Method]:
        """For each synthetic share, the selected method: with or without classical augmentation."""
        return {
            share: self._cross_select_best(share_name(share), names)
            for share, names in self.predictions.with_synthetic.items()
        }

    @cached_property
    def best_with_synthetic(self) -> Method:
        """The selected method with synthetic images, of any share."""
        return self._cross_select_best(
            "best with synthetic", [name for tables in self.predictions.with_synthetic.values() for name in tables]
        )

    @cached_property
    def verdict_policy(self) -> Method | None:
        """The policy that follows the verdict, or None with fewer than four seeds.

        In each fold and seed it uses what the verdict on the other folds and seeds recommends.
        """
        if self.predictions.n_seeds < MIN_SEEDS_FOR_POLICY:
            return None

        def follow_verdict(images: np.ndarray, seeds: np.ndarray) -> str:
            comparison = Comparison(self.predictions.subset(images, seeds), resamples=POLICY_RESAMPLES)
            is_helpful = comparison.verdict == HELPS
            names = (
                list(self.predictions.with_synthetic[comparison.recommended_share])
                if is_helpful
                else self._baseline_names
            )
            return self._select_best(names, images, seeds)

        return self._cross_select("verdict followed", follow_verdict)

    def gain(self, method: Method) -> Interval:
        """Return the gain of a method in balanced accuracy over the best baseline.

        Parameters
        ----------
        method : Method
            Of this comparison.

        Returns
        -------
        Interval
        """
        return interval(method.scores.balanced_accuracy - self.best_baseline.scores.balanced_accuracy)

    def classes(self, method: Method) -> tuple[list[Interval], np.ndarray]:
        """Return the change in recall of each class from the best baseline to a method.

        Parameters
        ----------
        method : Method
            Of this comparison.

        Returns
        -------
        changes : list of Interval
            One for each class, with unadjusted p values.
        p_values : array of shape (K,)
            Adjusted by Holm's procedure; NaN for a class with too few test images.
        """
        difference = method.scores.recall - self.best_baseline.scores.recall
        changes = [interval(difference[:, label]) for label in range(difference.shape[1])]
        return changes, holm(np.where(self.has_enough_images, [change.p for change in changes], np.nan))

    @cached_property
    def has_enough_images(self) -> np.ndarray:
        """Which classes have enough test images, see `Predictions.has_enough_images`: bool, (K,)."""
        return self.predictions.has_enough_images

    @property
    def is_imbalanced(self) -> bool:
        """Whether there are rare and common classes, so that offsets can trade the recall of one for the other."""
        return bool(self.predictions.is_rare.any() and self.predictions.is_common.any())

    def rare_and_common_recall(self, recall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean recall of the rare and of the common classes.

        Parameters
        ----------
        recall : array of shape (B + 1, K)
            As in `Scores`.

        Returns
        -------
        rare, common : arrays of shape (B + 1,)
        """
        return mean_recalls(recall, self.predictions.is_rare, self.predictions.is_common)

    @cached_property
    def offset_curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean recall of rare and of common classes for class-wise offsets on the logits of the best baseline.

        Two arrays (T, B + 1): the log prior is subtracted at T strengths, on the images and on B bootstrap resamples.
        """
        log_probabilities, log_prior = self.best_baseline.log_probabilities, self.predictions.log_prior
        adjusted_by_strength = (adjust_logits(log_probabilities, log_prior, each) for each in OFFSET_STRENGTHS)
        points = [
            self.rare_and_common_recall(compute_recall(self.predictions.labels, adjusted, self.resamples))
            for adjusted in adjusted_by_strength
        ]
        rare, common = zip(*points, strict=True)
        return np.stack(rare), np.stack(common)

    def gain_over_offset_curve(self, method: Method) -> Interval | None:
        """Return the gain of a method over class-wise offsets of the best baseline.

        Parameters
        ----------
        method : Method
            Of this comparison.

        Returns
        -------
        Interval or None
            Recall of the common classes less that of the offset curve at the same recall of the rare classes. Below 0
            if offsets alone would move the decision boundary as far at less cost. None without rare classes.
        """
        if not self.is_imbalanced:
            return None
        return interval(height_above_curve(*self.offset_curve, *self.rare_and_common_recall(method.scores.recall)))

    def verdict_for(self, method: Method) -> str:
        """Return the verdict on one training method, see `ganaug.evaluation.verdict.judge_method`.

        Parameters
        ----------
        method : Method
            With synthetic images.

        Returns
        -------
        str
            "helps", "no evidence" or "hurts".
        """
        if not self.has_enough_images.any():
            return NO_EVIDENCE
        recalls = [each.scores.recall[:, self.has_enough_images] for each in (method, self.best_baseline)]
        gain_of_classes = interval(np.nanmean(recalls[0], axis=1) - np.nanmean(recalls[1], axis=1))
        accuracy = method.scores.balanced_accuracy[0]
        is_best = all(accuracy > each.scores.balanced_accuracy[0] for each in self.baselines.values())
        return judge_method(self.gain(method), gain_of_classes, self.gain_over_offset_curve(method), is_best=is_best)

    @cached_property
    def verdict(self) -> str:
        """Verdict on synthetic images: "helps" if the selected method does, else that of `judge_shares`."""
        if self.verdict_for(self.best_with_synthetic) == HELPS:
            return HELPS
        return judge_shares({share: self.verdict_for(method) for share, method in self.shares.items()})

    @cached_property
    def one_standard_error_share(self) -> float:
        """Smallest share, 0 included, within one standard error of the best."""
        accuracy = {0.0: self.best_baseline.scores.balanced_accuracy}
        accuracy |= {share: method.scores.balanced_accuracy for share, method in self.shares.items()}
        return smallest_within_one_standard_error(accuracy)

    @cached_property
    def recommended_share(self) -> float:
        """The recommended share: 0 unless the verdict is "helps".

        Otherwise the smallest share that helps and is at least `one_standard_error_share`.
        """
        if self.verdict != HELPS:
            return 0.0
        helping = [
            share
            for share, method in self.shares.items()
            if share >= self.one_standard_error_share and self.verdict_for(method) == HELPS
        ]
        share_of = {name: share for share, tables in self.predictions.with_synthetic.items() for name in tables}
        # the selected method can help although no single share does
        return min(
            helping,
            default=share_of[max(self.best_with_synthetic.selected, key=self.best_with_synthetic.selected.count)],
        )
