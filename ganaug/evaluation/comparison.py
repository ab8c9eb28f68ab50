"""Paired comparison of training methods, from their predictions for the same real test images.

Selection is cross-fitted: the best baseline, the strength of logit adjustment and the synthetic share are selected on
other folds of the test images and other seeds than they are scored on. Selecting and scoring on the same predictions
would favor whichever group of methods has more candidates.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ganaug.evaluation.baselines import LOGIT_ADJUSTMENT
from ganaug.evaluation.bootstrap import Interval, Resamples, holm, interval
from ganaug.evaluation.candidates import Candidates
from ganaug.evaluation.objectives import MARGIN, Objective
from ganaug.evaluation.offset_curve import OFFSET_STRENGTHS, height_above_curve, mean_recalls
from ganaug.evaluation.predictions import MIN_GROUPS, MIN_IMAGES, Predictions, share_name
from ganaug.evaluation.scores import Scores, adjust_logits, compute_recall, compute_scores
from ganaug.evaluation.verdict import (
    ADVISED,
    HELPS,
    HELPS_RARE,
    HURTS,
    NO_EVIDENCE,
    RareClasses,
    choose_share,
    judge_method,
    judge_shares,
    smallest_within_one_standard_error,
)

__all__ = [
    "HELPS",
    "HELPS_RARE",
    "HURTS",
    "MIN_GROUPS",
    "MIN_IMAGES",
    "NO_EVIDENCE",
    "Comparison",
    "Method",
    "Predictions",
]

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
    objective : str
        What methods are selected and judged by: "balanced_accuracy", "macro_f1" or "rare_recall"; see
        `ganaug.evaluation.objectives.Objective`.
    margin : float
        Loss of the mean recall of the other classes that a gain of rare classes may cost.

    Attributes
    ----------
    predictions : Predictions
        The argument `predictions`.
    objective : Objective
        The objective.
    resamples : Resamples
        Shared by all methods, so that their scores are paired.

    Notes
    -----
    The verdict is "helps" if, for the selected share, the interval of the gain in the objective over the selected
    baseline lies above 0, no single baseline scores higher, and the gain exceeds what class-wise offsets of the
    baseline reach. It is "helps rare classes" if a rare class gains in recall and the others do not lose more than the
    margin (`RareClasses`). Both need a class whose samples are recognized. It is "hurts" if the interval lies below 0
    for every share above the smallest. Otherwise it is "no evidence".

    Every method, with and without synthetic images, is also a candidate with logit adjustment.

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

    def __init__(
        self,
        predictions: Predictions,
        *,
        resamples: int = 1000,
        seed: int = 0,
        objective: str = "balanced_accuracy",
        margin: float = MARGIN,
    ) -> None:
        self.predictions = predictions
        self.objective = Objective(objective, predictions.is_rare, predictions.is_common, margin)
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
    def candidates(self) -> Candidates:
        """Everything that can be selected."""
        return Candidates(self.predictions, self.objective)

    def _select_best(self, names: Iterable[str], images: np.ndarray, seeds: np.ndarray) -> str:
        """The candidate with the best objective on masks of images (N,), whole folds, and seeds (S,)."""
        return self.candidates.select_best(list(names), images, seeds)

    def _cross_select(self, name: str, select: Callable[[np.ndarray, np.ndarray], str]) -> Method:
        """Score, in each fold and seed, the method that `select` returns for masks of the other images and seeds."""
        n_seeds = self.predictions.n_seeds
        first = next(iter(self.predictions.candidates.values()))
        table, selected = np.empty(first.shape, first.dtype), []
        for fold in np.unique(self.predictions.folds):
            in_fold = self.predictions.folds == fold
            for seed in range(n_seeds):
                # a single seed has to be both selected on and scored
                other_seeds = np.arange(n_seeds) != seed if n_seeds > 1 else np.array([True])
                # selecting by the scores that are reported would make them too good
                selected.append(select(~in_fold, other_seeds))
                table[seed, in_fold] = self.candidates.table(selected[-1], seed, in_fold)
        return self.score_method(name, table, selected)

    def _cross_select_best(self, name: str, methods: Iterable[str], *, is_adjusted: bool | None = None) -> Method:
        """Score, in each fold and seed, the candidate with the best objective on the others.

        Candidates are training methods with and without logit adjustment; `is_adjusted`: only with, or only without.
        """
        names = self.candidates.of_methods(methods, is_adjusted=is_adjusted)
        return self._cross_select(name, lambda images, seeds: self._select_best(names, images, seeds))

    @cached_property
    def baselines(self) -> dict[str, Method]:
        """Every baseline by name, without and with logit adjustment, of which the strength is selected."""
        methods = self._score_all(self.predictions.baselines)
        if not self.predictions.logit_adjustment:
            return methods
        for name in self.predictions.baselines:
            title = f"{name}, {LOGIT_ADJUSTMENT}"
            methods[title] = self._cross_select_best(title, [name], is_adjusted=True)
        return methods

    @cached_property
    def display_only(self) -> dict[str, Method]:
        """Methods that are reported but never selected."""
        return self._score_all(self.predictions.display_only)

    def _score_all(self, tables: Mapping[str, np.ndarray]) -> dict[str, Method]:
        return {name: self.score_method(name, table) for name, table in tables.items()}

    @cached_property
    def best_baseline(self) -> Method:
        """The selected baseline, which the gains refer to."""
        return self._cross_select_best("best baseline", self.predictions.baselines)

    @cached_property
    def shares(self) -> dict[float, Method]:
        """For each synthetic share, the selected method with that share."""
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
            comparison = Comparison(
                self.predictions.subset(images, seeds),
                resamples=POLICY_RESAMPLES,
                objective=self.objective.name,
                margin=self.objective.margin,
            )
            share = comparison.recommended_share
            methods = self.predictions.with_synthetic[share] if share else self.predictions.baselines
            return self._select_best(self.candidates.of_methods(methods), images, seeds)

        return self._cross_select("verdict followed", follow_verdict)

    def score(self, method: Method) -> np.ndarray:
        """Return the objective of a method in every resample.

        Parameters
        ----------
        method : Method
            Of this comparison.

        Returns
        -------
        array of shape (B + 1,)
        """
        return self.objective.from_scores(method.scores)

    def gain(self, method: Method) -> Interval:
        """Return the gain of a method in the objective over the best baseline.

        Parameters
        ----------
        method : Method
            Of this comparison.

        Returns
        -------
        Interval
        """
        return interval(self.score(method) - self.score(self.best_baseline))

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
        accuracy = self.score(method)[0]
        is_best = all(accuracy > self.score(each)[0] for each in self._eligible_baselines)
        verdict = judge_method(
            self.gain(method), self._gain_of_classes(method), self.gain_over_offset_curve(method), is_best=is_best
        )
        return HELPS_RARE if verdict == NO_EVIDENCE and self.rare_classes(method).is_gain else verdict

    def _gain_of_classes(self, method: Method) -> Interval:
        """Gain of a method over the classes with enough test images."""
        parts = []
        for each in (method, self.best_baseline):
            scores = each.scores
            recall = np.where(self.has_enough_images, scores.recall, np.nan)
            if self.objective.name == "rare_recall":
                recall = recall[:, self.objective.is_rare]
            # a resample may lack every class that counts
            known = np.isfinite(recall)
            parts.append(np.where(known, recall, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan))
        return interval(parts[0] - parts[1])

    @cached_property
    def _eligible_baselines(self) -> list[Method]:
        """The baselines that the objective could select."""
        methods = list(self.baselines.values())
        if self.objective.name != "rare_recall":
            return methods
        common = self.rare_and_common_recall(self.best_baseline.scores.recall)[1][0]
        return [
            method
            for method in methods
            if self.rare_and_common_recall(method.scores.recall)[1][0] >= common - self.objective.margin
        ]

    def rare_classes(self, method: Method) -> RareClasses:
        """Return what a method does to rare classes, and to the others.

        Parameters
        ----------
        method : Method
            With synthetic images.

        Returns
        -------
        RareClasses
        """
        changes, p_values = self.classes(method)
        difference = method.scores.recall - self.best_baseline.scores.recall
        return RareClasses.judge(changes, p_values, self.predictions.is_rare, difference, self.objective.margin)

    @cached_property
    def verdict(self) -> str:
        """Verdict on synthetic images: that on the selected method if it helps, else that of `judge_shares`."""
        if not self.predictions.with_synthetic:
            return NO_EVIDENCE
        verdict = self.verdict_for(self.best_with_synthetic)
        # images in which no class is recognized can act as a regularizer, but they are no images of the classes
        if verdict in ADVISED and self.predictions.has_recognized:
            return verdict
        return judge_shares({share: self.verdict_for(method) for share, method in self.shares.items()})

    @cached_property
    def one_standard_error_share(self) -> float:
        """Smallest share, 0 included, within one standard error of the best."""
        scores = {0.0: self.score(self.best_baseline)}
        scores |= {share: self.score(method) for share, method in self.shares.items()}
        return smallest_within_one_standard_error(scores)

    @cached_property
    def recommended_share(self) -> float:
        """The recommended share: 0 unless the verdict advises synthetic images; else by `choose_share`.

        The gains are those of the objective, or of the rare classes that gain if the verdict is "helps rare classes".
        """
        if self.verdict not in ADVISED:
            return 0.0
        if self.verdict == HELPS:
            gains = {share: self.gain(method) for share, method in self.shares.items()}
        else:
            gaining = self.rare_classes(self.best_with_synthetic).is_gaining
            gains = {
                share: interval((method.scores.recall - self.best_baseline.scores.recall)[:, gaining].mean(1))
                for share, method in self.shares.items()
            }
        share_of = {name: share for share, tables in self.predictions.with_synthetic.items() for name in tables}
        selected = self.best_with_synthetic.selected
        most_selected, _ = self.candidates.methods[max(selected, key=selected.count)]
        # the selected method can help although no single share does
        return choose_share(gains) or share_of[most_selected]
