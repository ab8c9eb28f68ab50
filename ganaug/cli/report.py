"""`ganaug report REAL SYNTHETIC`: are synthetic images diverse, no copies, and made up as the real ones?"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganaug.cli.console import named_failures, say, show, steps_of
from ganaug.cli.options import FILE, FOLDER, Size, new_file

if TYPE_CHECKING:
    from pandas import DataFrame

    from ganaug.images import LabeledImages

EXIT = {"pass": 0, "warn": 0, "insufficient": 3, "fail": 4}


@click.command()
@click.argument("real", type=FOLDER)
@click.argument("synthetic", type=FOLDER)
@click.option("--out", type=FILE, required=True, help="The page to write, for example report.html.")
@click.option("--json", "as_json", type=FILE, help="Write everything found as JSON too.")
@click.option("--holdout", type=FOLDER, help="Real images that the generator has not seen, to judge diversity against.")
@click.option("--metadata", type=FILE, help="A CSV with file_name and columns attr_..., for images without their own.")
@click.option("--attributes", help="Columns to compare, with commas between.  [default: those that begin with attr_]")
@click.option("--predicted", is_flag=True, help="Guess the attributes that the synthetic images lack.")
@click.option("--groups", help="Column of metadata.csv whose images belong together.  [default: group_id if there]")
@click.option("--test", type=FOLDER, help="Real images apart, with attributes: what a classifier makes of each group.")
@click.option("--claim", type=click.Choice(["training", "population"]), default="training", show_default=True)
@click.option("--features", default="auto", show_default=True, help="efficientnet-lite0, inception, dinov2, pixels.")
@click.option("--image-size", type=Size(), help="Resize to this size.  [default: the size of the first real image]")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--skip-bad", is_flag=True, help="Leave unusable files out.")
def report(
    real: Path,
    synthetic: Path,
    out: Path,
    as_json: Path | None,
    holdout: Path | None,
    metadata: Path | None,
    attributes: str | None,
    predicted: bool,
    groups: str | None,
    test: Path | None,
    claim: str,
    features: str,
    image_size: int | tuple[int, int] | None,
    seed: int,
    skip_bad: bool,
) -> None:
    """Judge the SYNTHETIC images of any generator beside REAL ones: diversity, copies, labels, and composition.

    Of a folder with both, as `augment` writes it, the images that are marked as synthetic are judged. Make-up is
    compared where metadata.csv has columns attr_... in both folders. Exit status: 0 nothing wrong or worth a look, 3
    too few images to tell, 4 something is wrong.
    """
    with named_failures():
        for path in (out, as_json):
            new_file(path)
        from ganaug.io.folder import read_folder
        from ganaug.io.synthetic import synthetic_part
        from ganaug.reports.attributes import shared_attributes
        from ganaug.reports.bias import bias_report
        from ganaug.reports.diversity import diversity_report
        from ganaug.reports.report import joined

        images = read_folder(real, image_size=image_size, skip_bad=skip_bad)
        size = (images.shape[1], images.shape[2])
        others = synthetic_part(read_folder(synthetic, image_size=size, skip_bad=skip_bad))
        apart = None if holdout is None else read_folder(holdout, image_size=size, skip_bad=skip_bad)
        tested = None if test is None else read_folder(test, image_size=size, skip_bad=skip_bad)
        if metadata is not None:
            rows = _rows(metadata)
            _told_apart(metadata, rows, images, others)
            images, others = _with(images, rows), _with(others, rows)
            tested = None if tested is None else _with(tested, rows)
        sides = (images,) if predicted else (images, others)
        names = shared_attributes(*sides) if attributes is None else _names(attributes)
        with steps_of("report") as progress:
            found = diversity_report(
                images, others, holdout=apart, features=features, random_state=seed, progress=progress
            )
            if names:
                bias = bias_report(
                    images,
                    others,
                    attributes=names,
                    groups=groups,
                    claim=claim,
                    predicted=predicted,
                    features=features,
                    test=tested,
                    random_state=seed,
                )
                found = joined("synthetic", "What are the synthetic images worth?", [found, bias])
        show(found)
        found.write(out, as_json)
        if not names:
            say(
                "No attributes: composition is compared where metadata.csv has columns attr_... in both folders, or with "
                "--predicted in REAL."
            )
        say(f"Written to {out}{f' and {as_json}' if as_json else ''}.")
    sys.exit(EXIT[found.verdict])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _rows(path: Path) -> "DataFrame":
    """The CSV by file name, every cell as text."""
    import pandas as pd

    from ganaug.errors import DataError

    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}.") from error
    if "file_name" not in table:
        raise DataError(f"{path}: has no column file_name, which says whose row is whose.")
    return table.drop_duplicates("file_name").set_index("file_name")


def _told_apart(path: Path, rows: "DataFrame", *sides: "LabeledImages") -> None:
    """Refuse a file that cannot tell whose row is whose: one that both folders would take the same row's cells from."""
    import pandas as pd

    from ganaug.errors import DataError

    metadata = [pd.DataFrame(side.metadata) for side in sides]
    wanted = set.intersection(*(set(rows.columns) - set(own.columns) for own in metadata))
    both = sorted(set(rows.index).intersection(*(set(own["file_name"].astype(str)) for own in metadata)))
    if wanted and both:
        raise DataError(
            f"{path}: {both[0]} ({len(both)} names in all) is a file of both folders, so its row could be either's. "
            "Give each folder a metadata.csv of its own."
        )


def _with(images: "LabeledImages", rows: "DataFrame") -> "LabeledImages":
    """The images with those columns that they have not got; rows are found by file name."""
    import pandas as pd

    own = pd.DataFrame(images.metadata).reset_index(drop=True)
    added = rows.reindex(own["file_name"].astype(str)).reset_index(drop=True).dropna(axis="columns", how="all")
    return replace(images, metadata=own.assign(**{str(name): added[name] for name in added if name not in own}))
