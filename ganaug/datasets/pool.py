"""Synthetic images that a background thread replaces between epochs, visible to all DataLoader workers."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ganaug.errors import DataError
from ganaug.images import LabeledImages

Refresh = Callable[[int], LabeledImages]

# Held by a thread that draws. A DataLoader worker that is forked meanwhile would copy locks of torch in the state in
# which the thread holds them, and wait for them forever, so a fork waits for the end of the draw.
_drawing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_drawing.release)


class SyntheticPool:
    """Synthetic images, optionally replaced for each epoch.

    Parameters
    ----------
    synthetic : LabeledImages
        The images of epoch 0.
    refresh : callable or None
        epoch -> LabeledImages with the same labels and classes. It runs in a background thread of the process that
        created the pool, never in a DataLoader worker. None: the images stay.

    Attributes
    ----------
    images : Tensor
        uint8 of shape (M, C, H, W); in shared memory with `refresh`.
    labels : Tensor
        int64 of shape (M,).
    classes : tuple of str
        Class names in label order.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.datasets.pool import SyntheticPool
    >>> def draw(epoch):
    ...     return LabeledImages(torch.full((1, 1, 8, 8), epoch, dtype=torch.uint8), torch.tensor([0]), ("cat",))
    >>> pool = SyntheticPool(draw(0), refresh=draw)
    >>> pool.to_epoch(5)
    >>> pool.images.unique().tolist()
    [5]
    """

    def __init__(self, synthetic: LabeledImages, refresh: Refresh | None = None) -> None:
        self.images: Tensor = synthetic.images if refresh is None else synthetic.images.clone().share_memory_()  # type: ignore[no-untyped-call]
        self.labels: Tensor = synthetic.labels
        self.classes = synthetic.classes
        self._refresh = refresh
        self._executor = None if refresh is None else ThreadPoolExecutor(1, thread_name_prefix="ganaug-pool")
        self._next: tuple[int, Future[LabeledImages]] | None = None

    def to_epoch(self, epoch: int) -> None:
        """Replace the images by those of `epoch`, and begin to draw those of the next epoch in the background.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0. Epoch 0 keeps the images as they are.

        Raises
        ------
        DataError
            If `refresh` returned other labels or classes than those of epoch 0.
        """
        if self._refresh is None or self._executor is None or get_worker_info() is not None:
            return
        if epoch > 0:
            if self._next is None or self._next[0] != epoch:
                # the executor has one thread, so this waits for a draw in progress instead of running beside it
                self._next = epoch, self._executor.submit(self._draw, epoch)
            self._replace_images(self._next[1].result(), epoch)
        self._next = epoch + 1, self._executor.submit(self._draw, epoch + 1)

    def _draw(self, epoch: int) -> LabeledImages:
        """Return the images of an epoch."""
        assert self._refresh is not None
        with _drawing:
            return self._refresh(epoch)

    def _replace_images(self, new: LabeledImages, epoch: int) -> None:
        """Copy the pixels of `new` into the shared memory."""
        if new.classes != self.classes or not torch.equal(new.labels, self.labels):
            raise DataError(
                f"refresh({epoch}) returned other classes or counts than those of the synthetic images at the start. "
                "Ask `sample` for the same counts each time, for example gan.sample(counts, start=epoch * 500)."
            )
        self.images.copy_(new.images)

    def __getstate__(self) -> dict[str, Any]:
        # a worker only shows images; drawing them is left to the process that has the generator
        return {**self.__dict__, "_refresh": None, "_executor": None, "_next": None}
