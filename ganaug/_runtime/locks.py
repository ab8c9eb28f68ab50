"""Locks that keep two processes from writing to the same folder."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from ganaug._runtime.storage import is_temporary_file
from ganaug.errors import OutputError, RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"


@contextmanager
def locked(folder: Path, name: str = LOCK_FILE) -> Iterator[None]:
    """Hold an exclusive lock on `folder` by means of a lock file in it.

    The system releases the lock when the process ends for any reason. Where the system has no file locks, nothing is
    locked.

    Parameters
    ----------
    folder : Path
        The folder, which is created if needed.
    name : str
        Name of the lock file. The default file stays in the folder, and whoever acquires it deletes the temporary files
        that killed processes left there. Any other lock file stands for a part of the folder and is deleted at the end.

    Raises
    ------
    RunError
        If another process holds the lock.
    OutputError
        If the folder or the lock file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug._runtime.locks import locked
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked(Path(folder)), locked(Path(folder)):
    ...         pass
    Traceback (most recent call last):
    ...
    ganaug.errors.RunError: ...: another run is writing here. Wait for it, or choose another folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _open_locked(folder / name)
    except BlockingIOError as error:
        raise RunError(f"{folder}: another run is writing here. Wait for it, or choose another folder.") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}. Choose another folder.") from error
    with file:
        if name == LOCK_FILE:
            # safe under the lock, because no other process writes here
            for leftover in filter(is_temporary_file, (*folder.glob(".*"), *folder.glob("*/.*"))):
                leftover.unlink(missing_ok=True)
        try:
            yield
        finally:
            if name != LOCK_FILE:
                # before the lock is released: afterwards the file may belong to another process
                (folder / name).unlink(missing_ok=True)


@contextmanager
def directory_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder itself, without a lock file in it or beside it.

    Where the system has no file locks, nothing is locked.

    Parameters
    ----------
    folder : Path
        A folder that exists.

    Raises
    ------
    RunError
        If another process holds the lock.
    """
    with ExitStack() as cleanup:
        if fcntl is not None:
            handle = os.open(folder, os.O_RDONLY)
            cleanup.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    f"{folder}: another process adds to it or undoes an earlier addition. Wait for it to finish."
                ) from error
        yield


def _open_locked(path: Path) -> IO[str]:
    """Open and lock the lock file. Raises BlockingIOError if another process holds it."""
    while True:
        file = open(path, "w")  # noqa: SIM115  # the caller closes it
        try:
            if fcntl is not None:
                # the system releases this lock when the process dies, so a killed run blocks nobody
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # the previous holder deleted it before this process acquired the lock


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
