"""One small thread pool for files: Pillow, hashing and the disk all let go of the interpreter while they work.

Small images are not worth it: of 0.15 ms for one of 28x28, most holds the interpreter, and threads that hand it to and
fro take twice as long as one does alone.
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
Progress = Callable[[int, int], object]  # (files done, files in all), called on the caller's thread

TOGETHER = 16  # files a task: handing over one small file at a time costs as much as decoding it
BRIEF = 0.35e-3  # seconds of work on one file, below which threads lose on two cores
AHEAD = 256  # tasks that wait at most, so that items which are made as they are asked for do not pile up


def in_threads(
    work: Callable[[T], R], items: Iterable[T], progress: Progress | None = None, *, total: int | None = None
) -> Iterator[R]:
    """`work(item)` for each item, in order. The first exception ends it, and work not yet begun is dropped.

    Items are taken from their iterator on the caller's thread while others are worked on. total: how many there are,
    for those that have no length. While items are brief work, the caller's thread does them.
    """
    alone, spent = True, 0.0
    total = len(items) if isinstance(items, Sized) else total
    source, done = iter(items), 0
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="ganaug-files")
    waiting: deque[Future[list[R]]] = deque()
    try:
        while True:
            task = list(islice(source, TOGETHER))
            if task and alone:
                results, seconds = _timed(work, task)
                waiting.append(_had(results))
                spent += seconds * len(task)
                alone = spent < BRIEF * (done + len(task))  # over all so far: one slow moment says little
            elif task:
                waiting.append(pool.submit(lambda own: [work(item) for item in own], task))
            while waiting and (not task or len(waiting) > AHEAD or waiting[0].done()):
                results = waiting.popleft().result()
                yield from results
                done += len(results)
                if progress is not None and total is not None:
                    progress(done, total)
            if not task:
                return
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C need not wait for the whole queue


def _timed(work: Callable[[T], R], task: list[T]) -> tuple[list[R], float]:
    """(results, median seconds an item)."""
    results, marks = [], [perf_counter()]
    for item in task:
        results.append(work(item))
        marks.append(perf_counter())
    return results, median(after - before for before, after in pairwise(marks))


def _had(results: list[R]) -> Future[list[R]]:
    found: Future[list[R]] = Future()
    found.set_result(results)
    return found
