"""`ganaug store SOURCE STORE`: pack the pixels of a large data set into one file, from which `fit` trains."""

from pathlib import Path
from typing import Any

import click

from ganaug.cli.console import counting, exit_on_error, print_message, print_path, warnings_to_stderr
from ganaug.cli.options import DATA, FOLDER, follow_links_option


@click.command()
@click.argument("source", type=DATA)
@click.argument("out", type=FOLDER, metavar="STORE")
@click.option("--image-size", type=click.IntRange(8, 256), help="Resize every image to this height and width.")
@click.option(
    "--mode",
    type=click.Choice(["auto", "gray", "rgb"]),
    default="auto",
    show_default=True,
    help="One channel or three; auto takes the mode of the first image.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out unusable images; store.json lists them.")
@click.option(
    "--unlabeled",
    type=click.Choice(["error", "drop"]),
    default="error",
    show_default=True,
    help="drop: leave out images without a label; store.json lists them.",
)
@follow_links_option
@click.option("--verify", is_flag=True, help="Read the whole store afterwards and compare it with what was written.")
def store(source: Path, out: Path, verify: bool, **options: Any) -> None:
    """Decode the images of SOURCE once, into the new folder STORE. Then `fit STORE` starts fast, in little memory.

    SOURCE is a data folder, a tar or Parquet file, a folder of these, or a data set saved by Hugging Face datasets. If
    the build is interrupted, run the same command again to continue it. Prints the path of STORE.
    """
    with exit_on_error():
        from ganaug.io.store import build_store, open_store, verify_store

        with counting("store") as progress, warnings_to_stderr():
            build_store(source, out, progress=progress, **options)
        images = verify_store(out) if verify else open_store(out)
        channels, height, width = images.shape
        size = f"{height}x{width}, {'gray' if channels == 1 else 'RGB'}"
        print_message(
            f"{len(images):,} images of {len(images.classes):,} classes, {size}{'; every pixel verified' * verify}."
        )
        print_path(out)
