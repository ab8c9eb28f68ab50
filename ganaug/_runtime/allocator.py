"""Keep freed memory in the process, for loops that free and allocate the same amount in every step."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameter numbers in malloc.h
MAX_MMAP_THRESHOLD = 32 * 2**20  # the largest that glibc accepts
NEVER_TRIM = 2**31 - 1  # bytes, the largest C int

# mallopt acts on the whole process, so nested and concurrent blocks are counted
_lock, _active_blocks = threading.Lock(), list[None]()


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """Stop glibc from returning freed memory to the system while the block runs; return it all at the end.

    Usable as a context manager and as a decorator. Blocks may be nested and may run in several threads; the last one
    that ends returns the memory. Without glibc it does nothing.

    Notes
    -----
    A training step frees and allocates the same few megabytes again and again. By default glibc returns them to the
    system, which then fills fresh pages with zeros, and that takes a considerable part of a step.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.allocator import retain_freed_memory
    >>> with retain_freed_memory():
    ...     total = sum(float(torch.ones(1000).sum()) for _ in range(3))
    >>> total
    3000.0
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    with _lock:
        _active_blocks.append(None)
        # larger requests get separate mappings, which go back to the system when they are freed
        libc.mallopt(M_MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
    try:
        yield
    finally:
        with _lock:
            _active_blocks.pop()
            if not _active_blocks:
                libc.malloc_trim(0)


@cache
def _glibc() -> Any:
    """Return the C library when it is glibc, else None."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        # other C libraries, such as musl, lack these and raise AttributeError
        if libc.gnu_get_libc_version and libc.mallopt and libc.malloc_trim:
            return libc
    return None
