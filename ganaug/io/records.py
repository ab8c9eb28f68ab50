"""Iterate over the labeled images of any source: a folder, tar or Parquet shards, or a Hugging Face data set."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ganaug._runtime.optional import import_datasets
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError, GanaugError
from ganaug.images import LabeledImages
from ganaug.io.decoding import (
    DecodedImage,
    Pixels,
    UnusableImage,
    decode,
    decode_bytes,
    stack_images,
    strict_pillow_warnings,
)
from ganaug.io.listing import Problem, list_images
from ganaug.io.paths import SHARD_SUFFIXES, find_shards
from ganaug.io.threads import map_in_threads

BUILDERS = dict(zip(SHARD_SUFFIXES, ("webdataset", "parquet"), strict=True))  # of `datasets.load_dataset`
IMAGE_COLUMNS = ("image", "img", "png", "jpg", "jpeg", "webp")
LABEL_COLUMNS = ("label", "labels", "cls", "class", "target")
JSON_COLUMN = "json"  # the column with the metadata of a tar member


@dataclass(frozen=True)
class Record:
    """One labeled image that is not decoded yet.

    Attributes
    ----------
    name : str
        Path or name, for messages.
    label : str
        Name of the class.
    decode : callable
        Called with (height, width) or None. Returns a `DecodedImage`, or raises `UnusableImage`.
    """

    name: str
    label: str
    decode: Callable[[tuple[int, int] | None], DecodedImage]


@dataclass(frozen=True)
class Records:
    """All records of a source, in an order that does not change.

    Attributes
    ----------
    iterate_from : callable
        Called with a number; returns an iterable of the records from that number on.
    identity : str
        Differs between different sources.
    total : int or None
        Number of records, if it is known before reading.
    classes : tuple of str or None
        Class names in label order, if they are known before reading.
    problems : tuple of Problem
        Files of the source that cannot be used.
    """

    iterate_from: Callable[[int], Iterable[Record]]
    identity: str
    total: int | None = None
    classes: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()


def open_records(source: Any) -> Records:
    """Open a source of labeled images.

    Parameters
    ----------
    source : path or datasets.Dataset
        A path is a data folder as `read_folder` reads it, a tar or Parquet file, a folder of such files (shards), or
        what ``datasets.Dataset.save_to_disk`` wrote. All except data folders need ``pip install "ganaug[datasets]"``.

    Returns
    -------
    Records

    Raises
    ------
    DataError
        If the source cannot be used, or if datasets is needed and not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from ganaug.io.records import open_records
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("cat/1.png", "dog/1.png"):
    ...         path = Path(root, file)
    ...         path.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (8, 8)).save(path)
    ...     records = open_records(root)
    ...     [(record.name, record.label) for record in records.iterate_from(0)]
    [('cat/1.png', 'cat'), ('dog/1.png', 'dog')]
    """
    if not isinstance(source, str | Path):
        return _open_dataset(source, f"{type(source).__name__} {getattr(source, '_fingerprint', '')}")
    path = expand_user(source)
    shards = find_shards(path)
    if shards:
        if len({file.suffix for file in shards}) > 1:
            raise DataError(f"{path}: holds both tar and Parquet files. Pass a folder with one of the two formats.")
        datasets, builder = import_datasets(), BUILDERS[shards[0].suffix]
        files = [str(file) for file in shards]
        with _reader_errors_named(path):
            # streamed: otherwise the library copies all shards into its cache
            dataset = datasets.load_dataset(builder, data_files={"train": files}, split="train", streaming=True)
            records = _open_dataset(dataset, _digest((file.name, "", file.stat().st_size) for file in shards))
        return replace(records, iterate_from=lambda start: _iterate(path, records.iterate_from(start)))
    if (path / "dataset_info.json").exists() and (path / "state.json").exists():
        with _reader_errors_named(path):
            dataset = import_datasets().load_from_disk(str(path))
            records = _open_dataset(dataset, _digest([(str(path), "", 0)]))
        return replace(records, iterate_from=lambda start: _iterate(path, records.iterate_from(start)))
    return _open_folder(path)


def find_columns(dataset: Any) -> tuple[str, str]:
    """Find the columns of a Hugging Face data set that contain the images and the labels.

    Parameters
    ----------
    dataset : datasets.Dataset or datasets.IterableDataset

    Returns
    -------
    tuple of str
        Names of the image column and of the label column. The latter is `JSON_COLUMN` for tar files of ganaug, whose
        JSON has the name of the class.

    Raises
    ------
    DataError
        If there are no such columns.
    """
    features = dataset.features or {}
    images = [name for name, feature in features.items() if isinstance(feature, import_datasets().Image)]
    image = next((name for name in (*IMAGE_COLUMNS, *images) if name in images), None)
    if image is None:
        raise DataError(f"the data set has no column of images; its columns are {', '.join(map(str, features))}.")
    json_feature = features.get(JSON_COLUMN)
    if isinstance(json_feature, Mapping) and "label" in json_feature:
        return image, JSON_COLUMN
    label = next((name for name in LABEL_COLUMNS if name in features), None)
    if label is None:
        columns = ", ".join(map(str, features))
        raise DataError(f"the data set has no column {', '.join(LABEL_COLUMNS)}; its columns are {columns}.")
    return image, label


def read_records(records: Records, image_size: tuple[int, int] | None = None) -> LabeledImages:
    """Read all records into memory.

    Parameters
    ----------
    records : Records
    image_size : tuple of int or None
        (height, width) to resize to.

    Returns
    -------
    LabeledImages
        Gray if all images are gray, else RGB.

    Raises
    ------
    DataError
        If an image is unusable, if sizes differ, or if there are no records.
    """

    def decode_record(record: Record) -> tuple[Record, Pixels]:
        try:
            return record, record.decode(image_size).pixels
        except UnusableImage as error:
            raise DataError(f"{Problem(record.name, error.cause, error.fix)}") from error

    with strict_pillow_warnings():
        decoded = list(map_in_threads(decode_record, records.iterate_from(0)))
    if not decoded:
        raise DataError("the data set is empty.")
    sizes = {pixels.shape[:2]: record.name for record, pixels in decoded}
    if len(sizes) > 1:
        (size, name), (other_size, other_name) = list(sizes.items())[:2]
        raise DataError(
            f"{name} is {size[0]}x{size[1]} and {other_name} {other_size[0]}x{other_size[1]}: resize all to one size."
        )
    images = stack_images([pixels for _, pixels in decoded])
    classes = records.classes or tuple(sorted({record.label for record, _ in decoded}))
    labels = torch.tensor([classes.index(record.label) for record, _ in decoded])
    return LabeledImages(images, labels, classes)


def _open_folder(root: Path) -> Records:
    """Open a data folder."""
    listing = list_images(root)
    if listing.errors:
        raise DataError(f"{listing.errors[0]}.")
    candidates = listing.candidates

    def iterate_from(start: int) -> Iterator[Record]:
        for candidate in candidates[start:]:
            path = root / candidate.file
            yield Record(candidate.file, candidate.label, lambda size, path=path: decode(path, size))  # type: ignore[misc]

    # reading the contents as well would take as long as building the store
    identity = _digest((each.file, each.label, _file_size(root / each.file)) for each in candidates)
    return Records(iterate_from, identity, len(candidates), tuple(sorted(listing.classes)), tuple(listing.problems))


def _open_dataset(dataset: Any, identity: str) -> Records:
    """Open a `datasets.Dataset` or an IterableDataset."""
    datasets, (image, label) = import_datasets(), find_columns(dataset)
    is_json = label == JSON_COLUMN
    class_names = None if is_json else getattr(dataset.features[label], "names", None)
    # decoded here instead, so that all sources are normalized alike and unusable images can be skipped
    undecoded = dataset.cast_column(image, datasets.Image(decode=False))

    def iterate_from(start: int) -> Iterator[Record]:
        for number, row in enumerate(undecoded.skip(start), start):
            value = row[JSON_COLUMN]["label"] if is_json else row[label]
            yield Record(
                str(row.get("__key__") or (row[image] or {}).get("path") or f"image {number:,}"),
                str(value) if class_names is None else class_names[value],
                lambda size, file=row[image]: _decode_cell(file, size),  # type: ignore[misc]
            )

    classes = None if class_names is None else tuple(class_names)
    return Records(iterate_from, identity, getattr(dataset, "num_rows", None), classes)


def _decode_cell(file: Any, size: tuple[int, int] | None) -> DecodedImage:
    """Decode a cell of an image column: a dict with the bytes of a file or its path, or None."""
    if file is None or (file.get("bytes") is None and file.get("path") is None):
        raise UnusableImage("holds no image")
    if file.get("bytes") is not None:
        return decode_bytes(file["bytes"], size)
    return decode(Path(file["path"]), size)


def _iterate(path: Path, records: Iterable[Record]) -> Iterator[Record]:
    with _reader_errors_named(path):
        yield from records


@contextmanager
def _reader_errors_named(path: Path) -> Iterator[None]:
    """Turn exceptions of the readers of tar and Parquet files into a DataError that names the path."""
    try:
        yield
    except (GanaugError, GeneratorExit, MemoryError):
        raise
    except Exception as error:  # damaged files make the readers raise many types of exceptions
        raise DataError(
            f"{path}: damaged, or not images in tar or Parquet files ({type(error).__name__}: {error}). Replace it."
        ) from error


def _file_size(path: Path) -> int:
    """Return the size of a file, or -1 if it cannot be read: decoding it will report why."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _digest(parts: Iterable[tuple[str, str, int]]) -> str:
    """Hash a sequence of (name, label, size)."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()
