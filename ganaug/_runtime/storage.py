"""Files that are whole or absent: atomic writes, and trees of tensors as safetensors with JSON. None can run code."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import UnionType
from typing import IO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganaug._version import __version__
from ganaug.errors import OutputError, RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK, TEMPORARY = ".lock", ".tmp"
Tree = dict[str, object]  # nested dicts and lists of tensors, numbers, strings, bools and None, with string keys


@contextmanager
def writing(path: Path, n_bytes: int | None = None) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and vanishes when it does not.

    Raises OutputError, naming the path and its bytes where they are known, when the disk is full or the folder cannot
    be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=TEMPORARY)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
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
    current = os.umask(0)
    os.umask(current)
    return current


@contextmanager
def locked(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Hold `folder`, or what the lock file `name` in it stands for, for this process; the folder is made if need be.

    The lock goes with the process, however it ends. The file LOCK stays, and whoever holds it clears `folder` of what
    killed processes left half-written; any other lock file is taken away at the end.
    Raises RunError where another process holds it. Where the system has no file locks, nothing is held.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _held(folder / name)
    except BlockingIOError as error:
        raise RunError(f"{folder}: another run is writing here. Wait for it, or choose another folder.") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}. Choose another folder.") from error
    with file:
        if name == LOCK:
            for left in filter(is_left, (*folder.glob(".*"), *folder.glob("*/.*"))):
                left.unlink(missing_ok=True)
        try:
            yield
        finally:
            if name != LOCK:
                (folder / name).unlink(missing_ok=True)


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold a folder that is there by a lock on itself, so that nothing has to be put into it or beside it.

    Raises RunError where another process holds it. Where the system has no file locks, nothing is held.
    """
    with ExitStack() as held:
        if fcntl is not None:
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(f"{folder}: another process adds to it or undoes. Wait for it.") from error
        yield


def _held(path: Path) -> IO[str]:
    """The lock file, open and locked. Raises BlockingIOError where another process holds it."""
    while True:
        file = open(path, "w")  # noqa: SIM115  # its user closes it
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # whoever held it took it away before this lock came


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_left(path: Path) -> bool:
    """Whether `writing` was killed and left this: part of a file that never came to be."""
    return path.name.startswith(".") and path.suffix == TEMPORARY


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file, or leave what was there."""
    with writing(path, len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, or leave what was there."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object. Raises RunError that names the file when it is missing, damaged or no object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: not found.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: holds {type(value).__name__}, not a JSON object.")
    return value


def check_about(path: Path, about: Mapping[str, object], known: int, fields: Mapping[str, type | UnionType]) -> None:
    """Raise RunError, with what to do, where the JSON at `path` is not of format `known`, or has no such `fields`."""
    found = about.get("format")
    if found != known or isinstance(found, bool):
        newer = isinstance(found, int) and found > known
        raise RunError(
            f"{path}: model format {found!r}, written by ganaug {about.get('ganaug_version')}; this ganaug "
            f"({__version__}) reads format {known}. {'Update ganaug.' if newer else 'Fit again.'}"
        )
    for name, kind in fields.items():
        if name not in about or isinstance(about[name], bool) or not isinstance(about[name], kind):
            raise RunError(f"{path}: {name!r} is missing or not what ganaug writes there. Use a copy, or fit again.")


def write_tree(path: Path, tree: Mapping[str, object]) -> None:
    """Write a tree as one safetensors file; what is not a tensor goes as JSON into its header."""
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(tree, "", tensors)
    write_bytes(path, save(tensors, metadata={"tree": json.dumps(skeleton)}))


def read_tree(path: Path, device: str = "cpu") -> Tree:
    """Read what `write_tree` wrote. Raises RunError that names the file when it is missing or damaged."""
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
        raise RunError(f"{path}: holds {type(tree).__name__}, not a tree.")
    return tree


def _flatten(value: object, name: str, tensors: dict[str, Tensor]) -> object:
    if isinstance(value, Tensor):
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": {str(key): _flatten(item, f"{name}/{key}", tensors) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(
        f"{name}: a {type(value).__name__} cannot be stored; only tensors, numbers, strings, lists and dicts can."
    )


def _unflatten(skeleton: object, tensors: Mapping[str, Tensor]) -> object:
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
    raise ValueError(f"its header names an unknown kind {kind!r}")


def digest(tree: object) -> str:
    """16 hexadecimal digits that name a tree: its numbers, words, and tensors bit for bit."""
    found = hashlib.blake2b(digest_size=8)
    tensors: dict[str, Tensor] = {}
    found.update(json.dumps(_flatten(tree, "", tensors), sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())  # flat, because 1x1 kernels have odd strides
    return found.hexdigest()


def same(first: object, second: object) -> bool:
    """Whether two trees are equal, tensors bit for bit."""
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return first == second
