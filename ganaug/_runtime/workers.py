"""Threads that each work with torch on one core, side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

MOST = 8  # each holds what it works on


@contextmanager
def side_by_side(most: int = MOST) -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch may use, at most `most`, in each of which torch uses one.

    A small network gains little from a second core, and two networks take two cores to the full. What is not begun when
    an error ends the work is dropped.
    """
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(min(most, before), initializer=_alone)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _alone() -> None:
    torch.get_num_threads()  # or the first operation on this thread would take the number that another thread set last
    torch.set_num_threads(1)


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`work(item)` for each, in order, some ahead of the one that is asked for, each on one of the cores torch may use.

    The caller's core is one of them: rather than wait for a result, the caller works on the next that nobody has begun.
    """
    cores, source = min(MOST, torch.get_num_threads()), iter(items)
    if cores == 1:
        yield from map(work, source)
        return
    ahead: deque[tuple[T, Future[R]]] = deque()
    with side_by_side(cores - 1) as pool:
        while True:
            ahead.extend((item, pool.submit(work, item)) for item in islice(source, 2 * cores + 1 - len(ahead)))
            if not ahead:
                return
            while not ahead[0][1].done():
                mine = next((place for place, (_, future) in enumerate(ahead) if future.cancel()), None)
                if mine is None:
                    break
                ahead[mine] = (ahead[mine][0], _worked(work, ahead[mine][0]))
            yield ahead.popleft()[1].result()


def _worked(work: Callable[[T], R], item: T) -> Future[R]:
    """What comes of it on this thread and one core, as a thread of the pool would hand it over."""
    done: Future[R] = Future()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        done.set_result(work(item))
    except Exception as error:  # its turn comes after that of the items before
        done.set_exception(error)
    finally:
        torch.set_num_threads(before)
    return done
