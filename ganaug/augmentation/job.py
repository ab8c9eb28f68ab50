"""augment_folder: check, read, measure, train, sample, write and judge, in one call."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state

from ganaug._runtime.launch import rank_and_world_size
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import count_shown, events_shown, logger, minutes, steps_shown
from ganaug._runtime.storage import write_bytes
from ganaug._runtime.terminal import printable
from ganaug._runtime.user_paths import expand_user
from ganaug.augmentation.methods import (
    Sampler,
    fit_nearest,
    fit_sampler,
    is_attempted,
    make_sampler,
    sample_planned,
)
from ganaug.augmentation.result import AugmentedFolder, counts_table
from ganaug.augmentation.selection import (
    CLASSIFIER_SHARE,
    GENERATOR_SHARE,
    MIN_GENERATOR_SHARE,
    Request,
    Selection,
    default_selection,
    make_request,
    select_composition,
)
from ganaug.augmentation.target_folder import TargetFolder
from ganaug.datasets.holdout import split_validation
from ganaug.errors import OutputError
from ganaug.estimators.smallest_budget import check_time_budget
from ganaug.images import LabeledImages
from ganaug.io.folder import check_not_augmented, check_output, read_and_inspect
from ganaug.io.names import escape_cell
from ganaug.io.preflight import FolderInspection
from ganaug.io.resizing import SizeLike
from ganaug.metrics.features import measure_feature_seconds
from ganaug.reports.diversity import diversity_report
from ganaug.reports.report import Report
from ganaug.sampling.composition import Additions, split_additions
from ganaug.sampling.strategy import Strategy
from ganaug.training.loop import Callback
from ganaug.training.run_folder import EVALUATION, augmentation_run_folder, check_unused, is_unstarted

MIN_REPORT_IMAGES_PER_CLASS, MAX_REPORT_IMAGES_PER_CLASS = 30, 100
PROBES = 32  # images from which the time of a report is estimated
FEATURES_SHARE = 0.6  # of the time of a report that features take
ORIGINALS = ("copy", "resize")
DEFAULT_TIME_BUDGET = 900.0  # seconds
SEED = "seed.txt"
FINISHING_SHARE = 0.08  # of the time budget, for drawing and filtering samples, writing, and the report


@library_defaults()
def augment_folder(
    data: str | Path,
    out: str | Path | None = None,
    *,
    method: str | Sampler = "conditional",
    sampling_strategy: Strategy = "auto",
    synthetic_share: str | float = "auto",
    evaluate: bool = True,
    n_steps: int | None = None,
    time_budget: float | None = None,
    image_size: SizeLike | None = None,
    originals: str = "copy",
    skip_bad: bool = False,
    subfolder_groups: bool = False,
    follow_links: bool = False,
    run_dir: str | Path | None = None,
    resume: bool = False,
    report: bool = True,
    sign: Callable[[bytes], bytes] | None = None,
    device: str = "auto",
    verbose: int | bool = 0,
    random_state: int | np.random.RandomState | None = 0,
    callbacks: Sequence[Callback] = (),
) -> AugmentedFolder:
    """Fill up the rare classes of a folder of images with altered copies and synthetic images.

    The augmented folder holds the images of `data` byte for byte (or resized, see `originals`), altered copies of them,
    synthetic images, and metadata.csv with a row for each image. torchvision's ImageFolder, Hugging Face datasets and
    timm can read it. Train on it with any program, without class weights. By default every class is filled up to twice
    the largest class, unless classifiers learn measurably more from another composition. The share of synthetic images
    is the largest one that does no measurable harm. Both are measured on images that neither classifiers nor generators
    were trained on. This is no evidence that synthetic images help; `utility_report` tests that.

    Parameters
    ----------
    data : path
        Folder with a folder for each class.
    out : path, optional
        The augmented folder, which must be empty or not exist. None: add the copies and synthetic images to `data`
        itself.
    method : {"conditional", "cyclegan", "auto"}, GANAugmenter or ClassTranslator, default="conditional"
        "conditional": GANAugmenter. "cyclegan": ClassTranslator. "auto": fit both and use the one whose samples
        have the smaller energy distance to real images. If an estimator is passed, an unfitted clone of it is used with
        its own `n_steps`, `time_budget`, `device` and `random_state`; those passed here are ignored. Its
        `sampling_strategy` is used if the one passed here is "auto". The larger of the two values of `verbose`
        applies.
    sampling_strategy : str, float, dict or callable, default="auto"
        Target counts. With a method whose `sampling_strategy` is "balance-cells", every cell of its `condition_on`
        is filled up to the largest cell of its class, at a share of 0.5 unless `synthetic_share` is a number, and
        nothing is measured. "auto": measured; the default is "double", or "full" where "double" would give more than
        20,000 images. "as-is", "square-root", "full" or "double": see `ganaug.sampling.composition.BALANCES`. Others as
        in imbalanced-learn.
    synthetic_share : "auto" or float in [0, 1], default="auto"
        Synthetic fraction of the images of each class; the other additions are altered copies. A class with few
        additions can have less. "auto": measured; the largest share without measurable harm, at or below that with the
        highest balanced accuracy.
    evaluate : bool, default=True
        Whether "auto" is measured, on two folds of `data`. It takes up to 40 % of the time budget. If False, if a class
        has too few images, or if the time budget is too short: the default balance with a share of 0.1.
    n_steps : int, optional
        Training steps of each generator, also of those of the folds. None: `time_budget` ends the fit.
    time_budget : float, optional
        Seconds for everything: measurements, training (at least half of it), sampling and the report. Training is split
        between the methods for "auto". None: 15 minutes, unless `n_steps` is given.
    image_size : int or tuple, optional
        Resize images to this size, (height, width) or (height, width, aspect).
    originals : {"copy", "resize"}, default="copy"
        "copy": the original images, byte for byte. "resize": PNG files of the size of the synthetic images, so that a
        classifier cannot tell them apart by their sharpness; then resize test images in the same way. Ignored for
        images of that size, and with `out=None`, which changes no original image.
    skip_bad : bool, default=False
        Leave unusable files out; `run_dir`/skipped.csv lists them.
    subfolder_groups : bool, default=False
        Write the path of the subfolder that an image has in its class folder into the column `group_id` of
        metadata.csv. The copies of the images are directly in the class folders.
    follow_links : bool, default=False
        Follow links that lead out of `data`. Nothing is written through such a link.
    run_dir : path, optional
        Run folder, outside of `data` and `out`. None: `out` (or `data`) with ".run" appended. Its subfolder
        "evaluation" holds what was measured.
    resume : bool, default=False
        Continue the run in `run_dir`.
    report : bool, default=True
        Write a diversity report, on at most 100 real and 100 synthetic images of each class (30 where the rest of the
        time budget is short), into the run folder.
    sign : callable, optional
        Signs the bytes of a synthetic PNG file, see `ganaug.io.signing.Signer`.
    device : str, default="auto"
    verbose : int, default=0
        1: show progress on stderr.
    random_state : int, RandomState or None, default=0
    callbacks : sequence of callable
        Called after every training step with (steps done, dict of logged scalars).

    Returns
    -------
    AugmentedFolder

    Raises
    ------
    DataError
        If the folder cannot be trained on, if a class has a name that other readers of metadata.csv take for a missing
        label, such as "NA", or if metadata.csv has a column "origin" of yours.
    OutputError
        If `out` is not empty, there is not enough space for it, or a folder lies inside another one.
    RunError
        If the run folder is in use, damaged, or does not match the data or parameters.
    RunInterruptedError
        If a callback interrupted training; `resume=True` continues it.
    ValueError
        If a parameter is invalid, or the time budget is too short.

    See Also
    --------
    ganaug.augmentation.forecast_augmentation : What it would add and cost.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from ganaug import GANAugmenter, LabeledImages, TrainingRecipe, augment_folder, write_folder
    >>> pixels = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    >>> images = LabeledImages(pixels, torch.tensor([0] * 40 + [1] * 24), ("cat", "dog"))
    >>> tiny = GANAugmenter(
    ...     n_steps=2, batch_size=4, filters=None, random_state=0,
    ...     recipe=TrainingRecipe(width=2),
    ... )
    >>> options = {"sampling_strategy": "full", "synthetic_share": 0.25, "report": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_folder(images, f"{folder}/photos")
    ...     result = augment_folder(f"{folder}/photos", f"{folder}/augmented", method=tiny, **options)
    >>> result.counts
      class  original  altered  synthetic  total
    0   cat        40        0          0     40
    1   dog        24        6         10     40
    """
    data, out = expand_user(data), None if out is None else expand_user(out)
    target = data if out is None else out
    run_dir = augmentation_run_folder(target) if run_dir is None else expand_user(run_dir)
    _check_folders(data, out, run_dir, resume=resume)
    if originals not in ORIGINALS:
        raise ValueError(f"originals must be one of {', '.join(ORIGINALS)}; got {originals!r}.")
    params = {
        "n_steps": n_steps,
        "time_budget": DEFAULT_TIME_BUDGET if time_budget is None and n_steps is None else time_budget,
        "device": device,
        "verbose": verbose,
        "random_state": random_state,
    }
    samplers = _samplers(method, params)
    first = next(iter(samplers.values()))
    verbosity = max(int(verbose), int(first.verbose))
    began = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(events_shown(verbosity))
        images, inspection = read_folder_with_progress(
            data,
            verbose=verbosity,
            image_size=image_size,
            skip_bad=skip_bad,
            subfolder_groups=subfolder_groups,
            follow_links=follow_links,
        )
        request = make_request(images, first, sampling_strategy, synthetic_share, evaluate=evaluate)
        groups = request.groups(images)
        folder = TargetFolder(inspection, groups, out, is_resized=originals == "resize" and out is not None)
        folder.check_writable(request)
        seed = _seed(first.random_state, run_dir / EVALUATION, resume=resume)
        budgets = [sampler.time_budget for sampler in samplers.values() if sampler.time_budget is not None]
        budget = sum(budgets) if len(budgets) == len(samplers) else None
        run = _Run(samplers, run_dir, resume, verbosity, tuple(callbacks), began, budget)
        run.check_time_budget(images, request, evaluate=evaluate)
        selection = run.select(images, request, seed, evaluate=evaluate)
        targets = request.targets(groups.counts, selection.balance)
        without = set(selection.unrecognized)
        planned = split_additions(groups.counts, targets, selection.share, without)
        method_name, sampler, comparison = run.fit(images, planned)
        write_skipped(inspection, run_dir)
        unlearned = [] if sampler is None else list(sampler.unlearned_classes_)
        additions = split_additions(groups.counts, targets, selection.share, {*unlearned, *without})
        synthetic = images.take([])
        if sampler is not None:
            synthetic, failed = sample_planned(sampler, additions.synthetic)
            if failed:
                unlearned += failed
                additions = split_additions(groups.counts, targets, selection.share, {*unlearned, *without})
        copies = folder.plan_copies(additions.altered, seed, is_altered=selection.is_altered)
        folder.write(synthetic, copies, sign, verbosity)
        additions = folder.written_additions(additions, copies)
        diversity = None
        if report and sampler is not None and len(synthetic):
            diversity = _write_diversity_report(images, synthetic, sampler, run_dir, verbosity, run.seconds_left())
    return AugmentedFolder(
        out=target,
        run_dir=run_dir if run_dir.exists() else None,
        counts=counts_table(groups.counts, additions),
        unlearned=[name for name in unlearned if name in planned.synthetic and is_attempted(sampler, name)],
        selection=selection,
        method=method_name,
        sampler=sampler,
        comparison=comparison,
        report=diversity,
    )


def read_folder_with_progress(data: Path, *, verbose: int, **options: Any) -> tuple[LabeledImages, FolderInspection]:
    """Read and check a folder, with progress, and warn of what its inspection says. options: of `read_and_inspect`."""
    with count_shown(verbose, "read") as progress:
        images, inspection = read_and_inspect(data, progress=progress, **options)
    for warning in inspection.warnings:
        warn_user(warning)
    return images, inspection


def check_run_folder(run_dir: Path, data: Path) -> None:
    """Raise OutputError for a run folder inside a data folder, where other readers would take it for a class."""
    if run_dir.resolve().is_relative_to(data.resolve()):
        raise OutputError(
            f"{run_dir}: lies inside {data}, where it would be read as a class. Choose a run folder elsewhere."
        )


def write_skipped(inspection: FolderInspection, run_dir: Path) -> None:
    """List the files that were left out in `run_dir`/skipped.csv, if there are any."""
    if not inspection.problems or rank_and_world_size()[0] > 0:
        return
    rows = [
        {
            # names of files can come from others: no formula in a spreadsheet, no control character in a terminal
            "file_name": escape_cell(printable(problem.file)),
            "cause": printable(problem.cause),
            "fix": problem.fix,
        }
        for problem in inspection.problems
    ]
    write_bytes(run_dir / "skipped.csv", pd.DataFrame(rows).to_csv(index=False).encode())
    logger.info("%s unusable files were left out; they are listed in %s.", f"{len(rows):,}", run_dir / "skipped.csv")


def _check_folders(data: Path, out: Path | None, run_dir: Path, *, resume: bool) -> None:
    if not resume and rank_and_world_size()[0] == 0:
        check_unused(run_dir)
    if out is None:
        check_not_augmented(data)
    else:
        check_output(out, data)
        check_run_folder(run_dir, out)
    check_run_folder(run_dir, data)


def _seed(random_state: Any, folder: Path, *, resume: bool) -> int:
    """Return the seed of measurements and copies: `random_state` itself where it is a whole number, else stored."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    path = folder / SEED
    if resume and path.exists():
        return int(path.read_text())
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    if rank_and_world_size()[0] == 0:
        write_bytes(path, str(seed).encode())
    return seed


def _samplers(method: str | Sampler, params: dict[str, Any]) -> dict[str, Sampler]:
    """Return the unfitted over-samplers of a method, by name."""
    if not isinstance(method, str):
        return {type(method).__name__: clone(method)}
    if method != "auto":
        return {method: make_sampler(method, params)}
    if params["time_budget"] is not None:
        params = {**params, "time_budget": params["time_budget"] / 2}
    return {name: make_sampler(name, params) for name in ("cyclegan", "conditional")}


@dataclass(frozen=True)
class _Run:
    """The measurement and the fit of one call, in one run folder.

    Attributes
    ----------
    samplers : dict
        Name -> unfitted over-sampler.
    run_dir : Path
    resume : bool
    verbosity : int
    callbacks : tuple of callable
        For fits.
    began : float
        Time of the monotonic clock when the time budget began.
    time_budget : float or None
        Seconds for everything; None: no limit.
    """

    samplers: dict[str, Sampler]
    run_dir: Path
    resume: bool
    verbosity: int
    callbacks: tuple[Callback, ...]
    began: float
    time_budget: float | None

    def seconds_left(self) -> float | None:
        """Seconds of the time budget that are left; None: no limit."""
        return None if self.time_budget is None else self.time_budget - (time.monotonic() - self.began)

    def check_time_budget(self, images: LabeledImages, request: Request, *, evaluate: bool) -> None:
        """Say how the time budget is divided. Raises ValueError if the part of the generator would be too small."""
        budget, counts = self.time_budget, request.groups(images).counts
        is_full = len(request.balances) == 1 and request.targets(counts, request.balances[0]) == counts
        if budget is None or request.share == 0 or is_full or self.resume:
            return
        smallest = max(sampler.smallest_time_budget(images) for sampler in self.samplers.values())
        check_time_budget(budget, smallest * len(self.samplers) / MIN_GENERATOR_SHARE)
        measuring = 0.0
        if evaluate and request.is_open:
            measuring = CLASSIFIER_SHARE + (GENERATOR_SHARE if request.share is None else 0.0)
        parts = {
            "measuring (at most)": measuring,
            "training the generator": 1 - FINISHING_SHARE - measuring,
            "samples, files and report": FINISHING_SHARE,
        }
        texts = [f"{minutes(share * budget)} for {name}" for name, share in parts.items() if share]
        logger.info("Time budget %s min: %s.", minutes(budget), ", ".join(texts))

    def select(self, images: LabeledImages, request: Request, seed: int, *, evaluate: bool) -> Selection:
        """Choose the composition of the folder, by measuring where something is open and may be measured."""
        if request.is_open and not evaluate:
            return default_selection(request, "Not measured on your images; the default is used.")
        # the generator of the folds: that of "conditional" where both methods are fitted
        sampler = clone(list(self.samplers.values())[-1])
        if sampler.time_budget is not None:  # of all methods together
            sampler.set_params(time_budget=len(self.samplers) * sampler.time_budget)
        selection = select_composition(
            images,
            request,
            sampler,
            self.run_dir,
            seed=seed,
            resume=self.resume,
            verbose=self.verbosity,
            callbacks=self.callbacks,
        )
        for sentence in selection.sentences:
            logger.info("%s", sentence)
        return selection

    def fit(
        self, images: LabeledImages, additions: Additions
    ) -> tuple[str | None, Sampler | None, pd.DataFrame | None]:
        """Fit the only over-sampler, or the nearest of several, if synthetic images are to be added."""
        if not additions.synthetic:
            logger.info("No generator is trained, because no synthetic images are added.")
            return None, None, None
        elapsed = time.monotonic() - self.began
        for sampler in self.samplers.values():
            if sampler.time_budget is not None:
                part = elapsed / len(self.samplers)
                rest = (1 - FINISHING_SHARE) * sampler.time_budget - part
                sampler.set_params(time_budget=max(MIN_GENERATOR_SHARE * sampler.time_budget, rest))
        if len(self.samplers) > 1:
            return fit_nearest(
                self.samplers,
                images,
                additions.synthetic,
                self.run_dir,
                resume=self.resume,
                callbacks=self.callbacks,
            )
        ((name, sampler),) = self.samplers.items()
        # a run that was interrupted while it measured has no generator yet
        resume = self.resume and not (is_unstarted(self.run_dir) and (self.run_dir / EVALUATION).exists())
        return name, fit_sampler(sampler, images, self.run_dir, resume=resume, callbacks=self.callbacks), None


def _write_diversity_report(
    images: LabeledImages,
    synthetic: LabeledImages,
    sampler: Sampler,
    run_dir: Path,
    verbosity: int,
    seconds: float | None,
) -> Report:
    """Compute the diversity report in about `seconds`, write it into the run folder, and return it."""
    # seed and fraction determine the split, so this is the split of the fit
    train, validation = split_validation(images, sampler.validation_fraction, seed=sampler.model_.seed)
    with steps_shown(verbosity, "report") as progress:
        progress("measuring how long it takes", 0, len(train.classes) + 3)
        n_images = _affordable_images(train, seconds)
        report = diversity_report(train, synthetic, unseen=validation, max_images_per_class=n_images, progress=progress)
    report.write(run_dir / "report.html", run_dir / "report.json")
    return report


def _affordable_images(images: LabeledImages, seconds: float | None) -> int:
    """Return how many images of each class, real and synthetic each, a report can compare in the time."""
    if seconds is None:
        return MAX_REPORT_IMAGES_PER_CLASS
    n_images = int(FEATURES_SHARE * seconds / (2 * len(images.classes) * measure_feature_seconds(PROBES)))
    return min(MAX_REPORT_IMAGES_PER_CLASS, max(MIN_REPORT_IMAGES_PER_CLASS, n_images))
