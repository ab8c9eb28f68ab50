"""Write class folders of images with metadata.csv, whole or not at all; add to a folder in place, undoably."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial as bind
from pathlib import Path, PurePosixPath

from torch import Tensor

from ganaug._runtime.locks import changing
from ganaug._version import __version__
from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages
from ganaug.io.decoding import content_hash
from ganaug.io.encoding import png
from ganaug.io.listing import MANIFEST, METADATA
from ganaug.io.manifest import Manifest, place, sha256, undone
from ganaug.io.names import safe_name, unused
from ganaug.io.output import Contents, NewFile, check_output, check_room, naming, on_disk, publish
from ganaug.io.preflight import FolderInspection
from ganaug.io.provenance import STATEMENT, mark
from ganaug.io.signing import Sign
from ganaug.io.table import Row, is_missing, is_true, row_of, table, whole
from ganaug.io.threads import Progress, in_threads

MARKS = 3072  # bytes of text, XMP and color profile in a synthetic PNG, and then some
SIGNATURE = 32768  # of a signed manifest: room for a chain of certificates


def write_folder(
    images: LabeledImages, out: str | Path, *, sign: Sign | None = None, progress: Progress | None = None
) -> Path:
    """Write `OUT/<class>/*.png` and OUT/metadata.csv; returns OUT. ImageFolder, Hugging Face and timm read it as it is.

    Rows of `images.metadata` where `is_synthetic` is true get the marks of `provenance.mark` and, without a `file_name`
    of their own, the name `synthetic-<model hash>-<seed>.png`; its other columns follow ganaug's in metadata.csv.
    A class name that is not safe as a folder's becomes a slug (`names.safe_name`); metadata.csv keeps the name itself.
    sign: what each of them passes last, for example a `signing.Signer`.
    Everything is put together in `.<OUT>.partial-*` beside OUT, which a killed process leaves behind, and then renamed.
    Raises OutputError, naming the path, where OUT exists and is not empty, or cannot be written.
    """
    folders = {name: safe_name(name) for name in images.classes}
    return publish(Contents.of([*_encoded(images, images.classes, folders, defaultdict(set), sign)]), out, progress)


def streamed(
    blocks: Iterable[LabeledImages], counts: Mapping[str, int], shape: Sequence[int], sign: Sign | None = None
) -> Contents:
    """Blocks of images, drawn one after another while the ones before are written.

    counts: of each class name over all blocks, in the order of the classes. shape: (C, H, W) of an image. sign: as for
    `write_folder`.
    """
    folders, taken = {name: safe_name(name) for name in counts}, defaultdict[str, set[str]](set)
    files = (new for block in blocks for new in _encoded(block, tuple(counts), folders, taken, sign))
    n_files = sum(counts.values())
    needed = sorted({folders[name] for name, count in counts.items() if count})
    return Contents(files, tuple(needed), n_files, n_files * on_disk([math.prod(shape) + _beside(sign)]), tuple(counts))


def augment_folder(
    data: FolderInspection,
    synthetic: LabeledImages,
    out: str | Path,
    *,
    sign: Sign | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write OUT: the usable originals byte for byte, and the synthetic images beside them; returns OUT.

    Originals keep their file names, in OUT/<class>/; a number is added where two would meet. `data.problems` are not
    copied. Otherwise as `write_folder`. Raises DataError where `synthetic` has a class that `data` has not.
    """
    check_output(out, data.root)
    taken: dict[str, set[str]] = defaultdict(set)
    folders = {name: safe_name(name) for name in data.classes}
    originals = []
    for row, entry in zip(_original_rows(data), data.entries, strict=True):
        folder = folders[entry.label]
        file = f"{folder}/{unused(safe_name(PurePosixPath(entry.file).name), taken[folder])}"
        content = bind(_read, data.root / entry.file, entry.content_hash)
        originals.append(NewFile(file, content, entry.n_bytes, {**row, "file_name": file}))
    return publish(Contents.of([*originals, *_encoded(synthetic, data.classes, folders, taken, sign)]), out, progress)


def augment_in_place(
    data: FolderInspection, synthetic: LabeledImages, *, sign: Sign | None = None, progress: Progress | None = None
) -> Path:
    """Add the synthetic images and a metadata.csv to DATA itself; returns DATA. `undo` takes them away again.

    No original is touched. The manifest is written first, so `undo` works after a kill; a failure undoes itself.
    Raises OutputError where DATA holds a manifest already, or cannot be written, RunError where another process adds.
    """
    with changing(data.root):
        return _added(data, synthetic, sign, progress)


def _added(data: FolderInspection, synthetic: LabeledImages, sign: Sign | None, progress: Progress | None) -> Path:
    """`augment_in_place`, for who holds DATA."""
    root = data.root
    check_not_augmented(root)
    folders = {name: name if data.form == "folders" else safe_name(name) for name in data.classes}
    for folder in set(folders.values()):
        if not (root / folder).resolve().is_relative_to(root.resolve()):
            raise OutputError(f"{root / folder}: is a link that leads out of {root}. Write to a new folder instead.")
    taken = defaultdict(set, {folder: _names_in(root / folder) for folder in folders.values()})
    files = [*_encoded(synthetic, data.classes, folders, taken, sign)]
    check_room(root, on_disk(new.n_bytes for new in files))
    contents = list(in_threads(lambda new: new.content(), files))  # no larger than `synthetic`, which is in memory too
    listed = table([*_original_rows(data), *(new.row for new in files)])
    before = (root / METADATA).read_bytes() if (root / METADATA).exists() else None
    needed = sorted({new.file.split("/")[0] for new in files})
    manifest = Manifest(
        {new.file: sha256(content) for new, content in zip(files, contents, strict=True)} | {METADATA: sha256(listed)},
        tuple(folder for folder in needed if not (root / folder).exists()),
        None if before is None else before.decode(),
    )
    with naming(root):
        manifest.write(root)
        try:
            for folder in needed:
                (root / folder).mkdir(exist_ok=True)
            for done, (new, content) in enumerate(zip(files, contents, strict=True), start=1):
                place(root / new.file, content)
                if progress is not None:
                    progress(done, len(files))
            place(root / METADATA, listed, lasting=True)
        except BaseException:
            undone(root)
            raise
    return root


def check_not_augmented(root: Path) -> None:
    """Raise OutputError where ganaug wrote to `root` before."""
    if (root / MANIFEST).exists():
        raise OutputError(
            f"{root}: was written or added to by ganaug before. Undo that first, or write to a new folder."
        )


def _original_rows(data: FolderInspection) -> list[Row]:
    index = {name: label for label, name in enumerate(data.classes)}
    return [
        row_of(entry.file, entry.label, index[entry.label], {"is_synthetic": entry.marked, **(entry.row or {})})
        for entry in data.entries
    ]


def _encoded(
    images: LabeledImages,
    classes: tuple[str, ...],
    folders: Mapping[str, str],
    taken: Mapping[str, set[str]],
    sign: Sign | None,
) -> Iterator[NewFile]:
    """A PNG for each image, named after what its metadata says; `taken` has the names in use by folder."""
    unknown = sorted(set(images.classes) - set(classes))
    if unknown:
        raise DataError(
            f"synthetic images of class {unknown} do not belong to the data, whose classes are {list(classes)}."
        )
    index = {name: label for label, name in enumerate(classes)}
    sources: list[dict[str, object]] = [{} for _ in range(len(images))]
    if images.metadata is not None:
        columns = {str(name): column.tolist() for name, column in images.metadata.items()}  # to_dict is slow on strings
        sources = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or sources
    for number, (source, label) in enumerate(zip(sources, images.labels.tolist(), strict=True)):
        name = images.classes[label]
        folder = folders[name]
        file = f"{folder}/{unused(_file_name(source, number), taken[folder])}"
        pixels = images.images[number]
        content = bind(_png, pixels, name, source if is_true(source.get("is_synthetic")) else None, sign)
        yield NewFile(file, content, pixels.numel() + _beside(sign), row_of(file, name, index[name], source))


def _file_name(source: Row, number: int) -> str:
    given = source.get("file_name")
    if not is_missing(given):
        return safe_name(f"{PurePosixPath(str(given)).stem}.png")
    if not is_true(source.get("is_synthetic")):
        return f"image-{number + 1:06d}.png"
    seed = whole(source.get("seed"))
    return f"synthetic-{str(source.get('model_hash', ''))[:8] or 'unknown'}-{number if seed is None else seed}.png"


def _png(pixels: Tensor, label: str, synthetic: Row | None, sign: Sign | None) -> bytes:
    if synthetic is None:
        return png(pixels)
    version = synthetic.get("ganaug_version")
    marks = mark(
        label,
        seed=whole(synthetic.get("seed")),
        model_hash=str(synthetic.get("model_hash", "")),
        version=__version__ if is_missing(version) else str(version),
    )
    content = png(pixels, marks, statement=STATEMENT)
    return content if sign is None else sign(content)


def _beside(sign: Sign | None) -> int:
    """Bytes of a file that are not pixels, at most."""
    return MARKS if sign is None else MARKS + SIGNATURE


def _read(path: Path, expected: str) -> bytes:
    """The bytes that were checked. Raises DataError where the file is gone, or another by now."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read any more: {error.strerror or error}. Restore it, or check again."
        ) from error
    if content_hash(content) != expected:
        raise DataError(f"{path}: changed since it was checked. Leave it alone while ganaug works, and begin again.")
    return content


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
