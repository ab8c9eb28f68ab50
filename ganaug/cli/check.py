"""`ganaug check DATA`: inspect a data folder before training."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganaug._runtime.progress import stderr
from ganaug.cli.console import counting, exit_on_error, print_message, table
from ganaug.cli.options import DATA, Size, follow_links_option, subfolder_groups_option
from ganaug.io.resizing import SizeLike

if TYPE_CHECKING:
    from ganaug.io.preflight import FolderInspection

MAX_SIZES_SHOWN = 8
MAX_DUPLICATES_SHOWN = 10


@click.command()
@click.argument("data", type=DATA)
@click.option("--image-size", type=Size(), help="Check for this size: 64, or 48x64 (height x width).")
@click.option("--json", "as_json", is_flag=True, help="Print the full inspection as JSON.")
@subfolder_groups_option
@follow_links_option
def check(
    data: Path,
    image_size: SizeLike | None,
    as_json: bool,
    subfolder_groups: bool,
    follow_links: bool,
) -> None:
    """Inspect DATA: classes, counts, sizes, color modes, duplicates, and each unusable file with its cause.

    The exit status is 1 if DATA cannot be used for training as it is.
    """
    with exit_on_error():
        from ganaug.io.preflight import inspect_folder

        with counting("check") as progress:
            inspection = inspect_folder(
                data,
                image_size=image_size,
                subfolder_groups=subfolder_groups,
                follow_links=follow_links,
                progress=progress,
            )
        if as_json:
            click.echo(json.dumps(inspection.to_dict(), indent=2))
        else:
            _print_summary(inspection)
        for problem in inspection.problems:
            print_message(f"unusable: {problem}")
        for warning in inspection.warnings:
            print_message(f"warning: {warning}")
        for error in inspection.errors:
            stderr.print("[bold red]error:[/]", end=" ")
            print_message(error)
        if inspection.errors or inspection.problems:
            sys.exit(1)


def _print_summary(inspection: "FolderInspection") -> None:
    """Print the counts as CSV on stdout; sizes, color modes and duplicates on stderr.

    Parameters
    ----------
    inspection : FolderInspection
        The result of `inspect_folder`.
    """
    table([("class", "images"), *inspection.counts.items()])
    common_sizes = list(inspection.sizes.items())[:MAX_SIZES_SHOWN]
    sizes = ", ".join(f"{height}x{width} ({n:,})" for (height, width), n in common_sizes)
    modes = ", ".join(f"{mode} ({n:,})" for mode, n in inspection.modes.items())
    n_images = len(inspection.entries)
    print_message(f"{n_images:,} usable images. Sizes (height x width): {sizes or '-'}. Modes: {modes or '-'}.")
    for group in inspection.duplicates[:MAX_DUPLICATES_SHOWN]:
        print_message(f"duplicate: {' = '.join(group)}")
