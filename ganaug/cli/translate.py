"""`ganaug translate fit` and `translate apply`: images of one kind into images of another."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug._runtime.launch import part_of_launch
from ganaug.cli.console import Signals, Training, counting, named_failures, said_warnings, say, tell
from ganaug.cli.fit import check_run_folder, say_launched
from ganaug.cli.main import refuse_launched
from ganaug.cli.options import FOLDER, FitOptions, Size, fit_options, parameters, signer, signing_options

if TYPE_CHECKING:
    from ganaug.io.translation_folders import Side


@click.group()
@click.pass_context
def translate(ctx: click.Context) -> None:
    """Learn from two sets of images to turn one into the other, and apply it to new images.

    With pairs (--paired) by Pix2Pix, such as masks and photos; without by CycleGAN, such as healthy and defect.
    """
    if ctx.invoked_subcommand != "fit":
        refuse_launched()


@translate.command("fit")
@click.argument("x", type=FOLDER, metavar="A")
@click.argument("y", type=FOLDER, metavar="[B]", required=False)
@click.option("--run", "--run-dir", "run", type=FOLDER, required=True, help="Folder for the run: history, model.")
@click.option("--paired", is_flag=True, help="A and B hold pairs of equal names: Pix2Pix instead of CycleGAN.")
@click.option("--side-by-side", is_flag=True, help="Each image of A holds a pair, X left and Y right.")
@click.option("--swapped", is_flag=True, help="With --side-by-side: X right and Y left.")
@click.option("--num-labels", type=click.IntRange(2, 256), help="A holds label images of so many labels, from 0.")
@fit_options
def fit(
    x: Path,
    y: Path | None,
    run: Path,
    paired: bool,
    side_by_side: bool,
    swapped: bool,
    num_labels: int | None,
    options: FitOptions,
) -> None:
    """Learn to turn the images of A into those of B; RUN/model holds the translator. Prints its path.

    A and B are folders of images; or A alone holds trainA and trainB, or mask and photo (with --paired), or images that
    are pairs themselves (--side-by-side). Images of one size, or resized by --image-size.
    """
    paired = paired or side_by_side
    if swapped and not side_by_side:
        raise click.UsageError("--swapped goes with --side-by-side. Of two folders, name the other one first.")
    if num_labels is not None and not paired:
        raise click.UsageError("--num-labels needs --paired: label images are translated by pairs.")
    with named_failures():
        from ganaug.estimators.cyclegan import CycleGAN
        from ganaug.estimators.pix2pix import Pix2Pix
        from ganaug.io.translation_folders import read_sides
        from ganaug.training.run import interrupted

        kind: Any = Pix2Pix if paired else CycleGAN
        given = parameters(options, kind)
        if paired:
            num_labels = given["num_labels"] = num_labels or given.get("num_labels")
        for folder in (x, *([] if y is None else [y])):
            check_run_folder(run, folder)
        with counting("read") as progress:
            sides = read_sides(
                x,
                y,
                paired=paired,
                side_by_side=side_by_side,
                swapped=swapped,
                image_size=_both(options.image_size),
                num_labels=num_labels,
                skip_bad=options.skip_bad,
                progress=progress,
            )
        made = kind(**{**given, "run_dir": run})
        n_steps = made.steps_for(*(len(side.images) for side in sides))
        say(f"{' and '.join(f'{len(side.images):,} of {side.root}' for side in sides)}: {kind.__name__}.")
        say_launched(made.batch_size)
        begin = made.resume if options.resume else made.fit
        with (
            said_warnings(),
            Signals() as signals,
            Training(made.batch_size, n_steps=n_steps, seconds=made.time_budget) as progress,
        ):
            begin(*(side.images for side in sides), callbacks=[progress, interrupted(signals.stopped)])
        _list_skipped(sides, run)
        signals.leave(f"Go on with --resume and the run folder {run}.")
        say(
            f"Training ended ({made.stop_reason_}) after {made.n_steps_:,} steps in {made.seconds_:,.0f} s; the state of "
            f"step {made.best_step_:,} is kept."
        )
        for finding in made.health_[-5:]:
            say(f"health: {finding}")
        say(f"Look at {run / 'previews'} and {run / 'losses.png'}.")
        if part_of_launch()[0] == 0:
            tell(run / "model")


@translate.command("apply")
@click.argument("run", type=FOLDER)
@click.argument("source", type=FOLDER, metavar="IN")
@click.argument("out", type=FOLDER)
@click.option("--direction", type=click.Choice(["x_to_y", "y_to_x"]), default="x_to_y", show_default=True)
@click.option("--draws", type=click.IntRange(1), default=1, show_default=True, help="Photos of each mask (Pix2Pix).")
@click.option("--seed", type=click.IntRange(0), help="Another seed than the fit's.")
@click.option(
    "--most-cycle-error",
    type=click.FloatRange(0, 1),
    help="Leave out images whose mean error in [0, 1] of pixels, after they are translated there and back, is larger.",
)
@click.option("--image-size", type=Size(), help="Resize the images of IN first: 64, or 48x64 (height x width).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--skip-bad", is_flag=True, help="Leave unusable files out.")
@signing_options
def apply(
    run: Path,
    source: Path,
    out: Path,
    direction: str,
    draws: int,
    seed: int | None,
    most_cycle_error: float | None,
    image_size: int | tuple[int, int] | None,
    device: str,
    skip_bad: bool,
    **signing: Any,
) -> None:
    """Translate every image of IN by the translator of RUN into the new folder OUT. Prints OUT.

    OUT/photo holds the translations of masks and OUT/mask the masks, by equal names; of other images OUT has a folder
    for each folder of IN, or OUT/translated. Every translation is marked as synthetic, with a row in metadata.csv.
    """
    with named_failures():
        import torch

        from ganaug.errors import DataError
        from ganaug.estimators.translator import cycle_errors
        from ganaug.io.output import check_output
        from ganaug.io.translation_folders import read_side
        from ganaug.sampling.translation_model import TranslationModel, model_folder
        from ganaug.training.engine import device_for

        sign: Callable[[bytes], bytes] | None = signer(signing)
        check_output(out, source)
        model, _ = TranslationModel.load(model_folder(run), device_for(device))
        if direction not in model.directions:
            raise click.UsageError(f"--direction {direction}: a Pix2Pix translator goes from x to y only.")
        if draws > 1 and model.kind != "pix2pix":
            raise click.UsageError("--draws: CycleGAN makes one image of each.")
        if most_cycle_error is not None and model.kind == "pix2pix":
            raise click.UsageError("--most-cycle-error: a Pix2Pix translator does not go back.")
        domain = model.domains[direction == "y_to_x"]
        with counting("read") as progress:
            side = read_side(
                source,
                image_size=_both(image_size),
                num_labels=domain.num_labels,
                skip_bad=skip_bad,
                progress=progress,
            )
        images, files = model.accepted(side.images, direction, str(source)), side.files
        if most_cycle_error is not None:
            errors = cycle_errors(model, images, direction)
            kept = torch.nonzero(errors <= most_cycle_error).flatten()
            say(f"{len(files) - len(kept):,} of {len(files):,} images have a larger cycle error and are left out.")
            if not len(kept):
                raise DataError(f"{source}: the smallest cycle error is {float(errors.min()):.3f}. Allow more.")
            images, files = images[kept], tuple(files[row] for row in kept.tolist())
        with counting("write") as progress:
            model.write(images, files, out, direction, draws=draws, seed=seed, sign=sign, progress=progress)
        say(f"{len(files) * draws:,} translations, each marked as synthetic.")
        if side.skipped:
            say(f"{len(side.skipped):,} unusable files were left out, such as {next(iter(side.skipped))}.")
        tell(out)


def _both(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else size


def _list_skipped(sides: "tuple[Side, Side]", run: Path) -> None:
    import pandas as pd

    from ganaug._runtime.storage import write_bytes
    from ganaug._runtime.terminal import printable
    from ganaug.io.names import as_cell

    rows = [
        {"file_name": as_cell(printable(str(side.root / file))), "cause": printable(why)}
        for side in {side.root: side for side in sides}.values()
        for file, why in side.skipped.items()
    ]
    if rows and part_of_launch()[0] == 0:
        write_bytes(run / "skipped.csv", pd.DataFrame(rows).to_csv(index=False).encode())
        say(f"{len(rows):,} unusable files were left out; they are listed in {run / 'skipped.csv'}.")
