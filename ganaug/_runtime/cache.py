"""What is dear to compute and depends on content alone, kept on disk by a hash of that content. Safe to delete."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ganaug._runtime.storage import read_tree, write_tree
from ganaug._version import __version__
from ganaug.errors import OutputError, RunError

LARGEST = 2**28  # bytes of one entry


def cache_folder() -> Path:
    """GANAUG_CACHE, else `ganaug` in XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("GANAUG_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganaug"


def key_of(*parts: str | Tensor) -> str:
    """24 hexadecimal digits that name texts and tensors, in order, and the versions of ganaug and torch."""
    digest = hashlib.blake2b(f"{__version__} {torch.__version__}".encode(), digest_size=12)
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
            digest.update(part.contiguous().numpy().tobytes())
        else:
            digest.update(f"{len(part)} {part}".encode())
    return digest.hexdigest()


def cached(kind: str, key: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `make` gave under this key before, or gives now. Goes on without a cache where none can be kept."""
    try:
        path = cache_folder() / kind / f"{key}.safetensors"
    except RuntimeError:  # no home
        return make()
    with suppress(RunError):  # not there, or damaged: it is made anew
        found = {name: value for name, value in read_tree(path).items() if isinstance(value, Tensor)}
        if found:
            return found
    made = make()
    if sum(value.nbytes for value in made.values()) <= LARGEST:
        with suppress(OutputError, OSError):  # a full disk or a read-only home must not end a report
            write_tree(path, made)
    return made
