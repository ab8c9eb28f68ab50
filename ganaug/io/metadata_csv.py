"""List the images that metadata.csv names."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from ganaug.io.candidates import Candidate, Listing, Problem
from ganaug.io.class_folders import GROUP_COLUMN
from ganaug.io.items import NO_LABEL, folded
from ganaug.io.names import is_utf8
from ganaug.io.paths import IMAGE_SUFFIXES, METADATA, escapes_folder, has_image_name, shorten, walk_images
from ganaug.io.spreadsheets import WINDOWS_1252, Sheet, SheetRow, UnreadableSheetError, parse_sheet

REQUIRED = ("file_name", "label")
_WHOLE_NUMBER = re.compile(r"([+-]?(?:0|[1-9]\d*))(\.0+)?")


def list_metadata(listing: Listing) -> None:
    """List the images that metadata.csv names.

    Parameters
    ----------
    listing : Listing
        Receives the images and what is wrong with the file.
    """
    try:
        sheet = parse_sheet((listing.root / METADATA).read_bytes(), REQUIRED)
    except OSError as error:
        listing.errors.append(f"{METADATA}: cannot be read: {error.strerror or error}. Fix or remove it")
        return
    except UnreadableSheetError as error:
        listing.errors.append(f"{METADATA}: {error}, or remove the file if the folders are the classes")
        return
    if listing.subfolder_groups and GROUP_COLUMN not in sheet.columns:
        listing.errors.append(
            f"{METADATA}: lacks the column {GROUP_COLUMN}. With {METADATA}, subfolder_groups (--subfolder-groups) "
            "needs it. Add it, or leave the option out"
        )
        return
    locate = _Locator(listing.root)
    if not _check_encoding(listing, sheet, locate):
        return
    _list_rows(listing, _with_whole_labels(listing, sheet.rows), locate)
    _describe_negative(listing)
    if not listing.candidates and not listing.problems:
        listing.errors.append(f"{METADATA}: lists no image. Add one row per image, or remove the file")
    listed = {candidate.file for candidate in listing.candidates} | {problem.file for problem in listing.problems}
    # a forgotten row is a likelier mistake than a deliberate one
    unlisted = sorted(file for file in walk_images(listing.root) if file not in listed)
    if unlisted:
        listing.warnings.append(
            f"{len(unlisted):,} images are not listed in {METADATA} and are left out: {shorten(unlisted)}"
        )


def _check_encoding(listing: Listing, sheet: Sheet, locate: "_Locator") -> bool:
    """Warn of an encoding and separators that other readers do not expect. Returns whether the text can be trusted."""
    if sheet.encoding == WINDOWS_1252:
        files = [row.cells["file_name"] for row in sheet.rows if not row.cells["file_name"].isascii()]
        absent = [name for name in files if not os.path.lexists(listing.root / locate(name))]
        if absent:  # any bytes are text in Windows-1252, so only the names of files show that it is right
            listing.errors.append(
                f"{METADATA}: cannot be read as CSV in UTF-8, and in Windows-1252 it names files that do not exist: "
                f"{shorten(absent)}. Save it as CSV in UTF-8"
            )
            return False
        labels = sorted({row.cells["label"] for row in sheet.rows if not row.cells["label"].isascii()})
        if labels:
            listing.notes.append(
                f"{METADATA} is not in UTF-8 and was read as Windows-1252 (Latin-1). Check the class {shorten(labels)}"
            )
    if sheet.differences:
        listing.warnings.append(
            f"{METADATA}: pandas and Hugging Face datasets expect UTF-8 and commas, and it has "
            f"{' and '.join(sheet.differences)}"
        )
    return True


def _with_whole_labels(listing: Listing, rows: Sequence[SheetRow]) -> Sequence[SheetRow]:
    """Remove the decimals of labels such as 1.0, if all are whole numbers.

    pandas writes them if a label was missing. A class may have such a name too; then it has a folder.
    """
    labels = {row.cells["label"].strip() for row in rows} - {""}
    numbers = {label: _WHOLE_NUMBER.fullmatch(label) for label in labels}
    decimal = [label for label, match in numbers.items() if match and match[2]]
    if not decimal or not all(numbers.values()) or any((listing.root / label).is_dir() for label in decimal):
        return rows
    listing.notes.append(f"{METADATA}: labels such as {min(decimal)} are read as whole numbers, such as 1")
    whole = {label: match[1] for label, match in numbers.items() if match}
    return [
        replace(row, cells={**row.cells, "label": whole.get(row.cells["label"].strip(), row.cells["label"])})
        for row in rows
    ]


def _describe_negative(listing: Listing) -> None:
    """Say that -1 is a class: other data sets use it for images without a label."""
    is_number = [_WHOLE_NUMBER.fullmatch(name) is not None for name in listing.classes]
    if str(NO_LABEL) in listing.classes and all(is_number) and listing.classes != {str(NO_LABEL), "1"}:
        listing.notes.append(
            f"{METADATA}: the label {NO_LABEL} is read as a class. If it stands for no label, remove these rows"
        )


def _list_rows(listing: Listing, rows: Sequence[SheetRow], locate: "_Locator") -> None:
    """Turn each row into a candidate or a problem."""
    lines: dict[str, int] = {}

    @cache  # resolving a path queries each of its parts, and 10,000 images share a few folders
    def is_outside(folder: str) -> bool:
        return listing.leads_out(listing.root / folder)

    for row in rows:
        cells = dict(row.cells)
        name, label = cells.pop("file_name"), cells.pop("label")
        file = locate(name) if name else f"(line {row.line} of {METADATA})"
        cause, fix = _check_row(row, name, file, label, lines.get(file))
        lines.setdefault(file, row.line)
        if cause:
            listing.problems.append(Problem(file, f"{cause} (line {row.line} of {METADATA})" if name else cause, fix))
            continue
        is_link = is_outside(file.rpartition("/")[0]) or os.path.islink(listing.root / file)  # noqa: PTH114 - Path's raises for long names
        if listing.may_open(file, is_link=is_link):
            listing.classes.add(label)
            listing.candidates.append(Candidate(file, label, cells))


class _Locator:
    """Find the files that metadata.csv names."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str) -> str:
        r"""Return the path of a file relative to the root.

        A backslash separates folders, as on Windows, unless a file has the name itself. If no file has the name, one is
        taken whose name differs only in case or in the encoding of accents, which Windows and macOS ignore.
        """
        literal = PurePosixPath(name).as_posix()
        if escapes_folder(name) or os.path.lexists(self.root / literal):
            return literal
        file = PurePosixPath(name.replace("\\", "/")).as_posix()
        if os.path.lexists(self.root / file):
            return file
        similar = self._files.get(folded(file), [])
        return similar[0] if len(similar) == 1 else file

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        """Names without the differences that `folded` ignores -> the files that have them."""
        files = defaultdict(list)
        for file in filter(is_utf8, walk_images(self.root)):
            files[folded(file)].append(file)
        return files


def _check_row(row: SheetRow, name: str, file: str, label: str, previous_line: int | None) -> tuple[str, str]:
    """Return what is wrong with a row and how to fix it, or two empty strings.

    name: the cell `file_name`. file: the same as a normalized path. previous_line: the line that lists the same file.
    """
    if row.has_extra_cells:
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
