"""Training images that need not fit into memory: one window of steps after another draws from a part of them."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug._runtime.stored_rows import StoredRows
from ganaug.images import LabeledImages

POOL = 64 * 2**20  # bytes of pixels that a window holds; the next one is read meanwhile
BLOCK = 64  # neighboring images of a class that are read together


@dataclass(frozen=True)
class Pool:
    """Images to draw from, class by class. starts, counts: (K,), where in `order` each class lies."""

    images: Tensor
    order: Tensor
    starts: Tensor
    counts: Tensor

    @classmethod
    def of(cls, images: Tensor, labels: Tensor, n_classes: int) -> "Pool":
        """Of images uint8 (N, C, H, W), on any device, and their labels (N,)."""
        counts = torch.bincount(labels, minlength=n_classes)
        return cls(images, torch.argsort(labels, stable=True), counts.cumsum(0) - counts, counts)


class Windows:
    """Pool number `step // span` of a set: the whole set where its pixels are in memory, else a part that changes.

    A part has each class by its chance of being drawn, and a class wholly where there is room. Of the others it has
    blocks of neighbors in the order of a permutation that comes from (seed, class, epoch): after an epoch every block
    was there once. So what is read is read in long runs, and a pool depends on its number alone.
    chances: (K,), of each class in a batch. span: steps in which about as many images are drawn as a pool has.
    """

    def __init__(
        self, images: LabeledImages, chances: Tensor, batch_size: int, *, seed: int, device: torch.device | str
    ) -> None:
        self.set, self.seed, self.device = images, seed, device
        self.whole: Pool | None = None
        pixels: object = images.images
        if not isinstance(pixels, StoredRows):
            self.whole = Pool.of(images.images.to(device), images.labels, len(images.classes))
            return
        self.rows = [images.rows_of(name) for name in images.classes]
        room = max(2 * BLOCK * len(images.classes), POOL // images.images[:1].numel())
        self.shares = shared_out(room, chances, torch.tensor([len(rows) for rows in self.rows]))
        self.span = max(1, int(self.shares.sum()) // batch_size)
        self.pools: dict[int, Future[Pool]] = {}
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="ganaug-windows")

    def __call__(self, step: int) -> Pool:
        """The pool of step number `step`."""
        if self.whole is not None:
            return self.whole
        number = step // self.span
        for one in (number, number + 1):
            if one not in self.pools:
                self.pools[one] = self.thread.submit(self._read, one)
        self.pools = {one: future for one, future in self.pools.items() if one >= number}
        return self.pools[number].result()

    def _read(self, number: int) -> Pool:
        chosen = [self._rows(label, number) for label in range(len(self.rows))]
        labels = torch.arange(len(chosen)).repeat_interleave(torch.tensor([len(rows) for rows in chosen]))
        rows = torch.cat(chosen)
        in_file = torch.argsort(rows)  # read in the order of the file
        return Pool.of(self.set.images[rows[in_file]].to(self.device), labels[in_file], len(chosen))

    def _rows(self, label: int, number: int) -> Tensor:
        rows, share = self.rows[label], int(self.shares[label])
        if share >= len(rows):
            return rows
        each, in_all = max(1, share // BLOCK), -(-len(rows) // BLOCK)
        epoch, within = divmod(number * each, in_all)
        epochs = range(epoch, epoch + (within + each - 1) // in_all + 1)
        orders = [torch.randperm(in_all, generator=generator(self.seed, "blocks", label, one)) for one in epochs]
        blocks = torch.cat(orders)[within : within + each]
        return torch.cat([rows[block * BLOCK :][:BLOCK] for block in blocks.tolist()])


def shared_out(room: int, chances: Tensor, counts: Tensor) -> Tensor:
    """How many of each class's images (K,) go into a pool of `room`: by its chance, but no more than there are."""
    shares = torch.zeros_like(counts)
    while room > 0 and bool((open_ := (shares < counts) & (chances > 0)).any()):
        weights = torch.where(open_, chances, 0.0)
        more = (room * weights / weights.sum()).ceil().long()
        before = int(shares.sum())
        shares = torch.minimum(counts, shares + more)
        room -= int(shares.sum()) - before
    return shares
