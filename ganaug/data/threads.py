"""One small thread pool for files: Pillow, hashing and the disk all let go of the interpreter while they work."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], object]  # (files done, files in all), called on the caller's thread

TOGETHER = 16  # files a task: handing over one small file at a time costs as much as decoding it


def in_threads(work: Callable[[T], R], items: Sequence[T], progress: Progress | None = None) -> Iterator[R]:
    """`work(item)` for each item, in order. The first exception ends it, and work not yet begun is dropped."""
    tasks = [items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER)]
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="ganaug-files")
    done = 0
    try:
        for results in pool.map(lambda task: [work(item) for item in task], tasks):
            yield from results
            done += len(results)
            if progress is not None:
                progress(done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C need not wait for the whole queue
