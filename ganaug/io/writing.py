"""Write class folders of images with metadata.csv, completely or not at all, or add images to a folder reversibly."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ganaug._runtime.locks import directory_lock
from ganaug.errors import OutputError
from ganaug.images import LabeledImages
from ganaug.io.altered_copies import AlteredCopies, altered_files
from ganaug.io.encoding import png
from ganaug.io.image_files import image_files, max_overhead
from ganaug.io.items import folded
from ganaug.io.manifest import Manifest, sha256, text_of, undo_locked, write_file
from ganaug.io.names import folder_names, safe_name, unique_name
from ganaug.io.output import Contents, NewFile, bytes_on_disk, check_free_space, check_output, name_os_errors, publish
from ganaug.io.paths import MANIFEST, METADATA
from ganaug.io.preflight import FolderInspection
from ganaug.io.signing import Sign
from ganaug.io.table import Row, check_labels, encode_table, make_row
from ganaug.io.threads import Progress, map_in_threads


def write_folder(
    images: LabeledImages, out: str | Path, *, sign: Sign | None = None, progress: Progress | None = None
) -> Path:
    """Write images as PNG files into class folders, with metadata.csv.

    ImageFolder, Hugging Face datasets and timm can read the folder.

    Parameters
    ----------
    images : LabeledImages
        Images whose metadata has a true `is_synthetic` are marked as synthetic inside the PNG.
    out : path
        The output folder. It must be empty or not exist yet.
    sign : callable, optional
        Applied to the bytes of each synthetic PNG, for example a `ganaug.io.signing.Signer`.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.

    Returns
    -------
    pathlib.Path
        `out`, with ``<class>/*.png`` and ``metadata.csv``.

    Raises
    ------
    DataError
        If a class has a name that other readers take for a missing label, such as "NA".
    OutputError
        If `out` is not empty, or if it cannot be written.
    RunError
        If another process writes to `out`.

    Notes
    -----
    A synthetic image without a `file_name` in its metadata is called ``synthetic-<model hash>-<seed>.png``. In
    metadata.csv, ganaug's columns come first and those of the metadata follow. A class name that is not safe as the
    name of a folder, or that differs from another one in case only, becomes a slug; metadata.csv keeps the original
    name.

    The files are written to ``.<OUT>.partial-*`` beside `out`, which is then renamed. If the process is killed, the
    next call with the same `out` removes that folder.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from ganaug import LabeledImages, write_folder
    >>> images = LabeledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1]), ("cat", "dog"))
    >>> with tempfile.TemporaryDirectory() as root:
    ...     out = write_folder(images, f"{root}/out")
    ...     sorted(path.relative_to(out).as_posix() for path in out.glob("*/*.png"))
    ['cat/image-000001.png', 'cat/image-000002.png', 'dog/image-000003.png']
    """
    folders = folder_names(images.classes)
    files = [*image_files(images, images.classes, folders, defaultdict(set), sign)]
    return publish(Contents.from_files(files), out, progress)


def stream_contents(
    blocks: Iterable[LabeledImages], counts: Mapping[str, int], shape: Sequence[int], sign: Sign | None = None
) -> Contents:
    """Describe an output of images that are generated block by block while earlier ones are written.

    Parameters
    ----------
    blocks : iterable of LabeledImages
    counts : mapping
        Class name -> number of images over all blocks, in label order.
    shape : sequence of int
        (C, H, W) of an image.
    sign : callable, optional
        As in `write_folder`.

    Returns
    -------
    Contents
        For `output.publish`, `archives.publish_tar` or `archives.publish_parquet`.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.io.writing import stream_contents
    >>> images = LabeledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1]), ("cat", "dog"))
    >>> contents = stream_contents([images], images.counts, images.shape)
    >>> contents.folders, contents.n_files
    (('cat', 'dog'), 3)
    """
    folders, used_names = folder_names(counts), defaultdict[str, set[str]](set)
    files = (new for block in blocks for new in image_files(block, tuple(counts), folders, used_names, sign))
    n_files = sum(counts.values())
    n_bytes = n_files * bytes_on_disk([math.prod(shape) + max_overhead(sign)])
    labels = [name for name, count in counts.items() if count]
    non_empty = tuple(sorted(folders[name] for name in labels))
    return Contents(files, non_empty, n_files, n_bytes, tuple(counts), tuple(labels))


def write_augmented_folder(
    data: FolderInspection,
    synthetic: LabeledImages,
    out: str | Path,
    *,
    altered: AlteredCopies | None = None,
    resized: LabeledImages | None = None,
    sign: Sign | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a new folder with the original images, byte for byte, altered copies of them, and synthetic images.

    Parameters
    ----------
    data : FolderInspection
        The original folder. Its usable images are copied into class folders and keep their file names, with a number
        added where two names collide. Its `problems` are left out.
    synthetic : LabeledImages
        Its classes must be among those of `data`.
    out : path
        The new folder. Must not exist, or be empty.
    altered : AlteredCopies, optional
        Altered copies of original images.
    resized : LabeledImages, optional
        The original images as they were read, in the order of `data.entries`. Those that were resized are written as
        PNG files of these pixels instead of copies.
    sign, progress
        As in `write_folder`.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    DataError
        If `synthetic` has a class that `data` lacks, if an original image changed since it was inspected, or as in
        `write_folder`.
    OutputError
        As in `write_folder`, and if `out` lies inside the original folder.
    """
    check_output(out, data.root)  # `publish` checks again, but does not know the data folder
    used_names: dict[str, set[str]] = defaultdict(set)
    folders = folder_names(data.classes)
    originals = []
    for number, (row, entry) in enumerate(zip(_original_rows(data), data.entries, strict=True)):
        folder, name = folders[entry.label], PurePosixPath(entry.file)
        content, n_bytes = partial(data.read_unchanged, entry), entry.n_bytes
        # an image that is marked as synthetic keeps its marks, which are in its bytes
        if resized is not None and not entry.is_marked and (entry.height, entry.width) != resized.shape[1:]:
            content, name = partial(_encode_row, resized, number), name.with_suffix(".png")
            n_bytes = resized.images[0].numel() + max_overhead(None)
        file = f"{folder}/{unique_name(safe_name(name.name), used_names[folder])}"
        originals.append(NewFile(file, content, n_bytes, {**row, "file_name": file}))
    rows = [new.row for new in originals]
    copies = [] if altered is None else altered_files(data, altered, rows, folders, used_names, resized)
    new_files = image_files(synthetic, data.classes, folders, used_names, sign)
    return publish(Contents.from_files([*originals, *copies, *new_files]), out, progress)


def add_to_folder(
    data: FolderInspection,
    synthetic: LabeledImages,
    *,
    altered: AlteredCopies | None = None,
    sign: Sign | None = None,
    progress: Progress | None = None,
) -> Path:
    """Add altered copies, synthetic images and metadata.csv to a data folder. `undo` removes them.

    No original image is changed. The manifest is written first, so that `undo` works after a kill. If writing fails,
    everything is undone.

    Parameters
    ----------
    data : FolderInspection
        The folder to add to.
    synthetic : LabeledImages
        Its classes must be among those of `data`.
    altered : AlteredCopies, optional
        Altered copies of original images.
    sign, progress
        As in `write_folder`.

    Returns
    -------
    pathlib.Path
        The data folder.

    Raises
    ------
    DataError
        If `synthetic` has a class that `data` lacks, or as in `write_folder`.
    OutputError
        If the folder has a manifest already, if a class folder is a link that leads out of it, or if it cannot be
        written.
    RunError
        If another process adds to the folder.
    """
    root = data.root
    with directory_lock(root):
        check_addable(data)
        rows = _original_rows(data)
        files = _files_to_add(data, synthetic, altered, rows, sign)
        check_free_space(root, bytes_on_disk(new.n_bytes for new in files))
        contents = list(map_in_threads(lambda new: new.content(), files))  # smaller than the pixels, also in memory
        metadata = encode_table([*rows, *(new.row for new in files)])
        _add(root, {new.file: content for new, content in zip(files, contents, strict=True)}, metadata, progress)
    return root


def check_not_augmented(root: Path) -> None:
    """Raise OutputError if ganaug wrote or added to `root` before."""
    if (root / MANIFEST).exists():
        raise OutputError(
            f"{root}: was written or added to by ganaug before. Undo that first, or write to a new folder."
        )


def check_addable(data: FolderInspection) -> None:
    """Check that synthetic images can be added to a data folder.

    Raises
    ------
    DataError
        If a class has a name that other readers take for a missing label.
    OutputError
        If ganaug added to the folder before, or if a class folder is a link that leads out of it.
    """
    check_not_augmented(data.root)
    check_labels(name for name, count in data.counts.items() if count)
    for folder in _class_folders(data).values():
        if not (data.root / folder).resolve().is_relative_to(data.root.resolve()):
            raise OutputError(
                f"{data.root / folder}: is a link that leads out of {data.root}. Write to a new folder instead."
            )


def _class_folders(data: FolderInspection) -> dict[str, str]:
    """Name the class folders of a data folder. Those that exist keep their names."""
    return folder_names(data.classes, existing=[path.name for path in data.root.iterdir() if path.is_dir()])


def _files_to_add(
    data: FolderInspection,
    synthetic: LabeledImages,
    altered: AlteredCopies | None,
    rows: Sequence[Row],
    sign: Sign | None,
) -> list[NewFile]:
    """Name the new images so that they collide with no file of the data folder."""
    folders = _class_folders(data)
    used_names = defaultdict(
        set, {folder: set(map(folded, _names_in(data.root / folder))) for folder in folders.values()}
    )
    copies = [] if altered is None else altered_files(data, altered, rows, folders, used_names, None)
    return [*copies, *image_files(synthetic, data.classes, folders, used_names, sign)]


def _add(root: Path, contents: Mapping[str, bytes], metadata: bytes, progress: Progress | None) -> None:
    """Write the manifest, the files and metadata.csv into `root`, and undo them if one of them fails."""
    previous = (root / METADATA).read_bytes() if (root / METADATA).exists() else None
    folders = sorted({file.split("/")[0] for file in contents})
    manifest = Manifest(
        {file: sha256(content) for file, content in contents.items()} | {METADATA: sha256(metadata)},
        tuple(folder for folder in folders if not (root / folder).exists()),
        None if previous is None else text_of(previous),
    )
    with name_os_errors(root):
        manifest.write(root)  # first, so that undo works after a kill at any later moment
        try:
            for folder in folders:
                (root / folder).mkdir(exist_ok=True)
            for n_done, (file, content) in enumerate(contents.items(), start=1):
                write_file(root / file, content)
                if progress is not None:
                    progress(n_done, len(contents))
            write_file(root / METADATA, metadata, sync=True)
        except BaseException:
            undo_locked(root)
            raise


def _original_rows(data: FolderInspection) -> list[Row]:
    """Return the rows of metadata.csv of the images that are there already."""
    index = {name: label for label, name in enumerate(data.classes)}
    return [
        make_row(
            entry.file, entry.label, index[entry.label], {"is_synthetic": entry.is_marked, **(entry.metadata or {})}
        )
        for entry in data.entries
    ]


def _encode_row(images: LabeledImages, row: int) -> bytes:
    """Encode one image as PNG."""
    return png(images.images[row])


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
