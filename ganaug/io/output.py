"""Put files into a new folder or archive, whole or not at all; say clearly when there is no room or no right to."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from glob import escape
from itertools import islice
from pathlib import Path

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.locks import locked
from ganaug._runtime.optional import import_datasets
from ganaug.errors import OutputError, RunError
from ganaug.io.listing import MANIFEST, METADATA
from ganaug.io.manifest import Manifest, place, sha256
from ganaug.io.names import safe_name
from ganaug.io.table import Row, is_missing, table
from ganaug.io.tars import END, member
from ganaug.io.threads import Progress, in_threads

BLOCK = 4096  # a file takes whole blocks of the disk
ROW_GROUP = 1000  # images of a Parquet file that are written together


@dataclass(frozen=True)
class NewFile:
    """A file to be written. `file`: relative to OUT; `content`: makes its bytes, when asked; `n_bytes`: at most."""

    file: str
    content: Callable[[], bytes]
    n_bytes: int
    row: Row


@dataclass(frozen=True)
class Contents:
    """What is to be written. files: may be made one after another as they are asked for. n_bytes: at most, on disk.

    classes: the class names in label order, for what needs them all.
    """

    files: Iterable[NewFile]
    folders: tuple[str, ...]
    n_files: int
    n_bytes: int
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Sequence[NewFile]) -> "Contents":
        """Of files that are all known."""
        folders = sorted({new.file.split("/")[0] for new in files})
        return cls(files, tuple(folders), len(files), on_disk(new.n_bytes for new in files))


def on_disk(sizes: Iterable[int]) -> int:
    """Bytes that files of `sizes` bytes take on a disk, at most."""
    return sum((size // BLOCK + 2) * BLOCK for size in sizes)


def check_output(out: str | Path, data: str | Path | None = None) -> Path:
    """OUT, resolved, if a data set may be written there: absent or an empty folder, and not inside DATA.

    Raises OutputError that says what to do.
    """
    target = Path(out).resolve()
    if data is not None and target.is_relative_to(Path(data).resolve()):
        raise OutputError(f"{out}: lies inside {data}, where it would be taken for a class. Choose a folder outside.")
    with naming(target):
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


def check_room(folder: Path, n_bytes: int) -> None:
    """Raise OutputError where `folder` may not be written, or its disk has no room for so many bytes."""
    existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{existing}: may not be written. Choose another folder, or allow writing.")
    free = shutil.disk_usage(existing).free
    if n_bytes > free:
        raise OutputError(
            f"{folder}: needs up to {n_bytes / 2**20:,.0f} MiB, {free / 2**20:,.0f} MiB are free. "
            "Free space, or choose another disk."
        )


@freed_memory_kept()
def publish(contents: Contents, out: str | Path, progress: Progress | None) -> Path:
    """Write the files, their metadata.csv and the manifest beside OUT, then rename the whole to OUT; returns OUT."""
    target = check_output(out)
    check_room(target, contents.n_bytes)
    made_root = not target.exists()
    index = {folder: position for position, folder in enumerate(contents.folders)}  # as ImageFolder numbers them
    hashes: dict[str, str] = {}
    rows: list[Row] = []
    with naming(target, contents.n_bytes), staged(target) as staging:
        for folder in ("", *contents.folders):
            (staging / folder).mkdir(parents=True)

        def write(new: NewFile) -> tuple[NewFile, str]:
            content = new.content()
            (staging / new.file).write_bytes(content)
            return new, sha256(content)

        for new, digest in in_threads(write, contents.files, progress, total=contents.n_files):
            hashes[new.file] = digest
            rows.append({**new.row, "class_index": index[new.file.split("/")[0]]})
        listed = table(rows)
        place(staging / METADATA, listed, lasting=True)
        made = (*(["."] if made_root else []), *contents.folders)
        Manifest(hashes | {METADATA: sha256(listed)}, made).write(staging)
        if not made_root:
            target.rmdir()
        staging.rename(target)
    return Path(out)


def publish_tar(contents: Contents, out: str | Path, progress: Progress | None) -> str:
    """Write the tar archive OUT, in WebDataset's form: for each image `<key>.png`, `<key>.cls` (its label as a number)
    and `<key>.json` (its row); returns its SHA-256. The bytes depend on the images alone.
    """
    with _archive(contents, out, progress) as (staging, files), open(staging, "wb") as archive:
        for new, content in files:
            key = new.file.rsplit(".", 1)[0].replace(".", "_")  # the name up to its first dot is the key
            row = {name: None if is_missing(value) else value for name, value in new.row.items()}
            archive.write(member(f"{key}.png", content))
            archive.write(member(f"{key}.cls", str(row["class_index"]).encode()))
            archive.write(member(f"{key}.json", json.dumps(row, default=lambda value: value.item()).encode()))
        archive.write(END)
    return _sha256_of(Path(out))


def publish_parquet(contents: Contents, out: str | Path, progress: Progress | None) -> str:
    """Write the Parquet file OUT as Hugging Face's datasets writes them: `image` (PNG), `label` (a ClassLabel), and the
    columns of provenance; returns its SHA-256. Raises DataError where datasets is not installed.
    """
    datasets = import_datasets()
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    kinds = {"is_synthetic": "bool", "seed": "int64", "model_hash": "string", "ganaug_version": "string"}
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(contents.classes)),
            **{name: datasets.Value(kind) for name, kind in kinds.items()},
        }
    )
    with (
        _archive(contents, out, progress) as (staging, files),
        pq.ParquetWriter(staging, features.arrow_schema) as writer,
    ):
        while part := list(islice(files, ROW_GROUP)):
            columns = {name: [_or_none(new.row.get(name)) for new, _ in part] for name in kinds}
            columns["image"] = [{"bytes": content, "path": new.file} for new, content in part]
            columns["label"] = [contents.classes.index(str(new.row["label"])) for new, _ in part]
            writer.write_table(pa.Table.from_pydict(columns, schema=writer.schema))
    return _sha256_of(Path(out))


def _or_none(value: object) -> object:
    return None if is_missing(value) else value.item() if hasattr(value, "item") else value


@contextmanager
def _archive(
    contents: Contents, out: str | Path, progress: Progress | None
) -> Iterator[tuple[Path, Iterator[tuple[NewFile, bytes]]]]:
    """A path to write one file to, and all contents, encoded; the file becomes OUT when the block ends well."""
    target = Path(out)
    check_room(target.parent, contents.n_bytes)

    def encoded(new: NewFile) -> tuple[NewFile, bytes]:
        return new, new.content()

    with freed_memory_kept(), naming(target, contents.n_bytes), staged(target) as staging:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield staging, in_threads(encoded, contents.files, progress, total=contents.n_files)
        with open(staging, "rb+") as file:
            os.fsync(file.fileno())
        staging.replace(target)


def _sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path beside `target` to put things together at; what is still there at the end is removed.

    So is what a killed process left of the same target. Raises RunError where another process is writing it.
    """
    name = f".{safe_name(target.name)}"
    with ExitStack() as held:
        try:
            held.enter_context(locked(target.parent, f"{name}.writing"))
        except RunError as error:
            raise RunError(f"{target}: another run is writing it. Wait for it, or choose another folder.") from error
        for left in target.parent.glob(f"{escape(name)}.partial-*"):
            remove(left)
        staging = target.parent / f"{name}.partial-{secrets.token_hex(4)}"
        try:
            yield staging
        finally:
            remove(staging)


def remove(path: Path) -> None:
    """Take a file or a folder away, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def naming(target: Path, n_bytes: int | None = None) -> Iterator[None]:
    """Turn what the system says into an OutputError that names the path, and how much was to be written at most."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        size = "" if n_bytes is None else f" (up to {n_bytes:,} bytes)"
        raise OutputError(
            f"{target}: cannot be written{size}: {error.strerror or error}. Free space, or choose another folder."
        ) from error
