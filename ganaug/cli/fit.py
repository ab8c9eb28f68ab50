"""`ganaug fit DATA --run RUN`: train; and the training that other verbs do."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug._runtime.launch import part_of_launch
from ganaug._runtime.terminal import printable
from ganaug.cli.console import Signals, Training, counting, named_failures, said_warnings, say, tell
from ganaug.cli.options import FOLDER, FitOptions, fit_options, parameters

if TYPE_CHECKING:
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.estimators.class_translator import ClassTranslator
    from ganaug.images import LabeledImages
    from ganaug.io.preflight import FolderInspection


@click.command()
@click.argument("data", type=FOLDER)
@click.option(
    "--run",
    "--run-dir",
    "run",
    type=FOLDER,
    required=True,
    help="Folder for the run: history, previews, checkpoints, model.",
)
@fit_options
def fit(data: Path, run: Path, options: FitOptions) -> None:
    """Train a generator on DATA, a folder or a store; RUN/model holds it at the end. Prints the path of the model.

    RUN also holds config.json, history.csv (a row a check), losses.png, previews/ and checkpoints/.
    """
    with named_failures():
        given = parameters(options)
        check_run_folder(run, data)
        images, found = _opened(data, options)
        train(images, found, run, given, resume=options.resume)
        if part_of_launch()[0] == 0:
            tell(run / "model")


def _opened(data: Path, options: FitOptions) -> "tuple[LabeledImages, FolderInspection | None]":
    """DATA, of which a store was checked when it was built."""
    from ganaug.io.folder import read_folder
    from ganaug.io.store import is_store

    return (read_folder(data, image_size=options.image_size), None) if is_store(data) else read(data, options)


def check_run_folder(run: Path, data: Path) -> None:
    """Every folder below a data set is a class to other readers, so a run never lies there. Raises OutputError."""
    from ganaug.errors import OutputError

    if run.resolve().is_relative_to(data.resolve()):
        raise OutputError(
            f"{run}: lies inside {data}, where it would be read as a class. Choose a run folder elsewhere."
        )


def read(data: Path, options: FitOptions) -> "tuple[LabeledImages, FolderInspection]":
    """Read and check DATA, and say what is worth knowing about it."""
    from ganaug.io.folder import read_and_inspect

    with counting("read") as progress:
        images, found = read_and_inspect(
            data, image_size=options.image_size, skip_bad=options.skip_bad, progress=progress
        )
    for warning in found.warnings:
        say(f"warning: {warning}")
    return images, found


def say_launched(batch_size: int) -> None:
    """Where several processes were launched together, that they are."""
    if (parts := part_of_launch()[1]) > 1:
        say(f"{parts} processes train together, each on {batch_size // parts} images of a batch.")


def train(
    images: "LabeledImages", found: "FolderInspection | None", run: Path, given: dict[str, Any], *, resume: bool
) -> "GANAugmenter":
    """Fit on `images` with the run in `run`; leaves the program, resumable, when a signal came."""
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.training.run import interrupted

    augmenter = GANAugmenter(**{**given, "run_dir": run})
    plan = augmenter.plan(images)
    say(f"Plan:\n{plan}")
    say_launched(plan.batch_size)
    begin = augmenter.resume if resume else augmenter.fit
    with (
        Signals() as signals,
        Training(plan.batch_size, n_steps=plan.n_steps, seconds=augmenter.time_budget) as progress,
    ):
        begin(images, callbacks=[progress, interrupted(signals.stopped)])
    _list_skipped(found, run)
    signals.leave(f"Go on with --resume and the run folder {run}.")
    _summary(augmenter, run)
    return augmenter


def train_translators(
    images: "LabeledImages",
    found: "FolderInspection | None",
    run: Path,
    given: dict[str, Any],
    wanted: list[str],
    *,
    resume: bool,
) -> "ClassTranslator":
    """Fit a ClassTranslator in `run`, of whose CycleGANs `given` holds the parameters; for each class `wanted` one."""
    from ganaug.training.run import interrupted

    made = class_translator({**given, "run_dir": run}, images)
    translator = made.translator
    assert translator is not None
    most = max(images.counts.values())
    timed = made.time_budget is not None and translator.n_steps is None
    n_steps = None if timed else translator.steps_for(most, most)
    say(f"{len(wanted)} of {len(images.classes)} classes are to be filled up: a CycleGAN each.")
    with (
        said_warnings(),
        Signals() as signals,
        Training(translator.batch_size, n_steps=n_steps, seconds=None) as progress,
    ):
        begin = made.resume if resume else made.fit
        begin(images, callbacks=[progress, interrupted(signals.stopped)])
    _list_skipped(found, run)
    signals.leave(f"Go on with --resume and the run folder {run}.")
    for name, source in made.sources_.items():
        say(f"{name} from {source}: mean cycle error {made.cycle_error_[name].mean():.3f} of the range of pixels.")
    for row in made.filter_report_.itertuples():
        judged = "" if row.learned else "; NOT LEARNED, no samples of it are handed out"
        say(
            f"filters: class {row[1]!r}: of {row.drawn} translations {row.copies} nearly repeat a training image and "
            f"{row.mislabeled} are not recognized as their class{judged}."
        )
    say(f"Look at the previews below {run}.")
    return made


def class_translator(given: dict[str, Any], images: "LabeledImages") -> "ClassTranslator":
    """One with the parameters `given`, of which those that it does not have itself are of its CycleGANs."""
    from ganaug.estimators.class_translator import ClassTranslator, default_augmentation
    from ganaug.estimators.cyclegan import CycleGAN

    own = {name: value for name, value in given.items() if name in ClassTranslator._get_param_names()}  # noqa: SLF001
    inner = {name: value for name, value in given.items() if name not in own}
    return ClassTranslator(CycleGAN(**{"augmentation": default_augmentation(images), **inner}), **own)


def _list_skipped(found: "FolderInspection | None", run: Path) -> None:
    if found is None or not found.problems or part_of_launch()[0] > 0:
        return
    import pandas as pd

    from ganaug._runtime.storage import write_bytes
    from ganaug.io.names import as_cell

    rows = [
        {"file_name": as_cell(printable(bad.file)), "cause": printable(bad.cause), "fix": bad.fix}
        for bad in found.problems
    ]
    write_bytes(run / "skipped.csv", pd.DataFrame(rows).to_csv(index=False).encode())
    say(f"{len(rows):,} unusable files were left out; they are listed in {run / 'skipped.csv'}.")


def _summary(augmenter: "GANAugmenter", run: Path) -> None:
    last = augmenter.history_.iloc[-1]
    rate = augmenter.n_steps_ * augmenter.plan_.batch_size / max(augmenter.seconds_, 1e-9)
    say(
        f"Training ended ({augmenter.stop_reason_}) after {augmenter.n_steps_:,} steps at {rate:,.0f} images/s; the state of "
        f"step {augmenter.best_step_:,} is kept. Discriminator's accuracy {last['accuracy_real']:.2f} on real and "
        f"{last['accuracy_fake']:.2f} on fake images (about 0.5 is convergence); diversity {last['diversity']:.2f} of "
        f"that of real images in the worst class, {last['worst_class']!r}."
    )
    for finding in augmenter.health_[-5:]:
        say(f"health: {finding}")
    if not augmenter.health_:
        say("health: no vanishing gradient, no collapsed class, no numbers that are not finite.")
    for row in augmenter.filter_report_.itertuples():
        if row.copies or not row.learned:
            judged = "" if row.learned else "; NOT LEARNED, no samples of it are handed out"
            say(
                f"filters: class {row[1]!r}: of {row.drawn} samples {row.copies} nearly repeat a training image and "
                f"{row.mislabeled} are not recognized as their class{judged}."
            )
    if len(augmenter.filter_report_):
        say(
            f"filters: {augmenter.filter_report_['yield'].mean():.0%} of samples pass, mean over classes; the rest is redrawn."
        )
    say(f"Look at {run / 'previews'} and {run / 'losses.png'}.")
