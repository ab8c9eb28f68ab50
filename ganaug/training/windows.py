"""Training on image sets that do not fit into memory: batches come from a part of the set, which changes over time."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.images import LabeledImages

MAX_POOL_BYTES = 64 * 2**20  # bytes of pixels in a pool; the next pool is read at the same time
BLOCK_SIZE = 64  # consecutive images of a class that are read together


@dataclass(frozen=True)
class Pool:
    """Images in memory, and where those of each class are.

    Parameters
    ----------
    images : uint8 Tensor of shape (N, C, H, W)
    order : int64 Tensor of shape (N,)
        Row numbers of `images`, sorted by class.
    starts, counts : int64 Tensor of shape (K,)
        Start and length of each class in `order`.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.windows import Pool
    >>> pool = Pool.of(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([1, 0, 1]), n_classes=2)
    >>> pool.order[pool.starts[1] :][: pool.counts[1]]  # the images of class 1
    tensor([0, 2])
    """

    images: Tensor
    order: Tensor
    starts: Tensor
    counts: Tensor

    @classmethod
    def of(cls, images: Tensor, labels: Tensor, n_classes: int) -> "Pool":
        """Create the pool of images (N, C, H, W), on any device, with labels (N,) on the CPU."""
        counts = torch.bincount(labels, minlength=n_classes)
        return cls(images, torch.argsort(labels, stable=True), counts.cumsum(0) - counts, counts)


class Windows:
    """The pool of images for each training step.

    A set in memory is one pool for all steps. Of a store, each pool serves a window of consecutive steps, and a thread
    reads the next one meanwhile.

    Parameters
    ----------
    images : LabeledImages
    probabilities : Tensor of shape (K,)
        Probability of each class in a batch.
    batch_size : int
    seed : int
    device : torch.device or str
        Where the images of a pool are.

    Attributes
    ----------
    steps_per_pool : int
        Steps per window. About as many images are drawn in it as the pool holds. Of a store only.

    Notes
    -----
    Classes share a pool in proportion to their probability, and a class that fits is included completely. Other classes
    are represented by blocks of consecutive images, in a random order that depends on (seed, class, epoch). In each
    epoch every block occurs once. This makes reads long and sequential, and a pool depends on its number only, so
    training can resume at any step.
    """

    def __init__(
        self, images: LabeledImages, probabilities: Tensor, batch_size: int, *, seed: int, device: torch.device | str
    ) -> None:
        self.images, self.seed, self.device = images, seed, device
        self.single_pool: Pool | None = None
        if not images.is_stored:
            self.single_pool = Pool.of(images.images.to(device), images.labels, len(images.classes))
            return
        self.rows = [images.rows_of(name) for name in images.classes]
        pool_size = max(2 * BLOCK_SIZE * len(images.classes), MAX_POOL_BYTES // images.images[:1].numel())
        self.allocation = allocate_images(pool_size, probabilities, torch.tensor([len(rows) for rows in self.rows]))
        self.steps_per_pool = max(1, int(self.allocation.sum()) // batch_size)
        self.pools: dict[int, Future[Pool]] = {}
        # a single reader keeps disk access sequential
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="ganaug-windows")

    def __call__(self, step: int) -> Pool:
        """Return the pool of step number `step`."""
        if self.single_pool is not None:
            return self.single_pool
        current = step // self.steps_per_pool
        for number in (current, current + 1):
            if number not in self.pools:
                self.pools[number] = self.thread.submit(self._read, number)
        self.pools = {number: future for number, future in self.pools.items() if number >= current}
        return self.pools[current].result()

    def _read(self, number: int) -> Pool:
        """Read a pool from the store."""
        rows_by_class = [self._rows(label, number) for label in range(len(self.rows))]
        lengths = torch.tensor([len(rows) for rows in rows_by_class])
        labels = torch.arange(len(rows_by_class)).repeat_interleave(lengths)
        rows = torch.cat(rows_by_class)
        file_order = torch.argsort(rows)  # so that the file is read from front to back
        pixels = self.images.images[rows[file_order]].to(self.device)
        return Pool.of(pixels, labels[file_order], len(rows_by_class))

    def _rows(self, label: int, number: int) -> Tensor:
        """Choose the rows of a class that belong to a pool: int64, (n,)."""
        rows, size = self.rows[label], int(self.allocation[label])
        if size >= len(rows):
            return rows
        # blocks of consecutive images, because random single images cost a seek each
        n_blocks, n_blocks_in_class = max(1, size // BLOCK_SIZE), -(-len(rows) // BLOCK_SIZE)
        first_epoch, offset = divmod(number * n_blocks, n_blocks_in_class)
        epochs = range(first_epoch, first_epoch + (offset + n_blocks - 1) // n_blocks_in_class + 1)
        # a function of seed, class and epoch alone, so that a resumed run reads the same images
        permutations = [
            torch.randperm(n_blocks_in_class, generator=generator(self.seed, "blocks", label, epoch))
            for epoch in epochs
        ]
        blocks = torch.cat(permutations)[offset : offset + n_blocks]
        return torch.cat([rows[block * BLOCK_SIZE :][:BLOCK_SIZE] for block in blocks.tolist()])


def allocate_images(size: int, probabilities: Tensor, counts: Tensor) -> Tensor:
    """Allocate the images of a pool to classes in proportion to their probability.

    Parameters
    ----------
    size : int
        Images in the pool, approximately: shares are rounded up.
    probabilities : Tensor of shape (K,)
        Probability of each class.
    counts : int64 Tensor of shape (K,)
        Images of each class, which bound its share. What a class cannot use goes to the others.

    Returns
    -------
    int64 Tensor of shape (K,)

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.windows import allocate_images
    >>> allocate_images(100, torch.tensor([0.5, 0.5]), torch.tensor([1000, 20]))
    tensor([80, 20])
    """
    allocation = torch.zeros_like(counts)
    while size > 0 and bool((is_open := (allocation < counts) & (probabilities > 0)).any()):
        weights = torch.where(is_open, probabilities, 0.0)
        shares = (size * weights / weights.sum()).ceil().long()
        total = int(allocation.sum())
        allocation = torch.minimum(counts, allocation + shares)
        size -= int(allocation.sum()) - total
    return allocation
