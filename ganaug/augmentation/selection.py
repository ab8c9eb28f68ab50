"""Choose what a folder is filled up with: how far to balance, how to copy, and the share of synthetic images."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from ganaug._runtime.progress import logger, minutes, steps_shown
from ganaug._runtime.randomness import derive, generator
from ganaug._runtime.storage import read_json, write_json
from ganaug.augmentation.measurement import Candidate, Measurement
from ganaug.augmentation.methods import Sampler, fit_sampler
from ganaug.datasets.cells import Cells, group_images
from ganaug.errors import DataError
from ganaug.evaluation.augmenters import sample_learned_classes
from ganaug.evaluation.bootstrap import Interval
from ganaug.evaluation.groups import resolve_groups
from ganaug.evaluation.leaks import check_training_images
from ganaug.evaluation.matching import drop_synthetic
from ganaug.evaluation.predictions import MIN_GROUPS
from ganaug.evaluation.recognition import list_mostly_unrecognized
from ganaug.evaluation.splits import ADVICE, split_folds
from ganaug.evaluation.verdict import choose_share
from ganaug.images import LabeledImages
from ganaug.reports.comparison import format_points
from ganaug.sampling.composition import BALANCES, balanced_targets, target_counts
from ganaug.sampling.strategy import BALANCE_CELLS, Strategy, fills_cells
from ganaug.training.loop import Callback
from ganaug.training.run_folder import EVALUATION, is_unstarted

AUTO = "auto"
DEFAULT_SHARE = 0.1  # where nothing is measured
CELL_SHARE = 0.5  # of cells, which is not measured on the user's images (benchmarks/cells.py)
SHARES = (0.1, 0.25, 0.5)
N_FOLDS, MAX_SEEDS = 2, 3
MAX_MEASURED, MIN_MEASURED = 20_000, 50  # images in total; images of a class that has so many
MAX_FOLDER_IMAGES = 20_000  # of "double"; "full" may also have twice as many as there are real images
CLASSIFIER_SHARE, GENERATOR_SHARE = 0.2, 0.2  # of the time budget, for all trainings of classifiers and all folds
MIN_GENERATOR_SHARE = 0.5  # of the time budget, that a measurement leaves for the generator
FILE, QUESTION = "selection.json", "chosen_for"
MIN_GAIN = 0.02  # of balanced accuracy, from which another balance is used: several are tried, in few trainings
AS_IS = Candidate("as-is", is_altered=True)


@dataclass(frozen=True)
class Selection:
    """What a folder is filled up with, and why.

    Attributes
    ----------
    balance : str or None
        A key of `ganaug.sampling.composition.BALANCES`. None: the target counts that the user asked for.
    is_altered : bool
        Whether copies of real images are altered.
    share : float
        Synthetic fraction of each class.
    unrecognized : tuple of str
        Classes that get no synthetic images, because classifiers of the real images do not recognize these, or
        recognize fewer real images of the class with them.
    sentences : tuple of str
        What was measured, or why nothing was.
    rows : tuple of dict
        A row for each candidate that was measured: "candidate", "seeds", "balanced accuracy", and its difference from
        the baseline with the ends of its 95 % interval, "change", "low" and "high".

    Examples
    --------
    >>> from ganaug.augmentation.selection import Selection
    >>> Selection("full", True, 0.25, (), (), ()).table.empty
    True
    """

    balance: str | None
    is_altered: bool
    share: float
    unrecognized: tuple[str, ...]
    sentences: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        return pd.DataFrame(list(self.rows))


@dataclass(frozen=True)
class Request:
    """What is to be chosen.

    Attributes
    ----------
    balances : tuple of (str or None)
        Candidates, the default last. One: it is not chosen but given; None: the target counts of `growth`.
    share : float or None
        None: it is measured.
    growth : mapping
        Class name -> target count relative to the number of real images, for balance None.
    cells : Cells or None
        Cells that are filled up, each to the largest of its class, in place of classes.
    """

    balances: tuple[str | None, ...]
    share: float | None
    growth: Mapping[str, float]
    cells: Cells | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.balances) > 1 or self.share is None

    def groups(self, images: LabeledImages) -> LabeledImages:
        """Return the images with the labels of what is filled up: classes, or cells."""
        return group_images(images, self.cells)

    def targets(self, counts: Mapping[str, int], balance: str | None) -> dict[str, int]:
        """Return the number of images that each class or cell is filled up to. counts: those of `groups`."""
        if self.cells is None:
            return target_counts(counts, balance, self.growth)
        names = self.cells.names
        return {names[number]: counts[names[number]] + n for number, n in self.cells.missing_counts().items()}


def make_request(
    images: LabeledImages,
    sampler: Sampler,
    strategy: Strategy,
    share: str | float,
    *,
    evaluate: bool,
) -> Request:
    """Resolve what the user asked for.

    Parameters
    ----------
    images : LabeledImages
    sampler : OverSampler
        Its `sampling_strategy` is used if `strategy` is "auto".
    strategy : str, float, dict or callable
        "auto", a key of `ganaug.sampling.composition.BALANCES`, or a strategy of imbalanced-learn.
    share : "auto" or float
    evaluate : bool
        Whether "auto" is measured.

    Raises
    ------
    ValueError
        If the strategy is unknown, or the share is not in [0, 1].
    """
    if share != AUTO and (isinstance(share, str | bool) or not 0 <= share <= 1):
        raise ValueError(f"synthetic_share must be 'auto' or a number from 0 to 1; got {share!r}.")
    number = None if isinstance(share, str) else float(share)
    cells = sampler.cells_of(images)
    if fills_cells(sampler.sampling_strategy, cells):
        if strategy != AUTO:
            raise ValueError(
                f"sampling_strategy={strategy!r} fills up classes and {BALANCE_CELLS!r} cells: choose one."
            )
        return Request((None,), CELL_SHARE if number is None else number, {}, cells)
    strategy = sampler.sampling_strategy if strategy == AUTO else strategy
    if strategy == AUTO:
        balances = measured_balances(images.counts)
        return Request(balances if evaluate else balances[-1:], number, {})
    if isinstance(strategy, str) and strategy in BALANCES:
        return Request((strategy,), 0.0 if strategy == "as-is" else number, {})
    additions = clone(sampler).set_params(sampling_strategy=strategy).plan_counts(images)
    growth = {name: 1 + count / images.counts[name] for name, count in additions.items()}
    return Request((None,), number, growth)


def default_selection(request: Request, reason: str) -> Selection:
    """Return the documented choice without a measurement."""
    share = DEFAULT_SHARE if request.share is None else request.share
    return Selection(request.balances[-1], True, share, (), (reason,) if request.is_open else (), ())


def select_composition(
    images: LabeledImages,
    request: Request,
    sampler: Sampler,
    run_dir: Path,
    *,
    seed: int,
    resume: bool,
    verbose: int,
    callbacks: Sequence[Callback] = (),
) -> Selection:
    """Measure on folds of the real images what a classifier gains, and choose.

    Parameters
    ----------
    images : LabeledImages
        Real images.
    request : Request
    sampler : OverSampler
        Unfitted. A clone is fitted on the training part of each fold, with a part of its time budget.
    run_dir : Path
        The generators of the folds and the result are stored in its subfolder "evaluation".
    seed : int
    resume : bool
        Take the stored result, or continue the generators of the folds, if there are any.
    verbose : int
    callbacks : sequence of callable
        For the fits of generators.

    Returns
    -------
    Selection
        The default if there are too few images to measure anything.

    Raises
    ------
    RunInterruptedError
        If a callback interrupted a fit.

    Notes
    -----
    Classifiers are trained as an ordinary program would train on the folder: without weights, the same number of steps
    on each composition, tested on real images that neither they nor their generator were trained on.
    """
    if not request.is_open:
        return default_selection(request, "")
    folder = run_dir / EVALUATION
    question = {"images": images.fingerprint(), "seed": seed, **asdict(request)}
    if resume and (stored := _read(folder / FILE, question)):
        return stored
    # outside of `try`: an unusable image among them is an error, before the long work
    others = None if request.share == 0 else sampler.other_training_images(images)
    try:
        measured = _some_images(drop_synthetic(images)[0], seed)
        if request.share is None:
            check_training_images(others, measured)
        groups = resolve_groups(measured, None)
        _check_groups(groups)
        folds = split_folds(measured, N_FOLDS, groups=groups, seed=seed % 2**31)
    except DataError as error:
        # there are no test images to give
        cause = str(error).removesuffix(ADVICE)
        return default_selection(request, f"Nothing was measured, and the default is used: {cause}")
    with steps_shown(verbose, "measure") as progress:
        measurement = Measurement(measured, folds, groups, request.growth, seed, progress)
        n_seeds = _affordable_seeds(measurement, request, sampler)
        if not n_seeds:
            return default_selection(request, _not_measured_message(request))
        _announce(request, sampler)
        chosen, sentences = _choose_base(measurement, request, n_seeds)
        if request.share is None:
            fits = _FoldFits(sampler, folder, resume, tuple(callbacks))
            share, unrecognized, sentence = _choose_share(measurement, chosen, fits, n_seeds)
            sentences.append(sentence)
        else:
            share, unrecognized = request.share, ()
    rows = tuple(_rows(measurement, chosen))
    selection = Selection(chosen.balance, chosen.is_altered, share, unrecognized, tuple(sentences), rows)
    write_json(folder / FILE, {**asdict(selection), QUESTION: question})
    return selection


def _not_measured_message(request: Request) -> str:
    share = DEFAULT_SHARE if request.share is None else request.share
    return (
        "Not measured on your images: the time budget is too short to measure. The default is used: a synthetic share "
        f"of {100 * share:g} %. Pass a longer time budget, or a share of 0 for copies alone."
    )


def measured_balances(counts: Mapping[str, int]) -> tuple[str | None, ...]:
    """Return the balances that are tried for a set, the default last: none that would make the folder very large."""
    limits = {"full": max(MAX_FOLDER_IMAGES, 2 * sum(counts.values())), "double": MAX_FOLDER_IMAGES}
    large = (name for name, limit in limits.items() if sum(balanced_targets(counts, name).values()) <= limit)
    return ("as-is", "square-root", *large)


def _candidates(request: Request) -> list[Candidate]:
    """Return the compositions without synthetic images that are measured, the default last."""
    altered = [Candidate(balance, is_altered=True) for balance in request.balances]
    return [Candidate(request.balances[-1], is_altered=False), *altered]


def _affordable_seeds(measurement: Measurement, request: Request, sampler: Sampler) -> int:
    """Return how many seeds of every candidate fit into the time budget: MAX_SEEDS, one or none."""
    if sampler.time_budget is None:
        return MAX_SEEDS
    if request.share is None:
        train = measurement.images.take(measurement.folds[0].train)
        if GENERATOR_SHARE * sampler.time_budget / len(measurement.folds) < sampler.smallest_time_budget(train):
            return 0
    n_trainings = len(_candidates(request)) + len(SHARES) * (request.share is None)
    n_cores = min(torch.get_num_threads(), len(measurement.folds))
    seconds = n_trainings * len(measurement.folds) * measurement.seconds_per_training() / n_cores
    affordable = int(CLASSIFIER_SHARE * sampler.time_budget / seconds)
    # two trainings say too little about how much trainings differ
    return MAX_SEEDS if affordable >= MAX_SEEDS else min(1, affordable)


def _choose_base(measurement: Measurement, request: Request, n_seeds: int) -> tuple[Candidate, list[str]]:
    """Choose how far to balance and whether to alter copies: the default unless another one is measurably better.

    Short trainings on few images are too noisy to follow every difference.
    """
    candidates = _candidates(request)
    measurement.run(candidates, n_seeds)
    default = candidates[-1]
    changes = {each: measurement.difference(each, default) for each in candidates[:-1]}
    better = [each for each, change in changes.items() if change.low > 0 and change.value >= MIN_GAIN]
    best = measurement.best(better or [default])
    other = candidates[0] if len(request.balances) == 1 else AS_IS
    if best == other:
        change = measurement.difference(best, default)
        return best, [
            f"On your images, '{best}' is better than the default '{default}': {_percent(measurement, best, change)}."
        ]
    change = measurement.difference(best, other)
    kept = "" if better else " No other composition is better by 2 points or more, so the default is kept."
    return best, [f"'{best}' compared with '{other}' on your images: {_percent(measurement, best, change)}.{kept}"]


def _choose_share(
    measurement: Measurement, base: Candidate, fits: "_FoldFits", n_seeds: int
) -> tuple[float, tuple[str, ...], str]:
    """Fit a generator for each fold, and choose the synthetic share, and the classes that get none."""
    if base.balance == "as-is":
        return 0.0, (), "No synthetic images are added, because no class is filled up (as-is)."
    copies = "altered copies" if base.is_altered else "plain copies"
    samples = [fits.sample(measurement, base, number) for number in range(len(measurement.folds))]
    measurement.samples, unlearned = zip(*samples, strict=True)
    if not all(len(of_fold) for of_fold in measurement.samples):
        return 0.0, (), f"The generators of the folds learned no class: {copies} alone are used."
    unrecognized = measurement.find_unrecognized(base)
    names = [name for name, count in measurement.images.counts.items() if count]
    left_out = list_mostly_unrecognized(unrecognized, names)
    if 2 * len(left_out) > len(names):
        return (
            0.0,
            (),
            (
                f"Classifiers that were trained on real images predict the right class for synthetic images of "
                f"{len(names) - len(left_out)} of {len(names)} classes: {copies} alone are used. Train longer."
            ),
        )
    measurement.unlearned = [[*one, *other] for one, other in zip(unlearned, unrecognized, strict=True)]
    with_share = {share: Candidate(base.balance, base.is_altered, share) for share in SHARES}
    measurement.run(list(with_share.values()), n_seeds)
    changes = {share: measurement.difference(candidate, base) for share, candidate in with_share.items()}
    chosen = choose_share(changes)
    shown = chosen or max(changes, key=lambda share: changes[share].value)
    used = f"{100 * chosen:g} % is used" if chosen else f"{copies.capitalize()} alone are used"
    without = (
        f", without {', '.join(left_out)}, whose synthetic images classifiers take for other classes"
        if chosen and left_out
        else ""
    )
    if chosen:
        losing = [name for name in measurement.find_losses(with_share[chosen], base) if name not in left_out]
        without += f", without {', '.join(losing)}, whose recall falls with them" if losing else ""
        left_out = (*left_out, *losing)
    once = " Each composition was trained once: a difference of a point or two can be chance." if n_seeds == 1 else ""
    return (
        chosen,
        left_out,
        (
            f"On your images, {100 * shown:g} % synthetic in each class changes balanced accuracy by "
            f"{format_points(changes[shown])} compared with {copies} alone. {used}{without}.{once}"
        ),
    )


@dataclass(frozen=True)
class _FoldFits:
    """Fits a generator on the training part of each fold, in a run folder of its own."""

    sampler: Sampler
    folder: Path
    resume: bool
    callbacks: tuple[Callback, ...]

    def sample(self, measurement: Measurement, base: Candidate, number: int) -> tuple[LabeledImages, list[str]]:
        """Return synthetic images for fold `number`, as many as the largest share needs, and the unlearned classes."""
        train = measurement.images.take(measurement.folds[number].train)
        sampler = clone(self.sampler)
        if sampler.time_budget is not None:
            sampler.set_params(time_budget=GENERATOR_SHARE * sampler.time_budget / len(measurement.folds))
        run_dir = self.folder / f"fold-{number + 1}"
        logger.info("Generator of fold %s of %s:", number + 1, len(measurement.folds))
        can_resume = self.resume and not is_unstarted(run_dir)
        fitted = fit_sampler(sampler, train, run_dir, resume=can_resume, callbacks=self.callbacks)
        targets = target_counts(train.counts, base.balance, measurement.growth)
        counts = {name: -(-int(max(SHARES) * 1000) * target // 1000) for name, target in targets.items() if target}
        seed = derive(measurement.seed, "fold", number) % 2**31
        samples = sample_learned_classes(fitted, counts, seed, train)
        return samples, [name for name in counts if not samples.counts[name]]


def _announce(request: Request, sampler: Sampler) -> None:
    """Say what is measured and how long it takes."""
    what = [
        *(["target counts", "altered or plain copies"] if len(request.balances) > 1 else []),
        *(["share of synthetic images"] if request.share is None else []),
    ]
    parts = CLASSIFIER_SHARE + (GENERATOR_SHARE if request.share is None else 0.0)
    budget = sampler.time_budget
    limit = "" if budget is None else f" (about {minutes(parts * budget)} of {minutes(budget)} min)"
    logger.info("Measuring on your images%s: %s. --no-evaluate (evaluate=False) skips it.", limit, ", ".join(what))


def _rows(measurement: Measurement, base: Candidate) -> list[dict[str, Any]]:
    """Return a row for each candidate; those with samples are compared with the same composition without."""
    rows = []
    for candidate, tables in measurement.predictions.items():
        baseline = base if candidate.share else AS_IS
        change = Interval(0.0, 0.0, 0.0)
        if baseline in measurement.predictions and baseline != candidate:
            change = measurement.difference(candidate, baseline)
        rows.append(
            {
                "candidate": str(candidate),
                "seeds": len(tables),
                "balanced accuracy": float(measurement.accuracy(candidate)[0]),
                "change": change.value,
                "low": change.low,
                "high": change.high,
            }
        )
    return rows


def _percent(measurement: Measurement, candidate: Candidate, change: Interval) -> str:
    """Return the balanced accuracy of a candidate, and its change."""
    return f"balanced accuracy {100 * measurement.accuracy(candidate)[0]:.1f} %, {format_points(change)}"


def _some_images(images: LabeledImages, seed: int) -> LabeledImages:
    """Return about MAX_MEASURED images, the same fraction of each class; small classes keep all."""
    if len(images) <= MAX_MEASURED:
        return images
    fraction, parts = MAX_MEASURED / len(images), []
    for name, count in images.counts.items():
        rows = images.rows_of(name)
        order = torch.randperm(count, generator=generator(seed, "measured", name))
        parts.append(rows[order[: max(min(count, MIN_MEASURED), round(fraction * count))]])
    return images.take(torch.cat(parts).sort().values)


def _check_groups(groups: np.ndarray | None) -> None:
    """Raise DataError for so few groups that intervals would be too narrow."""
    n_groups = MIN_GROUPS if groups is None else len(np.unique(groups))
    if n_groups < MIN_GROUPS:
        raise DataError(f"the images form {n_groups} groups (group_id), and measuring needs {MIN_GROUPS}.")


def _read(path: Path, question: Mapping[str, Any]) -> Selection | None:
    """Read a stored selection; None if there is none, or it was made for other images or another request."""
    if not path.exists():
        return None
    stored: Any = read_json(path)
    if stored.get(QUESTION) != json.loads(json.dumps(question)):
        return None
    return Selection(
        stored["balance"],
        bool(stored["is_altered"]),
        float(stored["share"]),
        tuple(stored["unrecognized"]),
        tuple(stored["sentences"]),
        tuple(stored["rows"]),
    )
