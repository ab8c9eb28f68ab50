"""Read a CSV as spreadsheets and pandas write it: other separators and encodings, spaces, empty rows and columns."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ganaug.io.names import unescape_cell
from ganaug.io.paths import shorten

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
WINDOWS_1252 = "cp1252"  # what Latin-1 means in practice


class UnreadableSheetError(Exception):
    """A CSV cannot be read. The message is the cause and the fix, without the name of the file and the final period."""


@dataclass(frozen=True)
class SheetRow:
    """One row.

    Attributes
    ----------
    line : int
        Number of its last line in the file.
    cells : dict
        Column -> text.
    has_extra_cells : bool
        Whether it has more cells than the heading.
    """

    line: int
    cells: dict[str, str]
    has_extra_cells: bool


@dataclass(frozen=True)
class Sheet:
    """The content of a CSV.

    Attributes
    ----------
    columns : tuple of str
        Columns with a name.
    rows : tuple of SheetRow
        Rows that are not empty.
    encoding : str
        Python's name of the encoding.
    differences : tuple of str
        How it differs from a CSV in UTF-8 with commas, for messages.
    """

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    encoding: str
    differences: tuple[str, ...]


def parse_sheet(content: bytes, required: Sequence[str]) -> Sheet:
    """Parse a CSV.

    Parameters
    ----------
    content : bytes
        The content of the file. Without a byte order mark it is UTF-8, UTF-16 if every other byte of its beginning is
        0, or else Windows-1252, which includes Latin-1. The cells are separated by commas, semicolons or tabs.
    required : sequence of str
        Columns that it must have. Case is ignored if no column has the name itself. If spaces surround one of these
        names, the spaces around all cells are dropped.

    Returns
    -------
    Sheet

    Raises
    ------
    UnreadableSheetError
        If it is not CSV, lacks a column, or has two of one name.

    Examples
    --------
    >>> from ganaug.io.spreadsheets import parse_sheet
    >>> sheet = parse_sheet("file_name; label\\n1.png; cat\\n;\\n".encode("utf-16"), ["file_name", "label"])
    >>> sheet.rows[0].cells, len(sheet.rows), sheet.differences
    ({'file_name': '1.png', 'label': 'cat'}, 1, ('UTF-16', 'semicolons'))
    """
    text, encoding = _decode(content)
    try:
        lines, separator, has_spaces = _parse(text, required)
    except csv.Error as error:
        raise UnreadableSheetError(f"cannot be read as CSV in UTF-8: {error}. Fix it") from error
    columns = _name_columns([name.strip() if has_spaces else name for name in lines[0][1]], required)
    rows = []
    for number, cells in lines[1:]:
        texts = [unescape_cell(cell.strip() if has_spaces else cell) for cell in cells]
        if any(text.strip() for text in texts):  # spreadsheets end a file by rows of separators
            texts += [""] * (len(columns) - len(texts))
            named = {name: text for name, text in zip(columns, texts, strict=False) if name}
            rows.append(SheetRow(number, named, any(text.strip() for text in texts[len(columns) :])))
    differences = [] if encoding.startswith("utf-8") else [encoding.upper().replace("CP", "Windows-")]
    differences += [] if separator == "," else [SEPARATORS[separator]]
    return Sheet(tuple(filter(None, columns)), tuple(rows), encoding, tuple(differences))


def _decode(content: bytes) -> tuple[str, str]:
    """Return the text and its encoding."""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    if encoding is None and 0 in content[:2]:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        return content.decode(encoding or "utf-8"), encoding or "utf-8"
    except UnicodeDecodeError as error:
        reason = error
    try:
        if encoding is None:
            return content.decode(WINDOWS_1252), WINDOWS_1252
    except UnicodeDecodeError:  # five bytes have no meaning in it
        pass
    raise UnreadableSheetError(f"cannot be read as CSV in UTF-8: {reason}. Fix it") from reason


def _parse(text: str, required: Sequence[str]) -> tuple[list[tuple[int, list[str]]], str, bool]:
    """Return (line number, cells) of the heading and each row, the separator, and whether spaces surround the cells."""
    first, _, rest = text.partition("\n")
    separators, n_skipped = list(SEPARATORS), 0
    hint = first.rstrip("\r").strip('"').lower()
    if hint in {f"sep={each}" for each in SEPARATORS}:  # a line for Excel
        text, separators, n_skipped = rest, [hint[-1]], 1
    heading_starts = len(text) - len(text.lstrip("\r\n"))
    text, n_skipped = text[heading_starts:], n_skipped + text[:heading_starts].count("\n")

    def parse(separator: str, *, strict: bool, skip_spaces: bool = False) -> Iterator[tuple[int, list[str]]]:
        file = io.StringIO(text, newline="")
        reader = csv.reader(file, delimiter=separator, strict=strict, skipinitialspace=skip_spaces)
        return ((reader.line_num + n_skipped, cells) for cells in reader)

    headings = {each: next(parse(each, strict=False), (1, []))[1] for each in separators}
    fitting = (each for each, heading in headings.items() if set(required) <= _simplified(heading))
    separator = next(fitting, separators[0])
    heading = headings[separator]
    # a user's own column may have spaces in its name, so only those of the required columns count
    has_spaces = any(name != name.strip() for name in heading if _simplified([name]) <= set(required))
    # quotes after spaces would be taken for text
    skip_spaces = has_spaces and all(name.startswith(" ") for name in heading[1:])
    return list(parse(separator, strict=True, skip_spaces=skip_spaces)) or [(1, [])], separator, has_spaces


def _simplified(heading: Sequence[str]) -> set[str]:
    """Return names of columns without spaces, quotes and case."""
    return {name.strip().strip('"').casefold() for name in heading}


def _name_columns(heading: Sequence[str], required: Sequence[str]) -> list[str]:
    """Return the names of the columns, "" for a column without a name, such as the index that pandas writes."""
    columns = [unescape_cell(name) for name in heading]
    for name in set(required) - set(columns):
        columns = [name if column.casefold() == name else column for column in columns]
    missing = [name for name in required if name not in columns]
    if missing:
        shown = shorten([name for name in columns if name] or ["none"])
        raise UnreadableSheetError(f"lacks the column {' and '.join(missing)}; its columns are {shown}. Add it")
    repeated = next((name for name in columns if name and columns.count(name) > 1), None)
    if repeated is not None:
        raise UnreadableSheetError(f"has the column {repeated} twice. Remove or rename one")
    return columns
