"""What ganaug added to a folder, written down so that `undo` takes away exactly that, from any state."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ganaug._runtime.locks import changing
from ganaug._runtime.storage import read_json
from ganaug._version import __version__
from ganaug.errors import OutputError
from ganaug.io.listing import MANIFEST, METADATA


@dataclass(frozen=True)
class Manifest:
    """A file, not a folder, in the root of a data set: ImageFolder takes every folder for a class.

    files: path relative to the root -> SHA-256 of what ganaug put there. folders: those it made, '.' for the root.
    previous_metadata: the text of the metadata.csv that was there before, or None.
    """

    files: Mapping[str, str]
    folders: tuple[str, ...]
    previous_metadata: str | None = None

    def write(self, root: Path) -> None:
        """Write it into `root`, atomically."""
        content = {"format": 1, "ganaug_version": __version__, **asdict(self)}
        place(root / MANIFEST, (json.dumps(content, indent=1) + "\n").encode(), lasting=True)

    @classmethod
    def read(cls, root: Path) -> "Manifest":
        """The manifest of `root`. Raises OutputError where there is none, RunError where it is damaged."""
        path = root / MANIFEST
        if not path.is_file():
            raise OutputError(f"{root}: ganaug wrote nothing here (no {MANIFEST}), so there is nothing to undo.")
        content = read_json(path)
        files, folders, previous = (content.get(key) for key in ("files", "folders", "previous_metadata"))
        if content.get("format") != 1 or not isinstance(files, dict) or not isinstance(folders, list):
            raise OutputError(
                f"{path}: is of another version of ganaug or damaged. Undo with ganaug {content.get('ganaug_version')}."
            )
        for name in (*files, *folders):
            _inside(root, str(name))
        return cls(
            {str(k): str(v) for k, v in files.items()},
            tuple(map(str, folders)),
            None if previous is None else str(previous),
        )


@dataclass(frozen=True)
class Undone:
    """What `undo` did. removed: files; kept: file -> why it was left; restored: metadata.csv is as it was before."""

    removed: tuple[str, ...]
    kept: Mapping[str, str]
    restored: bool


def undo(out: str | Path) -> Undone:
    """Remove what ganaug added to `out`, and nothing else; the folders it made go too, once they are empty.

    A file that changed since is kept and named; files that others added are never looked at. Works from any state in
    which writing or an earlier undo was interrupted. Raises OutputError where there is nothing to undo, RunError where
    another process is at it.
    """
    root = Path(out)
    if not root.is_dir():
        return undone(root)
    with changing(root):
        return undone(root)


def undone(root: Path) -> Undone:
    """`undo`, for who holds `root` already."""
    manifest = Manifest.read(root)
    removed: list[str] = []
    kept: dict[str, str] = {}
    restored = False
    try:
        for file, digest in manifest.files.items():
            path = _inside(root, file)
            _partial(path).unlink(missing_ok=True)
            if not path.is_file():
                continue
            content = path.read_bytes()
            if file == METADATA and manifest.previous_metadata is not None:
                previous = manifest.previous_metadata.encode()
                if sha256(content) == digest:
                    place(path, previous, lasting=True)
                elif content != previous:
                    kept[file] = "changed since; it may still list images that are gone"
                restored = file not in kept
            elif path.is_symlink() or sha256(content) != digest:
                kept[file] = "changed since"
            else:
                path.unlink()
                removed.append(file)
        for folder in sorted(set(manifest.folders) - {"."}, reverse=True):
            _remove_if_empty(_inside(root, folder))
        (root / MANIFEST).unlink()
        if "." in manifest.folders:
            _remove_if_empty(root)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{root}: cannot be undone: {error}. Allow writing there, and undo again.") from error
    return Undone(tuple(removed), kept, restored)


def sha256(content: bytes) -> str:
    """The SHA-256 of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def place(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Write a whole file or none. `lasting`: also where the power fails, which takes a while for each file."""
    try:
        with open(_partial(path), "wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        _partial(path).replace(path)
    except BaseException:
        _partial(path).unlink(missing_ok=True)
        raise


def _partial(path: Path) -> Path:
    # always the same name, so that a killed run's half file is found and removed; no reader takes it for an image
    return path.with_name(f".{sha256(path.name.encode())[:16]}.ganaug-partial")


def _inside(root: Path, name: str) -> Path:
    """`root / name`. Raises OutputError where that leads out of `root`: a manifest may come from anybody."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts
    if outside or not (root / path).parent.resolve().is_relative_to(
        root.parent.resolve() if name == "." else root.resolve()
    ):
        raise OutputError(f"{root / MANIFEST}: names {name!r}, which is outside of the folder; nothing was removed.")
    return root / path


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
