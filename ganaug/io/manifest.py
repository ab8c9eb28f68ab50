"""Record what ganaug added to a folder, so that `undo` removes exactly that, from any state."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ganaug._runtime.locks import directory_lock
from ganaug._runtime.storage import read_json
from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import OutputError
from ganaug.io.paths import MANIFEST, METADATA

FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The files and folders that ganaug added to a data folder.

    It is stored as a file in the root, because ImageFolder takes every folder for a class.

    Attributes
    ----------
    files : mapping
        Path relative to the root -> SHA-256 of the content that ganaug wrote.
    folders : tuple of str
        Folders that ganaug created; ``"."`` is the root.
    previous_metadata : str or None
        Content of the metadata.csv that was there before, if there was one, as `text_of` returns it.
    """

    files: Mapping[str, str]
    folders: tuple[str, ...]
    previous_metadata: str | None = None

    def write(self, root: Path) -> None:
        """Write the manifest into `root`, atomically."""
        content = {"format": FORMAT, "ganaug_version": __version__, **asdict(self)}
        # synced, because it must be on the disk before the files that it names
        write_file(root / MANIFEST, (json.dumps(content, indent=1) + "\n").encode(), sync=True)

    @classmethod
    def read(cls, root: Path) -> "Manifest":
        """Read the manifest of `root`.

        Raises
        ------
        OutputError
            If there is no manifest, if it is of another format, or if it names a path outside `root`.
        RunError
            If the file is not JSON.
        """
        path = root / MANIFEST
        if not path.is_file():
            raise OutputError(f"{root}: ganaug wrote nothing here (no {MANIFEST}), so there is nothing to undo.")
        content = read_json(path)
        files, folders, previous = (content.get(key) for key in ("files", "folders", "previous_metadata"))
        if content.get("format") != FORMAT or not isinstance(files, dict) or not isinstance(folders, list):
            raise OutputError(
                f"{path}: is damaged, or was written by another version of ganaug. "
                f"Undo with ganaug {content.get('ganaug_version')}."
            )
        for name in (*files, *folders):  # all of them, before any file is removed
            _resolve_inside(root, str(name))
        return cls(
            {str(k): str(v) for k, v in files.items()},
            tuple(map(str, folders)),
            None if previous is None else str(previous),
        )


@dataclass(frozen=True)
class UndoResult:
    """What `undo` did.

    Attributes
    ----------
    removed : tuple of str
        Files that were removed.
    kept : mapping
        File -> why it was not removed.
    restored : bool
        Whether metadata.csv has its previous content.
    """

    removed: tuple[str, ...]
    kept: Mapping[str, str]
    restored: bool


def undo(out: str | Path) -> UndoResult:
    """Remove what ganaug added to a folder, and nothing else.

    Folders that ganaug created are removed too, once they are empty. A file that changed since is kept and reported.
    Files that others added are not touched. It works from any state in which writing or a previous undo was
    interrupted.

    Parameters
    ----------
    out : path
        A folder that ganaug wrote or added to.

    Returns
    -------
    UndoResult

    Raises
    ------
    OutputError
        If there is nothing to undo, or if the folder cannot be written.
    RunError
        If another process adds to the folder or undoes there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from ganaug import LabeledImages, write_folder
    >>> from ganaug.io.manifest import undo
    >>> images = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
    >>> with tempfile.TemporaryDirectory() as root:
    ...     out = write_folder(images, Path(root, "out"))
    ...     undo(out).removed, out.exists()
    (('cat/image-000001.png', 'dog/image-000002.png', 'metadata.csv'), False)
    """
    root = expand_user(out)
    if not root.is_dir():
        return undo_locked(root)
    with directory_lock(root):
        return undo_locked(root)


def undo_locked(root: Path) -> UndoResult:
    """`undo` for a caller that has locked `root`."""
    manifest = Manifest.read(root)
    removed: list[str] = []
    kept: dict[str, str] = {}
    is_restored = False
    try:
        for file, digest in manifest.files.items():
            path = _resolve_inside(root, file)
            _temporary_path(path).unlink(missing_ok=True)  # what a killed process wrote in part
            if not path.is_file():  # not written before the kill, or removed by an interrupted undo
                continue
            if file == METADATA and manifest.previous_metadata is not None:
                is_restored = _restore(path, _bytes_of(manifest.previous_metadata), digest)
                if not is_restored:
                    kept[file] = "changed since; it may still list images that were removed"
            elif path.is_symlink() or sha256(path.read_bytes()) != digest:
                kept[file] = "changed since"
            else:
                path.unlink()
                removed.append(file)
        # subfolders before the folders that contain them
        for folder in sorted(set(manifest.folders) - {"."}, reverse=True):
            _remove_if_empty(_resolve_inside(root, folder))
        (root / MANIFEST).unlink()  # after all files: an interrupted undo can be repeated up to here
        if "." in manifest.folders:
            _remove_if_empty(root)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{root}: cannot be undone: {error}. Allow writing there, and undo again.") from error
    return UndoResult(tuple(removed), kept, is_restored)


def text_of(content: bytes) -> str:
    """Return bytes of any encoding as text that JSON can hold: bytes that are not UTF-8 become surrogates (PEP 383)."""
    return content.decode(errors="surrogateescape")


def _bytes_of(text: str) -> bytes:
    """Reverse `text_of`."""
    return text.encode(errors="surrogateescape")


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def write_file(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file atomically: its previous content stays until all of the new content is written.

    The name of the temporary file depends on the name of the file alone, so that `undo` removes what a killed process
    left. `ganaug._runtime.storage.write_bytes` uses random names.

    Parameters
    ----------
    path : pathlib.Path
    content : bytes
    sync : bool, default=False
        Wait until the content is on the disk, so that it survives a power failure.
    """
    try:
        with open(_temporary_path(path), "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        _temporary_path(path).replace(path)
    except BaseException:
        _temporary_path(path).unlink(missing_ok=True)
        raise


def _temporary_path(path: Path) -> Path:
    """Return a hidden path beside `path` that no reader takes for an image."""
    # a hash, because the name may have the maximum length already; not random, because undo must derive it
    return path.with_name(f".{sha256(path.name.encode())[:16]}.ganaug-partial")


def _restore(path: Path, previous: bytes, digest: str) -> bool:
    """Restore the previous content of a file. Returns False, and does nothing, if someone else changed the file."""
    content = path.read_bytes()
    if sha256(content) == digest:
        write_file(path, previous, sync=True)
        return True
    return content == previous


def _resolve_inside(root: Path, name: str) -> Path:
    """Return `root / name`. Raises OutputError if that is outside `root`: anybody may have written the manifest."""
    path = PurePosixPath(name)
    is_outside = path.is_absolute() or ".." in path.parts
    if is_outside or not (root / path).parent.resolve().is_relative_to(
        root.parent.resolve() if name == "." else root.resolve()
    ):
        raise OutputError(f"{root / MANIFEST}: names {name!r}, which is outside the folder; nothing was removed.")
    return root / path


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
