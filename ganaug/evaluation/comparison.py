"""Does it help? Paired comparison of ways to train, from their predictions on real images that none of them saw.

Whatever is chosen (the best baseline, the strength of logit adjustment, the synthetic share) is chosen on other test
images and by other trainings than it is scored on, in turns, so that no figure profits from having been picked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ganaug.evaluation.baselines import ADJUSTED, PLAIN, TAUS
from ganaug.evaluation.scores import Interval, Resamples, Scores, holm, interval, offset, recalls, scores

HELPS, NO_EVIDENCE, HURTS = "helps", "no evidence", "hurts"
CURVE = np.r_[-3:-0.5:0.5, np.linspace(-0.5, 2.0, 16)]  # strengths of class-wise offsets, closest where ways lie
MIN_IMAGES, MIN_GROUPS = 10, 6  # of a class's test images, and of groups, below which a bootstrap is too sure
MIN_SEEDS = 4  # of which all but one judge the last: two trainings tell nothing of how far they differ
GATE_RESAMPLES = 100  # of each of the judgements that `gated` consists of


def share_name(share: float) -> str:
    """'25% synthetic' for 0.25."""
    return f"{100 * share:g}% synthetic"


def log_prior(counts: Iterable[int]) -> np.ndarray:
    """Log shares (K,) of classes with `counts` images; a class without any counts as one."""
    held = np.array([max(1, count) for count in counts], dtype=float)
    found: np.ndarray = np.log(held / held.sum())
    return found


@dataclass(frozen=True)
class Predictions:
    """What ways of training said of the same test images.

    labels: (N,). parts: (N,), the parts among which choosing and scoring take turns. groups: (N,) or None.
    log_prior: (K,), of the training images. baselines: {way: (S, N, K) log-probabilities}, without ganaug.
    ours: {share: {way: (S, N, K)}}, with synthetic images. others: shown, but not to be chosen.
    adjust: whether logit adjustment is among the baselines; False where its user could not apply it.
    """

    labels: np.ndarray
    parts: np.ndarray
    groups: np.ndarray | None
    log_prior: np.ndarray
    baselines: Mapping[str, np.ndarray]
    ours: Mapping[float, Mapping[str, np.ndarray]]
    others: Mapping[str, np.ndarray]
    adjust: bool = True

    def only(self, images: np.ndarray, seeds: np.ndarray) -> "Predictions":
        """Those of masks of images (N,) and seeds (S,)."""

        def cut(ways: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: table[seeds][:, images] for name, table in ways.items()}

        return replace(
            self,
            labels=self.labels[images],
            parts=self.parts[images],
            groups=None if self.groups is None else self.groups[images],
            baselines=cut(self.baselines),
            ours={share: cut(ways) for share, ways in self.ours.items()},
            others=cut(self.others),
        )


@dataclass(frozen=True)
class Method:
    """A way of training with its scores, and what was chosen for each part of the test images and each seed."""

    name: str
    table: np.ndarray
    scores: Scores
    chosen: tuple[str, ...] = ()


class Comparison:
    """Scores, differences and the verdict. resamples: bootstrap draws; seed: of these draws."""

    def __init__(self, predictions: Predictions, *, resamples: int = 1000, seed: int = 0) -> None:
        self.given = predictions
        n_seeds = len(next(iter(predictions.baselines.values())))
        self.resamples = Resamples.draw(predictions.labels, n_seeds, groups=predictions.groups, n=resamples, seed=seed)

    def way(self, name: str, table: np.ndarray, chosen: Sequence[str] = ()) -> Method:
        return Method(name, table, scores(self.given.labels, table, self.resamples), tuple(chosen))

    def _in_turns(self, name: str, pick: Callable[[np.ndarray, np.ndarray], str]) -> Method:
        """For each part and seed, the way that `pick` names when it is shown masks of the other images and seeds."""
        n_seeds = len(self._tables[PLAIN])
        found, chosen = np.empty_like(self._tables[PLAIN]), []
        for part in np.unique(self.given.parts):
            own = self.given.parts == part
            for seed in range(n_seeds):
                others = np.arange(n_seeds) != seed if n_seeds > 1 else np.array([True])
                chosen.append(pick(~own, others))
                found[seed, own] = self._tables[chosen[-1]][seed, own]
        return self.way(name, found, chosen)

    def _choose(self, name: str, candidates: Iterable[str]) -> Method:
        """The candidate with the best balanced accuracy on the other parts and seeds, for each part and seed."""
        names = list(candidates)
        return self._in_turns(name, lambda images, seeds: self._best_of(names, images, seeds))

    def _best_of(self, names: Iterable[str], images: np.ndarray, seeds: np.ndarray) -> str:
        """The way with the best balanced accuracy over masks of images and seeds."""
        labels = self.given.labels[images]
        worth = 1 / np.bincount(labels)[labels]  # of a right answer: every class counts alike
        return max(names, key=lambda name: float((self._right[name][seeds][:, images] @ worth).mean()))

    @cached_property
    def _tables(self) -> dict[str, np.ndarray]:
        """Every way that can be chosen."""
        found = {**self.given.baselines, **self.adjusted}
        for ways in self.given.ours.values():
            found |= ways
        return found

    @cached_property
    def _right(self) -> dict[str, np.ndarray]:
        """Which answers are right: {way: bool, (S, N)}."""
        return {name: table.argmax(2) == self.given.labels for name, table in self._tables.items()}

    @cached_property
    def adjusted(self) -> dict[str, np.ndarray]:
        """Logit adjustment of the model of real images only, at each strength."""
        if not self.given.adjust:
            return {}
        plain = self.given.baselines[PLAIN]
        return {f"{ADJUSTED}, tau {tau:g}": offset(plain, self.given.log_prior, tau) for tau in TAUS}

    @cached_property
    def baselines(self) -> dict[str, Method]:
        """Every way without synthetic images; logit adjustment at a strength that is chosen."""
        ways = {name: self.way(name, table) for name, table in self.given.baselines.items()}
        return {**ways, ADJUSTED: self._choose(ADJUSTED, self.adjusted)} if self.adjusted else ways

    @cached_property
    def others(self) -> dict[str, Method]:
        """What is shown, but was not to be chosen."""
        return {name: self.way(name, table) for name, table in self.given.others.items()}

    @cached_property
    def best_baseline(self) -> Method:
        """The baseline to beat: the one that does best on the other parts, for each part."""
        return self._choose("best without", self._without)

    @property
    def _without(self) -> list[str]:
        return [*self.given.baselines, *self.adjusted]

    @property
    def _with(self) -> list[str]:
        return [name for ways in self.given.ours.values() for name in ways]

    @cached_property
    def shares(self) -> dict[float, Method]:
        """Synthetic images at each share, with or without classical augmentation, whichever the other parts favor."""
        return {share: self._choose(share_name(share), ways) for share, ways in self.given.ours.items()}

    @cached_property
    def best(self) -> Method:
        """Synthetic images at the share that the other parts favor."""
        return self._choose("best with", self._with)

    @cached_property
    def gated(self) -> Method | None:
        """What following the verdict comes to: each part and seed by what the others' verdict says to use.

        None with fewer than four seeds.
        """
        if len(self._tables[PLAIN]) < MIN_SEEDS:
            return None

        def pick(images: np.ndarray, seeds: np.ndarray) -> str:
            shown = Comparison(self.given.only(images, seeds), resamples=GATE_RESAMPLES)
            names = list(self.given.ours[shown.share]) if shown.verdict == HELPS else self._without
            return self._best_of(names, images, seeds)

        return self._in_turns("gated", pick)

    def gain(self, way: Method) -> Interval:
        """Balanced accuracy of `way` less that of the best baseline."""
        return interval(way.scores.balanced_accuracy - self.best_baseline.scores.balanced_accuracy)

    @cached_property
    def solid(self) -> np.ndarray:
        """Classes with ten test images or more, in six groups or more where there are groups: bool, (K,)."""
        found = np.zeros(len(self.given.log_prior), dtype=bool)
        for label in range(len(found)):
            own = self.given.labels == label
            groups = MIN_GROUPS if self.given.groups is None else len(np.unique(self.given.groups[own]))
            found[label] = own.sum() >= MIN_IMAGES and groups >= MIN_GROUPS
        return found

    @cached_property
    def tested(self) -> np.ndarray:
        """Classes with test images; bool, (K,)."""
        return np.isin(np.arange(len(self.given.log_prior)), self.given.labels)

    @cached_property
    def rare(self) -> np.ndarray:
        """Which of the tested classes are rare: fewer training images than the mean of all; bool, (K,)."""
        rare: np.ndarray = self.tested & (np.exp(self.given.log_prior) < 1 / len(self.tested) - 1e-9)
        return rare

    @cached_property
    def common(self) -> np.ndarray:
        """The tested classes that are not rare; bool, (K,)."""
        common: np.ndarray = self.tested & ~self.rare
        return common

    @property
    def is_uneven(self) -> bool:
        """Whether there are rare classes and common ones, so that a boundary can move between them."""
        return bool(self.rare.any() and self.common.any())

    def trade(self, recall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Recalls (B + 1, K) -> mean recall of the rare and of the common classes, each (B + 1,)."""
        return np.nanmean(recall[:, self.rare], axis=1), np.nanmean(recall[:, self.common], axis=1)

    @cached_property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """`trade` of the best baseline as class-wise offsets move its boundary to the rare classes: each (T, B + 1)."""
        table, prior = self.best_baseline.table, self.given.log_prior
        points = [self.trade(recalls(self.given.labels, offset(table, prior, t), self.resamples)) for t in CURVE]
        rare, common = zip(*points, strict=True)
        return np.stack(rare), np.stack(common)

    def above_curve(self, way: Method) -> Interval | None:
        """Recall of the common classes less that of the offset curve at the same recall of the rare ones.

        Below 0 where offsets alone would have moved the boundary as far at less cost. Of the curve, which turns back
        where offsets are too large, the best is taken: what is reached with at least that recall of the rare ones. None
        without rare classes.
        """
        if not self.is_uneven:
            return None
        (rare, common), (own_rare, own_common) = self.curve, self.trade(way.scores.recall)
        found = np.empty(len(own_rare))
        for row in range(len(found)):
            order = np.argsort(rare[:, row], kind="stable")
            frontier = np.maximum.accumulate(common[order[::-1], row])[::-1]
            found[row] = own_common[row] - np.interp(own_rare[row], rare[order, row], frontier)
        return interval(found)

    def classes(self, way: Method) -> tuple[list[Interval], np.ndarray]:
        """For each class, recall of `way` less that of the best baseline, and its p value, Holm-adjusted: (K,).

        NaN for a class with too few test images to say.
        """
        difference = way.scores.recall - self.best_baseline.scores.recall
        found = [interval(difference[:, label]) for label in range(difference.shape[1])]
        return found, holm(np.where(self.solid, [one.p for one in found], np.nan))

    def verdict_on(self, way: Method) -> str:
        """`helps`: the gain's interval lies above 0, and the way above every baseline and the offset curve.

        `hurts`: the interval lies below 0. Its side must also hold over the classes with enough test images: of a class
        with one, every resample says the same.
        """
        if not self.solid.any():
            return NO_EVIDENCE
        gain, above = self.gain(way), self.above_curve(way)
        recalls = [one.scores.recall[:, self.solid] for one in (way, self.best_baseline)]
        solid = interval(np.nanmean(recalls[0], axis=1) - np.nanmean(recalls[1], axis=1))
        beaten = all(
            way.scores.balanced_accuracy[0] > one.scores.balanced_accuracy[0] for one in self.baselines.values()
        )
        if min(gain.low, solid.low) > 0 and beaten and (above is None or above.low > 0):
            return HELPS
        return HURTS if max(gain.high, solid.high) < 0 else NO_EVIDENCE

    @cached_property
    def verdict(self) -> str:
        """`helps` if the best share does; `hurts` if every share above the smallest does, which can do little harm."""
        if self.verdict_on(self.best) == HELPS:
            return HELPS
        judged = sorted(self.shares)[1:] or list(self.shares)
        return HURTS if all(self.verdict_on(self.shares[share]) == HURTS for share in judged) else NO_EVIDENCE

    @cached_property
    def cautious_share(self) -> float:
        """The smallest share, 0 included, within the best one's standard error (Breiman et al. 1984, section 3.4.3)."""
        accuracy = {0.0: self.best_baseline.scores.balanced_accuracy}
        accuracy |= {share: way.scores.balanced_accuracy for share, way in self.shares.items()}
        best = max(accuracy.values(), key=lambda one: float(one[0]))
        return min(share for share, one in accuracy.items() if one[0] >= best[0] - best[1:].std())

    @cached_property
    def share(self) -> float:
        """The share to advise: 0 unless synthetic images help; else the smallest that helps and is near the best."""
        if self.verdict != HELPS:
            return 0.0
        helping = [s for s, way in self.shares.items() if s >= self.cautious_share and self.verdict_on(way) == HELPS]
        share_of = {name: share for share, ways in self.given.ours.items() for name in ways}
        return min(helping, default=share_of[max(self.best.chosen, key=self.best.chosen.count)])
