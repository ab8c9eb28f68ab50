"""Iterate over the labeled images of any source: a folder, tar or Parquet shards, or a Hugging Face data set."""

import glob
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.optional import import_datasets
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError, GanaugError
from ganaug.images import LabeledImages
from ganaug.io.dataset_records import find_columns, open_dataset, refuse_splits
from ganaug.io.decoding import Pixels, UnusableImage, decode, stack_images, strict_pillow_warnings
from ganaug.io.items import IMAGE_KEYS, similar_names_message
from ganaug.io.listing import Problem, list_images
from ganaug.io.paths import SHARD_SUFFIXES, SPLITS, find_shards
from ganaug.io.pillow_modes import MAX_16_BIT, scale_message, white_value
from ganaug.io.record_types import Record, Records
from ganaug.io.store_format import sort_class_names
from ganaug.io.threads import map_in_threads

__all__ = ["Record", "Records", "find_columns", "open_records", "read_records", "refuse_splits"]

BUILDERS = dict(zip(SHARD_SUFFIXES, ("webdataset", "parquet"), strict=True))  # of `datasets.load_dataset`


def open_records(source: Any, *, follow_links: bool = False) -> Records:
    """Open a source of labeled images.

    Parameters
    ----------
    source : path or datasets.Dataset
        A path is a data folder as `read_folder` reads it, a tar or Parquet file, a folder of such files (shards), or
        what ``datasets.Dataset.save_to_disk`` wrote. All except data folders need ``pip install "ganaug[datasets]"``.
    follow_links : bool, default=False
        Follow links that lead out of a data folder.

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
    refuse_splits(source)
    if not isinstance(source, str | Path):
        if not hasattr(source, "features"):
            raise DataError(f"got a {type(source).__name__}; pass a path or a datasets.Dataset.")
        return open_dataset(source, f"{type(source).__name__} {getattr(source, '_fingerprint', '')}")
    path = expand_user(source)
    shards = find_shards(path)
    if shards:
        records = _open_shards(path, shards)
    elif (path / "dataset_dict.json").exists():
        folders = sorted(child.name for child in path.iterdir() if child.is_dir())
        raise DataError(f"{path}: holds several splits ({', '.join(folders)}). Pass one, such as {path / folders[0]}.")
    elif (path / "dataset_info.json").exists() and (path / "state.json").exists():
        with _reader_errors_named(path):
            dataset = import_datasets().load_from_disk(str(path))
            records = open_dataset(dataset, _digest([(str(path), "", 0)]), str(path))
    else:
        return _open_folder(path, follow_links=follow_links)
    return replace(records, iterate_from=lambda start: _iterate(path, records.iterate_from(start)))


@library_defaults()
def read_records(
    records: Records, image_size: tuple[int, int] | None = None, *, unlabeled: str = "error"
) -> LabeledImages:
    """Read all records into memory.

    Parameters
    ----------
    records : Records
    image_size : tuple of int or None
        (height, width) to resize to.
    unlabeled : {"error", "drop"}, default="error"
        "drop": leave images without a label out.

    Returns
    -------
    LabeledImages
        Gray if all images are gray, else RGB.

    Raises
    ------
    DataError
        If an image is unusable or has no label, if sizes differ, or if there are no records.

    Warns
    -----
    UserWarning
        If class names are similar, or if 16-bit images do not use all bits.
    """
    records = records.checked(unlabeled)

    def labeled() -> Iterator[Record]:
        for row, record in enumerate(records.iterate_from(0)):
            if records.keeps(row, record, unlabeled):
                yield record

    def decode_all(white: int) -> list[_Decoded]:
        def decode_record(record: Record) -> _Decoded:
            try:
                image = record.decode(image_size, white)
            except UnusableImage as error:
                raise DataError(f"{Problem(record.name, error.cause, error.fix)}") from error
            # without the bytes of the file, its color profile and the like
            return _Decoded(record.name, str(record.label), image.pixels, image.maximum)

        with strict_pillow_warnings():
            return list(map_in_threads(decode_record, labeled()))

    decoded = decode_all(MAX_16_BIT)
    if not decoded:
        raise DataError("the data set is empty.")
    white = white_value(max((each.maximum for each in decoded if each.maximum is not None), default=None))
    if white != MAX_16_BIT:
        decoded = decode_all(white)
    sizes = {each.pixels.shape[:2]: each.name for each in decoded}
    if len(sizes) > 1:
        (size, name), (other_size, other_name) = list(sizes.items())[:2]
        raise DataError(
            f"{name} is {size[0]}x{size[1]} and {other_name} {other_size[0]}x{other_size[1]}: resize all to one size."
        )
    images = stack_images([each.pixels for each in decoded])
    classes = records.classes or tuple(sort_class_names({each.label for each in decoded}))
    for note in (*records.notes, similar_names_message(classes), scale_message(white)):
        if note is not None:
            warn_user(f"{records.what}: {note}")
    index = {name: label for label, name in enumerate(classes)}
    return LabeledImages(images, torch.tensor([index[each.label] for each in decoded]), classes)


class _Decoded(NamedTuple):
    """What `read_records` keeps of a record."""

    name: str
    label: str
    pixels: Pixels
    maximum: int | None


def _open_folder(root: Path, *, follow_links: bool) -> Records:
    """Open a data folder."""
    listing = list_images(root, follow_links=follow_links)
    if listing.errors:
        raise DataError(f"{listing.errors[0]}.")
    candidates = listing.candidates

    def iterate_from(start: int) -> Iterator[Record]:
        for candidate in candidates[start:]:
            path = root / candidate.file
            yield Record(
                candidate.file,
                candidate.label,
                lambda size, white=MAX_16_BIT, path=path: decode(path, size, white),
            )

    # reading the contents as well would take as long as building the store
    identity = _digest((each.file, each.label, _file_size(root / each.file)) for each in candidates)
    return Records(
        iterate_from,
        identity,
        len(candidates),
        tuple(sorted(listing.classes)),
        tuple(listing.problems),
        tuple(listing.notes),
        str(root),
    )


def _open_shards(path: Path, shards: Sequence[Path]) -> Records:
    """Open tar or Parquet files."""
    if len({file.suffix for file in shards}) > 1:
        raise DataError(f"{path}: holds both tar and Parquet files. Pass a folder with one of the two formats.")
    splits = {word for file in shards if (word := re.split(r"[-._ ]", file.name)[0].lower()) in SPLITS}
    if len(splits) > 1:
        raise DataError(
            f"{path}: holds files of the splits {', '.join(sorted(splits))}. Move those of one split into a folder, "
            "and pass it; the generator must not see test images."
        )
    datasets, builder = import_datasets(), BUILDERS[shards[0].suffix]
    # the library takes brackets and asterisks in a path for a pattern
    files = [glob.escape(str(file)) for file in shards]
    with _reader_errors_named(path):
        # streamed: otherwise the library copies all shards into its cache
        dataset = datasets.load_dataset(builder, data_files={"train": files}, split="train", streaming=True)
        dataset = _with_image_column(dataset)
        read_column = _parquet_column(shards) if builder == "parquet" else None
        digest = _digest((file.name, "", file.stat().st_size) for file in shards)
        return open_dataset(dataset, digest, str(path), read_column)


def _with_image_column(dataset: Any) -> Any:
    """Declare a column of image files as images, as pandas and others write it: bytes, or a dict with bytes."""
    datasets, features = import_datasets(), dataset.features or {}
    if any(isinstance(feature, datasets.Image) for feature in features.values()):
        return dataset
    for name in IMAGE_KEYS:
        feature = features.get(name)
        holds_bytes = "bytes" in feature if isinstance(feature, Mapping) else "binary" in getattr(feature, "dtype", "")
        if holds_bytes:
            return dataset.cast_column(name, datasets.Image())
    return dataset


def _parquet_column(files: Sequence[Path]) -> Callable[[str], Iterable[Any]]:
    """Return a function that reads one column of Parquet files."""

    def read(column: str) -> Iterator[Any]:
        import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

        for file in files:
            with open(file, "rb") as opened:
                for batch in pq.ParquetFile(opened).iter_batches(columns=[column]):
                    yield from batch.column(0).to_pylist()

    return read


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
