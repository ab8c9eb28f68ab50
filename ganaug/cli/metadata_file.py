"""The file of `ganaug report --metadata`: columns for images whose folders lack them, joined by file name."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ganaug.errors import DataError
from ganaug.io.items import text_value
from ganaug.io.paths import shorten
from ganaug.io.spreadsheets import UnreadableSheetError, parse_sheet
from ganaug.io.table import STANDARD_COLUMNS

if TYPE_CHECKING:
    from ganaug.images import LabeledImages

FILE_NAME = "file_name"


@dataclass(frozen=True)
class MetadataFile:
    """The rows of a CSV by file name.

    Attributes
    ----------
    path : pathlib.Path
    columns : tuple of str
        All columns but `file_name`.
    rows : mapping
        Key of a file name (`file_key`) -> its cells as text; None for an empty cell.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str | None]]

    def check_unambiguous(self, sets: Mapping[str, "LabeledImages"]) -> None:
        """Raise DataError if a row would add a column to two images with the same file name.

        Parameters
        ----------
        sets : mapping
            What the images are, such as "real" -> images.
        """
        for first, second in combinations(sets, 2):
            shared = sorted(_keys(sets[first]).keys() & _keys(sets[second]).keys() & self.rows.keys())
            added = set(self.columns).difference(*(_table(sets[name]).columns for name in (first, second)))
            if shared and added:
                raise DataError(
                    f"{self.path}: the {first} and the {second} images both have a file {shared[0]} ({len(shared)} "
                    "shared names), so a row could belong to either. Write a metadata.csv into each folder instead."
                )

    def unmatched_message(self, sets: Iterable["LabeledImages"]) -> str | None:
        """Return a warning about rows whose file name is that of no image, or None."""
        known = {key: None for images in sets for key in _keys(images)}
        unmatched = sorted(self.rows.keys() - known.keys())
        if not unmatched:
            return None
        example = f"; the name of an image is {next(iter(known))}" if known else ""
        return (
            f"{self.path}: {len(unmatched):,} of {len(self.rows):,} file names match no image: {shorten(unmatched)}"
            f"{example}"
        )

    def add_to(self, images: "LabeledImages") -> tuple["LabeledImages", list[str]]:
        """Add the columns, and the values of columns, that the metadata of images lack.

        Returns
        -------
        tuple of LabeledImages and list of str
            Warnings name the columns whose values differ from those that the images have.
        """
        table, warnings = _table(images), []
        rows: list[Mapping[str, str | None]] = [{}] * len(images)
        for key, numbers in _keys(images).items():
            for number in numbers:
                rows[number] = self.rows.get(key, {})
        for name in self.columns:
            cells = [row.get(name) for row in rows]
            if not any(cell is not None for cell in cells):
                continue
            if name not in table:
                table[name] = cells
                continue
            values = [(cell, value, text_value(value)) for cell, value in zip(cells, table[name].tolist(), strict=True)]
            n_different = sum(None not in (cell, text) and text_value(cell) != text for cell, _, text in values)
            if n_different:
                warnings.append(
                    f"{self.path}: {n_different:,} values of {name} differ from those of metadata.csv, which are used"
                )
            if name not in STANDARD_COLUMNS:
                table[name] = [cell if text is None else value for cell, value, text in values]
        return replace(images, metadata=table), warnings


def read_metadata_file(path: Path) -> MetadataFile:
    """Read a CSV by the rules of metadata.csv, every cell as text.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    MetadataFile

    Raises
    ------
    DataError
        If the file is no CSV, lacks the column `file_name`, has a column twice, or has different values for one image.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug.cli.metadata_file import read_metadata_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "attributes.csv")
    ...     _ = path.write_text("file_name, attr_site\\ncat\\\\1.png,NA\\n./cat/2.png,\\n")
    ...     read_metadata_file(path).rows
    {'cat/1.png': {'attr_site': 'NA'}, 'cat/2.png': {'attr_site': None}}
    """
    try:
        sheet = parse_sheet(path.read_bytes(), [FILE_NAME])
    except (OSError, UnreadableSheetError) as error:
        raise DataError(f"{path}: {error}.") from error
    longer = next((row.line for row in sheet.rows if row.has_extra_cells), None)
    if longer is not None:
        raise DataError(f"{path}: line {longer} has more cells than the heading. Quote cells that contain a comma.")
    # spaces after the commas of the heading belong to no name
    lines = [(row.line, {name.strip(): cell for name, cell in row.cells.items()}) for row in sheet.rows]
    columns = tuple(name.strip() for name in sheet.columns if name != FILE_NAME)
    return MetadataFile(path, columns, _join_rows(path, lines))


def file_key(name: str) -> str:
    r"""Return a file name in the form by which rows and images are matched.

    Examples
    --------
    >>> from ganaug.cli.metadata_file import file_key
    >>> file_key("cat\\1.png"), file_key(" ./cat/1.png")
    ('cat/1.png', 'cat/1.png')
    """
    # macOS decomposes accents in file names
    return unicodedata.normalize("NFC", PurePosixPath(name.strip().replace("\\", "/")).as_posix())


def _join_rows(path: Path, lines: Iterable[tuple[int, dict[str, str]]]) -> dict[str, dict[str, str | None]]:
    """Return the rows by file name. lines: line number and cells of each."""
    rows: dict[str, dict[str, str | None]] = {}
    line_of: dict[str, int] = {}
    for line, cells in lines:
        row = {name: cell if cell.strip() else None for name, cell in cells.items() if name}
        name = row.pop(FILE_NAME, None)
        if name is None:
            if any(cell is not None for cell in row.values()):
                raise DataError(f"{path}: line {line} has no {FILE_NAME}. Add it, or remove the line.")
            continue  # spreadsheets write rows without any value
        key = file_key(name)
        different = next((each for each in row if key in rows and _differ(row[each], rows[key].get(each))), None)
        if different is not None:
            raise DataError(
                f"{path}: lines {line_of[key]} and {line} have different values of {different} for {key}: "
                f"{rows[key].get(different)!r} and {row[different]!r}. Keep one row per image."
            )
        rows.setdefault(key, row)
        line_of.setdefault(key, line)
    return rows


def _differ(first: str | None, second: str | None) -> bool:
    return text_value(first) != text_value(second)


def _table(images: "LabeledImages") -> Any:
    """A copy of the metadata of images that were read from files. Raises DataError if they have no file names."""
    if images.metadata is None or FILE_NAME not in images.metadata:
        raise DataError("--metadata needs folders: a store has no file names by which rows could be matched.")
    return images.metadata.reset_index(drop=True)


def _keys(images: "LabeledImages") -> dict[str, list[int]]:
    """Numbers of the images with each key of a file name."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(_table(images)[FILE_NAME].astype(str)):
        numbers.setdefault(file_key(name), []).append(number)
    return numbers
