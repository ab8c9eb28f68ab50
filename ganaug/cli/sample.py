"""`ganaug sample RUN OUT`: a class folder of synthetic images, or shards of one."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from ganaug.cli.console import counting, named_failures, say, tell
from ganaug.cli.options import FOLDER, counts, signer, signing_options


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
@click.option("--shards", type=click.IntRange(1), help="Write OUT in so many parts, each of which can be made alone.")
@click.option("--shard", type=click.IntRange(0), help="Only this part, counted from 0.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["folder", "tar", "parquet"]),
    default="folder",
    show_default=True,
    help="Parts as class folders, as tar archives for WebDataset, or as Parquet files for Hugging Face datasets.",
)
@signing_options
def sample(
    run: Path,
    out: Path,
    by_class: str | None,
    per_class: int | None,
    balance: Path | None,
    device: str,
    shards: int | None,
    shard: int | None,
    form: str,
    no_filters: bool,
    **drawing: Any,
) -> None:
    """Write synthetic images from the model of RUN (a run or model folder) into the new folder OUT.

    OUT holds a folder a class and metadata.csv, a row of provenance each. Prints OUT. Exactly the counts asked for.

    With --shards, OUT holds shard-00000-of-00064 and so on. Every part can be made on another machine, and a part that
    is there is left as it is, so a command that was killed is simply given again.
    """
    if sum(option is not None for option in (by_class, per_class, balance)) != 1:
        raise click.UsageError("give one of --counts, --per-class and --balance.")
    if shards is None and (shard is not None or form != "folder"):
        raise click.UsageError(f"{f'--as {form}' if shard is None else '--shard'} needs --shards, the number of parts.")
    if shards is not None and shard is not None and shard >= shards:
        raise click.UsageError(f"--shard {shard}: with --shards {shards} they are numbered from 0 to {shards - 1}.")
    request = counts(by_class, "--counts") if by_class is not None else None
    with named_failures():
        from ganaug.estimators.augmenter import GANAugmenter
        from ganaug.io.output import check_output, publish
        from ganaug.io.writing import streamed
        from ganaug.sampling.shards import Shard, write_shard

        sign = signer(drawing)
        if shards is None:
            check_output(out)
        augmenter = GANAugmenter.load(run, device)
        model = augmenter.model_
        if per_class is not None:
            request = dict.fromkeys(model.classes, per_class)
        elif balance is not None:
            from ganaug.io.preflight import inspect_folder

            found = inspect_folder(balance, image_size=64)  # only counts matter here, so mixed sizes do not
            found.raise_for_errors(skip_bad=True)
            largest = max(found.counts.values())
            request = {name: largest - count for name, count in found.counts.items() if count < largest}
        assert request is not None
        asked = request
        options = {
            "random_state": drawing["seed"],
            **{name: drawing[name] for name in ("start", "latent_std", "truncation")},
            "filtered": not no_filters,
        }

        def part(number: int, of: int) -> Any:
            blocks = augmenter.sample_blocks(asked, shard=(number, of), **options)
            by_name = {name: len(Shard(number, of).part(asked.get(name, 0))) for name in model.classes}
            return streamed(blocks, by_name, model.shape, sign)

        if shards is None:
            with counting("write") as progress:
                publish(part(0, 1), out, progress)
            say(f"{sum(asked.values()):,} synthetic images, each marked as such.")
        else:
            about = {"model_hash": model.hash(), "counts": asked, **options}
            for number in range(shards) if shard is None else [shard]:
                own = Shard(number, shards)
                make = partial(part, number, shards)
                with counting(own.name) as progress:
                    new = write_shard(make, own, out, about, form=form, progress=progress)
                say(f"{own.name}: {'written' if new else 'was there already'}.")
        tell(out)
