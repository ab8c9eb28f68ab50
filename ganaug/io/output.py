"""Write files into a new folder, completely or not at all, and say clearly if there is no space or no permission."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.locks import locked
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import OutputError, RunError
from ganaug.io.manifest import Manifest, sha256, write_file
from ganaug.io.names import safe_name
from ganaug.io.paths import MANIFEST, METADATA
from ganaug.io.table import Row, check_labels, encode_table
from ganaug.io.threads import Progress, map_in_threads

DISK_BLOCK = 4096  # bytes; a file takes whole blocks


@dataclass(frozen=True)
class NewFile:
    """An image file to be written.

    Attributes
    ----------
    file : str
        Path relative to the output folder, with forward slashes.
    content : callable
        Returns the bytes of the file.
    n_bytes : int
        Upper bound of the size.
    row : mapping
        Its row of metadata.csv.
    """

    file: str
    content: Callable[[], bytes]
    n_bytes: int
    row: Row


@dataclass(frozen=True)
class Contents:
    """Everything that is to be written into one output.

    Attributes
    ----------
    files : iterable of NewFile
        May be generated on demand.
    folders : tuple of str
        Class folders, sorted.
    n_files : int
    n_bytes : int
        Upper bound of the space on the disk.
    classes : tuple of str
        Class names in label order, for archives that store all of them.
    labels : tuple of str
        Class names that have an image.
    """

    files: Iterable[NewFile]
    folders: tuple[str, ...]
    n_files: int
    n_bytes: int
    classes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def from_files(cls, files: Sequence[NewFile]) -> "Contents":
        """Derive folders, counts and sizes from a complete list of files."""
        folders = sorted({new.file.split("/")[0] for new in files})
        labels = dict.fromkeys(str(new.row["label"]) for new in files)
        n_bytes = bytes_on_disk(new.n_bytes for new in files)
        return cls(files, tuple(folders), len(files), n_bytes, labels=tuple(labels))


def bytes_on_disk(sizes: Iterable[int]) -> int:
    """Return an upper bound of the bytes that files of these sizes take on a disk.

    Examples
    --------
    >>> from ganaug.io.output import bytes_on_disk
    >>> bytes_on_disk([100, 5000])
    20480
    """
    return sum((size // DISK_BLOCK + 2) * DISK_BLOCK for size in sizes)


def check_output(out: str | Path, data: str | Path | None = None) -> Path:
    """Check that a new data set may be written to a folder.

    Parameters
    ----------
    out : path
        Must not exist, or be an empty folder.
    data : path, optional
        Data folder that must not contain `out`.

    Returns
    -------
    pathlib.Path
        `out`, resolved.

    Raises
    ------
    OutputError
        With what to do.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug.io.output import check_output
    >>> with tempfile.TemporaryDirectory() as data:
    ...     check_output(f"{data}/out", data)
    Traceback (most recent call last):
    ...
    ganaug.errors.OutputError: ... lies inside ... Choose a folder outside.
    """
    target = expand_user(out).resolve()
    if data is not None and target.is_relative_to(expand_user(data).resolve()):
        raise OutputError(f"{out}: lies inside {data}, where it would be taken for a class. Choose a folder outside.")
    with name_os_errors(target):
        existing = next(parent for parent in (target, *target.parents) if parent.exists())
    if not existing.is_dir():
        raise OutputError(f"{out}: {'is' if existing == target else f'{existing} is'} a file. Choose a new folder.")
    if target.is_mount():
        raise OutputError(f"{out}: is a mount point, which cannot be replaced as a whole. Choose a folder inside it.")
    with name_os_errors(target):
        names = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if MANIFEST in names:
        raise OutputError(f"{out}: holds what ganaug wrote before. Choose a new folder, or remove that with --undo.")
    if names:
        raise OutputError(f"{out}: is not empty (holds {names[0]!r}). Choose a new folder, or an empty one.")
    return target


def check_free_space(folder: Path, n_bytes: int) -> None:
    """Check that a folder can be written and that its disk has enough free space.

    Parameters
    ----------
    folder : pathlib.Path
        May not exist yet.
    n_bytes : int
        Space that is needed.

    Raises
    ------
    OutputError
        If the folder cannot be written, or if there is too little space.
    """
    existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{existing}: cannot be written. Choose another folder, or allow writing.")
    free = shutil.disk_usage(existing).free
    if n_bytes > free:
        raise OutputError(
            f"{folder}: needs up to {n_bytes / 2**20:,.0f} MiB, {free / 2**20:,.0f} MiB are free. "
            "Free space, or choose another disk."
        )


@retain_freed_memory()
def publish(contents: Contents, out: str | Path, progress: Progress | None) -> Path:
    """Write a data folder: the files, metadata.csv and the manifest.

    Everything is written to a temporary folder beside `out`, which is then renamed to `out`.

    Parameters
    ----------
    contents : Contents
    out : path
        Must not exist, or be an empty folder.
    progress : callable or None
        Called as ``progress(done, total)`` with numbers of files.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    DataError
        If a class has a name that other readers take for a missing label (`table.check_labels`).
    OutputError
        If `out` is not empty, or if writing fails.
    RunError
        If another process writes to `out`.
    """
    check_labels(contents.labels)
    target = check_output(out)
    check_free_space(target, contents.n_bytes)
    is_new_root = not target.exists()
    index = {folder: position for position, folder in enumerate(contents.folders)}  # as ImageFolder numbers them
    hashes: dict[str, str] = {}
    rows: list[Row] = []
    with name_os_errors(target, contents.n_bytes), staging_path(target) as staging:
        for folder in ("", *contents.folders):
            (staging / folder).mkdir(parents=True)

        def write(new: NewFile) -> tuple[NewFile, str]:
            content = new.content()
            (staging / new.file).write_bytes(content)
            return new, sha256(content)

        for new, digest in map_in_threads(write, contents.files, progress, total=contents.n_files):
            hashes[new.file] = digest
            rows.append({**new.row, "class_index": index[new.file.split("/")[0]]})
        metadata = encode_table(rows)
        write_file(staging / METADATA, metadata, sync=True)
        new_folders = (*(["."] if is_new_root else []), *contents.folders)
        Manifest(hashes | {METADATA: sha256(metadata)}, new_folders).write(staging)
        if not is_new_root:
            target.rmdir()  # Windows does not rename a folder onto an existing one
        # a single rename, so that other programs get the whole folder or nothing
        staging.rename(target)
    return expand_user(out)


@contextmanager
def staging_path(target: Path) -> Iterator[Path]:
    """Provide a temporary path beside `target`, and remove what is left there at the end.

    What a killed process left for the same target is removed as well. Raises RunError if another process writes to
    `target`.
    """
    name = f".{safe_name(target.name)}"
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(target.parent, f"{name}.writing"))
        except RunError as error:
            raise RunError(f"{target}: another run is writing it. Wait for it, or choose another folder.") from error
        # safe only while the lock is held: another process could be writing to such a folder
        for leftover in target.parent.glob(f"{escape(name)}.partial-*"):
            remove(leftover)
        staging = target.parent / f"{name}.partial-{secrets.token_hex(4)}"
        try:
            yield staging
        finally:
            remove(staging)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def name_os_errors(target: Path, n_bytes: int | None = None) -> Iterator[None]:
    """Turn an OSError inside the block into an OutputError that names the path.

    Parameters
    ----------
    target : pathlib.Path
    n_bytes : int, optional
        Upper bound of what is written, for the message.

    Raises
    ------
    OutputError
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        size = "" if n_bytes is None else f" (up to {n_bytes:,} bytes)"
        raise OutputError(
            f"{target}: cannot be written{size}: {error.strerror or error}. Free space, or choose another folder."
        ) from error
