"""Files that are written completely or not at all, and trees of tensors stored as safetensors with JSON.

No format here can run code when it is read.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganaug._runtime.python_values import as_python
from ganaug._version import __version__
from ganaug.errors import OutputError, RunError

TEMPORARY_SUFFIX = ".tmp"
Tree = dict[str, object]  # nested dicts and lists of tensors, numbers, strings, bools and None, with string keys


@contextmanager
def atomic_write(path: Path, n_bytes: int | None = None) -> Iterator[Path]:
    """Write a file atomically: the file at the temporary path replaces `path` when the block succeeds.

    Parameters
    ----------
    path : Path
        The file to write. Its folder is created if needed.
    n_bytes : int or None
        Size of the file, for the error message, when it is known.

    Yields
    ------
    Path
        Temporary path in the folder of `path`. When the block fails, it is deleted and `path` stays as it was.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug._runtime.storage import atomic_write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "notes.txt") as temporary:
    ...         _ = temporary.write_text("complete")
    ...     [path.name for path in Path(folder).iterdir()]
    ['notes.txt']
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # in the same folder, because a rename is atomic within one file system only
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=TEMPORARY_SUFFIX)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb") as file:
            # before the rename: after a power failure, the final name must not refer to an empty file
            os.fsync(file.fileno())
        # mkstemp creates files that only their owner may read
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        size = "" if n_bytes is None else f" ({n_bytes:,} bytes)"
        raise OutputError(
            f"{path}: cannot be written{size}: {error.strerror or error}. Free space or choose another folder."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the umask of the process, which can only be read by setting it."""
    current = os.umask(0)
    os.umask(current)
    return current


def is_temporary_file(path: Path) -> bool:
    """Whether `path` is the temporary file of an atomic write, which stays when the process is killed."""
    return path.name.startswith(".") and path.suffix == TEMPORARY_SUFFIX


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Parameters
    ----------
    path : Path
        The file to write or replace.
    content : bytes
        Its complete content.

    Raises
    ------
    OutputError
        If it cannot be written. A file that existed before stays as it was.
    """
    with atomic_write(path, len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically.

    Parameters
    ----------
    path : Path
        The file to write or replace.
    value : object
        Anything that `json.dumps` accepts.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Parameters
    ----------
    path : Path
        A file in UTF-8.

    Returns
    -------
    dict of str to object
        The object.

    Raises
    ------
    RunError
        If the file is missing or damaged, or holds another type than an object. The message names the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug._runtime.storage import read_json, write_json
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(Path(folder) / "params.json", {"n_steps": 100})
    ...     read_json(Path(folder) / "params.json")
    {'n_steps': 100}
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: not found.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(value).__name__}.")
    return value


def check_format(path: Path, about: Mapping[str, object], known: int, fields: Mapping[str, type | UnionType]) -> None:
    """Check the format version and the fields of a model description.

    Parameters
    ----------
    path : Path
        The file that `about` was read from, for the error message.
    about : mapping of str to object
        The description, with the keys "format" and "ganaug_version".
    known : int
        The format version that this version of ganaug reads.
    fields : mapping of str to type
        Type of each field that must be present. A bool never counts as a number.

    Raises
    ------
    RunError
        If the format version differs, or a field is missing or has another type.
    """
    version = about.get("format")
    if version != known or isinstance(version, bool):  # True equals 1 in Python
        is_newer = isinstance(version, int) and version > known
        raise RunError(
            f"{path}: model format {version!r}, written by ganaug {about.get('ganaug_version')}; this ganaug "
            f"({__version__}) reads format {known}. {'Update ganaug.' if is_newer else 'Fit again.'}"
        )
    for name, expected in fields.items():
        if name not in about or isinstance(about[name], bool) or not isinstance(about[name], expected):
            raise RunError(f"{path}: {name!r} is missing or not what ganaug writes there. Use a copy, or fit again.")


def write_tree(path: Path, tree: Mapping[str, object]) -> None:
    """Write a tree as one safetensors file, atomically. Values other than tensors are stored as JSON in its header.

    Parameters
    ----------
    path : Path
        The file to write or replace.
    tree : mapping
        Nested mappings and lists of tensors, numbers, strings, bools and None.

    Raises
    ------
    OutputError
        If the file cannot be written.
    TypeError
        If the tree holds a value of another type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from ganaug._runtime.storage import read_tree, write_tree
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tree(Path(folder) / "state.safetensors", {"step": 3, "weights": [torch.ones(2)]})
    ...     read_tree(Path(folder) / "state.safetensors")
    {'step': 3, 'weights': [tensor([1., 1.])]}
    """
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(tree, "", tensors)
    # the metadata of safetensors can hold strings only
    write_bytes(path, save(tensors, metadata={"tree": json.dumps(skeleton)}))


def read_tree(path: Path, device: str = "cpu") -> Tree:
    """Read a file that `write_tree` wrote.

    Parameters
    ----------
    path : Path
        The file.
    device : str
        Device on which the tensors are created.

    Returns
    -------
    dict
        The tree. Tuples have become lists.

    Raises
    ------
    RunError
        If the file is missing, damaged, or not written by `write_tree`. The message names the file.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            skeleton = json.loads(file.metadata()["tree"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # safe_open is no mapping
        tree = _unflatten(skeleton, tensors)
    except FileNotFoundError as error:
        raise RunError(f"{path}: not found.") from error
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{path}: damaged or not written by ganaug ({error}). Use another checkpoint, or fit again."
        ) from error
    if not isinstance(tree, dict):
        raise RunError(f"{path}: expected a tree with named parts, got {type(tree).__name__}.")
    return tree


def _flatten(value: object, name: str, tensors: dict[str, Tensor]) -> object:
    """Return the tree with names in place of tensors, and put the tensors into `tensors`."""
    if isinstance(value, Tensor):
        # copied, because safetensors refuses tensors that share memory
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": {str(key): _flatten(item, f"{name}/{key}", tensors) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]}
    value = as_python(value)
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(
        f"{name}: a {type(value).__name__} cannot be stored; only tensors, numbers, strings, lists and dicts can."
    )


def _unflatten(skeleton: object, tensors: Mapping[str, Tensor]) -> object:
    """Undo `_flatten`."""
    if not isinstance(skeleton, dict) or len(skeleton) != 1:
        raise ValueError("its header is not a tree")
    ((kind, content),) = skeleton.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unflatten(item, tensors) for key, item in content.items()}
    if kind == "list":
        return [_unflatten(item, tensors) for item in content]
    if kind == "value":
        return content
    raise ValueError(f"its header names an unknown type {kind!r}")


def digest(tree: object) -> str:
    """Hash a tree: its structure, its values, and its tensors bit for bit.

    Parameters
    ----------
    tree : object
        What `write_tree` accepts.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.storage import digest
    >>> digest({"weights": torch.zeros(2)}) == digest({"weights": torch.zeros(3)})
    False
    """
    tree_hash = hashlib.blake2b(digest_size=8)
    tensors: dict[str, Tensor] = {}
    tree_hash.update(json.dumps(_flatten(tree, "", tensors), sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        tree_hash.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        # flat, because a 1x1 kernel that is channels-last counts as contiguous with other strides
        tree_hash.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return tree_hash.hexdigest()


def trees_equal(first: object, second: object) -> bool:
    """Compare two trees.

    Parameters
    ----------
    first, second : object
        Nested mappings and sequences of tensors and plain values. A list equals a tuple with equal items.

    Returns
    -------
    bool
        Whether they are equal, tensors by `torch.equal`.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.storage import trees_equal
    >>> trees_equal({"weights": torch.zeros(2)}, {"weights": torch.zeros(2)})
    True
    """
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(trees_equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(trees_equal(a, b) for a, b in zip(first, second, strict=True))
    return first == second
