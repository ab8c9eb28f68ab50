"""Read labeled image folders. The functions to inspect, write, augment and undo are imported here as well.

A folder has one of two forms: class folders (``DATA/cat/1.png``, ``DATA/dog/7.jpg``), or images anywhere below it
together with ``DATA/metadata.csv``, whose columns are `file_name`, `label` and any others, which are kept.
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

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import ImageEntry
from ganaug.io.decoding import Pixels, UnusableImage, decode, strict_pillow_warnings
from ganaug.io.listing import Candidate, Listing, list_images
from ganaug.io.manifest import UndoResult, undo
from ganaug.io.output import check_output
from ganaug.io.pillow_modes import MAX_16_BIT
from ganaug.io.preflight import FolderInspection, inspect_folder, inspect_listing, parse_image_size
from ganaug.io.resizing import SizeLike
from ganaug.io.store import is_store, open_store
from ganaug.io.table import is_true
from ganaug.io.threads import Progress, map_in_threads
from ganaug.io.writing import (
    add_to_folder,
    check_addable,
    check_not_augmented,
    write_augmented_folder,
    write_folder,
)

__all__ = [
    "FolderInspection",
    "UndoResult",
    "add_to_folder",
    "check_addable",
    "check_not_augmented",
    "check_output",
    "inspect_folder",
    "read_and_inspect",
    "read_files",
    "read_folder",
    "undo",
    "write_augmented_folder",
    "write_folder",
]

MAX_BYTES_IN_MEMORY = 2 * 2**30  # of pixels; more are kept in a memory-mapped temporary file


def read_folder(
    path: str | Path,
    *,
    image_size: SizeLike | None = None,
    skip_bad: bool = False,
    subfolder_groups: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> LabeledImages:
    """Read a folder of labeled images.

    Parameters
    ----------
    path : path
        Class folders, a folder with metadata.csv (columns `file_name` and `label`), or a store (`build_store`), which
        is opened as it is and read when its images are used. Images in subfolders of a class folder belong to the
        class, as in torchvision's ImageFolder.
    image_size : int or tuple, optional
        Size, (height, width) or (height, width, aspect), in 8..256, to resize to, bicubic and antialiased. The aspect
        is "stretch" (the default: the whole image is stretched), "crop" or "pad". By default images keep their size,
        which must be the same for all.
    skip_bad : bool, default=False
        Leave unusable files out instead of raising an exception.
    subfolder_groups : bool, default=False
        Add the path of the subfolder that an image has in its class folder as the metadata column `group_id`, such as
        the patient. With metadata.csv, its column `group_id` is taken.
    follow_links : bool, default=False
        Follow links that lead out of the folder, as the caches of model and data hubs have them.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.

    Returns
    -------
    LabeledImages
        Classes are sorted. Images have one channel if all files are gray, else three. The metadata has `file_name`,
        `label` and the other columns of metadata.csv as text, except for ganaug's `is_synthetic` (bool), `class_index`
        and `seed` (integers).

    Raises
    ------
    DataError
        It lists everything that is wrong with the folder, up to ten files.
    OutputError
        If images of more than 2 GiB do not fit on the disk of temporary files.

    Warns
    -----
    UserWarning
        About how labels and pixels were read, where you may expect something else: similar class names, subfolders,
        16-bit images that do not use all bits, an unusual metadata.csv.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from ganaug import read_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
    ...         path = Path(root, file)
    ...         path.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (10, 12)).save(path)
    ...     images = read_folder(root, image_size=8)
    >>> images.counts, images.shape
    ({'cat': 2, 'dog': 2}, (1, 8, 8))
    """
    if is_store(path):
        if subfolder_groups:
            raise DataError(f"{path}: is a store, which has no subfolders. Leave subfolder_groups out.")
        return _open_store(expand_user(path), parse_image_size(image_size))
    images, inspection = read_and_inspect(
        path,
        image_size=image_size,
        skip_bad=skip_bad,
        subfolder_groups=subfolder_groups,
        follow_links=follow_links,
        progress=progress,
    )
    for note in inspection.notes:
        warn_user(f"{path}: {note}")
    return images


@library_defaults()
def read_and_inspect(
    path: str | Path,
    *,
    image_size: SizeLike | None = None,
    skip_bad: bool = False,
    subfolder_groups: bool = False,
    follow_links: bool = False,
    white: int | None = None,
    progress: Progress | None = None,
) -> tuple[LabeledImages, FolderInspection]:
    """Read a folder as `read_folder` does, and return its inspection as well. It does not warn.

    Each file is decoded once, or twice if the images take more than 2 GiB or if 16-bit images do not use all bits.

    Parameters
    ----------
    path, image_size, skip_bad, subfolder_groups, follow_links, progress
        As in `read_folder`.
    white : int, optional
        The value of 16-bit images that becomes 255, such as `FolderInspection.white` of the training images. By
        default it follows from the images of the folder.

    Returns
    -------
    tuple of LabeledImages and FolderInspection
    """
    listing = list_images(expand_user(path), subfolder_groups=subfolder_groups, follow_links=follow_links)
    inspection, images = _read(listing, image_size, skip_bad, progress, white)
    index = {name: label for label, name in enumerate(inspection.classes)}
    labels = torch.tensor([index[entry.label] for entry in inspection.entries], dtype=torch.int64)
    return LabeledImages(images, labels, inspection.classes, _metadata(inspection, labels)), inspection


@library_defaults()
def read_files(
    paths: Sequence[str | Path],
    *,
    image_size: SizeLike | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Read image files without labels.

    Parameters
    ----------
    paths : sequence of paths
        May contain a path more than once.
    image_size, progress
        As in `read_folder`.

    Returns
    -------
    Tensor of shape (N, C, H, W), uint8
        In the order of `paths`.

    Raises
    ------
    DataError
        If a file cannot be used, or if the sizes differ.
    """
    candidates = [Candidate(str(expand_user(path)), "") for path in paths]
    inspection, images = _read(Listing(Path(), "files", candidates=candidates), image_size, False, progress)
    for note in inspection.notes:
        warn_user(note)
    return images


def _open_store(path: Path, size: tuple[int, int] | None) -> LabeledImages:
    """Open a store. Raises DataError if its images have another size."""
    images = open_store(path)
    if size is not None and images.shape[1:] != size:
        height, width = images.shape[1:]
        raise DataError(
            f"{path}: is a store of {height}x{width} images; {size[0]}x{size[1]} were requested. Build another store."
        )
    return images


def _read(
    listing: Listing,
    image_size: SizeLike | None,
    skip_bad: bool,
    progress: Progress | None,
    white: int | None = None,
) -> tuple[FolderInspection, Tensor]:
    """Inspect the files of a listing, and load them into one tensor."""
    buffer = _PixelBuffer(MAX_BYTES_IN_MEMORY)
    inspection = inspect_listing(listing, parse_image_size(image_size), progress, buffer.add, white)
    inspection.raise_for_errors(skip_bad=skip_bad)
    # allocated after the inspection, which tells the number of usable images and their channels
    images = _allocate((len(inspection.entries), *inspection.shape))
    with strict_pillow_warnings():
        is_final = inspection.white in (None, MAX_16_BIT) and not buffer.has_overflowed
        source = buffer.drain() if is_final else _decode_again(inspection, progress)
        for row, pixels in zip(images.numpy(), source, strict=True):
            row[...] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # gray fills all channels
    return inspection, images


class _PixelBuffer:
    """Decoded images in order. It drops all of them once they exceed `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self.pixels: deque[Pixels] = deque()
        self.n_bytes_left = max_bytes

    def add(self, pixels: Pixels) -> None:
        self.n_bytes_left -= pixels.nbytes
        if self.has_overflowed:
            self.pixels.clear()
        else:
            self.pixels.append(pixels)

    @property
    def has_overflowed(self) -> bool:
        return self.n_bytes_left < 0

    def drain(self) -> Iterator[Pixels]:
        while self.pixels:  # each image is freed once it is copied, so the set is never in memory twice
            yield self.pixels.popleft()


def _decode_again(inspection: FolderInspection, progress: Progress | None) -> Iterator[Pixels]:
    """Decode the inspected images a second time, with their scale of 16-bit images."""

    def decode_entry(entry: ImageEntry) -> Pixels:
        try:
            return decode(inspection.root / entry.file, inspection.image_size, inspection.white or MAX_16_BIT).pixels
        except UnusableImage as error:
            raise DataError(f"{inspection.root / entry.file}: {error.cause}; it changed while it was read.") from error

    return map_in_threads(decode_entry, inspection.entries, progress)


def _allocate(shape: tuple[int, int, int, int]) -> Tensor:
    """Allocate a uint8 tensor in memory, or in a temporary file if it is large."""
    size = int(np.prod(shape, dtype=np.int64))
    if size <= MAX_BYTES_IN_MEMORY:
        return torch.empty(shape, dtype=torch.uint8)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < size:  # writing to a sparse file on a full disk kills the process without a message
        raise OutputError(
            f"{folder}: needs {size:,} bytes for the images, {free:,} are free. Free space, or set TMPDIR."
        )
    handle, name = tempfile.mkstemp(prefix="ganaug-images-", dir=folder)
    os.close(handle)
    try:
        return torch.from_file(name, shared=True, size=size, dtype=torch.uint8).view(shape)
    finally:
        Path(name).unlink()  # the mapping keeps the content, and nothing is left behind, not even after kill -9


def _metadata(inspection: FolderInspection, labels: Tensor) -> pd.DataFrame:
    """Collect the metadata of the inspected images. ganaug's columns get their types; all others stay text."""
    entries = inspection.entries
    frame = pd.DataFrame(
        [{"file_name": entry.file, "label": entry.label, **(entry.metadata or {})} for entry in entries]
    )
    is_marked = pd.Series([entry.is_marked for entry in entries], dtype=bool)
    if "is_synthetic" in frame:
        frame["is_synthetic"] = is_marked | frame["is_synthetic"].map(is_true).astype(bool)
    elif is_marked.any():
        frame["is_synthetic"] = is_marked
    if "class_index" in frame:
        frame["class_index"] = labels.numpy()
    if "seed" in frame and "model_hash" in frame:  # without `model_hash`, `seed` is the user's column
        frame["seed"] = pd.to_numeric(frame["seed"], errors="coerce").astype("Int64")
    return frame
