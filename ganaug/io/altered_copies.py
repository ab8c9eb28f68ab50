"""Altered copies of the images of a folder: which are written, from which originals, and how each can be made again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import torch
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import ImageEntry
from ganaug.io.decoding import UnusableImage, decode_bytes
from ganaug.io.encoding import png
from ganaug.io.image_files import max_overhead
from ganaug.io.names import safe_name, unique_name
from ganaug.io.output import NewFile
from ganaug.io.pillow_modes import MAX_16_BIT
from ganaug.io.preflight import FolderInspection
from ganaug.io.resizing import ImageSize
from ganaug.io.table import ALTERED, ALTERED_FROM, OPERATIONS, ORIGIN, Row

MAX_COPY_SIDE = 512  # pixels; the copies of larger photos are reduced, since many are made of each


@dataclass(frozen=True)
class AlteredCopy:
    """One altered copy of an original image.

    Attributes
    ----------
    source : int
        Row of the original among the entries of the folder.
    operations : str
        What is done to it, as recorded in metadata.csv.
    """

    source: int
    operations: str


@dataclass(frozen=True)
class AlteredCopies:
    """The altered copies that are written into a folder.

    Attributes
    ----------
    copies : sequence of AlteredCopy
    alter : callable
        ``(image (C, H, W) uint8, operations) -> image``.
    """

    copies: Sequence[AlteredCopy]
    alter: Callable[[Tensor, str], Tensor]


def copy_shape(entry: ImageEntry) -> tuple[int, int]:
    """Return (height, width) of the copies of an image: its own, unless the longer side is above 512 pixels.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from ganaug.io.altered_copies import copy_shape
    >>> copy_shape(SimpleNamespace(height=3000, width=4000)), copy_shape(SimpleNamespace(height=28, width=28))
    ((384, 512), (28, 28))
    """
    scale = min(1.0, MAX_COPY_SIDE / max(entry.height, entry.width))
    return max(1, round(entry.height * scale)), max(1, round(entry.width * scale))


def copy_bytes(entry: ImageEntry) -> int:
    """Return an upper bound of the bytes of one copy of an image."""
    height, width = copy_shape(entry)
    return 3 * height * width + max_overhead(None)


def altered_files(
    data: FolderInspection,
    altered: AlteredCopies,
    rows: Sequence[Row],
    folders: Mapping[str, str],
    used_names: Mapping[str, set[str]],
    resized: LabeledImages | None,
) -> Iterator[NewFile]:
    """Yield one PNG file for each altered copy.

    Parameters
    ----------
    data : FolderInspection
        The folder of the originals.
    altered : AlteredCopies
    rows : sequence of mapping
        The rows of metadata.csv of the originals, with the file names that they have in the folder that is written.
    folders : mapping
        Class name -> name of its folder.
    used_names : mapping
        Folder -> names of files in use. The names of the new files are added.
    resized : LabeledImages or None
        The originals as they were read, if these are written.

    Yields
    ------
    NewFile
        Its row has the metadata of its source. It is not marked as AI-generated, because it shows a real image.
    """
    for copy in altered.copies:
        entry, row = data.entries[copy.source], rows[copy.source]
        folder = folders[entry.label]
        stem = PurePosixPath(entry.file).stem
        file = f"{folder}/{unique_name(safe_name(f'{stem}-altered.png'), used_names[folder])}"
        content = partial(_encode_copy, data, copy, altered.alter, resized)
        n_bytes = copy_bytes(entry) if resized is None else resized.images[0].numel() + max_overhead(None)
        facts = {"file_name": file, ORIGIN: ALTERED, ALTERED_FROM: row["file_name"], OPERATIONS: copy.operations}
        yield NewFile(file, content, n_bytes, {**row, **facts})


def _encode_copy(
    data: FolderInspection, copy: AlteredCopy, alter: Callable[[Tensor, str], Tensor], resized: LabeledImages | None
) -> bytes:
    """Read an original, alter it and encode it as PNG."""
    if resized is not None:
        return png(alter(resized.images[copy.source], copy.operations))
    entry = data.entries[copy.source]
    content = data.read_unchanged(entry)
    shape = copy_shape(entry)
    size = None if shape == (entry.height, entry.width) else ImageSize(*shape)
    try:
        pixels = decode_bytes(content, size, data.white or MAX_16_BIT).pixels
    except UnusableImage as error:
        raise DataError(f"{data.root / entry.file}: {error.cause}; it could be read before.") from error
    image = torch.from_numpy(pixels.copy())
    return png(alter(image[None] if image.ndim == 2 else image.permute(2, 0, 1), copy.operations))
