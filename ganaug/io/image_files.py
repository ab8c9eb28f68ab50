"""Turn labeled images into PNG files to be written: their names, their marks and their rows of metadata.csv."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath

from torch import Tensor

from ganaug._version import __version__
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.encoding import png
from ganaug.io.names import safe_name, unique_name
from ganaug.io.output import NewFile
from ganaug.io.provenance import STATEMENT, make_mark
from ganaug.io.signing import Sign
from ganaug.io.table import Row, as_integer, is_missing, is_true, make_row

MAX_MARK_BYTES = 3072  # text, XMP and color profile of a synthetic PNG
MAX_SIGNATURE_BYTES = 32768  # a signed manifest with a chain of certificates


def image_files(
    images: LabeledImages,
    classes: tuple[str, ...],
    folders: Mapping[str, str],
    used_names: Mapping[str, set[str]],
    sign: Sign | None,
) -> Iterator[NewFile]:
    """Yield one PNG file per image.

    Parameters
    ----------
    images : LabeledImages
        Rows of its metadata with a true `is_synthetic` are marked as synthetic.
    classes : tuple of str
        Class names of the data set in label order. They must contain those of `images`.
    folders : mapping
        Class name -> name of its folder.
    used_names : mapping
        Folder -> names of files in use. The names of the new files are added.
    sign : callable or None
        Applied to the bytes of each synthetic PNG.

    Yields
    ------
    NewFile
        It is encoded when its `content` is called.

    Raises
    ------
    DataError
        If a class of `images` is not in `classes`.
    """
    unknown = sorted(set(images.classes) - set(classes))
    if unknown:
        raise DataError(
            f"synthetic images of class {unknown} do not belong to the data, whose classes are {list(classes)}."
        )
    index = {name: label for label, name in enumerate(classes)}
    for number, (metadata, label) in enumerate(zip(_metadata_rows(images), images.labels.tolist(), strict=True)):
        name = images.classes[label]
        folder = folders[name]
        file = f"{folder}/{unique_name(_file_name(metadata, number), used_names[folder])}"
        pixels = images.images[number]
        # encoded when it is written: all encoded files at once would take too much memory
        content = partial(_encode, pixels, name, metadata if is_true(metadata.get("is_synthetic")) else None, sign)
        row = make_row(file, name, index[name], metadata)
        yield NewFile(file, content, pixels.numel() + max_overhead(sign), row)


def max_overhead(sign: Sign | None) -> int:
    """Return an upper bound of the bytes of a file in addition to its pixels."""
    return MAX_MARK_BYTES if sign is None else MAX_MARK_BYTES + MAX_SIGNATURE_BYTES


def _metadata_rows(images: LabeledImages) -> list[dict[str, object]]:
    """Return the metadata of each image, {} for images without metadata."""
    rows: list[dict[str, object]] = [{} for _ in range(len(images))]
    if images.metadata is not None:
        columns = {str(name): column.tolist() for name, column in images.metadata.items()}  # to_dict is slow on strings
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] or rows
    return rows


def _file_name(metadata: Row, number: int) -> str:
    """Choose the name of a PNG: that of its metadata, or one with the model and seed, or a running number."""
    file_name = metadata.get("file_name")
    if not is_missing(file_name):
        return safe_name(f"{PurePosixPath(str(file_name)).stem}.png")
    if not is_true(metadata.get("is_synthetic")):
        return f"image-{number + 1:06d}.png"
    seed = as_integer(metadata.get("seed"))
    return f"synthetic-{str(metadata.get('model_hash', ''))[:8] or 'unknown'}-{number if seed is None else seed}.png"


def _encode(pixels: Tensor, label: str, synthetic: Row | None, sign: Sign | None) -> bytes:
    """Encode an image as PNG. synthetic: the metadata of a synthetic image, which is marked and signed."""
    if synthetic is None:
        return png(pixels)
    version = synthetic.get("ganaug_version")
    marks = make_mark(
        label,
        seed=as_integer(synthetic.get("seed")),
        model_hash=str(synthetic.get("model_hash", "")),
        version=__version__ if is_missing(version) else str(version),
    )
    content = png(pixels, marks, statement=STATEMENT)
    return content if sign is None else sign(content)
