"""Put files into a new folder, whole or not at all; and say clearly when there is no room or no right to."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ganaug.data.listing import MANIFEST, METADATA
from ganaug.data.manifest import Manifest, place, sha256
from ganaug.data.table import Row, table
from ganaug.data.threads import Progress, in_threads
from ganaug.errors import OutputError

BLOCK = 4096  # a file takes whole blocks of the disk


@dataclass(frozen=True)
class NewFile:
    """A file to be written. `file`: relative to OUT; `content`: makes its bytes, when asked; `n_bytes`: at most."""

    file: str
    content: Callable[[], bytes]
    n_bytes: int
    row: Row


def check_output(out: str | Path, data: str | Path | None = None) -> Path:
    """OUT, resolved, if a data set may be written there: absent or an empty folder, and not inside DATA.

    Raises OutputError that says what to do.
    """
    target = Path(out).resolve()
    if data is not None and target.is_relative_to(Path(data).resolve()):
        raise OutputError(f"{out}: lies inside {data}, where it would be taken for a class. Choose a folder outside.")
    blocking = next(parent for parent in (target, *target.parents) if parent.exists())
    if not blocking.is_dir():
        raise OutputError(f"{out}: {'is' if blocking == target else f'{blocking} is'} a file. Choose a new folder.")
    if target.is_mount():
        raise OutputError(f"{out}: is a mount point, which cannot be put in place whole. Choose a folder inside it.")
    with naming(target):
        names = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if MANIFEST in names:
        raise OutputError(f"{out}: holds what ganaug wrote before. Choose a new folder, or remove that with --undo.")
    if names:
        raise OutputError(f"{out}: is not empty (holds {names[0]!r}). Choose a new folder, or an empty one.")
    return target


def check_space(folder: Path, files: Iterable[NewFile]) -> None:
    """Raise OutputError where the disk of `folder` has no room for `files`."""
    check_room(folder, [new.n_bytes for new in files])


def check_room(folder: Path, sizes: Iterable[int]) -> None:
    """Raise OutputError where `folder` may not be written, or its disk has no room for files of `sizes` bytes."""
    needed = sum((size // BLOCK + 2) * BLOCK for size in sizes)
    existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{existing}: may not be written. Choose another folder, or allow writing.")
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OutputError(
            f"{folder}: needs up to {needed / 2**20:,.0f} MiB, {free / 2**20:,.0f} MiB are free. "
            "Free space, or choose another disk."
        )


def publish(files: Sequence[NewFile], out: str | Path, progress: Progress | None) -> Path:
    """Write `files`, their metadata.csv and the manifest beside OUT, then rename the whole to OUT; returns OUT."""
    target = check_output(out)
    check_space(target, files)
    staging = target.parent / f".{target.name[:40]}.partial-{secrets.token_hex(4)}"
    folders = sorted({new.file.split("/")[0] for new in files})
    made_root = not target.exists()

    def write(new: NewFile) -> str:
        content = new.content()
        (staging / new.file).write_bytes(content)
        return sha256(content)

    with naming(target):
        try:
            for folder in ("", *folders):
                (staging / folder).mkdir(parents=True)
            hashes = {new.file: digest for new, digest in zip(files, in_threads(write, files, progress), strict=True)}
            index = {folder: position for position, folder in enumerate(folders)}  # as ImageFolder numbers them
            listed = table({**new.row, "class_index": index[new.file.split("/")[0]]} for new in files)
            place(staging / METADATA, listed, lasting=True)
            Manifest(hashes | {METADATA: sha256(listed)}, (*(["."] if made_root else []), *folders)).write(staging)
            if not made_root:
                target.rmdir()
            staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return Path(out)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Turn what the system says into an OutputError that names the path."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written: {error.strerror or error}. Free space, or choose another folder."
        ) from error
