"""`ganaug report REAL SYNTHETIC`: are synthetic images diverse, free of copies, and composed like the real ones?"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug.cli.console import exit_on_error, print_message, show, steps_of
from ganaug.cli.options import FILE, FOLDER, Size, follow_links_option, new_file, subfolder_groups_option
from ganaug.cli.reading import read, reader_like

if TYPE_CHECKING:
    from pandas import DataFrame

    from ganaug.images import LabeledImages
    from ganaug.reports import Report

NO_ATTRIBUTES = (
    "No attributes: composition is compared if metadata.csv has columns attr_... in both folders, or in REAL with "
    "--predicted."
)
# 1 and 2 are taken by failures and by click's usage errors
EXIT = {"pass": 0, "warn": 0, "insufficient": 3, "fail": 4}


@click.command()
@click.argument("real", type=FOLDER)
@click.argument("synthetic", type=FOLDER)
@click.option("--out", type=FILE, required=True, help="The page to write, for example report.html.")
@click.option("--json", "as_json", type=FILE, help="Write all results as JSON too.")
@click.option("--holdout", type=FOLDER, help="Real images that the generator was not trained on, as the reference.")
@click.option("--metadata", type=FILE, help="A CSV with file_name and columns attr_..., for folders that lack them.")
@click.option("--attributes", help="Columns to compare, separated by commas.  [default: those that begin with attr_]")
@click.option("--predicted", is_flag=True, help="Predict the attributes that the synthetic images lack.")
@click.option("--groups", help="Column of metadata.csv with the group of each image.  [default: group_id, if present]")
@click.option("--test", type=FOLDER, help="Real test images with attributes: classifier performance by group.")
@click.option("--claim", type=click.Choice(["training", "population"]), default="training", show_default=True)
@click.option("--features", default="auto", show_default=True, help="efficientnet-lite0, inception, dinov2, pixels.")
@click.option("--image-size", type=Size(), help="Resize to this size.  [default: the size of the first real image]")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--skip-bad", is_flag=True, help="Leave unusable files out.")
@subfolder_groups_option
@follow_links_option
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
    subfolder_groups: bool,
    follow_links: bool,
) -> None:
    """Compare the SYNTHETIC images of any generator with REAL ones: diversity, copies, labels, and composition.

    In a folder with both, as `augment` writes it, the images marked as synthetic are judged. Composition is compared if
    metadata.csv has columns attr_... in both folders. Exit status: 0 pass or warnings only, 3 too few images to judge,
    4 fail.
    """
    with exit_on_error():
        for path in (out, as_json):
            new_file(path)
        from ganaug.io.synthetic import select_synthetic
        from ganaug.reports.attributes import shared_attributes

        reading = {"skip_bad": skip_bad, "subfolder_groups": subfolder_groups, "follow_links": follow_links}
        images, inspection = read(real, image_size=image_size, only_notes=True, **reading)
        read_like = reader_like(images, inspection, **reading)
        generated = select_synthetic(read_like(synthetic, subfolder_groups=False))
        holdout_images, test_images = read_like(holdout, subfolder_groups=False), read_like(test)
        if metadata is not None:
            rows = _read_table(metadata)
            _check_unambiguous(metadata, rows, images, generated)
            images, generated = _with_columns(images, rows), _with_columns(generated, rows)
            test_images = None if test_images is None else _with_columns(test_images, rows)
        sets = (images,) if predicted else (images, generated)
        names = shared_attributes(*sets) if attributes is None else _split_names(attributes)
        options = {"attributes": names, "groups": groups, "claim": claim, "predicted": predicted, "test": test_images}
        result = _judge(images, generated, holdout_images, features=features, seed=seed, bias_options=options)
        show(result)
        result.write(out, as_json)
        if not names:
            print_message(NO_ATTRIBUTES)
        print_message(f"Written to {out}{f' and {as_json}' if as_json else ''}.")
    sys.exit(EXIT[result.verdict])


def _judge(
    real: "LabeledImages",
    synthetic: "LabeledImages",
    holdout: "LabeledImages | None",
    *,
    features: str,
    seed: int,
    bias_options: dict[str, Any],
) -> "Report":
    """The diversity report, together with the bias report if there are attributes."""
    from ganaug.reports import bias_report, diversity_report, joined

    with steps_of("report") as progress:
        diversity = diversity_report(
            real, synthetic, holdout=holdout, features=features, random_state=seed, progress=progress
        )
        if not bias_options["attributes"]:
            return diversity
        bias = bias_report(real, synthetic, features=features, random_state=seed, **bias_options)
    return joined("synthetic", "Are the synthetic images as good as real ones?", [diversity, bias])


def _split_names(text: str) -> list[str]:
    """Names that are separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _read_table(path: Path) -> "DataFrame":
    """The CSV by file name, every cell as text."""
    import pandas as pd

    from ganaug.errors import DataError
    from ganaug.io.spreadsheets import UnreadableSheetError, parse_sheet
    from ganaug.io.table import MISSING_TEXTS

    try:
        sheet = parse_sheet(path.read_bytes(), ["file_name"])
    except (OSError, UnreadableSheetError) as error:
        raise DataError(f"{path}: {error}.") from error
    # as text, because inferred types would turn values such as 01 into 1
    table = pd.DataFrame([row.cells for row in sheet.rows], columns=list(sheet.columns), dtype=object)
    table = table.mask(table.isin(MISSING_TEXTS), None)
    return table.drop_duplicates("file_name").set_index("file_name")


def _check_unambiguous(path: Path, rows: "DataFrame", *sets: "LabeledImages") -> None:
    """Raise DataError if a row of the CSV would add columns to images of both folders that have the same file name."""
    import pandas as pd

    from ganaug.errors import DataError

    tables = [pd.DataFrame(images.metadata) for images in sets]
    added = set.intersection(*(set(rows.columns) - set(table.columns) for table in tables))
    shared = sorted(set(rows.index).intersection(*(set(table["file_name"].astype(str)) for table in tables)))
    if added and shared:
        raise DataError(
            f"{path}: both folders have a file {shared[0]} ({len(shared)} shared names), so a row could belong to "
            "either. Write a metadata.csv into each folder instead."
        )


def _with_columns(images: "LabeledImages", rows: "DataFrame") -> "LabeledImages":
    """The images with the columns of the CSV that their metadata lack, joined by file name."""
    import pandas as pd

    table = pd.DataFrame(images.metadata).reset_index(drop=True)
    added = rows.reindex(table["file_name"].astype(str)).reset_index(drop=True).dropna(axis="columns", how="all")
    columns = {str(name): added[name] for name in added if name not in table}
    return replace(images, metadata=table.assign(**columns))
