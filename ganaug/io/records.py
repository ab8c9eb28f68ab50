"""Labeled images one after another, from whatever holds them: a folder, tar or Parquet shards, a Hugging Face set."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug._runtime.optional import import_datasets
from ganaug.errors import DataError, GanaugError
from ganaug.images import LabeledImages
from ganaug.io.decoding import Picture, Pixels, UnusableImage, decode, decode_bytes, pillow_warnings_judged
from ganaug.io.listing import SHARDS, Problem, list_images, shards_in
from ganaug.io.threads import in_threads

READERS = dict(zip(SHARDS, ("webdataset", "parquet"), strict=True))  # in `datasets`
IMAGE_COLUMNS = ("image", "img", "png", "jpg", "jpeg", "webp")
WITHIN = "json"  # the column of a tar in which rows lie
LABEL_COLUMNS = ("label", "labels", "cls", "class", "target")


@dataclass(frozen=True)
class Record:
    """One image: what it is called, its class, and what decodes it to an image size, raising UnusableImage."""

    name: str
    label: str
    decode: Callable[[tuple[int, int] | None], Picture]


@dataclass(frozen=True)
class Records:
    """All records of a source, in an order that is always the same.

    begin: the records from one number on. total, classes: where they are known beforehand. identity: differs where the
    source does. problems: files that are no records.
    """

    begin: Callable[[int], Iterable[Record]]
    identity: str
    total: int | None = None
    classes: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()


def records_of(source: Any) -> Records:
    """The records of a path or a `datasets.Dataset`.

    A path is a data folder as `read_folder` reads it, a tar or Parquet file, a folder of these (shards), or what
    `datasets.Dataset.save_to_disk` wrote. All but data folders need `datasets` (`pip install "ganaug[datasets]"`).
    Raises DataError that says what came.
    """
    if not isinstance(source, str | Path):
        return _of_dataset(source, f"{type(source).__name__} {getattr(source, '_fingerprint', '')}")
    path = Path(source)
    files = shards_in(path)
    if files:
        if len({file.suffix for file in files}) > 1:
            raise DataError(f"{path}: holds both tar and Parquet files. Pass a folder with one kind of them.")
        datasets, kind = import_datasets(), READERS[files[0].suffix]
        names = [str(file) for file in files]
        with _named(path):
            found = datasets.load_dataset(kind, data_files={"train": names}, split="train", streaming=True)
            records = _of_dataset(found, _digest((file.name, "", file.stat().st_size) for file in files))
        return replace(records, begin=lambda start: _each(path, records.begin(start)))
    if (path / "dataset_info.json").exists() and (path / "state.json").exists():
        with _named(path):
            records = _of_dataset(import_datasets().load_from_disk(str(path)), _digest([(str(path), "", 0)]))
        return replace(records, begin=lambda start: _each(path, records.begin(start)))
    return _of_folder(path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the readers of tar and Parquet files say of damaged ones into a DataError that names the path."""
    try:
        yield
    except (GanaugError, GeneratorExit, MemoryError):
        raise
    except Exception as error:  # the readers are many, and so are their errors
        raise DataError(
            f"{path}: damaged, or no images as tar or Parquet files hold them ({type(error).__name__}: {error}). "
            "Replace it."
        ) from error


def _each(path: Path, records: Iterable[Record]) -> Iterator[Record]:
    with _named(path):
        yield from records


def _of_folder(root: Path) -> Records:
    listing = list_images(root)
    if listing.errors:
        raise DataError(f"{listing.errors[0]}.")
    candidates = listing.candidates

    def begin(start: int) -> Iterator[Record]:
        for candidate in candidates[start:]:
            path = root / candidate.file
            yield Record(candidate.file, candidate.label, lambda size, path=path: decode(path, size))  # type: ignore[misc]

    identity = _digest((one.file, one.label, _size(root / one.file)) for one in candidates)
    return Records(begin, identity, len(candidates), tuple(sorted(listing.classes)), tuple(listing.problems))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # decoding it will say why


def _digest(parts: Iterable[tuple[str, str, int]]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        found.update(repr(part).encode())
    return found.hexdigest()


def _of_dataset(dataset: Any, identity: str) -> Records:
    """A `datasets.Dataset`, or an IterableDataset of it."""
    datasets, (image, label) = import_datasets(), columns_of(dataset)
    within = label == WITHIN
    names = None if within else getattr(dataset.features[label], "names", None)
    raw = dataset.cast_column(image, datasets.Image(decode=False))

    def begin(start: int) -> Iterator[Record]:
        for number, row in enumerate(raw.skip(start), start):
            value = row[WITHIN]["label"] if within else row[label]
            yield Record(
                str(row.get("__key__") or (row[image] or {}).get("path") or f"image {number:,}"),
                str(value) if names is None else names[value],
                lambda size, given=row[image]: _decoded(given, size),  # type: ignore[misc]
            )

    return Records(begin, identity, getattr(dataset, "num_rows", None), None if names is None else tuple(names))


def columns_of(dataset: Any) -> tuple[str, str]:
    """The columns of a data set that hold the images and the labels. Raises DataError where there are none."""
    features = dataset.features or {}
    images = [name for name, feature in features.items() if isinstance(feature, import_datasets().Image)]
    image = next((name for name in (*IMAGE_COLUMNS, *images) if name in images), None)
    if image is None:
        raise DataError(f"the data set has no column of images; its columns are {', '.join(map(str, features))}.")
    told = features.get(WITHIN)
    if isinstance(told, Mapping) and "label" in told:  # ganaug's own tars name the class there
        return image, WITHIN
    label = next((name for name in LABEL_COLUMNS if name in features), None)
    if label is None:
        columns = ", ".join(map(str, features))
        raise DataError(f"the data set has no column {', '.join(LABEL_COLUMNS)}; its columns are {columns}.")
    return image, label


def read_records(records: Records) -> LabeledImages:
    """All records, in memory. Raises DataError, naming the image, for one that is unusable or of another size."""

    def tried(record: Record) -> tuple[Record, Pixels]:
        try:
            return record, record.decode(None).pixels
        except UnusableImage as error:
            raise DataError(f"{Problem(record.name, error.cause, error.fix)}") from error

    with pillow_warnings_judged():
        found = list(in_threads(tried, records.begin(0)))
    if not found:
        raise DataError("the data set is empty.")
    sizes = {pixels.shape[:2]: record.name for record, pixels in found}
    if len(sizes) > 1:
        (one, first), (other, second) = list(sizes.items())[:2]
        raise DataError(f"{first} is {one[0]}x{one[1]} and {second} {other[0]}x{other[1]}: resize all to one size.")
    color = any(pixels.ndim == 3 for _, pixels in found)
    stacked = np.stack(
        [np.broadcast_to(p[:, :, None], (*p.shape, 3)) if color and p.ndim == 2 else p for _, p in found]
    )
    stacked = stacked if color else stacked[:, :, :, None]
    classes = records.classes or tuple(sorted({record.label for record, _ in found}))
    labels = torch.tensor([classes.index(record.label) for record, _ in found])
    return LabeledImages(torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))), labels, classes)


def _decoded(given: Any, size: tuple[int, int] | None) -> Picture:
    if given is None or (given.get("bytes") is None and given.get("path") is None):
        raise UnusableImage("holds no image")
    if given.get("bytes") is not None:
        return decode_bytes(given["bytes"], size)
    return decode(Path(given["path"]), size)
