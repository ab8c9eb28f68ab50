"""`ganaug sample RUN OUT`: write synthetic images into class folders, or into shards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug.cli.console import counting, exit_on_error, print_message, print_path
from ganaug.cli.options import DATA, FOLDER, counts, follow_links_option, signer, signing_options

if TYPE_CHECKING:
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.io.output import Contents


@click.command()
@click.argument("run", type=DATA)
@click.argument("out", type=FOLDER)
@click.option("--counts", "counts_text", help="Images per class: 'cat=50,dog=20'.")
@click.option("--per-class", type=click.IntRange(0), help="The same number of images for every class.")
@click.option(
    "--balance", type=FOLDER, help="Images that bring each class of this data folder to the size of its largest class."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="The same seed gives the same images.  [default: seed of the fit]",
)
@click.option(
    "--start", type=click.IntRange(0, 2**52), default=0, show_default=True, help="Skip this many images of each class."
)
@click.option("--latent-std", type=click.FloatRange(0, min_open=True), help="Above 1: more variety, lower fidelity.")
@click.option(
    "--truncation", type=click.FloatRange(0, min_open=True), help="Truncate latent values at this many deviations."
)
@click.option("--no-filters", is_flag=True, help="Write all samples, near-copies and unrecognized ones included.")
@click.option("--shards", type=click.IntRange(1), help="Split OUT into this many parts, written separately.")
@click.option("--shard", type=click.IntRange(0), help="Write this part only, counted from 0.")
@click.option(
    "--as",
    "shard_format",
    type=click.Choice(["folder", "tar", "parquet"]),
    default="folder",
    show_default=True,
    help="Shards as class folders, as tar archives for WebDataset, or as Parquet files for Hugging Face datasets.",
)
@follow_links_option
@signing_options
def sample(
    run: Path,
    out: Path,
    counts_text: str | None,
    per_class: int | None,
    balance: Path | None,
    device: str,
    shards: int | None,
    shard: int | None,
    shard_format: str,
    no_filters: bool,
    **options: Any,
) -> None:
    """Write synthetic images from the model of RUN (a run or model folder) into the new folder OUT.

    OUT holds one folder per class and metadata.csv, with one row per image. It has exactly the requested counts. Prints
    the path of OUT.

    With --shards, OUT holds shard-00000-of-00064 and so on. Each shard can be written on another machine. A shard that
    is complete is left as it is, so after a crash run the same command again.
    """
    if sum(option is not None for option in (counts_text, per_class, balance)) != 1:
        raise click.UsageError("give one of --counts, --per-class and --balance.")
    if shards is None and (shard is not None or shard_format != "folder"):
        option = f"--as {shard_format}" if shard is None else "--shard"
        raise click.UsageError(f"{option} needs --shards, the number of parts.")
    if shards is not None and shard is not None and shard >= shards:
        raise click.UsageError(f"--shard {shard}: with --shards {shards} they are numbered from 0 to {shards - 1}.")
    request = counts(counts_text, "--counts") if counts_text is not None else None
    with exit_on_error():
        from ganaug.estimators.augmenter import GANAugmenter
        from ganaug.io.output import check_output

        sign = signer(options)
        if shards is None:
            check_output(out)
        augmenter = GANAugmenter.load(run, device)
        if per_class is not None:
            request = dict.fromkeys(augmenter.model_.classes, per_class)
        elif balance is not None:
            request = _missing_counts(balance, follow_links=options["follow_links"])
        assert request is not None
        sampling = {
            "random_state": options["seed"],
            **{name: options[name] for name in ("start", "latent_std", "truncation")},
            "filtered": not no_filters,
        }
        job = SamplingJob(augmenter, request, sampling, sign)
        if shards is None:
            job.write_folder(out)
        else:
            job.write_shards(out, range(shards) if shard is None else [shard], shards, shard_format)
        print_path(out)


def _missing_counts(data: Path, *, follow_links: bool) -> dict[str, int]:
    """Count how many images each class of a data folder lacks to be as large as its largest class.

    Parameters
    ----------
    data : Path
        A data folder. Unusable files are not counted.
    follow_links : bool
        Whether links may lead out of the folder.

    Returns
    -------
    dict of str to int
        Class name -> number of images, for the classes that lack some.
    """
    from ganaug.io.preflight import inspect_folder

    # a size, because images of several sizes do not matter for counts
    inspection = inspect_folder(data, image_size=64, follow_links=follow_links)
    inspection.raise_for_errors(skip_bad=True)
    largest = max(inspection.counts.values())
    return {name: largest - count for name, count in inspection.counts.items() if count < largest}


@dataclass(frozen=True)
class SamplingJob:
    """A request for samples, which can be written as one folder or in shards.

    Parameters
    ----------
    augmenter : GANAugmenter
        A fitted augmenter.
    request : dict of str to int
        Class name -> number of images.
    sampling : dict
        Keyword arguments of `GANAugmenter.sample_blocks`.
    sign : callable or None
        Adds a C2PA signature to the bytes of a PNG file.
    """

    augmenter: "GANAugmenter"
    request: dict[str, int]
    sampling: dict[str, Any]
    sign: Callable[[bytes], bytes] | None

    def contents(self, number: int, n_shards: int) -> "Contents":
        """Return the files of shard `number` of `n_shards`; their images are drawn when they are written."""
        from ganaug.io.writing import stream_contents
        from ganaug.sampling.shards import Shard

        model = self.augmenter.model_
        blocks = self.augmenter.sample_blocks(self.request, shard=(number, n_shards), **self.sampling)
        shard = Shard(number, n_shards)
        shard_counts = {name: len(shard.part(self.request.get(name, 0))) for name in model.classes}
        return stream_contents(blocks, shard_counts, model.shape, self.sign)

    def write_folder(self, out: Path) -> None:
        """Write all images into the new folder `out`."""
        from ganaug.io.output import publish

        with counting("write") as progress:
            publish(self.contents(0, 1), out, progress)
        print_message(f"{sum(self.request.values()):,} synthetic images, each marked as synthetic.")

    def write_shards(self, out: Path, numbers: Iterable[int], n_shards: int, shard_format: str) -> None:
        """Write the shards `numbers` of `n_shards` into `out`, except those that are there."""
        from ganaug.sampling.shards import Shard, write_shard

        description = {"model_hash": self.augmenter.model_.hash(), "counts": self.request, **self.sampling}
        for number in numbers:
            shard = Shard(number, n_shards)
            contents = partial(self.contents, number, n_shards)
            with counting(shard.name) as progress:
                is_new = write_shard(contents, shard, out, description, form=shard_format, progress=progress)
            print_message(f"{shard.name}: {'written' if is_new else 'exists already, left as it is'}.")
