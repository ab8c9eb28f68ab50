"""One small thread pool for files: Pillow, hashing and the disk all let go of the interpreter while they work."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], object]  # (files done, files in all), called on the caller's thread

TOGETHER = 16  # files a task: handing over one small file at a time costs as much as decoding it
AHEAD = 256  # tasks that wait at most, so that items which are made as they are asked for do not pile up


def in_threads(
    work: Callable[[T], R], items: Iterable[T], progress: Progress | None = None, *, total: int | None = None
) -> Iterator[R]:
    """`work(item)` for each item, in order. The first exception ends it, and work not yet begun is dropped.

    Items are taken from their iterator on the caller's thread while others are worked on. total: how many there are,
    for those that have no length.
    """
    total = len(items) if isinstance(items, Sized) else total
    source, done = iter(items), 0
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="ganaug-files")
    waiting: deque[Future[list[R]]] = deque()
    try:
        while True:
            task = list(islice(source, TOGETHER))
            if task:
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
