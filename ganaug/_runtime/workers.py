"""Thread pools in which each thread runs torch on one core."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

MAX_THREADS = 8  # memory grows with the number of items that are in work


@contextmanager
def thread_pool(n_workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool in which every thread runs torch on one core.

    A small network gains little from a second core, while two networks use two cores fully.

    Parameters
    ----------
    n_workers : int, optional
        Number of threads. None: `torch.get_num_threads()`, at most 8.

    Yields
    ------
    ThreadPoolExecutor
        When the block ends, normally or by an error, work that has not started is cancelled. Collect all results
        inside the block.

    Examples
    --------
    >>> from ganaug._runtime.workers import thread_pool
    >>> with thread_pool() as pool:
    ...     list(pool.map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    n_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_workers or min(MAX_THREADS, n_threads), initializer=_use_one_core)
    try:
        yield pool
    finally:
        # after an error, work that has not started would only delay it; otherwise the caller has its results
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(n_threads)


def _use_one_core() -> None:
    """Limit torch to one core on the calling thread."""
    torch.get_num_threads()  # without it, the thread's first operation would apply the limit that another thread set
    torch.set_num_threads(1)


@contextmanager
def one_core() -> Iterator[None]:
    """Run a block in which torch uses one core on the calling thread.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.workers import one_core
    >>> with one_core():
    ...     torch.get_num_threads()
    1
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def parallel_map(work: Callable[[T], R], items: Iterable[T], n_workers: int | None = None) -> Iterator[R]:
    """Yield `work(item)` for each item, in order, computed ahead on several cores.

    The calling thread is one of the workers: instead of waiting for a result it computes an item that no other thread
    has started. At most about two items a worker are taken from `items` ahead of the result that is yielded.

    Parameters
    ----------
    work : callable
        item -> result. Each call runs on one core.
    items : iterable
        What to work on; read lazily.
    n_workers : int, optional
        Number of threads, this one included. None: `torch.get_num_threads()`, at most 8.

    Yields
    ------
    object
        The results, in the order of `items`. An error is raised at the place of its item.

    Examples
    --------
    >>> from ganaug._runtime.workers import parallel_map
    >>> list(parallel_map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    n_workers, source = n_workers or min(MAX_THREADS, torch.get_num_threads()), iter(items)
    if n_workers == 1:
        for item in source:
            yield _run_here(work, item).result()
        return
    pending: deque[tuple[T, Future[R]]] = deque()
    # one thread less, because the calling thread works as well
    with thread_pool(n_workers - 1) as pool:
        while True:
            # enough to keep all threads busy, few enough to bound memory
            n_missing = 2 * n_workers + 1 - len(pending)
            pending.extend((item, pool.submit(work, item)) for item in islice(source, n_missing))
            if not pending:
                return
            while not pending[0][1].done():
                # `cancel` succeeds only for work that has not started, which then belongs to this thread
                place = next((place for place, (_, future) in enumerate(pending) if future.cancel()), None)
                if place is None:
                    break
                item = pending[place][0]
                pending[place] = (item, _run_here(work, item))
            yield pending.popleft()[1].result()


def _run_here(work: Callable[[T], R], item: T) -> Future[R]:
    """Run `work(item)` on this thread and one core; return the result or error as a completed future."""
    future: Future[R] = Future()
    with one_core():
        try:
            future.set_result(work(item))
        except Exception as error:  # raised when the results before it have been yielded
            future.set_exception(error)
    return future
