"""Which files of a folder are its images, and of which class; nothing is opened but metadata.csv.

Two forms: class folders (ROOT/<class>/<image>), or images anywhere below ROOT with ROOT/metadata.csv, whose columns
`file_name` and `label` are then followed, class folders or not.
"""

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from ganaug.io.decoding import SUFFIXES
from ganaug.io.names import is_utf8, of_cell

ENDINGS = tuple(sorted(SUFFIXES))
METADATA = "metadata.csv"
MANIFEST = ".ganaug.json"
STORE = "store.json"
SHARDS = (".tar", ".parquet")  # files that hold many images
SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation"})


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used: which, why, and what the user can do."""

    file: str
    cause: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.cause}. {self.fix}."


@dataclass(frozen=True)
class Candidate:
    """A file to be tried. `file`: relative to the root, with forward slashes; `row`: its line of metadata.csv."""

    file: str
    label: str
    row: Mapping[str, str] | None = None


@dataclass
class Listing:
    """What one look at a folder found; `classes` holds the empty ones too. Errors concern the whole set.

    form: 'folders', 'metadata', or 'files' for a bare list of files without classes.
    """

    root: Path
    form: str = "folders"
    classes: set[str] = field(default_factory=set)
    candidates: list[Candidate] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def list_images(root: Path) -> Listing:
    """List the images of `root`. Never raises for what it finds there: see `problems`, `warnings` and `errors`."""
    listing = Listing(root)
    try:
        children = sorted(os.scandir(root), key=lambda child: child.name)
    except FileNotFoundError:
        listing.errors.append(f"{root}: not found. Check the path")
        return listing
    except NotADirectoryError:
        listing.errors.append(f"{root}: is a file, not a folder. Unpack it, or pass the folder that holds it")
        return listing
    except OSError as error:
        listing.errors.append(f"{root}: cannot be listed: {error.strerror or error}. Allow reading it")
        return listing
    if any(child.name == STORE for child in children):
        listing.errors.append(f"{root}: is a store, from which `fit` trains. Here the images themselves are needed")
        return listing
    if shards_in(root) and not any(_is_folder(child) for child in children):
        listing.errors.append(f"{root}: holds shards. Build a store of them (ganaug store {root} STORE) and fit that")
        return listing
    if any(child.name == METADATA for child in children):
        listing.form = "metadata"
        _follow_metadata(listing)
    else:
        _follow_class_folders(listing, children)
    if listing.ignored:
        listing.warnings.append(f"left out, since no image by name or hidden: {shorten(listing.ignored)}")
    return listing


def shards_in(path: Path) -> list[Path]:
    """The tar or Parquet files that `path` is, or holds, sorted."""
    if path.is_file():
        return [path] if path.suffix in SHARDS else []
    if not path.is_dir():
        return []
    return sorted(child for child in path.iterdir() if child.suffix in SHARDS and not _is_hidden(child.name))


def shorten(names: list[str], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _follow_class_folders(listing: Listing, children: list[os.DirEntry[str]]) -> None:
    root = listing.root
    folders = [child for child in children if _is_folder(child) and not _is_hidden(child.name)]
    loose = [child.name for child in children if not _is_folder(child) and _has_image_name(child.name)]
    listing.ignored += [child.name for child in children if not _expected(child)]
    if not folders:
        found = f"{len(loose):,} images without a class" if loose else "no images: it is empty"
        listing.errors.append(
            f"{root}: holds {found}. Put them into one folder a class, or add {METADATA} (file_name,label)"
        )
        return
    if all(folder.name.lower() in SPLITS for folder in folders):
        names = shorten([f"{folder.name}/" for folder in folders])
        training = next((folder.name for folder in folders if folder.name.lower().startswith("train")), folders[0].name)
        listing.errors.append(
            f"{root}: its folders ({names}) are splits, not classes. Pass {root / training} instead; "
            "the generator must see no test image"
        )
        return
    if len(folders) == 1 and _holds_only_folders(folders[0]):
        inner = root / folders[0].name
        listing.errors.append(f"{root}: holds one folder only, and that one holds the folders. Pass {inner} instead")
        return
    if loose:
        listing.warnings.append(
            f"{len(loose):,} images lie beside the class folders, in none, and are left out: {shorten(loose)}"
        )
    for folder in folders:
        _list_class(listing, folder)


def _list_class(listing: Listing, folder: os.DirEntry[str]) -> None:
    name = folder.name
    if not is_utf8(name):
        listing.errors.append(f"class folder {_printable(name)!r}: its name is not UTF-8. Rename it")
        return
    if folder.is_symlink() and not Path(folder.path).resolve().is_relative_to(listing.root.resolve()):
        listing.errors.append(f"class folder {name!r}: is a link that leads out of {listing.root}. Copy the images in")
        return
    listing.classes.add(name)
    try:
        children = sorted(os.scandir(folder.path), key=lambda child: child.name)
    except OSError as error:
        listing.errors.append(f"class folder {name!r}: cannot be listed: {error.strerror or error}. Allow reading it")
        return
    nested = [
        child.name
        for child in children
        if _is_folder(child) and not _is_hidden(child.name) and _holds_images(child.path)
    ]
    if nested:
        listing.errors.append(
            f"class folder {name!r}: images lie deeper, in {shorten(nested)}. Move them up, or make each a class"
        )
    for child in children:
        file = f"{name}/{child.name}"
        if not _expected(child):
            listing.ignored.append(_printable(file))
        elif not _is_folder(child) and _is_inside(listing, file, child.is_symlink()):
            listing.candidates.append(Candidate(file, name))


def _follow_metadata(listing: Listing) -> None:
    path = listing.root / METADATA
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = [of_cell(name) for name in reader.fieldnames or []]
            missing = [column for column in ("file_name", "label") if column not in (reader.fieldnames or [])]
            if missing:
                listing.errors.append(
                    f"{METADATA}: lacks the column {' and '.join(missing)}. Add it, or take the file away "
                    f"if the folders are the classes; found: {shorten(list(reader.fieldnames or ['nothing']))}"
                )
                return
            _follow_rows(listing, reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        listing.errors.append(f"{METADATA}: cannot be read as CSV in UTF-8: {error}. Mend or remove it")
        return
    if not listing.candidates and not listing.problems:
        listing.errors.append(f"{METADATA}: lists no image. Add a row for each, or remove the file")
    listed = {candidate.file for candidate in listing.candidates} | {problem.file for problem in listing.problems}
    unlisted = sorted(file for file in _walk(listing.root) if file not in listed)
    if unlisted:
        listing.warnings.append(
            f"{len(unlisted):,} images are not listed in {METADATA} and are left out: {shorten(unlisted)}"
        )


def _follow_rows(listing: Listing, reader: "csv.DictReader[str]") -> None:
    lines: dict[str, int] = {}

    @cache  # resolving a path asks the system for each of its parts: 10,000 images share a few folders
    def has_sound_folder(parent: str) -> bool:
        return (listing.root / parent).resolve().is_relative_to(listing.root.resolve())

    for cells in reader:
        row = {column: of_cell(cell) if isinstance(cell, str) else cell for column, cell in cells.items()}
        given, label = row.pop("file_name") or "", row.pop("label") or ""
        where = f"line {reader.line_num} of {METADATA}"
        file = PurePosixPath(given).as_posix() if given else f"({where})"
        if None in row:
            cause, fix = "more cells than the heading", "Quote cells that hold a comma"
        elif not given:
            cause, fix = "no file_name", "Name the image"
        elif _leads_out(given):
            cause, fix = "the path leads out of the folder", "Give one relative to the folder, without '..'"
        elif file in lines:
            cause, fix = f"listed already on line {lines[file]}", "Keep one row an image"
        elif not label.strip():
            cause, fix = "no label", "Give it one"
        elif not _has_image_name(file):
            cause, fix = "not the name of an image", f"Use one that ends in {', '.join(ENDINGS)}"
        else:
            cause, fix = "", ""
        lines.setdefault(file, reader.line_num)
        if cause:
            listing.problems.append(Problem(file, f"{cause} ({where})" if given else cause, fix))
            continue
        linked = not has_sound_folder(file.rpartition("/")[0]) or os.path.islink(listing.root / file)  # noqa: PTH114 - Path's raises for long names
        if _is_inside(listing, file, linked):
            listing.classes.add(label)
            listing.candidates.append(Candidate(file, label, {column: value or "" for column, value in row.items()}))


def _leads_out(given: str) -> bool:
    path = PurePosixPath(given)
    return path.is_absolute() or PureWindowsPath(given).is_absolute() or ".." in path.parts or "\0" in given


def _is_inside(listing: Listing, file: str, may_be_linked: bool) -> bool:
    """Whether `file` may be opened; a problem is noted where not."""
    if not is_utf8(file):
        listing.problems.append(Problem(_printable(file), "its name is not UTF-8", "Rename it"))
        return False
    if may_be_linked and not (listing.root / file).resolve().is_relative_to(listing.root.resolve()):
        listing.problems.append(Problem(file, "is a link that leads out of the folder", "Copy the image in"))
        return False
    return True


def _walk(folder: Path) -> Iterator[str]:
    """Every image below `folder`, by name, relative to it; links are not followed."""
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if not _is_hidden(name)]
        relative = os.path.relpath(parent, folder).replace(os.sep, "/")
        yield from (name if relative == "." else f"{relative}/{name}" for name in files if _has_image_name(name))


def _holds_images(folder: str) -> bool:
    return next(_walk(Path(folder)), None) is not None


def _holds_only_folders(folder: os.DirEntry[str]) -> bool:
    loose = any(_has_image_name(child.name) for child in os.scandir(folder.path) if not _is_folder(child))
    return not loose and _holds_images(folder.path)


def _expected(child: os.DirEntry[str]) -> bool:
    if _is_folder(child):
        return not _is_hidden(child.name)
    return _has_image_name(child.name) or child.name in {METADATA, MANIFEST}


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))  # `__MACOSX`, `__pycache__`; Hugging Face datasets passes over both kinds too


def _has_image_name(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.lower().endswith(ENDINGS) and not base.startswith(".")


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
