"""`ganaug sample RUN OUT`: a class folder of synthetic images."""

from pathlib import Path

import click

from ganaug.cli.console import counting, named_failures, say
from ganaug.cli.options import FOLDER, counts


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option("--counts", "by_class", help="Images by class: 'cat=50,dog=20'.")
@click.option("--per-class", type=click.IntRange(0), help="The same number of images for every class.")
@click.option(
    "--balance", type=FOLDER, help="What this data folder lacks to have as many of each class as of its largest."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--seed", type=click.IntRange(0), help="Another seed than the fit's. The same seed gives the same images."
)
@click.option(
    "--start", type=click.IntRange(0, 2**52), default=0, show_default=True, help="Skip this many images of each class."
)
@click.option("--latent-std", type=click.FloatRange(0, min_open=True), help="Above 1: more varied, less faithful.")
@click.option(
    "--truncation", type=click.FloatRange(0, min_open=True), help="Cut latent numbers off at so many deviations."
)
@click.option("--no-filters", is_flag=True, help="Hand samples out as they come, near-copies and misfits included.")
def sample(
    run: Path,
    out: Path,
    by_class: str | None,
    per_class: int | None,
    balance: Path | None,
    device: str,
    seed: int | None,
    start: int,
    latent_std: float | None,
    truncation: float | None,
    no_filters: bool,
) -> None:
    """Write synthetic images from the model of RUN (a run or model folder) into the new folder OUT.

    OUT holds a folder a class and metadata.csv, a row of provenance each. Prints OUT. Exactly the counts asked for.
    """
    if sum(option is not None for option in (by_class, per_class, balance)) != 1:
        raise click.UsageError("give one of --counts, --per-class and --balance.")
    request = counts(by_class, "--counts") if by_class is not None else None
    with named_failures():
        from ganaug.data.folder import check_output, write_folder
        from ganaug.estimators.augmenter import GANAugmenter

        check_output(out)
        augmenter = GANAugmenter.load(run, device)
        if per_class is not None:
            request = dict.fromkeys(augmenter.model_.classes, per_class)
        elif balance is not None:
            from ganaug.data.preflight import inspect_folder

            found = inspect_folder(balance, image_size=64)  # only counts matter here, so mixed sizes do not
            found.raise_for_errors(skip_bad=True)
            largest = max(found.counts.values())
            request = {name: largest - count for name, count in found.counts.items() if count < largest}
        assert request is not None
        synthetic = augmenter.sample(
            request,
            random_state=seed,
            start=start,
            latent_std=latent_std,
            truncation=truncation,
            filtered=not no_filters,
        )
        with counting("write") as progress:
            write_folder(synthetic, out, progress=progress)
        say(f"{len(synthetic):,} synthetic images, each marked as such.")
        click.echo(out)
