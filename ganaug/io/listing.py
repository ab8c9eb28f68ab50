"""List the images of a folder and their classes. No file is opened except metadata.csv.

A folder has one of two forms: class folders (``ROOT/<class>/<image>``), or images anywhere below ROOT together with
``ROOT/metadata.csv``. If metadata.csv exists, its columns `file_name` and `label` decide, even if there are class
folders.
"""

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from ganaug.io.names import is_utf8, unescape_cell
from ganaug.io.paths import (
    IMAGE_SUFFIXES,
    MANIFEST,
    METADATA,
    SPLITS,
    STORE,
    escapes_folder,
    find_shards,
    has_image_name,
    is_folder,
    is_hidden,
    shorten,
    to_utf8,
    walk_images,
)


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used.

    Attributes
    ----------
    file : str
        Path relative to the root.
    cause : str
        What is wrong with the file.
    fix : str
        What the user can do.

    Examples
    --------
    >>> from ganaug.io.listing import Problem
    >>> print(Problem("cat/1.png", "has zero bytes", "Replace it"))
    cat/1.png: has zero bytes. Replace it.
    """

    file: str
    cause: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.cause}. {self.fix}."


@dataclass(frozen=True)
class Candidate:
    """A file that is an image by its name, and may prove unusable when it is opened.

    Attributes
    ----------
    file : str
        Path relative to the root, with forward slashes.
    label : str
        Name of its class.
    metadata : mapping, optional
        Its other columns of metadata.csv.
    """

    file: str
    label: str
    metadata: Mapping[str, str] | None = None


@dataclass
class Listing:
    """The images of a folder by their names.

    Attributes
    ----------
    root : pathlib.Path
    form : {"folders", "metadata", "files"}
        Class folders, metadata.csv, or a list of files without classes.
    classes : set of str
        Names of the classes, including empty ones.
    candidates : list of Candidate
    problems : list of Problem
        Files that cannot be used.
    warnings, errors : list of str
        Sentences, without the final period, about the folder as a whole.
    ignored : list of str
        Hidden files, and files without the name of an image.
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
    """List the images of a folder.

    Parameters
    ----------
    root : pathlib.Path

    Returns
    -------
    Listing
        Its `problems`, `warnings` and `errors` describe what is wrong with the folder; nothing is raised.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug.io.listing import list_images
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("cat/1.png", "dog/1.png", "dog/notes.txt"):
    ...         path = Path(root, file)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     listing = list_images(Path(root))
    >>> sorted(listing.classes), [candidate.file for candidate in listing.candidates], listing.ignored
    (['cat', 'dog'], ['cat/1.png', 'dog/1.png'], ['dog/notes.txt'])
    """
    listing = Listing(root)
    try:
        # file systems list files in different orders
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except FileNotFoundError:
        listing.errors.append(f"{root}: does not exist. Check the path")
        return listing
    except NotADirectoryError:
        listing.errors.append(f"{root}: is a file, not a folder. Unpack it, or pass the folder that contains it")
        return listing
    except OSError as error:
        listing.errors.append(f"{root}: cannot be listed: {error.strerror or error}. Allow reading it")
        return listing
    # stores and shards would look like folders without images
    if any(entry.name == STORE for entry in entries):
        listing.errors.append(f"{root}: is a store, which only `fit` reads. Pass the folder of the images instead")
        return listing
    if find_shards(root) and not any(is_folder(entry) for entry in entries):
        listing.errors.append(
            f"{root}: contains shards. Build a store from them (ganaug store {root} STORE), and fit on the store"
        )
        return listing
    if any(entry.name == METADATA for entry in entries):
        listing.form = "metadata"
        _list_metadata(listing)
    else:
        _list_class_folders(listing, entries)
    if listing.ignored:
        listing.warnings.append(f"ignored, because hidden or not named as an image: {shorten(listing.ignored)}")
    return listing


def _list_class_folders(listing: Listing, entries: list[os.DirEntry[str]]) -> None:
    """List the images of all class folders, after checking that the folders are classes."""
    root = listing.root
    folders = [entry for entry in entries if is_folder(entry) and not is_hidden(entry.name)]
    loose_images = [entry.name for entry in entries if not is_folder(entry) and has_image_name(entry.name)]
    listing.ignored += [entry.name for entry in entries if _is_ignored(entry)]
    if not folders:
        content = f"{len(loose_images):,} images without a class" if loose_images else "no images: it is empty"
        listing.errors.append(
            f"{root}: contains {content}. Create one folder per class, or add {METADATA} (file_name,label)"
        )
        return
    if all(folder.name.lower() in SPLITS for folder in folders):
        names = shorten([f"{folder.name}/" for folder in folders])
        training = next((folder.name for folder in folders if folder.name.lower().startswith("train")), folders[0].name)
        listing.errors.append(
            f"{root}: its folders ({names}) are splits, not classes. Pass {root / training} instead; "
            "the generator must not see test images"
        )
        return
    if len(folders) == 1 and _contains_only_folders(folders[0]):  # as unpacked archives often are
        inner = root / folders[0].name
        listing.errors.append(f"{root}: contains one folder, which contains the class folders. Pass {inner} instead")
        return
    if loose_images:
        listing.warnings.append(
            f"{len(loose_images):,} images outside the class folders are left out: {shorten(loose_images)}"
        )
    for folder in folders:
        _list_class_folder(listing, folder)


def _list_class_folder(listing: Listing, folder: os.DirEntry[str]) -> None:
    """List the images of one class folder."""
    name = folder.name
    if not is_utf8(name):
        listing.errors.append(f"class folder {to_utf8(name)!r}: its name is not UTF-8. Rename it")
        return
    if folder.is_symlink() and not Path(folder.path).resolve().is_relative_to(listing.root.resolve()):
        listing.errors.append(f"class folder {name!r}: is a link that leads out of {listing.root}. Copy the images in")
        return
    listing.classes.add(name)
    try:
        entries = sorted(os.scandir(folder.path), key=lambda entry: entry.name)
    except OSError as error:
        listing.errors.append(f"class folder {name!r}: cannot be listed: {error.strerror or error}. Allow reading it")
        return
    nested = [
        entry.name
        for entry in entries
        if is_folder(entry) and not is_hidden(entry.name) and _contains_images(entry.path)
    ]
    if nested:  # readers disagree on the class: the outer folder (ImageFolder) or the inner one (datasets)
        listing.errors.append(
            f"class folder {name!r}: has images in subfolders ({shorten(nested)}). "
            "Move them up, or make each subfolder a class"
        )
    for entry in entries:
        file = f"{name}/{entry.name}"
        if _is_ignored(entry):
            listing.ignored.append(to_utf8(file))
        elif not is_folder(entry) and has_image_name(entry.name) and _check_location(listing, file, entry.is_symlink()):
            listing.candidates.append(Candidate(file, name))


def _list_metadata(listing: Listing) -> None:
    """List the images that metadata.csv names."""
    path = listing.root / METADATA
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = [unescape_cell(name) for name in reader.fieldnames or []]
            missing = [column for column in ("file_name", "label") if column not in (reader.fieldnames or [])]
            if missing:
                listing.errors.append(
                    f"{METADATA}: lacks the column {' and '.join(missing)}; its columns are "
                    f"{shorten(list(reader.fieldnames or ['none']))}. Add it, or remove the file if the folders are "
                    "the classes"
                )
                return
            _list_rows(listing, reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        listing.errors.append(f"{METADATA}: cannot be read as CSV in UTF-8: {error}. Fix or remove it")
        return
    if not listing.candidates and not listing.problems:
        listing.errors.append(f"{METADATA}: lists no image. Add one row per image, or remove the file")
    listed = {candidate.file for candidate in listing.candidates} | {problem.file for problem in listing.problems}
    # a forgotten row is a likelier mistake than a deliberate one
    unlisted = sorted(file for file in walk_images(listing.root) if file not in listed)
    if unlisted:
        listing.warnings.append(
            f"{len(unlisted):,} images are not listed in {METADATA} and are left out: {shorten(unlisted)}"
        )


def _list_rows(listing: Listing, reader: "csv.DictReader[str]") -> None:
    """Turn each row of metadata.csv into a candidate or a problem."""
    lines: dict[str, int] = {}

    @cache  # resolving a path queries each of its parts, and 10,000 images share a few folders
    def is_inside(folder: str) -> bool:
        return (listing.root / folder).resolve().is_relative_to(listing.root.resolve())

    for cells in reader:
        row = {column: unescape_cell(cell) if isinstance(cell, str) else cell for column, cell in cells.items()}
        name, label = row.pop("file_name") or "", row.pop("label") or ""
        line = f"line {reader.line_num} of {METADATA}"
        file = PurePosixPath(name).as_posix() if name else f"({line})"
        cause, fix = _check_row(row, name, file, label, lines.get(file))
        lines.setdefault(file, reader.line_num)
        if cause:
            listing.problems.append(Problem(file, f"{cause} ({line})" if name else cause, fix))
            continue
        is_link = not is_inside(file.rpartition("/")[0]) or os.path.islink(listing.root / file)  # noqa: PTH114 - Path's raises for long names
        if _check_location(listing, file, is_link):
            listing.classes.add(label)
            listing.candidates.append(Candidate(file, label, {column: value or "" for column, value in row.items()}))


def _check_row(
    cells: Mapping[str, object], name: str, file: str, label: str, previous_line: int | None
) -> tuple[str, str]:
    """Return what is wrong with a row of metadata.csv and how to fix it, or two empty strings.

    name: the cell `file_name`. file: the same as a normalized path. previous_line: the line that lists the same file.
    """
    if None in cells:
        return "more cells than the heading", "Quote cells that contain a comma"
    if not name:
        return "no file_name", "Add the path of the image"
    if escapes_folder(name):
        return "the path leads out of the folder", "Use a path relative to the folder, without '..'"
    if previous_line is not None:
        return f"listed already on line {previous_line}", "Keep one row per image"
    if not label.strip():
        return "no label", "Add one"
    if not has_image_name(file):
        return "not the name of an image", f"Use one that ends in {', '.join(IMAGE_SUFFIXES)}"
    return "", ""


def _check_location(listing: Listing, file: str, may_be_linked: bool) -> bool:
    """Return whether `file` may be opened. If not, add a problem to the listing."""
    if not is_utf8(file):
        listing.problems.append(Problem(to_utf8(file), "its name is not UTF-8", "Rename it"))
        return False
    if may_be_linked and not (listing.root / file).resolve().is_relative_to(listing.root.resolve()):
        listing.problems.append(Problem(file, "is a link that leads out of the folder", "Copy the image in"))
        return False
    return True


def _contains_images(folder: str) -> bool:
    return next(walk_images(Path(folder)), None) is not None


def _contains_only_folders(folder: os.DirEntry[str]) -> bool:
    """Return whether a folder has images in its subfolders and none beside them."""
    has_loose_images = any(has_image_name(entry.name) for entry in os.scandir(folder.path) if not is_folder(entry))
    return not has_loose_images and _contains_images(folder.path)


def _is_ignored(entry: os.DirEntry[str]) -> bool:
    """Return whether to report an entry as ignored: a hidden folder, or a file without an image name.

    metadata.csv and the manifest are not reported.
    """
    if is_folder(entry):
        return is_hidden(entry.name)
    return not has_image_name(entry.name) and entry.name not in {METADATA, MANIFEST}
