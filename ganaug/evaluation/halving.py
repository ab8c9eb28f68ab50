"""Successive halving over training methods: few trainings of all of them, all trainings of the best.

The rounds are

1. every baseline, with every balance of the classes, on one fold with one seed;
2. longer trainings of each baseline, with the balance that was best for it, on the same fold and seed;
3. the best four on all folds with that seed;
4. the finalists with all seeds: the best two baselines, alone and with synthetic images.

Why this does not favor synthetic images
----------------------------------------
Only baselines are selected, never methods with synthetic images: which of these run is fixed before their first
training. The finalists of the baselines are those that were lucky in their first trainings, and these trainings count
in the final comparison. So the score of the best baseline is on average too high by a part of that luck, and the gain
of synthetic images too low. The luck is one of trainings and of test images. That of trainings does not help the
methods with synthetic images, because their classifiers are trained separately. That of test images (the baseline suits
these images) is shared by the methods that add synthetic images to it, and cancels in the difference. A baseline that
is really the best may be left behind, but then synthetic images are added to a lesser one as well, which is a finalist
and is compared with them: worthless samples gain nothing over it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from ganaug.evaluation.methods import LONG, TrainingMethod, lengthen
from ganaug.evaluation.training_set import NotApplicableError

N_SURVIVORS, N_FINALISTS = 4, 2  # methods after the first two rounds and after the third
MIN_SEEDS = 2  # of the finalists, whatever the time budget
SEEDS_BEFORE_EXTRAS = 4  # two seeds say little about chance, so more seeds come before more methods


class Cell(NamedTuple):
    """A fold of the test images and a seed: each method is trained once in each."""

    fold: int
    seed: int


Job = tuple[TrainingMethod, Cell]
Train = Callable[[Sequence[Job]], Iterator[np.ndarray | NotApplicableError]]
Score = Callable[[Sequence[dict[Cell, np.ndarray]]], list[int]]


@dataclass
class Clock:
    """The time that trainings take, and how much of it is left.

    Attributes
    ----------
    budget : float or None
        Seconds for all trainings; None: no limit.

    Examples
    --------
    >>> from ganaug.evaluation.halving import Clock
    >>> Clock(budget=None).allows(1000)
    True
    """

    budget: float | None
    started: float = field(default_factory=time.perf_counter)
    units: float = 0.0  # finished trainings; a longer one counts by its length

    def start(self) -> None:
        """Start to count."""
        self.started = time.perf_counter()

    def allows(self, units: float) -> bool:
        """Whether there is time for more trainings, at the pace of those before."""
        return self.budget is None or self.elapsed + units * self.pace <= self.budget

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    @property
    def pace(self) -> float:
        """Seconds of a training of usual length; 0 before the first has ended."""
        return self.elapsed / self.units if self.units else 0.0


@dataclass
class Rounds:
    """The rounds of one trial.

    Attributes
    ----------
    n_folds : int
        Number of folds.
    seeds : sequence of int
        Seeds of the trainings.
    train : callable
        Trains jobs and yields their predictions, or why the method cannot be applied, in order.
    rank : callable
        Predictions of several methods, each a dictionary of cells, to their places from the best to the worst.
    clock : Clock
        Time budget of the rounds.
    note : callable
        Receives remarks for the reader.
    tables : dict of TrainingMethod to dict of Cell to array
        Predictions so far.
    not_applicable : dict of str to list of str
        Why methods are left out: {reason: names}.
    """

    n_folds: int
    seeds: Sequence[int]
    train: Train
    rank: Score
    clock: Clock
    note: Callable[[str], None]
    tables: dict[TrainingMethod, dict[Cell, np.ndarray]] = field(default_factory=dict)
    not_applicable: dict[str, list[str]] = field(default_factory=dict)
    n_planned: float = 0.0  # trainings in total
    _failed: set[TrainingMethod] = field(default_factory=set)

    def count_planned(self, n_methods: int, n_bases: int, n_finalists: int) -> int:
        """Return about how many trainings there are; a longer one counts by its length.

        Parameters
        ----------
        n_methods, n_bases : int
            Methods of the first round, and baselines that are lengthened.
        n_finalists : int
            Methods of the final round. They are counted as if none was longer.

        Returns
        -------
        int
        """
        screening = n_methods + LONG * n_bases + N_SURVIVORS * (self.n_folds - 1)
        return round(screening + n_finalists * self.n_folds * len(self.seeds))

    def find_finalists(
        self, methods: Sequence[TrainingMethod], bases: Sequence[TrainingMethod], n_synthetic: int
    ) -> list[TrainingMethod]:
        """Run the first three rounds.

        Parameters
        ----------
        methods : sequence of TrainingMethod
            Without synthetic images, of usual length.
        bases : sequence of TrainingMethod
            Those of them that synthetic images can be added to. The best of these stays to the end.
        n_synthetic : int
            Methods with synthetic images that the final round adds at least.

        Returns
        -------
        list of TrainingMethod
            The best baselines, from the best to the worst: two, or three if the first two are no bases.

        Raises
        ------
        NotApplicableError
            If no method can be applied.
        """
        first, screened = [Cell(0, self.seeds[0])], [Cell(fold, self.seeds[0]) for fold in range(self.n_folds)]
        ranked = self._run(methods, first)
        if not ranked:
            reason, names = next(iter(self.not_applicable.items()))
            raise NotApplicableError(f"{', '.join(names)} cannot be applied: {reason}")
        longer = self._affordable(lengthen(ranked), n_synthetic)
        base_names = {method.base for method in bases}
        survivors = _best(self._run([*ranked, *longer], first), N_SURVIVORS, base_names)
        return _best(self._run(survivors, screened), N_FINALISTS, base_names)

    def run_finals(
        self, core: Sequence[TrainingMethod], extras: Sequence[Sequence[TrainingMethod]]
    ) -> tuple[list[TrainingMethod], list[int]]:
        """Run the final round: whole seeds, as many as the time budget allows.

        Parameters
        ----------
        core : sequence of TrainingMethod
            What has to be compared.
        extras : sequence of sequence of TrainingMethod
            Groups of more methods, the most important first; groups for which there is no time are left out.

        Returns
        -------
        finalists : list of TrainingMethod
            Those that could be applied in every fold.
        seeds : list of int
            The seeds that were run.
        """
        groups, without_time = [list(group) for group in extras], list[str]()
        while groups and not self.clock.allows(self._cost([*core, *chain(*groups)], SEEDS_BEFORE_EXTRAS)):
            without_time = [method.name for method in groups.pop()] + without_time
        if without_time:
            self.note(f"there was no time for {', '.join(without_time)}")
        finalists, seeds, costs = [*core, *chain(*groups)], list[int](), list[float]()
        self.n_planned = self.clock.units + self._cost(finalists, len(self.seeds))
        for seed in self.seeds:
            start = self.clock.elapsed
            self._run(finalists, [Cell(fold, seed) for fold in range(self.n_folds)])
            seeds.append(seed)
            costs.append(self.clock.elapsed - start)
            budget = self.clock.budget
            # whole seeds only, because methods are compared on the same seeds
            if budget is not None and len(seeds) >= MIN_SEEDS and self.clock.elapsed + costs[-1] > budget:
                break
        if len(seeds) < len(self.seeds):
            self.note(f"the time budget ended the comparison after {len(seeds)} of {len(self.seeds)} seeds")
        return [method for method in finalists if method not in self._failed], seeds

    def _affordable(self, longer: list[TrainingMethod], n_synthetic: int) -> list[TrainingMethod]:
        """The longer trainings for which there is time, including the final round if one of them wins."""
        if not longer:
            return []
        final = (1 + n_synthetic) * longer[0].length * self.n_folds * MIN_SEEDS
        screening = N_SURVIVORS * longer[0].length * (self.n_folds - 1)
        chosen = [
            method
            for place, method in enumerate(longer, 1)
            if self.clock.allows(place * method.length + screening + final)
        ]
        if len(chosen) < len(longer):
            self.note(
                f"there was no time for longer trainings of {len(longer) - len(chosen)} of {len(longer)} baselines"
            )
        return chosen

    def _cost(self, methods: Iterable[TrainingMethod], n_seeds: int) -> float:
        """Trainings of usual length that are still to be done for some seeds."""
        cells = [Cell(fold, seed) for seed in self.seeds[:n_seeds] for fold in range(self.n_folds)]
        return sum(method.length for method in methods for cell in cells if cell not in self.tables.get(method, {}))

    def _run(self, methods: Sequence[TrainingMethod], cells: Sequence[Cell]) -> list[TrainingMethod]:
        """Train what is missing; return the methods that could be applied, from the best to the worst on the cells."""
        # the longest first, so that no core waits for a long training that starts last
        jobs = [
            (method, cell)
            for method in sorted(methods, key=lambda method: -method.length)
            if method not in self._failed
            for cell in cells
            if cell not in self.tables.get(method, {})
        ]
        for (method, cell), result in zip(jobs, self.train(jobs), strict=True):
            self.clock.units += method.length
            if isinstance(result, NotApplicableError):
                if method not in self._failed:
                    self.not_applicable.setdefault(str(result), []).append(method.name)
                self._failed.add(method)
            else:
                self.tables.setdefault(method, {})[cell] = result
        applied = [method for method in methods if method not in self._failed]
        return [applied[place] for place in self.rank([{c: self.tables[m][c] for c in cells} for m in applied])]


def _best(ranked: Sequence[TrainingMethod], n: int, bases: Collection[str]) -> list[TrainingMethod]:
    """The first `n` methods, and the first with one of these bases if none of them has."""
    best = list(ranked[:n])
    if not any(method.base in bases for method in best):
        best += [method for method in ranked[n:] if method.base in bases][:1]
    return best


def merge_cells(folds: Sequence[np.ndarray], tables: dict[Cell, np.ndarray], seeds: Sequence[int]) -> np.ndarray:
    """Put the predictions of a method in all folds and seeds together.

    Parameters
    ----------
    folds : sequence of arrays of int
        Indices of the test images of each fold.
    tables : dict of Cell to array of shape (n, K)
        Predictions of the test images of each fold.
    seeds : sequence of int
        S seeds.

    Returns
    -------
    array of shape (S, N, K), float32
    """
    first = next(iter(tables.values()))
    merged = np.empty((len(seeds), sum(map(len, folds)), first.shape[1]), np.float32)
    for place, seed in enumerate(seeds):
        for number, rows in enumerate(folds):
            merged[place, rows] = tables[Cell(number, seed)]
    return merged
