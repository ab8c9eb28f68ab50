"""Stores: the pixels of a labeled set in one file, built once, from which training reads what it needs."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.locks import LOCK_FILE, locked
from ganaug._runtime.messages import warn_user
from ganaug._runtime.storage import is_temporary_file, read_json
from ganaug._runtime.stored_rows import StoredRows
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.items import similar_names_message
from ganaug.io.output import name_os_errors
from ganaug.io.paths import STORE
from ganaug.io.pillow_modes import MAX_16_BIT, scale_message
from ganaug.io.preflight import parse_image_size
from ganaug.io.records import open_records
from ganaug.io.resizing import SizeLike
from ganaug.io.store_builder import CHANNELS, DROP_HINT, StoreBuilder
from ganaug.io.store_format import BLOCK_IMAGES, FORMAT, HASHES, IMAGES, LABELS, is_store, load_images
from ganaug.io.threads import Progress

__all__ = ["build_store", "is_store", "open_store", "verify_store"]


@library_defaults()
def open_store(path: str | Path) -> LabeledImages:
    """Open a store.

    Parameters
    ----------
    path : path

    Returns
    -------
    LabeledImages
        Pixels are read when they are used. Opening reads labels and hashes, 16 bytes per image.

    Raises
    ------
    DataError
        If the store is not complete, is of another format, or is damaged. Pixels are not checked; see `verify_store`.
    """
    folder = expand_user(path)
    about: Any = read_json(folder / STORE)
    if about.get("format") != FORMAT:
        raise DataError(
            f"{folder}: is a store of format {about.get('format')!r}; this version of ganaug reads format {FORMAT}. "
            "Remove it and build it again."
        )
    if not about.get("complete"):
        raise DataError(f"{folder}: the store is not complete. Build it again: the build resumes where it stopped.")
    try:
        return _load_checked(folder, about)
    except DataError:
        raise
    except Exception as error:  # anybody may have written the file, so its values can have any type
        raise DataError(f"{folder / STORE}: was not written by ganaug ({error!r}). Build the store again.") from error


@library_defaults()
def verify_store(path: str | Path) -> LabeledImages:
    """Open a store and check every pixel.

    Parameters
    ----------
    path : path

    Returns
    -------
    LabeledImages

    Raises
    ------
    DataError
        As `open_store`, and if the pixels of an image changed; it names the first one.
    """
    images = open_store(path)
    rows = cast(StoredRows, images.images)
    for start in range(0, len(images), BLOCK_IMAGES):
        hashes = image_hashes(images.images[start : start + BLOCK_IMAGES])
        changed = torch.nonzero(hashes != rows.hashes[start:][:BLOCK_IMAGES])
        if len(changed):
            raise DataError(
                f"{path}: image {start + int(changed[0]):,} is not what was written. Build the store again."
            )
    return images


def build_store(
    source: Any,
    out: str | Path,
    *,
    image_size: SizeLike | None = None,
    mode: str = "auto",
    skip_bad: bool = False,
    unlabeled: str = "error",
    follow_links: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Decode every image of a source into a store.

    The same call resumes a build that was interrupted or killed; it repeats at most 8,192 images. A complete store of
    the same source is left as it is.

    Parameters
    ----------
    source : path or datasets.Dataset
        A data folder, a tar or Parquet file, a folder of such files, or a Hugging Face data set. All except data
        folders need ``pip install "ganaug[datasets]"``.
    out : path
        The folder of the store. Must not contain anything else.
    image_size : int or tuple, optional
        Size, (height, width) or (height, width, aspect), in 8..256, to resize to. By default the images keep their
        size, which must be the same for all.
    mode : {"auto", "gray", "rgb"}, default="auto"
        "auto" takes the mode of the first image.
    skip_bad : bool, default=False
        Leave unusable images out; ``store.json`` lists them.
    unlabeled : {"error", "drop"}, default="error"
        "drop": leave images without a label out (None, or -1 in a column of class labels); ``store.json`` lists them.
    follow_links : bool, default=False
        Follow links that lead out of a data folder.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of images.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    DataError
        If an image does not fit, with its name; if images have no label, with their rows; or if the source, the size
        or the mode is not valid.
    OutputError
        If `out` holds anything else, or cannot be written.
    RunError
        If another process builds this store.

    Warns
    -----
    UserWarning
        If class names are similar, or if 16-bit images do not use all bits. Before the first 16-bit image is written,
        the rest of the source is read once to find their scale.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from ganaug import build_store, read_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("cat/1.png", "cat/2.png", "dog/1.png"):
    ...         path = Path(root, "photos", file)
    ...         path.parent.mkdir(parents=True, exist_ok=True)
    ...         Image.new("L", (8, 8)).save(path)
    ...     store = build_store(Path(root, "photos"), Path(root, "store"))
    ...     images = read_folder(store)
    ...     images.counts, images.shape
    ({'cat': 2, 'dog': 1}, (1, 8, 8))
    """
    if mode not in CHANNELS:
        raise DataError(f"mode must be one of {', '.join(CHANNELS)}; got {mode!r}.")
    folder, size = expand_user(out), parse_image_size(image_size)
    records = open_records(source, follow_links=follow_links).checked(unlabeled, DROP_HINT)
    if records.problems and not skip_bad:
        raise DataError(f"{source}: {records.problems[0]} To leave unusable files out: skip_bad=True (--skip-bad).")
    if folder.exists() and not (folder.is_dir() and all(map(_belongs_to_store, folder.iterdir()))):
        raise OutputError(f"{folder}: is neither empty nor a store. Choose a new folder.")
    request = {"image_size": size and [*size, size.aspect], "mode": mode, "skip_bad": skip_bad, "unlabeled": unlabeled}
    with locked(folder), name_os_errors(folder):
        builder = StoreBuilder.load_or_create(folder, records, request)
        if not builder.complete:
            builder.run(records, size, CHANNELS[mode], progress)
    (folder / LOCK_FILE).unlink(missing_ok=True)  # a complete store needs no lock
    notes = set(records.notes) | {similar_names_message(builder.classes), scale_message(builder.white or MAX_16_BIT)}
    for note in sorted(filter(None, notes)):
        warn_user(f"{records.what}: {note}")
    return folder


def _load_checked(folder: Path, about: Mapping[str, Any]) -> LabeledImages:
    """Open the images after checking the sizes of the files, and check labels and hashes."""
    shape = [int(length) for length in about["shape"]]
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"the shape is {shape}")
    n_images, n_pixels = int(about["n_images"]), math.prod(shape)
    for name, expected in {IMAGES: n_images * n_pixels, LABELS: n_images * 8, HASHES: n_images * 8}.items():
        size = (folder / name).stat().st_size if (folder / name).exists() else 0
        if size != expected:
            raise DataError(f"{folder / name}: has {size:,} bytes instead of {expected:,}. Build the store again.")
    images = load_images(folder, shape, about["classes"], has_class_order=about["has_class_order"])
    # of labels and hashes alone: checking the pixels would read the whole file
    if images.fingerprint() != about["fingerprint"]:
        raise DataError(f"{folder}: labels or hashes are not those that were written. Build the store again.")
    return images


def _belongs_to_store(path: Path) -> bool:
    """Return whether a file is part of a store or a temporary file of ganaug."""
    return path.name in {STORE, IMAGES, LABELS, HASHES, LOCK_FILE} or is_temporary_file(path)
