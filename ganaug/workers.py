"""Threads that each work with torch on one core, side by side."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

MOST = 8  # each holds what it works on


@contextmanager
def side_by_side(most: int = MOST) -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch may use, at most `most`, in each of which torch uses one.

    A small network gains little from a second core, and two networks take two cores to the full. What is not begun when
    an error ends the work is dropped.
    """
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(min(most, before), initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
