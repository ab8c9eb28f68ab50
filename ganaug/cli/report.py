"""`ganaug report REAL SYNTHETIC`: are synthetic images diverse, free of copies, and composed like the real ones?"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug.cli.console import exit_on_error, print_message, show, steps_of, warnings_to_stderr
from ganaug.cli.options import DATA, FILE, FOLDER, Size, follow_links_option, new_file, subfolder_groups_option
from ganaug.cli.reading import read, reader_like
from ganaug.io.resizing import SizeLike

if TYPE_CHECKING:
    from ganaug.cli.metadata_file import MetadataFile
    from ganaug.images import LabeledImages
    from ganaug.reports import Report

NO_ATTRIBUTES = (
    "No attributes: composition is compared if metadata.csv has columns attr_... in both folders, or in REAL with "
    "--predicted."
)
# 1 and 2 are taken by failures and by click's usage errors
EXIT = {"pass": 0, "warn": 0, "insufficient": 3, "fail": 4}


@click.command()
@click.argument("real", type=DATA)
@click.argument("synthetic", type=DATA)
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
    image_size: SizeLike | None,
    seed: int,
    skip_bad: bool,
    subfolder_groups: bool,
    follow_links: bool,
) -> None:
    """Compare the SYNTHETIC images of any generator with REAL ones: diversity, copies, labels, and composition.

    In a folder with both, as `augment` writes it, the images marked as synthetic are judged. Composition is compared if
    metadata.csv has columns attr_... in both folders; the report names those that are unsuitable. Exit status:
    0 pass or warnings only, 3 too few images to judge, or none of --attributes can be compared, 4 fail.
    """
    with exit_on_error(), warnings_to_stderr():
        for path in (out, as_json):
            new_file(path)
        from ganaug.cli.metadata_file import read_metadata_file
        from ganaug.evaluation.matching import drop_synthetic
        from ganaug.io.synthetic import select_synthetic

        table = None if metadata is None else read_metadata_file(metadata)  # before the images, which take longer
        reading = {"skip_bad": skip_bad, "subfolder_groups": subfolder_groups, "follow_links": follow_links}
        images, inspection = read(real, image_size=image_size, only_notes=True, **reading)
        read_like = reader_like(images, inspection, **reading)
        other_sets = {
            "synthetic": read_like(synthetic, subfolder_groups=False),
            "held-out": read_like(holdout, subfolder_groups=False),
            "test": read_like(test),
        }
        sets = {"real": images} | {name: each for name, each in other_sets.items() if each is not None}
        unmatched = None if table is None else table.unmatched_message(sets.values())
        sets |= {"real": drop_synthetic(images, warn=True)[0], "synthetic": select_synthetic(sets["synthetic"])}
        if table is not None:
            sets = _with_columns(sets, table, unmatched)
        options = {"attributes": attributes, "groups": groups, "predicted": predicted, "test": sets.get("test")}
        result = _judge(sets, options, claim=claim, features=features, seed=seed)
        show(result)
        result.write(out, as_json)
        print_message(f"Written to {out}{f' and {as_json}' if as_json else ''}.")
    sys.exit(EXIT[result.verdict])


def _judge(
    sets: "dict[str, LabeledImages]", options: dict[str, Any], *, claim: str, features: str, seed: int
) -> "Report":
    """The diversity report, together with the bias report if there are attributes.

    options: of `check_bias_inputs`.
    """
    from ganaug.reports import bias_report, diversity_report, joined
    from ganaug.reports.attribute_selection import shared_attributes
    from ganaug.reports.bias import check_bias_inputs

    real, synthetic = sets["real"], sets["synthetic"]
    compares_bias = options["attributes"] is not None or bool(shared_attributes(real))
    if compares_bias:
        check_bias_inputs(real, synthetic, **options)  # before the diversity report, which takes longer
    else:
        print_message(NO_ATTRIBUTES)
    with steps_of("report") as progress:
        diversity = diversity_report(
            real, synthetic, holdout=sets.get("held-out"), features=features, random_state=seed, progress=progress
        )
        if not compares_bias:
            return diversity
        bias = bias_report(
            real, synthetic, features=features, random_state=seed, claim=claim, progress=progress, **options
        )
    both = joined("synthetic", "Are the synthetic images as good as real ones?", [diversity, bias])
    # columns that nobody asked for and that cannot be compared do not change the verdict
    is_asked = options["attributes"] is not None or bool(bias.facts["attributes"])
    return both if is_asked else replace(both, verdict=diversity.verdict)


def _with_columns(
    sets: "dict[str, LabeledImages]", table: "MetadataFile", unmatched: str | None
) -> "dict[str, LabeledImages]":
    """The images with the columns of the CSV that their metadata lack. Prints what does not match."""
    warnings = [unmatched] if unmatched else []
    compared = {name: images for name, images in sets.items() if name != "held-out"}
    table.check_unambiguous(compared)
    for name, images in compared.items():
        compared[name], of_set = table.add_to(images)
        warnings += of_set
    for warning in warnings:
        print_message(f"warning: {warning}.")
    return sets | compared
