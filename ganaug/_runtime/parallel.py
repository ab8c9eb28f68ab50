"""Independent tasks in threads of this process or, with a joblib backend, on other processes and machines."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from ganaug._runtime.cache import cache_folder
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.workers import MAX_THREADS, one_core, parallel_map

R = TypeVar("R")

_local = threading.local()  # the pool that `keep_workers` opened in this thread


def run_parallel(
    function: Callable[..., R], arguments: Iterable[tuple[Any, ...]], n_jobs: int | None = None
) -> Iterator[R]:
    """Yield `function(*row)` for each row of `arguments`, in order, from several workers.

    Workers are threads of this process, unless `joblib.parallel_config` chooses another backend. In every task torch
    uses one core and has its default settings, so results do not depend on the workers or their number.

    Parameters
    ----------
    function : callable
        Runs in a worker. Where workers are processes, it is sent to them with its arguments by cloudpickle, and with
        the caller's cache folder, default dtype and settings of precision.
    arguments : iterable of tuple
        The positional arguments of each task; read lazily.
    n_jobs : int, optional
        Number of workers: -1 for one a core, -2 for one less, as in scikit-learn. None: the number that
        `joblib.parallel_config` sets; without it all workers of its backend; without a backend one thread for each core
        that torch may use, at most 8.

    Returns
    -------
    iterator
        The results, in the order of `arguments`. An error of a task is raised as it is, and tasks that have not started
        are cancelled. Ray returns all results at once, at the end.

    Raises
    ------
    ValueError
        If `n_jobs` is 0.

    Examples
    --------
    >>> from ganaug._runtime.parallel import run_parallel
    >>> list(run_parallel(pow, [(2, 3), (3, 2)], n_jobs=2))
    [8, 9]
    """
    check_n_jobs(n_jobs)
    # read now: the caller's parallel_config may end before the first result is taken
    if uses_threads():
        backend, _ = get_active_backend(prefer="threads")
        n_jobs = get_active_backend()[1] if n_jobs is None else n_jobs
        cores = min(MAX_THREADS, torch.get_num_threads()) if n_jobs is None else backend.effective_n_jobs(n_jobs)
        return parallel_map(partial(_run_in_thread, function), arguments, cores)
    pool = getattr(_local, "pool", None) or _make_pool(n_jobs)
    task = delayed(partial(_run_in_process, function, _Settings.read_for_workers()))
    return _retrieve(iter(pool(task(*row) for row in arguments)))


def check_n_jobs(n_jobs: int | None) -> None:
    """Raise ValueError for 0 workers."""
    if n_jobs == 0:
        raise ValueError("n_jobs must be a number of workers, -1 for one a core, or None; got 0.")


@contextmanager
def keep_workers(n_jobs: int | None = None) -> Iterator[None]:
    """Run a block in which every `run_parallel` of this thread uses the same processes.

    Ray would start new ones for each call. Other backends keep theirs without it.

    Parameters
    ----------
    n_jobs : int, optional
        Number of workers, instead of what `run_parallel` is called with.

    Examples
    --------
    >>> from ganaug._runtime.parallel import keep_workers, run_parallel
    >>> with keep_workers(2):
    ...     list(run_parallel(abs, [(-1,)])), list(run_parallel(abs, [(-2,)]))
    ([1], [2])
    """
    if uses_threads() or get_active_backend()[0].supports_return_generator or getattr(_local, "pool", None):
        yield
        return
    with _make_pool(n_jobs) as pool:
        _local.pool = pool
        try:
            yield
        finally:
            _local.pool = None


def _make_pool(n_jobs: int | None) -> Parallel:
    """Make a pool of processes; without a number it has all workers of the backend."""
    backend, configured = get_active_backend()
    n_jobs = configured if n_jobs is None else n_jobs
    return_as = "generator" if backend.supports_return_generator else "list"
    return Parallel(-1 if n_jobs is None else n_jobs, return_as=return_as)


def uses_threads() -> bool:
    """Return whether tasks run in threads of this process: the default, unless `joblib.parallel_config` says otherwise.

    Examples
    --------
    >>> from joblib import parallel_config
    >>> from ganaug._runtime.parallel import uses_threads
    >>> with parallel_config(backend="loky"):
    ...     uses_threads()
    False
    >>> uses_threads()
    True
    """
    backend, _ = get_active_backend(prefer="threads")
    return getattr(backend, "supports_sharedmem", False)  # process backends do not have the attribute


def _run_in_thread(function: Callable[..., R], row: tuple[Any, ...]) -> R:
    """Run a task with torch's default settings; `parallel_map` limits it to one core."""
    with library_defaults():
        return function(*row)


def _run_in_process(function: Callable[..., R], settings: "_Settings", *row: Any) -> R:
    """Run a task on one core, with torch's default settings of a thread and the caller's settings of a process."""
    with settings.apply(), one_core(), library_defaults():
        return function(*row)


class _ClosedError(Exception):
    """The consumer of the results stopped before the last one."""


def _retrieve(results: Iterator[R]) -> Iterator[R]:
    """Yield results; when closed early, cancel the tasks that have not started."""
    try:
        # not `yield from`, which would pass the closing on: joblib then warns of lost results
        for result in results:  # noqa: UP028
            yield result
    except GeneratorExit:
        with suppress(_ClosedError):
            results.throw(_ClosedError())  # type: ignore[attr-defined]
        raise


@dataclass(frozen=True)
class _Settings:
    """Settings of a process that tasks depend on."""

    dtype: torch.dtype
    matmul_precision: str
    deterministic_mode: int
    cache: str | None  # GANAUG_CACHE

    @classmethod
    def read(cls) -> "_Settings":
        return cls(
            torch.get_default_dtype(),
            torch.get_float32_matmul_precision(),
            torch.get_deterministic_debug_mode(),
            os.environ.get("GANAUG_CACHE"),
        )

    @classmethod
    def read_for_workers(cls) -> "_Settings":
        # an absolute path, because a worker may run in another folder; the default folder is each machine's own
        is_chosen = any(os.environ.get(name) for name in ("GANAUG_CACHE", "XDG_CACHE_HOME"))
        return replace(cls.read(), cache=str(cache_folder().absolute()) if is_chosen else None)

    def write(self) -> None:
        torch.set_default_dtype(self.dtype)
        torch.set_float32_matmul_precision(self.matmul_precision)
        torch.set_deterministic_debug_mode(self.deterministic_mode)
        os.environ.pop("GANAUG_CACHE", None)
        if self.cache is not None:
            os.environ["GANAUG_CACHE"] = self.cache

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Run a block with these settings. Threads of a worker share them: the last one restores those before."""
        with _lock:
            if not _running:
                _before[:] = [_Settings.read()]
            _running.append(self)
            self.write()
        try:
            yield
        finally:
            with _lock:
                _running.pop()
                if not _running:
                    _before[0].write()


_lock = threading.Lock()
_running: list[_Settings] = []  # one entry for each task that runs in this process
_before: list[_Settings] = []  # the settings before the first of them
