"""`ganaug fit DATA --run RUN`: train a generator."""

from pathlib import Path

import click

from ganaug._runtime.launch import rank_and_world_size
from ganaug.cli.console import exit_on_error, print_path, warnings_to_stderr
from ganaug.cli.options import DATA, FOLDER, FitOptions, check_unlabeled_folder, fit_options, make_sampler
from ganaug.cli.reading import read
from ganaug.cli.resuming import ResumableCommand, StopSignals
from ganaug.cli.summaries import announce_processes, print_fit


@click.command(cls=ResumableCommand)
@click.argument("data", type=DATA)
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

    RUN also holds config.json, history.csv (a row for each check), losses.png, previews/ and checkpoints/.
    """
    check_unlabeled_folder(options, run)
    with exit_on_error():
        from ganaug.augmentation.job import check_run_folder, write_skipped

        augmenter = make_sampler(options, "conditional").set_params(run_dir=run, verbose=1)
        # before reading, which takes minutes for large folders
        check_run_folder(run, data)
        images, inspection = read(data, **options.reading)
        announce_processes(augmenter.plan(images).batch_size)
        train = augmenter.resume if options.resume else augmenter.fit
        signals = StopSignals(run)
        with warnings_to_stderr():
            train(images, callbacks=[signals])
        if inspection is not None:
            write_skipped(inspection, run)
        signals.exit_if_stopped()
        print_fit(augmenter, run)
        # one line on stdout, however many processes train
        if rank_and_world_size()[0] == 0:
            print_path(run / "model")
