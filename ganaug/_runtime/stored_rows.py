"""Images in a file, read when they are indexed."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug.errors import DataError


class StoredRows:
    """Images in a file that are read when indexed; takes the place of a uint8 tensor (N, C, H, W) in `LabeledImages`.

    An index, slice, mask or array of indices returns a tensor in memory; `take` returns another view of the file.
    Consecutive images are read together. The file is neither kept open nor memory-mapped: memory does not grow with the
    number of images read, and a copy for another process is small.

    Parameters
    ----------
    path : Path
        File of raw uint8 pixels.
    shape : sequence of int
        (N, C, H, W) of all images in the file.
    all_hashes : Tensor
        `ganaug.images.image_hashes` of all images in the file: int64, (N,).
    offset : int
        Number of bytes before the first image.
    rows : Tensor or None
        Which images of the file this view holds, int64 (n,). None: all.

    Raises
    ------
    DataError
        On reading, if the file ends too early.
    AttributeError
        On the use of tensor methods, which need the images in memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from ganaug._runtime.stored_rows import StoredRows
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "images.bin"
    ...     _ = path.write_bytes(bytes(range(6)))
    ...     images = StoredRows(path, (6, 1, 1, 1), all_hashes=torch.arange(6))
    ...     images[2:4].flatten().tolist(), images.take(torch.tensor([5, 0])).shape
    ([2, 3], torch.Size([2, 1, 1, 1]))
    """

    dtype, ndim, device = torch.uint8, 4, torch.device("cpu")

    def __init__(
        self, path: Path, shape: Sequence[int], all_hashes: Tensor, *, offset: int = 0, rows: Tensor | None = None
    ) -> None:
        self.path, self.file_shape, self.offset, self.rows = path, tuple(shape), offset, rows
        self.all_hashes = all_hashes

    def __len__(self) -> int:
        return self.file_shape[0] if self.rows is None else len(self.rows)

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        return torch.Size((len(self), *self.file_shape[1:]))

    @property
    def hashes(self) -> Tensor:
        """`image_hashes` of these images, without reading them: int64, (N,)."""
        return self.all_hashes if self.rows is None else self.all_hashes[self.rows]

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, tuple):
            images, inner = self[index[0]], index[1:]
            return images[inner] if images.ndim < self.ndim else images[(slice(None), *inner)]
        if self.rows is None and isinstance(index, slice):
            rows = np.arange(*index.indices(len(self)))
        else:
            rows = (torch.arange(len(self)) if self.rows is None else self.rows)[index].numpy()
        return torch.from_numpy(self._read(rows.reshape(-1)).reshape(*rows.shape, *self.file_shape[1:]))

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Read images of the file: indices (n,) -> uint8 (n, C, H, W)."""
        pixels = np.empty((rows.size, *self.file_shape[1:]), np.uint8)
        image_bytes = int(np.prod(self.file_shape[1:]))
        # one read for each run of consecutive images: a system call for each image would be slower
        run_ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1), len(rows)] if len(rows) else []
        # not memory-mapped: every page that was ever read would count as memory of this process
        with open(self.path, "rb", buffering=0) as file:
            for begin, end in pairwise([0, *run_ends]):
                file.seek(self.offset + int(rows[begin]) * image_bytes)
                if file.readinto(pixels[begin:end].data) != (end - begin) * image_bytes:
                    raise DataError(f"{self.path}: ends before image {rows[end - 1]:,}. Build the store again.")
        return pixels

    def take(self, indices: Tensor) -> "StoredRows":
        """Return a view of the images at `indices`, int64 (n,), without reading them."""
        rows = indices if self.rows is None else self.rows[indices]
        return StoredRows(self.path, self.file_shape, self.all_hashes, offset=self.offset, rows=rows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of copy and pickle, which ask an object that has no attributes yet
            raise AttributeError(name)
        raise AttributeError(
            f"{self.path}: these images are read from a file by index; .{name} needs them in memory: index them first, "
            "for example [:n]."
        )
