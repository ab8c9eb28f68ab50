"""Write labeled images into one file: a tar archive for WebDataset, or Parquet for Hugging Face datasets."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.optional import import_datasets
from ganaug._runtime.user_paths import expand_user
from ganaug.io.output import Contents, NewFile, check_free_space, name_os_errors, staging_path
from ganaug.io.table import is_missing
from ganaug.io.tars import END, member
from ganaug.io.threads import Progress, map_in_threads

ROWS_PER_GROUP = 1000  # images of a Parquet row group


def publish_tar(contents: Contents, out: str | Path, progress: Progress | None) -> str:
    """Write a tar archive in the format of WebDataset.

    Each image has three members: ``<key>.png``, ``<key>.cls`` (its label as a number) and ``<key>.json`` (its
    metadata). The bytes depend on the images alone.

    Parameters
    ----------
    contents : Contents
    out : path
        The file. An existing one is replaced.
    progress : callable or None
        Called as ``progress(done, total)`` with numbers of images.

    Returns
    -------
    str
        SHA-256 of the archive.

    Raises
    ------
    OutputError
        If writing fails.

    Examples
    --------
    >>> import tarfile, tempfile
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.io.archives import publish_tar
    >>> from ganaug.io.writing import stream_contents
    >>> images = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = publish_tar(stream_contents([images], images.counts, images.shape), f"{folder}/shard.tar", None)
    ...     tarfile.open(f"{folder}/shard.tar").getnames()[:3]
    ['cat/image-000001.png', 'cat/image-000001.cls', 'cat/image-000001.json']
    """
    with _archive(contents, out, progress) as (staging, files), open(staging, "wb") as archive:
        for new, content in files:
            key = new.file.rsplit(".", 1)[0].replace(".", "_")  # WebDataset's key ends at the first dot
            metadata = {name: None if is_missing(value) else value for name, value in new.row.items()}
            archive.write(member(f"{key}.png", content))
            archive.write(member(f"{key}.cls", str(metadata["class_index"]).encode()))
            # json rejects NumPy numbers, which `default` converts
            archive.write(member(f"{key}.json", json.dumps(metadata, default=lambda value: value.item()).encode()))
        archive.write(END)
    return _file_sha256(expand_user(out))


def publish_parquet(contents: Contents, out: str | Path, progress: Progress | None) -> str:
    """Write a Parquet file in the format of Hugging Face datasets.

    Its columns are `image` (PNG), `label` (a ClassLabel), and `is_synthetic`, `seed`, `model_hash` and
    `ganaug_version`.

    Parameters
    ----------
    contents : Contents
    out : path
        The file. An existing one is replaced.
    progress : callable or None
        Called as ``progress(done, total)`` with numbers of images.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    DataError
        If datasets is not installed.
    OutputError
        If writing fails.
    """
    datasets = import_datasets()
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    types = {"is_synthetic": "bool", "seed": "int64", "model_hash": "string", "ganaug_version": "string"}
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(contents.classes)),
            **{name: datasets.Value(type_name) for name, type_name in types.items()},
        }
    )
    with (
        _archive(contents, out, progress) as (staging, files),
        pq.ParquetWriter(staging, features.arrow_schema) as writer,
    ):
        while group := list(islice(files, ROWS_PER_GROUP)):
            columns = {name: [_parquet_value(new.row.get(name)) for new, _ in group] for name in types}
            columns["image"] = [{"bytes": content, "path": new.file} for new, content in group]
            columns["label"] = [contents.classes.index(str(new.row["label"])) for new, _ in group]
            writer.write_table(pa.Table.from_pydict(columns, schema=writer.schema))
    return _file_sha256(expand_user(out))


def _parquet_value(value: object) -> object:
    """Convert missing values to None and NumPy scalars to Python numbers."""
    return None if is_missing(value) else value.item() if hasattr(value, "item") else value


@contextmanager
def _archive(
    contents: Contents, out: str | Path, progress: Progress | None
) -> Iterator[tuple[Path, Iterator[tuple[NewFile, bytes]]]]:
    """Provide a path to write one file to, and the encoded contents. The file replaces `out` if the block succeeds."""
    target = expand_user(out)
    check_free_space(target.parent, contents.n_bytes)

    def encode(new: NewFile) -> tuple[NewFile, bytes]:
        return new, new.content()

    with retain_freed_memory(), name_os_errors(target, contents.n_bytes), staging_path(target) as staging:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield staging, map_in_threads(encode, contents.files, progress, total=contents.n_files)
        # before the rename, so that a power failure cannot leave an empty archive with the final name
        with open(staging, "rb+") as file:
            os.fsync(file.fileno())
        staging.replace(target)


def _file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
