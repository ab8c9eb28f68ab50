"""Build a store in blocks, so that an interrupted build can be resumed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from ganaug._runtime.storage import read_json, write_json
from ganaug._version import __version__
from ganaug.errors import DataError, OutputError
from ganaug.images import image_hashes
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.io.decoding import DecodedImage, Pixels, UnusableImage, strict_pillow_warnings
from ganaug.io.listing import Problem
from ganaug.io.output import check_free_space
from ganaug.io.paths import STORE
from ganaug.io.pillow_modes import MAX_16_BIT, white_value
from ganaug.io.record_types import Record, Records
from ganaug.io.store_format import BLOCK_IMAGES, FORMAT, HASHES, IMAGES, LABELS, is_store, load_images
from ganaug.io.threads import Progress, map_in_threads

Decoded = tuple[Record, DecodedImage | UnusableImage]
BLOCKS_PER_SAVE = 8  # a killed build repeats at most so many blocks
CHANNELS = {"auto": None, "gray": 1, "rgb": 3}

DROP_HINT = "Give them a class, or leave them out: build_store(..., unlabeled='drop'), --unlabeled drop"
_RESIZE = "Pass an image size to resize all to (image_size, --image-size)."


@dataclass
class StoreBuilder:
    """The state of a build. All attributes except `folder` are saved in ``store.json``.

    Attributes
    ----------
    folder : pathlib.Path
    request : dict
        The source and the options of the build. A build with another request does not resume this one.
    classes : list of str
        Class names in the order of the stored labels.
    has_class_order : bool
        Whether the source defines the order of the classes. See `store_format.load_images`.
    shape : list of int or None
        (C, H, W), set by the first image.
    n_read, n_images : int
        Number of records that were read, and number of images in the files.
    skipped : list of dict
        File, cause and fix of each image that was left out.
    complete : bool
    white : int or None
        The value of 16-bit images that becomes 255, set before the first one is written.
    """

    folder: Path
    request: dict[str, Any]
    classes: list[str]
    has_class_order: bool
    shape: list[int] | None = None
    n_read: int = 0
    n_images: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    complete: bool = False
    white: int | None = None

    @classmethod
    def load_or_create(cls, folder: Path, records: Records, request: dict[str, Any]) -> "StoreBuilder":
        """Load the state of an earlier build, or create a new one.

        Raises
        ------
        OutputError
            If the folder has a store of another format, source or options.
        """
        request = {"source": records.identity, **request}
        if not is_store(folder):
            skipped = [vars(problem) for problem in records.problems]
            return cls(folder, request, list(records.classes or ()), records.classes is not None, skipped=skipped)
        about: Any = read_json(folder / STORE)
        if about.get("format") != FORMAT:
            raise OutputError(
                f"{folder}: is a store of format {about.get('format')!r}; this version of ganaug writes format "
                f"{FORMAT}. Remove it and build it again."
            )
        before = {"unlabeled": "error", **about.get("request", {})}
        differing = [name for name, value in request.items() if before.get(name) != value]
        if differing:
            raise OutputError(
                f"{folder}: is a store of something else ({', '.join(differing)} differs). Choose another folder, or "
                "remove it."
            )
        return cls(folder, **{"white": None, **{name: about[name] for name in _state_names() if name in about}})

    def run(
        self, records: Records, size: tuple[int, int] | None, channels: int | None, progress: Progress | None
    ) -> None:
        """Build the store to its end.

        Parameters
        ----------
        records : Records
        size : tuple of int or None
            (height, width) to resize to.
        channels : int or None
            1 or 3. None takes those of the first image.
        progress : callable or None
            Called as ``progress(done, total)`` with numbers of images.

        Raises
        ------
        DataError
            If an image does not fit, or if no image can be used.
        """
        index = {name: label for label, name in enumerate(self.classes)}
        with _open_files(self.folder) as files, strict_pillow_warnings():
            self._truncate(files)
            for number, block in zip(count(1), self._decode_blocks(records, size), strict=False):
                self._append(block, files, index, channels, records)
                if progress is not None:
                    progress(self.n_read, records.total or self.n_read)
                if number % BLOCKS_PER_SAVE == 0 or not block:
                    # the saved state must not count images that are not on the disk yet
                    for file in files:
                        file.flush()
                        os.fsync(file.fileno())
                    self._save()
                if not block:
                    break
        if self.shape is None:
            raise DataError(f"{self.folder}: no image of the source can be used.")
        images = load_images(self.folder, self.shape, self.classes, has_class_order=self.has_class_order)
        self.complete = True
        self._save({"counts": images.counts, "fingerprint": images.fingerprint()})

    def _decode_blocks(self, records: Records, size: tuple[int, int] | None) -> Iterator[list[Decoded]]:
        """Yield blocks of decoded records from number `n_read` on, and at last an empty block."""
        while True:
            decode = partial(_decode_record, size=size, white=self.white or MAX_16_BIT)
            decoded = map_in_threads(decode, records.iterate_from(self.n_read))
            while block := list(islice(decoded, BLOCK_IMAGES)):
                if self.white is None and _maximum(block) is not None:
                    break
                yield block
            else:
                yield []
                return
            # one pass over the rest of the source: all of its 16-bit images get the same scale
            rest = map_in_threads(decode, records.iterate_from(self.n_read))
            maxima = (_maximum([each]) for each in rest)
            self.white = white_value(max(maximum for maximum in maxima if maximum is not None))

    def _truncate(self, files: Sequence[BinaryIO]) -> None:
        """Remove what a killed build wrote after it last saved its state."""
        n_pixels = int(np.prod(self.shape)) if self.shape else 0
        for file, n_bytes in zip(files, (n_pixels, 8, 8), strict=True):
            file.truncate(self.n_images * n_bytes)
            file.seek(self.n_images * n_bytes)

    def _append(
        self,
        block: list[Decoded],
        files: Sequence[BinaryIO],
        index: dict[str, int],
        channels: int | None,
        records: Records,
    ) -> None:
        """Write a block of decoded records to the files. Classes that are new are added to `index`."""
        rows, labels = [], []
        for number, (record, result) in enumerate(block, self.n_read):
            if record.label is None:
                records.keeps(number, record, self.request["unlabeled"], DROP_HINT)
                self.skipped.append(vars(Problem(record.name, "has no label", "Give it a class")))
            elif isinstance(result, UnusableImage):
                self._skip(record, result)
            else:
                rows.append(self._to_row(record, result.pixels, channels, records.total))
                labels.append(index.setdefault(record.label, len(index)))
        # together, after all images of the block were accepted: an exception leaves the saved state valid
        self.n_read, self.n_images, self.classes = self.n_read + len(block), self.n_images + len(rows), list(index)
        if rows:
            pixels = torch.from_numpy(np.stack(rows))
            for file, array in zip(files, (pixels.numpy(), labels, image_hashes(pixels).numpy()), strict=True):
                # little-endian everywhere, so that a store can be copied between machines
                file.write(np.ascontiguousarray(array, np.uint8 if file is files[0] else "<i8").data)

    def _skip(self, record: Record, error: UnusableImage) -> None:
        """Leave an unusable image out. Raises DataError unless the request allows that."""
        problem = Problem(record.name, error.cause, error.fix)
        if not self.request["skip_bad"]:
            raise DataError(
                f"{problem} Then build again, which resumes from there; or leave such images out: skip_bad=True "
                "(--skip-bad)."
            )
        self.skipped.append(vars(problem))

    def _to_row(self, record: Record, pixels: Pixels, channels: int | None, total: int | None) -> Pixels:
        """Convert pixels to (C, H, W). The first image sets the shape; raises DataError if another one does not fit."""
        height, width = pixels.shape[:2]
        if self.shape is None:
            self.shape = [channels or (1 if pixels.ndim == 2 else 3), height, width]
            if min(height, width) < MIN_IMAGE_SIZE:
                raise DataError(
                    f"{record.name}: is {height}x{width}; height and width must be at least {MIN_IMAGE_SIZE}. {_RESIZE}"
                )
            check_free_space(self.folder, int(np.prod(self.shape)) * (total or 1))
        if [height, width] != self.shape[1:]:
            raise DataError(
                f"{record.name}: is {height}x{width}, the images before it {self.shape[1]}x{self.shape[2]} (height x "
                f"width). {_RESIZE}"
            )
        if pixels.ndim == 3 and self.shape[0] == 1:
            raise DataError(
                f"{record.name}: is in color, but the store is gray (mode gray, or its first image is gray). Remove "
                "the store and build it with mode rgb (--mode rgb)."
            )
        if pixels.ndim == 2:
            return np.broadcast_to(pixels, tuple(self.shape))
        return pixels.transpose(2, 0, 1)

    def _save(self, summary: dict[str, Any] | None = None) -> None:
        """Write the state to ``store.json``. summary: facts of a complete store."""
        state = {name: getattr(self, name) for name in _state_names()}
        write_json(self.folder / STORE, {"format": FORMAT, "ganaug_version": __version__, **state, **(summary or {})})


def _state_names() -> list[str]:
    """Return the attributes of `StoreBuilder` that are saved."""
    return [each.name for each in fields(StoreBuilder) if each.name != "folder"]


def _decode_record(record: Record, size: tuple[int, int] | None, white: int) -> Decoded:
    """Decode a record. An unusable image is returned as the exception, so that other images go on."""
    try:
        return record, replace(record.decode(size, white), info={})  # color profiles take memory
    except UnusableImage as error:
        return record, error


def _maximum(block: Sequence[Decoded]) -> int | None:
    """Return the largest value of the 16-bit images of a block with a label; None if there are none."""
    images = [result for record, result in block if record.label is not None and isinstance(result, DecodedImage)]
    return max((image.maximum for image in images if image.maximum is not None), default=None)


@contextmanager
def _open_files(folder: Path) -> Iterator[Sequence[BinaryIO]]:
    """Open images.bin, labels.bin and hashes.bin for appending. They are created if they do not exist."""
    with ExitStack() as stack:
        files = []
        for name in (IMAGES, LABELS, HASHES):
            # the mode r+b keeps the content, but does not create the file
            (folder / name).touch()
            files.append(stack.enter_context(open(folder / name, "r+b")))
        yield files
