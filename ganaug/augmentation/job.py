"""augment_folder: check, read, train, sample, write and judge, in one call."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from ganaug._runtime.launch import rank_and_world_size
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import count_shown, events_shown, logger, steps_shown
from ganaug._runtime.storage import write_bytes
from ganaug._runtime.terminal import printable
from ganaug._runtime.user_paths import expand_user
from ganaug.augmentation.forecast import counts_table
from ganaug.augmentation.methods import Sampler, fit_nearest, fit_sampler, make_sampler
from ganaug.datasets.holdout import split_validation
from ganaug.errors import OutputError
from ganaug.images import LabeledImages
from ganaug.io.folder import (
    add_to_folder,
    check_addable,
    check_not_augmented,
    check_output,
    read_and_inspect,
    write_augmented_folder,
)
from ganaug.io.names import escape_cell
from ganaug.io.output import bytes_on_disk, check_free_space
from ganaug.io.preflight import FolderInspection
from ganaug.io.resizing import SizeLike, aspect_of
from ganaug.io.table import check_labels
from ganaug.reports.diversity import diversity_report
from ganaug.reports.report import Report
from ganaug.sampling.strategy import Strategy
from ganaug.training.loop import Callback

MAX_REPORT_IMAGES_PER_CLASS = 100
ORIGINALS = ("copy", "resize")
MAX_MARK_BYTES = 4096  # upper bound for the marks in one PNG


@dataclass(frozen=True)
class AugmentedFolder:
    """Result of `augment_folder`.

    Attributes
    ----------
    out : Path
        The augmented folder.
    run_dir : Path or None
        The run folder. None if nothing was trained.
    counts : DataFrame
        A row for each class: "class", "original", "added", "total".
    unlearned : list of str
        Classes that were to be filled up and were not, because too few of their samples pass the filters.
    method : str or None
        "conditional", "cyclegan", or the class name of the over-sampler that was passed. None if nothing was trained.
    sampler : OverSampler or None
        The fitted over-sampler.
    comparison : DataFrame or None
        For method "auto": the distances from real images of both methods.
    report : Report or None
        The diversity report on the synthetic images.

    Examples
    --------
    >>> from pathlib import Path
    >>> from ganaug.augmentation import AugmentedFolder
    >>> from ganaug.augmentation.forecast import counts_table
    >>> counts = counts_table({"cat": 50, "dog": 20}, {"dog": 30})
    >>> print(AugmentedFolder(Path("out"), None, counts, [], "conditional", None, None, None))
    out: 30 synthetic images added to 70.
    """

    out: Path
    run_dir: Path | None
    counts: pd.DataFrame
    unlearned: list[str]
    method: str | None
    sampler: Sampler | None
    comparison: pd.DataFrame | None
    report: Report | None

    def __str__(self) -> str:
        n_added = int(self.counts["added"].sum())
        lines = [f"{self.out}: {n_added:,} synthetic images added to {int(self.counts['original'].sum()):,}."]
        if self.unlearned:
            lines.append(f"Not learned, and not filled up: {', '.join(self.unlearned)}.")
        if self.report is not None:
            lines.append(f"The synthetic images: {self.report.verdict}.")
        return "\n".join(lines)


@library_defaults()
def augment_folder(
    data: str | Path,
    out: str | Path | None = None,
    *,
    method: str | Sampler = "conditional",
    sampling_strategy: Strategy = "auto",
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
    """Fill up the rare classes of a folder of images with synthetic ones.

    The augmented folder holds the images of `data` byte for byte (or resized, see `originals`), the synthetic images
    beside them, and metadata.csv with a row for each image. torchvision's ImageFolder, Hugging Face datasets and timm
    can read it.

    Parameters
    ----------
    data : path
        Folder with a folder for each class.
    out : path, optional
        The augmented folder, which must be empty or not exist. None: add the synthetic images to `data` itself.
    method : {"conditional", "cyclegan", "auto"}, GANAugmenter or ClassTranslator, default="conditional"
        "conditional": GANAugmenter. "cyclegan": ClassTranslator. "auto": fit both and use the one whose samples
        have the smaller energy distance to real images. If an estimator is passed, an unfitted clone of it is used with
        its own `sampling_strategy`, `n_steps`, `time_budget`, `device` and `random_state`; those passed here are
        ignored. The larger of the two values of `verbose` applies.
    sampling_strategy : str, float, dict or callable, default="auto"
        Target counts, as in imbalanced-learn.
    n_steps : int, optional
        Training steps. None: chosen by the method.
    time_budget : float, optional
        Seconds of training, split between the methods for "auto".
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
        Run folder, outside of `data` and `out`. None: `out` (or `data`) with ".run" appended.
    resume : bool, default=False
        Continue the run in `run_dir`.
    report : bool, default=True
        Write a diversity report, on at most 100 real and 100 synthetic images of each class, into the run folder.
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
        If the folder cannot be trained on, or if a class has a name that other readers of metadata.csv take for a
        missing label, such as "NA".
    OutputError
        If `out` is not empty, there is not enough space for it, or a folder lies inside another one.
    RunError
        If the run folder is in use, damaged, or does not match the data or parameters.
    RunInterruptedError
        If a callback interrupted training; `resume=True` continues it.

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
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_folder(images, f"{folder}/photos")
    ...     result = augment_folder(f"{folder}/photos", f"{folder}/augmented", method=tiny, report=False)
    >>> result.counts
      class  original  added  total
    0   cat        40      0     40
    1   dog        24     16     40
    """
    data, out = expand_user(data), None if out is None else expand_user(out)
    target = (data if out is None else out).resolve()
    run_dir = target.with_name(f"{target.name}.run") if run_dir is None else expand_user(run_dir)
    _check_folders(data, out, run_dir)
    if originals not in ORIGINALS:
        raise ValueError(f"originals must be one of {', '.join(ORIGINALS)}; got {originals!r}.")
    params = {
        "sampling_strategy": sampling_strategy,
        "n_steps": n_steps,
        "time_budget": time_budget,
        "device": device,
        "verbose": verbose,
        "random_state": random_state,
    }
    samplers = _samplers(method, params)
    first = next(iter(samplers.values()))
    verbosity = max(int(verbose), int(first.verbose))
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
        resized = images if originals == "resize" and out is not None else None
        counts = first.plan_counts(images)
        _check_writable(inspection, images, counts, out, resized)
        sampler, method_name, comparison = None, None, None
        if counts:
            method_name, sampler, comparison = _fit(samplers, images, counts, run_dir, resume, tuple(callbacks))
            write_skipped(inspection, run_dir)
        else:
            logger.info("Every class has as many images as requested: nothing is trained, nothing is added.")
        unlearned = [] if sampler is None else [name for name in sampler.unlearned_classes_ if name in counts]
        counts = {name: count for name, count in counts.items() if name not in unlearned}
        synthetic = images.take([]) if sampler is None else sampler.sample(counts)
        _write_images(inspection, synthetic, out, sign, verbosity, resized)
        if len(synthetic):
            _warn_of_sharpness(inspection, images, are_resized=resized is not None)
        diversity = None
        if report and sampler is not None and len(synthetic):
            diversity = _write_diversity_report(images, synthetic, sampler, run_dir, verbosity)
    return AugmentedFolder(
        out=data if out is None else out,
        run_dir=run_dir if sampler is not None else None,
        counts=counts_table(images.counts, counts),
        unlearned=unlearned,
        method=method_name,
        sampler=sampler,
        comparison=comparison,
        report=diversity,
    )


def _write_images(
    inspection: FolderInspection,
    synthetic: LabeledImages,
    out: Path | None,
    sign: Callable[[bytes], bytes] | None,
    verbosity: int,
    resized: LabeledImages | None,
) -> None:
    """Write the augmented folder, or add the synthetic images to the folder itself."""
    with count_shown(verbosity, "write") as progress:
        if out is None:
            add_to_folder(inspection, synthetic, sign=sign, progress=progress)
        else:
            write_augmented_folder(inspection, synthetic, out, resized=resized, sign=sign, progress=progress)


def _warn_of_sharpness(inspection: FolderInspection, images: LabeledImages, *, are_resized: bool) -> None:
    """Warn if original images are larger than synthetic ones, so that sharpness tells them apart."""
    height, width = images.shape[1:]
    n_larger = sum(entry.height > height or entry.width > width for entry in inspection.entries)
    if not n_larger:
        return
    aspect = aspect_of(inspection.image_size)
    chain = f"Compose([Resize(({height}, {width})), Resize(SIZE)])"
    if aspect != "stretch":  # torchvision has no transform that does the same
        chain = f"MixedDataset(..., resize={aspect!r}, transform=Resize(SIZE))"
    if are_resized:
        warn_user(f"original images were resized to {height}x{width}. Resize test images in the same way: {chain}.")
        return
    warn_user(
        f"{n_larger:,} original images are larger than the synthetic ones, which have {height}x{width} pixels, so a "
        "classifier can tell them apart by their sharpness. In training and testing, resize all images to the same "
        f"size first: {chain}."
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


def _check_folders(data: Path, out: Path | None, run_dir: Path) -> None:
    if out is None:
        check_not_augmented(data)
    else:
        check_output(out, data)
        check_run_folder(run_dir, out)
    check_run_folder(run_dir, data)


def _samplers(method: str | Sampler, params: dict[str, Any]) -> dict[str, Sampler]:
    """Return the unfitted over-samplers of a method, by name."""
    if not isinstance(method, str):
        return {type(method).__name__: clone(method)}
    if method != "auto":
        return {method: make_sampler(method, params)}
    if params["time_budget"] is not None:
        params = {**params, "time_budget": params["time_budget"] / 2}
    return {name: make_sampler(name, params) for name in ("cyclegan", "conditional")}


def _check_writable(
    inspection: FolderInspection,
    images: LabeledImages,
    counts: dict[str, int],
    out: Path | None,
    resized: LabeledImages | None,
) -> None:
    """Raise DataError or OutputError before training if the augmented folder cannot be written."""
    if out is None:
        check_addable(inspection)
    check_labels(name for name, count in inspection.counts.items() if count)
    bytes_per_file = images.images[:1].numel() + MAX_MARK_BYTES  # PNG pixels are at most as large as raw ones
    originals = [] if out is None else [entry.n_bytes for entry in inspection.entries]
    if resized is not None:
        originals = [max(n_bytes, bytes_per_file) for n_bytes in originals]
    check_free_space(out or inspection.root, bytes_on_disk([*originals, *[bytes_per_file] * sum(counts.values())]))


def _fit(
    samplers: dict[str, Sampler],
    images: LabeledImages,
    counts: dict[str, int],
    run_dir: Path,
    resume: bool,
    callbacks: tuple[Callback, ...],
) -> tuple[str, Sampler, pd.DataFrame | None]:
    """Fit the only over-sampler, or the nearest of several."""
    if len(samplers) > 1:
        return fit_nearest(samplers, images, counts, run_dir, resume=resume, callbacks=callbacks)
    ((name, sampler),) = samplers.items()
    return name, fit_sampler(sampler, images, run_dir, resume=resume, callbacks=callbacks), None


def _write_diversity_report(
    images: LabeledImages, synthetic: LabeledImages, sampler: Sampler, run_dir: Path, verbosity: int
) -> Report:
    """Compute the diversity report, write it into the run folder, and return it."""
    # seed and fraction determine the split, so this is the split of the fit
    train, validation = split_validation(images, sampler.validation_fraction, seed=sampler.model_.seed)
    with steps_shown(verbosity, "report") as progress:
        report = diversity_report(
            train, synthetic, unseen=validation, max_images_per_class=MAX_REPORT_IMAGES_PER_CLASS, progress=progress
        )
    report.write(run_dir / "report.html", run_dir / "report.json")
    return report
