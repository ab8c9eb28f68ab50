"""A large synthetic set in parts, each made by itself: by any machine, in any order, again after a crash."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaug._runtime.storage import locked, read_json, write_json
from ganaug._version import __version__
from ganaug.errors import OutputError
from ganaug.io.archives import publish_parquet, publish_tar
from ganaug.io.manifest import undo
from ganaug.io.output import Contents, naming, publish
from ganaug.io.paths import MANIFEST
from ganaug.io.threads import Progress

ARCHIVES = {"tar": publish_tar, "parquet": publish_parquet}
FORMS = ("folder", *ARCHIVES)
RECORD = re.compile(rf"shard-\d{{5,}}-of-\d{{5,}}(\.(json|{'|'.join(ARCHIVES)}))?")


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 0, of `of` parts. Raises ValueError where there is no such part."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise ValueError(f"shard {self.number} of {self.of}: shards are numbered from 0 to {self.of - 1}.")

    @property
    def name(self) -> str:
        """As WebDataset counts: shard-00003-of-00064."""
        return f"shard-{self.number:05d}-of-{self.of:05d}"

    def part(self, count: int) -> range:
        """Which of `count` images are in it. All parts together are each image once, and sizes differ by at most 1."""
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
    """Write OUT/<shard>/ (class folders and metadata.csv), OUT/<shard>.tar (WebDataset) or .parquet; then <shard>.json.

    request: what all shards of OUT are parts of, as JSON can hold it. False where this shard is there already; what an
    earlier attempt left is taken away. Raises OutputError where OUT holds anything else, or shards of another request,
    and RunError where another process writes this shard.
    """
    folder = Path(out)
    about = {"ganaug_version": __version__, "form": form, "shards": shard.of, **request}
    check_shards(folder, about)
    target = folder / (shard.name if form == "folder" else f"{shard.name}.{form}")
    record, lock = folder / f"{shard.name}.json", f".{shard.name}.lock"
    with locked(folder, lock):
        if record.exists() and target.exists():
            return False
        if (target / MANIFEST).exists():  # killed between the last file and the record
            undo(target)
        made = contents()
        found: dict[str, Any] = {"shard": shard.number, "n_images": made.n_files}
        if form == "folder":
            publish(made, target, progress)
        else:
            found["sha256"] = ARCHIVES[form](made, target, progress)
        write_json(record, about | found)
    return True


def check_shards(folder: Path, about: Mapping[str, Any]) -> None:
    """Raise OutputError where `folder` holds other things than shards, or shards that `about` does not describe."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file. Choose a folder for the shards.")
    with naming(folder):
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    strangers = [name for name in names if not RECORD.fullmatch(name)]
    if strangers:
        raise OutputError(
            f"{folder}: holds {strangers[0]!r}, which is no shard. Choose a new folder, or one that holds shards alone."
        )
    for name in [name for name in names if name.endswith(".json")][:1]:  # those there agree with each other
        found = read_json(folder / name)
        other = [key for key, value in about.items() if found.get(key) != value]
        if other:
            raise OutputError(
                f"{folder / name}: is of another request ({other[0]} was {found.get(other[0])!r} and is "
                f"{about[other[0]]!r}). Ask for the same as there, or choose another folder."
            )
