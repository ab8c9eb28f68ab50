"""Labeled image folders: inspect, read, write, augment, undo. Reading lives here, the rest in the modules imported.

A folder has one of two forms: class folders (DATA/cat/1.png, DATA/dog/7.jpg), or images anywhere below it together with
DATA/metadata.csv, whose columns are `file_name`, `label` and any others, which are kept.
"""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages
from ganaug.io.decoding import Pixels, UnusableImage, decode, pillow_warnings_judged
from ganaug.io.findings import ImageEntry
from ganaug.io.listing import Candidate, Listing, list_images
from ganaug.io.manifest import Undone, undo
from ganaug.io.output import check_output
from ganaug.io.preflight import FolderInspection, as_size, examine, inspect_folder
from ganaug.io.store import is_store, open_store
from ganaug.io.table import is_true
from ganaug.io.threads import Progress, in_threads
from ganaug.io.writing import augment_folder, augment_in_place, check_not_augmented, write_folder

__all__ = [
    "FolderInspection",
    "Undone",
    "augment_folder",
    "augment_in_place",
    "check_not_augmented",
    "check_output",
    "inspect_folder",
    "read_and_inspect",
    "read_files",
    "read_folder",
    "undo",
    "write_folder",
]

IN_MEMORY = 2 * 2**30  # bytes of pixels; beyond it they live in a memory-mapped temporary file


def read_folder(
    path: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> LabeledImages:
    """Read class folders, or images with metadata.csv, as `LabeledImages`.

    image_size: (height, width), or one number for both, in 8..256; the whole picture is resized, antialiased, and its
        aspect ratio follows. None keeps the native size, which must then be the same for all.
    skip_bad: leave unusable files out instead of raising.
    progress: called with (files done, files in all).

    Classes are sorted; images are gray (one channel) if every file is, RGB otherwise. `metadata` has file_name, label
    and every other column of metadata.csv as text, but for ganaug's own `is_synthetic` (bool), `class_index`, `seed`.
    A store (`build_store`) is opened as it is, and its images are read as they are used.
    Raises DataError that lists all that is wrong with the folder: see `inspect_folder`.
    """
    if is_store(path):
        return _stored(Path(path), as_size(image_size))
    return read_and_inspect(path, image_size=image_size, skip_bad=skip_bad, progress=progress)[0]


def _stored(path: Path, size: tuple[int, int] | None) -> LabeledImages:
    images = open_store(path)
    if size is not None and images.shape[1:] != size:
        height, width = images.shape[1:]
        raise DataError(
            f"{path}: is a store of {height}x{width} images, and {size[0]}x{size[1]} are asked for. Build another one."
        )
    return images


def read_and_inspect(
    path: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> tuple[LabeledImages, FolderInspection]:
    """`read_folder`, and the inspection it rests on; each file is decoded once, but for sets beyond 2 GiB."""
    inspection, images = _read(list_images(Path(path)), image_size, skip_bad, progress)
    index = {name: label for label, name in enumerate(inspection.classes)}
    labels = torch.tensor([index[entry.label] for entry in inspection.entries], dtype=torch.int64)
    return LabeledImages(images, labels, inspection.classes, _metadata(inspection, labels)), inspection


def read_files(
    paths: Sequence[str | Path],
    *,
    image_size: int | tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The images at `paths`, in that order: uint8, (N, C, H, W). Otherwise as `read_folder`, with its DataError."""
    candidates = [Candidate(str(path), "") for path in paths]
    return _read(Listing(Path(), "files", candidates=candidates), image_size, skip_bad=False, progress=progress)[1]


def _read(
    listing: Listing, image_size: int | tuple[int, int] | None, skip_bad: bool, progress: Progress | None
) -> tuple[FolderInspection, Tensor]:
    kept = _Kept()
    inspection = examine(listing, as_size(image_size), progress, kept.add)
    inspection.raise_for_errors(skip_bad=skip_bad)
    images = _allocate((len(inspection.entries), *inspection.shape))
    with pillow_warnings_judged():
        source = kept.drain() if kept.complete else _decode_again(inspection, progress)
        for row, pixels in zip(images.numpy(), source, strict=True):
            row[...] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # gray fills all channels
    return inspection, images


class _Kept:
    """Decoded images, in order, until there are too many of them."""

    def __init__(self) -> None:
        self.pixels: deque[Pixels] = deque()
        self.room = IN_MEMORY

    def add(self, pixels: Pixels) -> None:
        self.room -= pixels.nbytes
        if self.complete:
            self.pixels.append(pixels)
        else:
            self.pixels.clear()

    @property
    def complete(self) -> bool:
        return self.room >= 0

    def drain(self) -> Iterator[Pixels]:
        while self.pixels:  # each is freed as it is copied, so the set is never in memory twice
            yield self.pixels.popleft()


def _decode_again(inspection: FolderInspection, progress: Progress | None) -> Iterator[Pixels]:
    def pixels(entry: ImageEntry) -> Pixels:
        try:
            return decode(inspection.root / entry.file, inspection.image_size).pixels
        except UnusableImage as error:
            raise DataError(f"{inspection.root / entry.file}: {error.cause}; it changed while it was read.") from error

    return in_threads(pixels, inspection.entries, progress)


def _allocate(shape: tuple[int, int, int, int]) -> Tensor:
    size = int(np.prod(shape, dtype=np.int64))
    if size <= IN_MEMORY:
        return torch.empty(shape, dtype=torch.uint8)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < size:  # a sparse file that cannot be filled later kills the process, without any message
        raise OutputError(
            f"{folder}: needs {size:,} bytes for the images, {free:,} are free. Free space, or set TMPDIR."
        )
    handle, name = tempfile.mkstemp(prefix="ganaug-images-", dir=folder)
    os.close(handle)
    try:
        return torch.from_file(name, shared=True, size=size, dtype=torch.uint8).view(shape)
    finally:
        Path(name).unlink()  # the mapping keeps it alive, and nothing is left behind, not even after kill -9


def _metadata(inspection: FolderInspection, labels: Tensor) -> pd.DataFrame:
    entries = inspection.entries
    frame = pd.DataFrame([{"file_name": entry.file, "label": entry.label, **(entry.row or {})} for entry in entries])
    marked = pd.Series([entry.marked for entry in entries], dtype=bool)
    if "is_synthetic" in frame:
        frame["is_synthetic"] = marked | frame["is_synthetic"].map(is_true).astype(bool)
    elif marked.any():
        frame["is_synthetic"] = marked
    if "class_index" in frame:
        frame["class_index"] = labels.numpy()
    if "seed" in frame and "model_hash" in frame:  # a column `seed` alone is the user's own
        frame["seed"] = pd.to_numeric(frame["seed"], errors="coerce").astype("Int64")
    return frame
