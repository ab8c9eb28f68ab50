"""LabeledImages: the one type that flows through ganaug, from folder or array to generator, data set and report."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import Dataset

from ganaug.errors import DataError

PASS = 64
MAX_BYTES_IN_MEMORY = 64 * 2**20  # bytes of pixels up to which images taken from a file are read at once


class StoredRows:
    """Images in a file, read as they are asked for: stands for a uint8 tensor (N, C, H, W) in `LabeledImages`.

    An index, a slice, a mask or row numbers give a tensor in memory, `take` another view. Neighbors are read at once.
    Nothing is kept open or mapped, so that memory does not grow with what was seen, and processes get copies cheaply.
    rows: which of the file's images, int64 (N,); None: all of them. offset: bytes of the file before the first one.
    all_hashes: `image_hashes` of all images of the file.
    """

    dtype, ndim, device = torch.uint8, 4, torch.device("cpu")

    def __init__(
        self, path: Path, shape: Sequence[int], all_hashes: Tensor, *, offset: int = 0, rows: Tensor | None = None
    ) -> None:
        self.path, self.stored, self.all_hashes, self.offset, self.rows = path, tuple(shape), all_hashes, offset, rows

    def __len__(self) -> int:
        return self.stored[0] if self.rows is None else len(self.rows)

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        return torch.Size((len(self), *self.stored[1:]))

    @property
    def hashes(self) -> Tensor:
        """`image_hashes` of these images, without reading them."""
        return self.all_hashes if self.rows is None else self.all_hashes[self.rows]

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, tuple):
            own, within = self[index[0]], index[1:]
            return own[within] if own.ndim < self.ndim else own[(slice(None), *within)]
        if self.rows is None and isinstance(index, slice):
            rows = np.arange(*index.indices(len(self)))
        else:
            rows = (torch.arange(len(self)) if self.rows is None else self.rows)[index].numpy()
        found = np.empty((rows.size, *self.stored[1:]), np.uint8)
        each, flat = int(np.prod(self.stored[1:])), rows.reshape(-1)
        ends = [*(np.flatnonzero(np.diff(flat) != 1) + 1), len(flat)] if len(flat) else []
        with open(self.path, "rb", buffering=0) as file:  # mapped, all that was ever touched would count as ours
            for begin, end in pairwise([0, *ends]):
                file.seek(self.offset + int(flat[begin]) * each)
                if file.readinto(found[begin:end].data) != (end - begin) * each:
                    raise DataError(f"{self.path}: ends before image {flat[end - 1]:,}. Build it anew.")
        return torch.from_numpy(found.reshape(*rows.shape, *self.stored[1:]))

    def take(self, where: Tensor) -> "StoredRows":
        """The images at `where`, int64 (n,), without reading them."""
        rows = where if self.rows is None else self.rows[where]
        return StoredRows(self.path, self.stored, self.all_hashes, offset=self.offset, rows=rows)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self.path}: these images are read from a file by index; .{name} needs them in memory: take some, [:n]."
        )


@dataclass(frozen=True, eq=False)
class LabeledImages(Dataset[tuple[Tensor, int]]):
    """Images with a class each; also a map-style torch Dataset that yields (uint8 image (C, H, W), int label).

    images: uint8, (N, C, H, W), C 1 or 3, any H and W; or the `StoredRows` of a store, which are read as they are used.
    labels: int64, (N,), each an index into `classes`.
    classes: the class names, in label order.
    metadata: one row an image, in the same order, or None.

    Raises DataError (a ValueError) where these do not fit each other.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    metadata: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise DataError(
                f"images must be uint8 of shape (N, C, H, W); got {self.images.dtype}, {tuple(self.images.shape)}."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels must be int64, ({len(self.images)},); got {self.labels.dtype}, {tuple(self.labels.shape)}."
            )
        if len(set(self.classes)) != len(self.classes):
            raise DataError(f"class names must differ from each other; got {self.classes}.")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"labels must lie in 0..{len(self.classes) - 1}, one for each of {len(self.classes)} classes."
            )
        if self.metadata is not None and len(self.metadata) != len(self.images):
            raise DataError(f"metadata has {len(self.metadata)} rows for {len(self.images)} images.")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of each image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def targets(self) -> list[int]:
        """The labels as a list, as torchvision's data sets name them."""
        return self.labels.tolist()

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class name -> label."""
        return {name: index for index, name in enumerate(self.classes)}

    @property
    def counts(self) -> dict[str, int]:
        """Class name -> number of images, in label order."""
        numbers = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, numbers, strict=True))

    def take(self, indices: Tensor | Sequence[int]) -> "LabeledImages":
        """The images at `indices`, in that order, or those where a mask is true, with the same classes."""
        where = torch.asarray(indices, copy=True)  # pandas hands out arrays that none may write to
        where = where.nonzero().flatten() if where.dtype == torch.bool else where.long()
        metadata = None if self.metadata is None else self.metadata.iloc[where.numpy()].reset_index(drop=True)
        images: Any = self.images
        if isinstance(images, StoredRows) and len(where) * images[:1].numel() > MAX_BYTES_IN_MEMORY:
            return replace(self, images=cast(Tensor, images.take(where)), labels=self.labels[where], metadata=metadata)
        return replace(self, images=self.images[where], labels=self.labels[where], metadata=metadata)

    def rows_of(self, name: str) -> Tensor:
        """The places of the images of one class: int64, (n,), in order."""
        return torch.nonzero(self.labels == self.classes.index(name)).flatten()

    def of_class(self, name: str, most: int | None = None) -> Tensor:
        """The images of one class, the first `most` of them: uint8, (n, C, H, W)."""
        return self.images[self.rows_of(name)[:most]]

    def fingerprint(self, hashes: Tensor | None = None) -> str:
        """A hash of pixels, labels and class names: 16 hexadecimal digits, the same on every machine.

        hashes: `image_hashes` of the images, where they are known.
        """
        digest = hashlib.blake2b(repr((tuple(self.images.shape), self.classes)).encode(), digest_size=8)
        digest.update(self.labels.numpy().astype("<i8").data)
        hashes = image_hashes(self.images) if hashes is None else hashes
        digest.update(hashes.numpy().astype("<i8").data)
        return digest.hexdigest()


def concatenate(first: LabeledImages, second: LabeledImages) -> LabeledImages:
    """`first` followed by `second`; both need the same classes and image shape."""
    if first.classes != second.classes or first.shape != second.shape:
        raise DataError(
            f"sets differ: classes {first.classes} and {second.classes}, shapes {first.shape} and {second.shape}."
        )
    frames = [
        part.metadata if part.metadata is not None else pd.DataFrame(index=range(len(part))) for part in (first, second)
    ]
    has_metadata = first.metadata is not None or second.metadata is not None
    return LabeledImages(
        torch.cat([first.images, second.images]),
        torch.cat([first.labels, second.labels]),
        first.classes,
        pd.concat(frames, ignore_index=True) if has_metadata else None,
    )


def matched(images: LabeledImages, like: LabeledImages, what: str) -> LabeledImages:
    """`images` with the classes of `like`, matched by name; gray ones as RGB where `like` is RGB.

    what: what the images are, for the error. Raises DataError for a class that `like` lacks, or another size.
    """
    strangers = [name for name, count in images.counts.items() if name not in like.classes and count]
    if strangers:
        raise DataError(
            f"the {what} images have class {strangers[0]!r}, which the real ones lack ({', '.join(like.classes[:20])})."
        )
    pixels = images.images.expand(-1, like.shape[0], -1, -1) if images.shape[0] == 1 else images.images
    if pixels.shape[1:] != like.images.shape[1:]:
        raise DataError(
            f"the {what} images are {images.shape} and the real ones {like.shape} (channels, height, width): give both "
            "the same size and mode."
        )
    index = torch.tensor([like.classes.index(name) if name in like.classes else 0 for name in images.classes])
    return replace(images, images=pixels, labels=index[images.labels], classes=like.classes)


def image_hashes(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> int64 (N,): equal for equal pixels, and practically for no others."""
    stored: Any = images
    if isinstance(stored, StoredRows):
        return stored.hashes
    shape = str(tuple(images.shape[1:])).encode()
    pixels = images.contiguous().flatten(1).numpy()
    found = b"".join(hashlib.blake2b(shape + row.tobytes(), digest_size=8).digest() for row in pixels)
    return torch.from_numpy(np.frombuffer(found, ">i8").astype(np.int64))


def in_passes(function: Callable[[Tensor], Tensor], rows: Tensor, size: int = PASS) -> Tensor:
    """`function` of rows (N, ...) in passes of exactly `size`, the last one filled up.

    So no result depends on its company: the last bits of a convolution can depend on the number of rows.
    """
    out: Tensor | None = None
    for start in range(0, max(1, len(rows)), size):
        part = rows[start : start + size]
        lacking = size - len(part)
        filled = torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])]) if len(part) and lacking else part
        found = function(filled)[: len(part)]
        out = found.new_empty((len(rows), *found.shape[1:])) if out is None else out
        out[start : start + size] = found
    assert out is not None
    return out


def pooled(images: Tensor, largest: int) -> Tensor:
    """uint8 (N, C, H, W) -> float in [0, 1], averaged down to at most `largest` pixels a side."""
    size = min(largest, images.shape[2]), min(largest, images.shape[3])
    return adaptive_avg_pool2d(images.float() / 255, size)


def to_signed(images: Tensor) -> Tensor:
    """uint8 in 0..255 -> float32 in [-1, 1], same shape. Exact inverse: `to_uint8`."""
    return images.float().mul_(2 / 255).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """float in [-1, 1] -> uint8 in 0..255, same shape; values outside are clipped."""
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
