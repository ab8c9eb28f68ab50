"""LabeledImages, the one type that all parts of ganaug exchange, and operations on uint8 images."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import Dataset

from ganaug._runtime.stored_rows import StoredRows
from ganaug.errors import DataError

ROWS_PER_BATCH = 64  # rows that a network gets at once on the CPU
MAX_SHOWN_CLASSES, MAX_SHOWN_IMAGES = 10, 8  # of a set, in a terminal and a notebook
MAX_BYTES_IN_MEMORY = 64 * 2**20  # of pixels up to which a selection of stored images is read at once


@dataclass(frozen=True, eq=False)
class LabeledImages(Dataset[tuple[Tensor, int]]):
    """Images with one class each.

    It is also a map-style torch Dataset: item i is (uint8 image of shape (C, H, W), int label).

    Parameters
    ----------
    images : Tensor
        uint8 of shape (N, C, H, W), C 1 or 3, any H and W. Or the `StoredRows` of a store, which are read when used.
    labels : Tensor
        int64 of shape (N,), each an index into `classes`.
    classes : sequence of str
        Class names in label order, all different.
    metadata : DataFrame or None
        One row an image, in the order of the images.

    Raises
    ------
    DataError
        If dtypes, shapes, labels, class names or the number of metadata rows do not fit each other.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> pixels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    >>> images = LabeledImages(pixels, torch.tensor([0, 0, 0, 1]), ("cat", "dog"))
    >>> images.counts
    {'cat': 3, 'dog': 1}
    >>> images.shape
    (1, 8, 8)
    >>> image, label = images[3]
    >>> image.shape, images.classes[label]
    (torch.Size([1, 8, 8]), 'dog')
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    metadata: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        if isinstance(self.images, Tensor):  # a user's tensors are on the GPU where that is torch's default device
            object.__setattr__(self, "images", self.images.cpu())
        if isinstance(self.labels, Tensor):
            object.__setattr__(self, "labels", self.labels.cpu())
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
                f"labels must lie in 0..{len(self.classes) - 1}, one for each of {len(self.classes)} classes; got "
                f"{int(self.labels.min())}..{int(self.labels.max())}."
            )
        if self.metadata is not None and len(self.metadata) != len(self.images):
            raise DataError(f"metadata has {len(self.metadata)} rows for {len(self.images)} images.")

    def __repr__(self) -> str:
        channels, height, width = self.shape
        color = {1: "gray", 3: "color"}.get(channels, f"{channels} channels")
        counts = list(self.counts.items())
        shown = [f"{name}: {count:,}" for name, count in counts[:MAX_SHOWN_CLASSES]]
        more = [f"{len(counts) - len(shown):,} more classes"] if len(counts) > len(shown) else []
        return f"LabeledImages({len(self):,} images of {height}x{width} in {color}; {', '.join([*shown, *more])})"

    def _repr_html_(self) -> str:
        """Show the first images of each class in a notebook."""
        from ganaug._runtime.contact_sheet import contact_sheet

        first = {name: self.rows_of(name)[:MAX_SHOWN_IMAGES] for name in self.classes[:MAX_SHOWN_CLASSES]}
        return contact_sheet(repr(self), ((name, self.counts[name], self.images[rows]) for name, rows in first.items()))

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
        """The labels as a list, under the name that torchvision's data sets use."""
        return self.labels.tolist()

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class name -> label."""
        return {name: index for index, name in enumerate(self.classes)}

    @property
    def counts(self) -> dict[str, int]:
        """Class name -> number of images, in label order."""
        counts = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, counts, strict=True))

    def take(self, indices: Tensor | Sequence[int]) -> "LabeledImages":
        """Select images, with their labels and metadata; the classes stay.

        Parameters
        ----------
        indices : Tensor or sequence
            Indices in any order, int (n,), or a bool mask (N,).

        Returns
        -------
        LabeledImages
            The selected images, in the order of `indices`. Stored images of more than 64 MiB remain in the file.

        Examples
        --------
        >>> import torch
        >>> from ganaug import LabeledImages
        >>> pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> images = LabeledImages(pixels, torch.tensor([0, 0, 0, 1]), ("cat", "dog"))
        >>> images.take([3, 0]).targets
        [1, 0]
        >>> images.take(images.labels == 0).counts
        {'cat': 3, 'dog': 0}
        """
        # a copy, because arrays from pandas may be read-only
        selection = torch.asarray(indices, copy=True, device="cpu")
        # row numbers, because a mask cannot index the rows of a store
        selection = selection.nonzero().flatten() if selection.dtype == torch.bool else selection.long()
        metadata = None if self.metadata is None else self.metadata.iloc[selection.numpy()].reset_index(drop=True)
        labels, stored = self.labels[selection], cast(Any, self.images)
        if self.is_stored and len(selection) * stored[:1].numel() > MAX_BYTES_IN_MEMORY:
            return replace(self, images=cast(Tensor, stored.take(selection)), labels=labels, metadata=metadata)
        return replace(self, images=self.images[selection], labels=labels, metadata=metadata)

    @property
    def is_stored(self) -> bool:
        """Whether the images are read from a file when they are used."""
        return isinstance(cast(Any, self.images), StoredRows)

    def rows_of(self, name: str) -> Tensor:
        """Return the indices of the images of class `name`, ascending: int64, (n,)."""
        return torch.nonzero(self.labels == self.classes.index(name)).flatten()

    def of_class(self, name: str, limit: int | None = None) -> Tensor:
        """Return the pixels of one class.

        Parameters
        ----------
        name : str
            Class name.
        limit : int or None
            Return at most the first `limit` images. None: all.

        Returns
        -------
        Tensor
            uint8 of shape (n, C, H, W).

        Examples
        --------
        >>> from ganaug.datasets.embedded import fashion_mnist_lt
        >>> fashion_mnist_lt().of_class("Sneaker", 5).shape
        torch.Size([5, 1, 28, 28])
        """
        return self.images[self.rows_of(name)[:limit]]

    def fingerprint(self, hashes: Tensor | None = None) -> str:
        """Hash pixels, labels and class names.

        Parameters
        ----------
        hashes : Tensor or None
            `image_hashes` of the images when they are known; computed otherwise.

        Returns
        -------
        str
            16 hexadecimal digits, the same on every machine.

        Examples
        --------
        >>> from ganaug.datasets.embedded import fashion_mnist_lt
        >>> images = fashion_mnist_lt()
        >>> images.take(range(100)).fingerprint() == images.fingerprint()
        False
        """
        digest = hashlib.blake2b(repr((tuple(self.images.shape), self.classes)).encode(), digest_size=8)
        # little-endian, so that every machine computes the same fingerprint
        digest.update(self.labels.numpy().astype("<i8").data)
        hashes = image_hashes(self.images) if hashes is None else hashes
        digest.update(hashes.numpy().astype("<i8").data)
        return digest.hexdigest()


def concatenate(first: LabeledImages, second: LabeledImages) -> LabeledImages:
    """Append `second` to `first`.

    Parameters
    ----------
    first, second : LabeledImages
        Sets with the same classes and image shape.

    Returns
    -------
    LabeledImages
        All images. When only one set has metadata, the cells of the other are missing values.

    Raises
    ------
    DataError
        If classes or image shapes differ.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.images import concatenate
    >>> cat = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]), ("cat", "dog"))
    >>> dog = LabeledImages(torch.ones(1, 1, 8, 8, dtype=torch.uint8), torch.tensor([1]), ("cat", "dog"))
    >>> concatenate(cat, dog).counts
    {'cat': 2, 'dog': 1}
    """
    if first.classes != second.classes or first.shape != second.shape:
        raise DataError(
            f"the two sets differ: classes {first.classes} and {second.classes}, image shapes {first.shape} and "
            f"{second.shape}."
        )
    frames = [
        part.metadata if part.metadata is not None else pd.DataFrame(index=range(len(part))) for part in (first, second)
    ]
    has_metadata = first.metadata is not None or second.metadata is not None
    return LabeledImages(
        torch.cat([first.images[:], second.images[:]]),  # rows of a store are read
        torch.cat([first.labels, second.labels]),
        first.classes,
        pd.concat(frames, ignore_index=True) if has_metadata else None,
    )


def image_hashes(images: Tensor) -> Tensor:
    """Hash each image, to find equal ones.

    Parameters
    ----------
    images : Tensor
        uint8 of shape (N, C, H, W), or `StoredRows`, which are not read.

    Returns
    -------
    Tensor
        int64 of shape (N,), the first 8 bytes of BLAKE2b of shape and pixels: equal for equal images, and different for
        different ones except with negligible probability.

    Examples
    --------
    >>> import torch
    >>> from ganaug.images import image_hashes
    >>> image_hashes(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).unique().numel()
    1
    """
    stored: Any = images
    if isinstance(stored, StoredRows):
        return stored.hashes
    shape = str(tuple(images.shape[1:])).encode()
    pixels = images.contiguous().flatten(1).numpy()
    # with the shape: images of different shapes can have equal bytes
    digests = b"".join(hashlib.blake2b(shape + row.tobytes(), digest_size=8).digest() for row in pixels)
    return torch.from_numpy(np.frombuffer(digests, ">i8").astype(np.int64))


def apply_in_batches(function: Callable[[Tensor], Tensor], rows: Tensor, size: int = ROWS_PER_BATCH) -> Tensor:
    """Apply `function` to batches of exactly `size` rows; the last batch is padded with copies of its last row.

    The batch size is fixed because the last bits of a convolution can depend on it. With a fixed size, the result for a
    row does not depend on the other rows.

    Parameters
    ----------
    function : callable
        (size, ...) -> (size, ...), row by row.
    rows : Tensor
        Shape (N, ...).
    size : int
        Rows in a batch.

    Returns
    -------
    Tensor
        Shape (N, ...).

    Examples
    --------
    >>> import torch
    >>> from ganaug.images import apply_in_batches
    >>> apply_in_batches(lambda batch: batch * len(batch), torch.arange(5), size=2).tolist()
    [0, 2, 4, 6, 8]
    """
    results: Tensor | None = None
    for start in range(0, max(1, len(rows)), size):
        batch = rows[start : start + size]
        n_rows, n_padding = len(batch), size - len(batch)
        if n_rows and n_padding:
            batch = torch.cat([batch, batch[-1:].expand(n_padding, *batch.shape[1:])])
        batch_result = function(batch)[:n_rows]
        # one allocation of the final size: a list and torch.cat would hold everything twice
        results = batch_result.new_empty((len(rows), *batch_result.shape[1:])) if results is None else results
        results[start : start + size] = batch_result
    assert results is not None
    return results


def downsample(images: Tensor, max_size: int) -> Tensor:
    """Downsample images by averaging.

    Parameters
    ----------
    images : Tensor
        uint8 of shape (N, C, H, W).
    max_size : int
        Height and width are reduced to at most this many pixels; smaller ones stay.

    Returns
    -------
    Tensor
        float32 in [0, 1], of shape (N, C, min(H, max_size), min(W, max_size)).

    Examples
    --------
    >>> import torch
    >>> from ganaug.images import downsample
    >>> downsample(torch.full((1, 3, 64, 16), 255, dtype=torch.uint8), 32).shape
    torch.Size([1, 3, 32, 16])
    """
    size = min(max_size, images.shape[2]), min(max_size, images.shape[3])
    return adaptive_avg_pool2d(images.float() / 255, size)


def to_signed(images: Tensor) -> Tensor:
    """Scale uint8 in 0..255 to float32 in [-1, 1]; shape unchanged. `to_uint8` inverts it exactly.

    Examples
    --------
    >>> import torch
    >>> from ganaug.images import to_signed
    >>> to_signed(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([-1.,  1.])
    """
    return images.float().mul_(2 / 255).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Scale float in [-1, 1] to uint8 in 0..255 and clip values outside; shape unchanged.

    Examples
    --------
    >>> import torch
    >>> from ganaug.images import to_uint8
    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.5]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    # rounded, because truncation would darken every pixel by half a level on average
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
