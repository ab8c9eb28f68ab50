"""How verbs read a folder: with progress, and with the warnings of its inspection."""

from pathlib import Path
from typing import TYPE_CHECKING

from ganaug.cli.console import counting, print_message
from ganaug.cli.options import FitOptions

if TYPE_CHECKING:
    from ganaug.images import LabeledImages
    from ganaug.io.preflight import FolderInspection


def read(data: Path, options: FitOptions) -> "tuple[LabeledImages, FolderInspection]":
    """Read and check DATA, and print the warnings of its inspection."""
    from ganaug.io.folder import read_and_inspect

    with counting("read") as progress:
        images, inspection = read_and_inspect(
            data, image_size=options.image_size, skip_bad=options.skip_bad, progress=progress
        )
    for warning in inspection.warnings:
        print_message(f"warning: {warning}")
    return images, inspection
