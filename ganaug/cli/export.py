"""`ganaug export RUN OUT`: prepare a model for others."""

import math
from pathlib import Path

import click

from ganaug.cli.console import exit_on_error, print_message, print_path, table, warnings_to_stderr
from ganaug.cli.options import DATA, FOLDER, Size
from ganaug.cli.reading import read


@click.command()
@click.argument("run", type=DATA)
@click.argument("out", type=FOLDER)
@click.option(
    "--min-class-size",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Leave out classes with fewer training images, with their weights.",
)
@click.option(
    "--data",
    type=FOLDER,
    help="The images that RUN was fitted on: measure for each class whether samples reveal them.",
)
@click.option("--image-size", type=Size(), help="Resize the images of --data as in the fit.")
@click.option("--description", default="", help="First paragraph of the model card: what the images show, the license.")
def export(run: Path, out: Path, min_class_size: int, data: Path | None, image_size: object, description: str) -> None:
    """Write OUT, a model that others can draw from with `augment --from OUT` or continue with init_from.

    RUN is a run or model folder of `fit` or `augment`. OUT holds the generator of the large classes and a model card,
    README.md, but no copy and no hash of an image, no discriminator and no path. Prints a row for each class as CSV.
    """
    with exit_on_error(), warnings_to_stderr():
        from ganaug.estimators.export import export_model

        images = None if data is None else read(data, image_size=image_size)[0]
        rows = export_model(run, out, min_class_size=min_class_size, images=images, description=description)
        table([tuple(rows.columns), *(tuple(_shown(value) for value in row) for row in rows.itertuples(index=False))])
        if data is None:
            print_message("Whether samples reveal training images was not measured: pass --data.")
        print_message(f"Add to {out / 'README.md'} what the images show, and under which license they are.")
        print_path(out)


def _shown(value: object) -> object:
    """Return a cell of the table: numbers with three digits, nothing for NaN."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.3f}"
