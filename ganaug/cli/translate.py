"""`ganaug translate fit` and `translate apply`: translate images of one domain into another."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug._runtime.launch import rank_and_world_size
from ganaug.cli.console import counting, exit_on_error, print_message, print_path, warnings_to_stderr
from ganaug.cli.main import refuse_launched
from ganaug.cli.options import (
    DATA,
    FOLDER,
    FitOptions,
    Size,
    fit_options,
    follow_links_option,
    make_estimator,
    parameters,
    signer,
    signing_options,
)
from ganaug.cli.resuming import ResumableCommand, StopSignals
from ganaug.cli.summaries import MAX_FINDINGS, announce_processes
from ganaug.io.resizing import SizeLike

if TYPE_CHECKING:
    from ganaug.io.translation_folders import DomainImages


@click.group()
@click.pass_context
def translate(ctx: click.Context) -> None:
    """Learn from two sets of images to turn one into the other, and apply it to new images.

    Pix2Pix learns from pairs (--paired), such as masks and photos; CycleGAN from unpaired images.
    """
    if ctx.invoked_subcommand != "fit":
        refuse_launched()


@translate.command("fit", cls=ResumableCommand)
@click.argument("x", type=DATA, metavar="A")
@click.argument("y", type=DATA, metavar="[B]", required=False)
@click.option("--run", "--run-dir", "run", type=FOLDER, required=True, help="Folder for the run: history, model.")
@click.option("--paired", is_flag=True, help="A and B hold pairs of equal names: Pix2Pix instead of CycleGAN.")
@click.option("--side-by-side", is_flag=True, help="Each image of A holds a pair, X left and Y right.")
@click.option("--swapped", is_flag=True, help="With --side-by-side: X right and Y left.")
@click.option(
    "--num-labels", type=click.IntRange(2, 256), help="A contains label images with this many labels, numbered from 0."
)
@partial(fit_options, without=("unlabeled", "subfolder_groups"))
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
    are pairs themselves (--side-by-side). All images must have the same size, or pass --image-size.
    """
    paired = paired or side_by_side
    if swapped and not side_by_side:
        raise click.UsageError("--swapped needs --side-by-side. To swap two folders, exchange A and B.")
    if num_labels is not None and not paired:
        raise click.UsageError("--num-labels needs --paired: only Pix2Pix translates label images.")
    with exit_on_error():
        from ganaug.augmentation.job import check_run_folder
        from ganaug.estimators.cyclegan import CycleGAN
        from ganaug.estimators.pix2pix import Pix2Pix
        from ganaug.io.translation_folders import read_domains

        cls: Any = Pix2Pix if paired else CycleGAN
        params = parameters(options, cls)
        if paired:
            num_labels = params["num_labels"] = num_labels or params.get("num_labels")
        for folder in (x, *([] if y is None else [y])):
            check_run_folder(run, folder)
        with counting("read") as progress:
            domains = read_domains(
                x,
                y,
                paired=paired,
                side_by_side=side_by_side,
                swapped=swapped,
                image_size=_height_and_width(options.image_size),
                num_labels=num_labels,
                skip_bad=options.skip_bad,
                follow_links=options.follow_links,
                progress=progress,
            )
        translator = make_estimator(cls, {**params, "run_dir": run, "verbose": 1})
        sizes = [f"{len(domain.images):,} of {domain.root}" for domain in domains]
        print_message(f"{' and '.join(sizes)}: {cls.__name__}.")
        announce_processes(translator.batch_size)
        train = translator.resume if options.resume else translator.fit
        signals = StopSignals(run)
        with warnings_to_stderr():
            train(*(domain.images for domain in domains), callbacks=[signals])
        _list_skipped(domains, run)
        signals.exit_if_stopped()
        print_message(
            f"Training ended ({translator.stop_reason_}) after {translator.n_steps_:,} steps in "
            f"{translator.seconds_:,.0f} s; the state of step {translator.best_step_:,} is kept."
        )
        for finding in translator.health_[-MAX_FINDINGS:]:
            print_message(f"health: {finding}")
        print_message(f"Look at {run / 'previews'} and {run / 'losses.png'}.")
        if rank_and_world_size()[0] == 0:
            print_path(run / "model")


@translate.command("apply")
@click.argument("run", type=DATA)
@click.argument("source", type=DATA, metavar="IN")
@click.argument("out", type=FOLDER)
@click.option("--direction", type=click.Choice(["x_to_y", "y_to_x"]), default="x_to_y", show_default=True)
@click.option("--draws", type=click.IntRange(1), default=1, show_default=True, help="Photos of each mask (Pix2Pix).")
@click.option("--seed", type=click.IntRange(0), help="Seed of the translations.  [default: that of the fit]")
@click.option(
    "--max-cycle-error",
    type=click.FloatRange(0, 1),
    help="Leave out images with a larger cycle error (mean pixel error in [0, 1] after translation there and back).",
)
@click.option("--image-size", type=Size(), help="Resize the images of IN first: 64, or 48x64 (height x width).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--skip-bad", is_flag=True, help="Leave unusable files out.")
@follow_links_option
@signing_options
def apply(
    run: Path,
    source: Path,
    out: Path,
    direction: str,
    draws: int,
    seed: int | None,
    max_cycle_error: float | None,
    image_size: SizeLike | None,
    device: str,
    skip_bad: bool,
    follow_links: bool,
    **signing: Any,
) -> None:
    """Translate every image of IN by the translator of RUN into the new folder OUT. Prints OUT.

    OUT/photo holds the translations of masks and OUT/mask the masks, by equal names; of other images OUT has a folder
    for each folder of IN, or OUT/translated. Every translation is marked as synthetic, with a row in metadata.csv.
    """
    with exit_on_error():
        import torch

        from ganaug.errors import DataError
        from ganaug.estimators.evaluators import cycle_errors
        from ganaug.io.output import check_output
        from ganaug.io.translation_folders import read_domain
        from ganaug.sampling.model_files import model_folder
        from ganaug.sampling.translation_model import TranslationModel
        from ganaug.training.engine import resolve_device

        sign: Callable[[bytes], bytes] | None = signer(signing)
        check_output(out, source)
        model, _, _ = TranslationModel.load(model_folder(run), resolve_device(device), kinds=("pix2pix", "cyclegan"))
        if direction not in model.directions:
            raise click.UsageError(f"--direction {direction}: a Pix2Pix translator goes from x to y only.")
        if draws > 1 and model.kind != "pix2pix":
            raise click.UsageError("--draws: CycleGAN has one translation of each image.")
        if max_cycle_error is not None and model.kind == "pix2pix":
            raise click.UsageError("--max-cycle-error: a Pix2Pix translator does not go back.")
        domain = model.domains[direction == "y_to_x"]
        with counting("read") as progress:
            domain_images = read_domain(
                source,
                image_size=_height_and_width(image_size),
                num_labels=domain.num_labels,
                skip_bad=skip_bad,
                follow_links=follow_links,
                progress=progress,
            )
        images, files = model.accepted(domain_images.images, direction, str(source)), domain_images.files
        if max_cycle_error is not None:
            errors = cycle_errors(model, images, direction)
            rows = torch.nonzero(errors <= max_cycle_error).flatten()
            print_message(
                f"{len(files) - len(rows):,} of {len(files):,} images have a larger cycle error and are left out."
            )
            if not len(rows):
                raise DataError(f"{source}: the smallest cycle error is {float(errors.min()):.3f}. Raise the limit.")
            images, files = images[rows], tuple(files[row] for row in rows.tolist())
        with counting("write") as progress:
            model.write(images, files, out, direction, draws=draws, seed=seed, sign=sign, progress=progress)
        print_message(f"{len(files) * draws:,} translations were written, each marked as synthetic.")
        if skipped := domain_images.skipped:
            print_message(f"{len(skipped):,} unusable files were left out, such as {next(iter(skipped))}.")
        print_path(out)


def _height_and_width(size: "SizeLike | None") -> tuple[int, int] | None:
    """The size as (height, width). Label images and photos of a pair must be treated alike, so both are stretched."""
    from ganaug.io.preflight import parse_image_size

    parsed = parse_image_size(size)
    if parsed is not None and parsed.aspect != "stretch":
        raise click.UsageError(f"--image-size ...:{parsed.aspect} is not supported here; write 64 or 48x64.")
    return parsed


def _list_skipped(domains: "tuple[DomainImages, DomainImages]", run: Path) -> None:
    """List the files that were left out in RUN/skipped.csv, if there are any."""
    import pandas as pd

    from ganaug._runtime.storage import write_bytes
    from ganaug._runtime.terminal import printable
    from ganaug.io.names import escape_cell

    rows = [
        {"file_name": escape_cell(printable(str(domain.root / file))), "cause": printable(cause)}
        for domain in {domain.root: domain for domain in domains}.values()
        for file, cause in domain.skipped.items()
    ]
    if rows and rank_and_world_size()[0] == 0:
        write_bytes(run / "skipped.csv", pd.DataFrame(rows).to_csv(index=False).encode())
        print_message(f"{len(rows):,} unusable files were left out; they are listed in {run / 'skipped.csv'}.")
