"""Names of the files that a data folder can hold, and helpers for paths below it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ganaug.io.decoding import SUFFIXES

IMAGE_SUFFIXES = tuple(sorted(SUFFIXES))
METADATA = "metadata.csv"
MANIFEST = ".ganaug.json"
STORE = "store.json"
SHARD_SUFFIXES = (".tar", ".parquet")  # files that hold many images
SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation"})


def find_shards(path: Path) -> list[Path]:
    """Return the tar and Parquet files that `path` is or contains, sorted by name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug.io.paths import find_shards
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("1.tar", "0.tar", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in find_shards(Path(folder))]
    ['0.tar', '1.tar']
    """
    if path.is_file():
        return [path] if path.suffix in SHARD_SUFFIXES else []
    if not path.is_dir():
        return []
    names = sorted(child for child in path.iterdir() if child.suffix in SHARD_SUFFIXES and not is_hidden(child.name))
    return [child for child in names if child.is_file()]  # a folder of such a name is a class


def walk_images(folder: Path, *, follow_links: bool = False) -> Iterator[str]:
    """Yield the path of every file below `folder` that has the name of an image.

    The paths are relative to `folder`, with forward slashes. Hidden folders are skipped, and links to folders unless
    `follow_links`; each folder is entered once.
    """
    root = folder.resolve()
    known = {root}
    for parent, names, files in os.walk(folder, followlinks=follow_links):
        names[:] = sorted(name for name in names if not is_hidden(name))
        if follow_links:  # a link to a folder that contains it leads back to it
            targets = {name: Path(parent, name).resolve() for name in names}
            names[:] = [name for name in names if targets[name] not in known and not root.is_relative_to(targets[name])]
            known.update(targets[name] for name in names)
        relative = os.path.relpath(parent, folder).replace(os.sep, "/")
        yield from (name if relative == "." else f"{relative}/{name}" for name in files if has_image_name(name))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether a directory entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that refers to itself
        return False


def is_hidden(name: str) -> bool:
    """Return whether folder readers skip a name.

    Examples
    --------
    >>> from ganaug.io.paths import is_hidden
    >>> is_hidden(".git"), is_hidden("__MACOSX"), is_hidden("cat")
    (True, True, False)
    """
    return name.startswith((".", "__"))  # Hugging Face datasets skips both as well


def has_image_name(name: str) -> bool:
    """Return whether a file name or path has the suffix of an image and is not hidden.

    Examples
    --------
    >>> from ganaug.io.paths import has_image_name
    >>> has_image_name("cat/1.JPG"), has_image_name("cat/notes.txt"), has_image_name("cat/.1.png")
    (True, False, False)
    """
    base = name.rpartition("/")[2]
    return base.lower().endswith(IMAGE_SUFFIXES) and not base.startswith(".")


def escapes_folder(name: str) -> bool:
    r"""Return whether a path could refer to a file outside its folder, on Linux, macOS or Windows.

    Also True for a name with a null character: no file has such a name, and functions of the operating system reject it
    or ignore what follows it.

    Examples
    --------
    >>> from ganaug.io.paths import escapes_folder
    >>> escapes_folder("../1.png"), escapes_folder("..\\1.png"), escapes_folder("cat/1.png")
    (True, True, False)
    """
    # the rules of every system, because a folder may be written on one and read on another
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    has_start = posix.is_absolute() or bool(windows.drive or windows.root)  # "C:1.png" and "\1.png" are not absolute
    # Windows splits at both slashes, so its parts include those of POSIX
    return has_start or ".." in windows.parts or "\0" in name


def to_utf8(name: str) -> str:
    """Escape the characters of a file name that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def shorten(names: list[str], max_names: int = 5) -> str:
    """Join names for a message, and count those that are left out.

    Examples
    --------
    >>> from ganaug.io.paths import shorten
    >>> shorten(["a", "b", "c", "d"], max_names=2)
    'a, b and 2 more'
    """
    rest = f" and {len(names) - max_names:,} more" if len(names) > max_names else ""
    return ", ".join(names[:max_names]) + rest
