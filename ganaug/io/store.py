"""A store: the pixels of a labeled set in one file, built once, from which training reads what it needs.

STORE/images.bin has uint8 (N, C, H, W), labels.bin and hashes.bin an int64 for each image, store.json says of what.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.locks import LOCK, locked
from ganaug._runtime.storage import is_left, read_json, write_json
from ganaug._runtime.stored_rows import StoredRows
from ganaug._version import __version__
from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.decoding import Pixels, UnusableImage, pillow_warnings_judged
from ganaug.io.findings import MIN_IMAGE_SIZE
from ganaug.io.listing import STORE, Problem
from ganaug.io.output import check_room, naming
from ganaug.io.preflight import as_size
from ganaug.io.records import Record, Records, records_of
from ganaug.io.threads import Progress, in_threads

FORMAT = 1
IMAGES, LABELS, HASHES = "images.bin", "labels.bin", "hashes.bin"
TOGETHER, SAVED = 1024, 8  # images that are written together; how many times of that are lost when a build is killed
MODES = {"auto": None, "gray": 1, "rgb": 3}


def is_store(path: str | Path) -> bool:
    """Whether `path` is a store, complete or not."""
    return (Path(path) / STORE).is_file()


def open_store(path: str | Path) -> LabeledImages:
    """The images of a store, read as they are used; opening takes the labels and hashes, 16 bytes an image.

    Raises DataError where it is not complete, or not what was built.
    """
    folder = Path(path)
    about: Any = read_json(folder / STORE)
    if not about.get("complete"):
        raise DataError(f"{folder}: the store is not complete. Build it again: it goes on where it ended.")
    try:
        images = _checked(folder, about)
    except DataError:
        raise
    except Exception as error:  # whatever the words of a file that anybody may have written come to
        raise DataError(f"{folder / STORE}: is not what ganaug wrote ({error!r}). Build the store anew.") from error
    return images


def _checked(folder: Path, about: Mapping[str, Any]) -> LabeledImages:
    shape = [int(side) for side in about["shape"]]
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"a shape of {shape}")
    number, each = int(about["n_images"]), math.prod(shape)
    for name, size in {IMAGES: number * each, LABELS: number * 8, HASHES: number * 8}.items():
        found = (folder / name).stat().st_size if (folder / name).exists() else 0
        if found != size:
            raise DataError(f"{folder / name}: has {found:,} bytes in place of {size:,}. Build the store anew.")
    images = _opened(folder, shape, about["classes"], known=about["known"])
    if images.fingerprint() != about["fingerprint"]:
        raise DataError(f"{folder}: labels or hashes are not those that were written. Build the store anew.")
    return images


def _opened(folder: Path, shape: Sequence[int], classes: Sequence[str], *, known: bool) -> LabeledImages:
    """known: the classes are in their order; otherwise they are numbered as they came, and get theirs here."""
    labels, hashes = (torch.from_numpy(np.fromfile(folder / name, "<i8").astype(np.int64)) for name in (LABELS, HASHES))
    if not known:
        numbers = all(name.isdecimal() for name in classes)
        ordered = sorted(classes, key=int if numbers else str)
        labels = torch.tensor([ordered.index(name) for name in classes])[labels]
        classes = ordered
    rows = StoredRows(folder / IMAGES, (len(labels), *shape), hashes)
    return LabeledImages(cast(Tensor, rows), labels, tuple(classes))


def verify_store(path: str | Path) -> LabeledImages:
    """As `open_store`, after reading every pixel.

    Raises DataError that also names the first image which is not what was written.
    """
    images = open_store(path)
    rows = cast(StoredRows, images.images)
    for start in range(0, len(images), TOGETHER):
        wrong = torch.nonzero(image_hashes(images.images[start : start + TOGETHER]) != rows.hashes[start:][:TOGETHER])
        if len(wrong):
            raise DataError(f"{path}: image {start + int(wrong[0]):,} is not what was written. Build the store anew.")
    return images


def build_store(
    source: Any,
    out: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    mode: str = "auto",
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Decode every image of `source` (see `records.records_of`) into the store OUT; returns OUT.

    image_size: (height, width), or one number, to resize to; None keeps the first image's size, which all must have.
    mode: "gray", "rgb", or "auto": as the first image is. skip_bad: leave unusable images out; store.json lists them.
    A build that was killed goes on where it was, at most 8,192 images back; one that is there is left alone.
    Raises DataError, naming the image, for one that does not fit, and OutputError where OUT holds anything else.
    """
    if mode not in MODES:
        raise DataError(f"mode must be one of {', '.join(MODES)}; got {mode!r}.")
    folder, size, records = Path(out), as_size(image_size), records_of(source)
    if records.problems and not skip_bad:
        raise DataError(f"{source}: {records.problems[0]} To go on without unusable files: skip_bad (--skip-bad).")
    if folder.exists() and not (folder.is_dir() and all(map(_is_ours, folder.iterdir()))):
        raise OutputError(f"{folder}: is not empty, and no store. Choose a new folder.")
    with locked(folder), naming(folder):
        build = _Build.begun(folder, records, {"image_size": size and list(size), "mode": mode, "skip_bad": skip_bad})
        if not build.complete:
            build.run(records, size, MODES[mode], progress)
    (folder / LOCK).unlink(missing_ok=True)
    return folder


def _is_ours(path: Path) -> bool:
    return path.name in {STORE, IMAGES, LABELS, HASHES, LOCK} or is_left(path)


@dataclass
class _Build:
    """How far a build has come. n_seen: records tried, of which n_images are in the files."""

    folder: Path
    asked: dict[str, Any]
    classes: list[str]
    known: bool
    shape: list[int] | None = None
    n_seen: int = 0
    n_images: int = 0
    bad: list[dict[str, str]] = field(default_factory=list)
    complete: bool = False

    @classmethod
    def begun(cls, folder: Path, records: Records, asked: dict[str, Any]) -> "_Build":
        asked = {"source": records.identity, **asked}
        known = records.classes is not None
        if not is_store(folder):
            problems = [vars(problem) for problem in records.problems]
            return cls(folder, asked, list(records.classes or ()), known, bad=problems)
        about: Any = read_json(folder / STORE)
        other = [name for name, value in asked.items() if about.get("asked", {}).get(name) != value]
        if about.get("format") != FORMAT or other:
            raise OutputError(
                f"{folder}: is a store of something else ({', '.join(other) or 'its format'} differs). Choose another "
                "folder, or remove it."
            )
        return cls(folder, **{each.name: about[each.name] for each in fields(cls) if each.name != "folder"})

    def run(
        self, records: Records, size: tuple[int, int] | None, channels: int | None, progress: Progress | None
    ) -> None:
        """Go on to the end."""
        self._index = {name: label for label, name in enumerate(self.classes)}
        found = in_threads(lambda record: (record, _tried(record, size)), records.begin(self.n_seen))
        with _files(self.folder) as files, pillow_warnings_judged():
            each = int(np.prod(self.shape)) if self.shape else 0
            for file, width in zip(files, (each, 8, 8), strict=True):
                file.truncate(self.n_images * width)
                file.seek(self.n_images * width)
            for number in count(1):
                part = list(islice(found, TOGETHER))
                self._take_in(part, files, channels, records.total)
                if progress is not None:
                    progress(self.n_seen, records.total or self.n_seen)
                if number % SAVED == 0 or not part:
                    for file in files:
                        file.flush()
                        os.fsync(file.fileno())
                    self._save()
                if not part:
                    break
        if self.shape is None:
            raise DataError(f"{self.folder}: no image of the source could be used.")
        images = _opened(self.folder, self.shape, self.classes, known=self.known)
        self.complete = True
        self._save({"counts": images.counts, "fingerprint": images.fingerprint()})

    def _take_in(
        self,
        part: list[tuple[Record, Pixels | UnusableImage]],
        files: Sequence[BinaryIO],
        channels: int | None,
        total: int | None,
    ) -> None:
        rows, labels = [], []
        for record, found in part:
            if isinstance(found, UnusableImage):
                self._leave_out(record, found)
            else:
                rows.append(self._fitted(record, found, channels, total))
                labels.append(self._index.setdefault(record.label, len(self._index)))
        self.n_seen, self.n_images, self.classes = self.n_seen + len(part), self.n_images + len(rows), list(self._index)
        if rows:
            pixels = torch.from_numpy(np.stack(rows))
            for file, array in zip(files, (pixels.numpy(), labels, image_hashes(pixels).numpy()), strict=True):
                file.write(np.ascontiguousarray(array, np.uint8 if file is files[0] else "<i8").data)

    def _leave_out(self, record: Record, found: UnusableImage) -> None:
        problem = Problem(record.name, found.cause, found.fix)
        if not self.asked["skip_bad"]:
            raise DataError(
                f"{problem} Then build again, which goes on from there; or leave "
                "such images out: skip_bad (--skip-bad)."
            )
        self.bad.append(vars(problem))

    def _fitted(self, record: Record, pixels: Pixels, channels: int | None, total: int | None) -> Pixels:
        """(C, H, W) as the store has them."""
        height, width = pixels.shape[:2]
        if self.shape is None:
            self.shape = [channels or (1 if pixels.ndim == 2 else 3), height, width]
            if min(height, width) < MIN_IMAGE_SIZE:
                raise DataError(
                    f"{record.name}: is {height}x{width}; images need {MIN_IMAGE_SIZE} pixels a side. {_RESIZE}"
                )
            check_room(self.folder, int(np.prod(self.shape)) * (total or 1))
        if [height, width] != self.shape[1:]:
            raise DataError(
                f"{record.name}: is {height}x{width}, the images before it {self.shape[1]}x{self.shape[2]} (height x "
                f"width). {_RESIZE}"
            )
        if pixels.ndim == 3 and self.shape[0] == 1:
            raise DataError(
                f"{record.name}: is in color, and the store gray, as its first image is. Build it anew with mode rgb "
                "(--mode rgb)."
            )
        if pixels.ndim == 2:
            return np.broadcast_to(pixels, tuple(self.shape))
        return pixels.transpose(2, 0, 1)

    def _save(self, more: dict[str, Any] | None = None) -> None:
        state = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "folder"}
        write_json(self.folder / STORE, {"format": FORMAT, "ganaug_version": __version__, **state, **(more or {})})


_RESIZE = "Give an image size to resize all to (image_size, --image-size)."


def _tried(record: Record, size: tuple[int, int] | None) -> Pixels | UnusableImage:
    try:
        return record.decode(size).pixels
    except UnusableImage as error:
        return error


@contextmanager
def _files(folder: Path) -> Iterator[Sequence[BinaryIO]]:
    """images.bin, labels.bin and hashes.bin, open for going on."""
    with ExitStack() as stack:
        found = []
        for name in (IMAGES, LABELS, HASHES):
            (folder / name).touch()
            found.append(stack.enter_context(open(folder / name, "r+b")))
        yield found
