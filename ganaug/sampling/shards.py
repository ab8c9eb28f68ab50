"""Write a large synthetic set in shards, each independent of the others: on any machine, in any order, restartable."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaug._runtime.locks import locked
from ganaug._runtime.storage import read_json, write_json
from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import OutputError
from ganaug.io.archives import publish_parquet, publish_tar
from ganaug.io.manifest import undo
from ganaug.io.output import Contents, name_os_errors, publish
from ganaug.io.paths import MANIFEST
from ganaug.io.threads import Progress

ARCHIVE_WRITERS = {"tar": publish_tar, "parquet": publish_parquet}
SHARD_NAME = re.compile(rf"shard-\d{{5,}}-of-\d{{5,}}(\.(json|{'|'.join(ARCHIVE_WRITERS)}))?")


@dataclass(frozen=True)
class Shard:
    """One of several parts of a synthetic set.

    Parameters
    ----------
    number : int
        Index of the shard, from 0.
    of : int
        Number of shards.

    Raises
    ------
    ValueError
        If `number` is not in 0..of - 1.

    Examples
    --------
    >>> from ganaug.sampling.shards import Shard
    >>> Shard(3, 64).name
    'shard-00003-of-00064'
    >>> [Shard(k, 3).part(10) for k in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise ValueError(f"shard {self.number} of {self.of}: shards are numbered from 0 to {self.of - 1}.")

    @property
    def name(self) -> str:
        """File name without suffix, as WebDataset names shards: shard-00003-of-00064."""
        return f"shard-{self.number:05d}-of-{self.of:05d}"

    def part(self, count: int) -> range:
        """Return the indices of `count` images that belong to this shard.

        Parameters
        ----------
        count : int
            Number of images in all shards.

        Returns
        -------
        range
            Over all shards, each index occurs once; sizes of shards differ by at most 1.
        """
        return range(count * self.number // self.of, count * (self.number + 1) // self.of)


def write_shard(
    contents: Callable[[], Contents],
    shard: Shard,
    out: str | Path,
    request: Mapping[str, Any],
    *,
    form: str = "folder",
    progress: Progress | None = None,
) -> bool:
    """Write one shard and, when it is complete, its record `<shard>.json`.

    Parameters
    ----------
    contents : callable
        () -> Contents. Called only if the shard is not there yet.
    shard : Shard
        Which shard to write.
    out : str or Path
        Folder of all shards.
    request : mapping
        What all shards in `out` are part of, such as model hash and counts; stored in the record as JSON.
    form : str
        "folder" (class folders and metadata.csv), "tar" (WebDataset) or "parquet".
    progress : callable or None
        Receives the progress of writing.

    Returns
    -------
    bool
        Whether the shard was written; False if it was complete already. What a killed attempt left is replaced.

    Raises
    ------
    OutputError
        If `out` holds other files or shards of another request, or cannot be written.
    RunError
        If another process is writing this shard.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.io.writing import stream_contents
    >>> from ganaug.sampling.shards import Shard, write_shard
    >>> images = fashion_mnist_lt().take(range(4))
    >>> with tempfile.TemporaryDirectory() as out:
    ...     for _ in range(2):
    ...         write_shard(lambda: stream_contents(iter([images]), images.counts, images.shape), Shard(0, 1), out, {})
    True
    False
    """
    folder = expand_user(out)
    description = {"ganaug_version": __version__, "form": form, "shards": shard.of, **request}
    _check_shards(folder, description)
    target = folder / (shard.name if form == "folder" else f"{shard.name}.{form}")
    record, lock_name = folder / f"{shard.name}.json", f".{shard.name}.lock"
    # a lock for each shard, so that several processes can write different shards at once
    with locked(folder, lock_name):
        # the record is written last, so it stands for a complete shard
        if record.exists() and target.exists():
            return False
        if (target / MANIFEST).exists():  # a process was killed after the last file and before the record
            undo(target)
        shard_contents = contents()
        result: dict[str, Any] = {"shard": shard.number, "n_images": shard_contents.n_files}
        if form == "folder":
            publish(shard_contents, target, progress)
        else:
            result["sha256"] = ARCHIVE_WRITERS[form](shard_contents, target, progress)
        write_json(record, description | result)
    return True


def _check_shards(folder: Path, description: Mapping[str, Any]) -> None:
    """Raise OutputError if `folder` holds other files than shards, or shards that `description` does not describe."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file. Choose a folder for the shards.")
    with name_os_errors(folder):
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    other_files = [name for name in names if not SHARD_NAME.fullmatch(name)]
    if other_files:
        raise OutputError(
            f"{folder}: holds {other_files[0]!r}, which is no shard. Choose a new folder, or one with shards only."
        )
    for name in [name for name in names if name.endswith(".json")][:1]:  # all records in a folder agree
        record = read_json(folder / name)
        changed = [key for key, value in description.items() if record.get(key) != value]
        if changed:
            raise OutputError(
                f"{folder / name}: is of another request ({changed[0]} was {record.get(changed[0])!r} and is "
                f"{description[changed[0]]!r}). Make the same request, or choose another folder."
            )
