"""A pool of synthetic images that is drawn anew between epochs, in the background, where all workers see it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ganaug.errors import DataError
from ganaug.images import LabeledImages

Refresh = Callable[[int], LabeledImages]


class Pool:
    """images: uint8 (M, C, H, W) and labels (M,), in shared memory where they are to be refreshed.

    refresh: epoch -> as many images of the same classes as before. It runs in a thread of the process that made the
    pool, never in a worker: `to_epoch(e)` takes what was drawn for e and begins to draw for e + 1.
    """

    def __init__(self, synthetic: LabeledImages, refresh: Refresh | None = None) -> None:
        self.images: Tensor = synthetic.images if refresh is None else synthetic.images.clone().share_memory_()  # type: ignore[no-untyped-call]
        self.labels: Tensor = synthetic.labels
        self.classes = synthetic.classes
        self._refresh = refresh
        self._drawer = None if refresh is None else ThreadPoolExecutor(1, thread_name_prefix="ganaug-pool")
        self._next: tuple[int, Future[LabeledImages]] | None = None

    def to_epoch(self, epoch: int) -> None:
        """Show the images of `epoch`; those of epoch 0 are the ones that the pool was made with."""
        if self._refresh is None or self._drawer is None or get_worker_info() is not None:
            return
        if epoch > 0:
            if self._next is None or self._next[0] != epoch:
                # one drawer, so that it comes after what is being drawn and not beside it
                self._next = epoch, self._drawer.submit(self._refresh, epoch)
            self._show(self._next[1].result(), epoch)
        self._next = epoch + 1, self._drawer.submit(self._refresh, epoch + 1)

    def _show(self, new: LabeledImages, epoch: int) -> None:
        if new.classes != self.classes or not torch.equal(new.labels, self.labels):
            raise DataError(
                f"refresh({epoch}) gave other classes or counts than the synthetic images at the start. Ask `sample` "
                "for the same counts each time, for example gan.sample(counts, start=epoch * 500)."
            )
        self.images.copy_(new.images)

    def __getstate__(self) -> dict[str, Any]:
        # a worker shows what there is; drawing stays with the process that owns the generator
        return {**self.__dict__, "_refresh": None, "_drawer": None, "_next": None}
