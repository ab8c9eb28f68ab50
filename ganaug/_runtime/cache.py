"""A cache on disk for results that are expensive to compute and depend on content alone. Safe to delete."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ganaug._runtime.storage import read_tree, write_tree
from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import OutputError, RunError

MAX_ENTRY_BYTES = 2**28


def cache_folder() -> Path:
    """Return the folder of the cache.

    Returns
    -------
    Path
        The environment variable GANAUG_CACHE when set, else `ganaug` in XDG_CACHE_HOME or in ~/.cache.

    Raises
    ------
    RuntimeError
        If none of the variables is set and the user has no home folder.
    """
    override = os.environ.get("GANAUG_CACHE")
    if override:
        return expand_user(override)
    return expand_user(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganaug"


def content_key(*parts: str | Tensor) -> str:
    """Hash texts and tensors, in order, together with the versions of ganaug and torch.

    Parameters
    ----------
    *parts : str or Tensor
        Everything that the cached result depends on. Tensors must be in CPU memory.

    Returns
    -------
    str
        24 hexadecimal digits.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.cache import content_key
    >>> content_key("features", torch.arange(3)) == content_key("features", torch.arange(3))
    True
    >>> content_key("features", torch.arange(3)) == content_key("features", torch.arange(4))
    False
    """
    # another version of either library may compute other numbers
    hasher = hashlib.blake2b(f"{__version__} {torch.__version__}".encode(), digest_size=12)
    for part in parts:
        if isinstance(part, Tensor):
            hasher.update(f"{part.dtype}{tuple(part.shape)}".encode())
            hasher.update(part.contiguous().numpy().tobytes())
        else:
            # the length delimits the text, so ("ab", "c") and ("a", "bc") differ
            hasher.update(f"{len(part)} {part}".encode())
    return hasher.hexdigest()


def cached(kind: str, key: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the cached result, or compute it and store it.

    A damaged entry is computed again. A cache that cannot be written is no error: the result is computed each time.

    Parameters
    ----------
    kind : str
        Subfolder of the cache, such as "features".
    key : str
        What identifies the result within `kind`; see `content_key`.
    make : callable
        () -> dict of str to Tensor. Computes the result. Results above 256 MiB are not stored.

    Returns
    -------
    dict of str to Tensor
        The result of `make`, from this call or an earlier one.
    """
    path = _entry_path(kind, key)
    if path is None:
        return make()
    with suppress(RunError):  # the entry is missing or damaged
        entry = {name: value for name, value in read_tree(path).items() if isinstance(value, Tensor)}
        if entry:
            return entry
    entry = make()
    if sum(value.nbytes for value in entry.values()) <= MAX_ENTRY_BYTES:
        with suppress(OutputError, OSError):  # a full disk or a read-only home folder must not stop a report
            write_tree(path, entry)
    return entry


def is_cached(kind: str, key: str) -> bool:
    """Return whether the cache has an entry. It may be damaged.

    Parameters
    ----------
    kind : str
        Subfolder of the cache, as for `cached`.
    key : str
        What identifies the result within `kind`.

    Returns
    -------
    bool
    """
    path = _entry_path(kind, key)
    return path is not None and path.is_file()


def _entry_path(kind: str, key: str) -> Path | None:
    """File of an entry, or None if the user has no home folder."""
    try:
        return cache_folder() / kind / f"{key}.safetensors"
    except RuntimeError:
        return None
