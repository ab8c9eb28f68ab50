"""Run file work in a small thread pool: Pillow, hashing and the disk release the interpreter lock while they work.

Threads do not pay for small images. Decoding a 28x28 image takes 0.15 ms, most of it with the lock held, and threads
that pass the lock back and forth take twice as long as one thread alone.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice, pairwise
from statistics import median
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], object]  # (files done, files in total), called on the caller's thread

ITEMS_PER_TASK = 16  # submitting one small file at a time costs as much as decoding it
MIN_THREADED_SECONDS = 0.35e-3  # time per item below which threads are slower, measured on two cores
MAX_PENDING_TASKS = 256  # bounds the memory of items that are generated on demand


def map_in_threads(
    function: Callable[[T], R], items: Iterable[T], progress: Progress | None = None, *, total: int | None = None
) -> Iterator[R]:
    """Apply a function to each item in a thread pool, and yield the results in order.

    The caller's thread takes the items from their iterator while the pool works on earlier ones. As long as the items
    take too little time for threads to pay, the caller's thread does the work itself.

    Parameters
    ----------
    function : callable
        Applied to each item.
    items : iterable
        May be a generator; at most 4,096 items wait in memory.
    progress : callable, optional
        Called as ``progress(done, total)`` on the caller's thread.
    total : int, optional
        Number of items, for an iterable without a length. Without it, `progress` is not called.

    Yields
    ------
    object
        ``function(item)`` for each item, in order. The first exception is raised, and tasks that have not started are
        dropped.

    Examples
    --------
    >>> from ganaug.io.threads import map_in_threads
    >>> list(map_in_threads(len, ["a", "bb", "ccc"]))
    [1, 2, 3]
    """
    use_threads, seconds_spent, n_done = False, 0.0, 0
    total = len(items) if isinstance(items, Sized) else total
    remaining = iter(items)
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="ganaug-files")
    pending: deque[Future[list[R]]] = deque()
    try:
        while True:
            task = list(islice(remaining, ITEMS_PER_TASK))
            if task and not use_threads:
                results, seconds = _map_timed(function, task)
                pending.append(_completed(results))
                seconds_spent += seconds * len(task)
                # the mean over all items so far: a single slow moment says little
                use_threads = seconds_spent >= MIN_THREADED_SECONDS * (n_done + len(task))
            elif task:
                pending.append(pool.submit(lambda part: [function(item) for item in part], task))
            while pending and (not task or len(pending) > MAX_PENDING_TASKS or pending[0].done()):
                results = pending.popleft().result()
                yield from results
                n_done += len(results)
                if progress is not None and total is not None:
                    progress(n_done, total)
            if not task:
                return
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C need not wait for the whole queue


def _map_timed(function: Callable[[T], R], items: list[T]) -> tuple[list[R], float]:
    """Apply `function` to each item. Returns the results and the median seconds per item."""
    results, times = [], [perf_counter()]
    for item in items:
        results.append(function(item))
        times.append(perf_counter())
    return results, median(end - start for start, end in pairwise(times))


def _completed(results: list[R]) -> Future[list[R]]:
    """Wrap results in a future that is done."""
    future: Future[list[R]] = Future()
    future.set_result(results)
    return future
