"""Memory that a loop frees in one step and asks for in the next stays with the process."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # that glibc takes
KEPT = 2**31 - 1

_lock, _running = threading.Lock(), list[None]()


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """While the block runs, glibc hands no freed memory back; at its end all that is free goes back.

    A training step frees and asks for the same few megabytes again and again, and each time the system would fill fresh
    pages with zeros, which takes a good part of a step. Elsewhere than on glibc nothing is done. Blocks may be nested,
    and run side by side; the last to end hands the memory back.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    with _lock:
        _running.append(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        with _lock:
            _running.pop()
            if not _running:
                libc.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library, where it is glibc."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        if libc.gnu_get_libc_version and libc.mallopt and libc.malloc_trim:
            return libc
    return None
