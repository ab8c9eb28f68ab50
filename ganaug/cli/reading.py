"""How verbs read a folder: with progress, and with the warnings of its inspection."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug.cli.console import counting, print_message

if TYPE_CHECKING:
    from ganaug.images import LabeledImages
    from ganaug.io.preflight import FolderInspection


def read(
    data: Path, *, only_notes: bool = False, allow_store: bool = True, **options: Any
) -> "tuple[LabeledImages, FolderInspection | None]":
    """Read and check a folder, and print the warnings of its inspection.

    Parameters
    ----------
    data : pathlib.Path
    only_notes : bool, default=False
        Print only how labels and pixels were read, not what is unusual about the files.
    allow_store : bool, default=True
        Accept a store. It was checked when it was built, so there is no inspection.
    **options
        Of `ganaug.io.folder.read_and_inspect`.
    """
    from ganaug.io.folder import read_and_inspect, read_folder
    from ganaug.io.store import is_store

    if allow_store and is_store(data):
        names = ("image_size", "subfolder_groups")
        return read_folder(data, **{name: options[name] for name in names if name in options}), None
    with counting("read") as progress:
        images, inspection = read_and_inspect(data, progress=progress, **options)
    for warning in inspection.notes if only_notes else inspection.warnings:
        print_message(f"warning: {f'{data}: ' if only_notes else ''}{warning}")
    return images, inspection


def reader_like(images: "LabeledImages", inspection: "FolderInspection | None", **options: Any) -> Callable[..., Any]:
    """Return a function that reads other folders at the size of `images`, and with their scale of 16-bit images.

    Parameters
    ----------
    images : LabeledImages
    inspection : FolderInspection or None
        That of `images`.
    **options
        Of `ganaug.io.folder.read_and_inspect`.

    Returns
    -------
    callable
        path or None, and more options -> LabeledImages, or None without a path.
    """
    options |= {
        "image_size": (images.shape[1], images.shape[2]),
        "white": None if inspection is None else inspection.white,
    }

    def read_like(data: Path | None, **more: Any) -> "LabeledImages | None":
        return None if data is None else read(data, only_notes=True, **{**options, **more})[0]

    return read_like
