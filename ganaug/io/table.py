"""The file metadata.csv: one row per image, readable by Hugging Face datasets, by pandas and by ganaug."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ganaug.errors import DataError
from ganaug.io.names import escape_cell, is_formula

ORIGIN, ALTERED_FROM, OPERATIONS = "origin", "altered_from", "operations"  # where an image comes from
ORIGINAL, ALTERED, SYNTHETIC = "original", "altered", "synthetic"  # values of the column origin
ORIGINS = (ORIGINAL, ALTERED, SYNTHETIC)
STANDARD_COLUMNS = ("file_name", "label", "is_synthetic", ORIGIN, "class_index", "seed", "model_hash", "ganaug_version")

# texts that pandas, and Hugging Face datasets by way of it, read as missing: pandas._libs.parsers.STR_NA_VALUES
MISSING_TEXTS = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)

Row = Mapping[str, object]


def make_row(file: str, label: str, class_index: int, metadata: Row) -> Row:
    """Build the metadata row of one image.

    Parameters
    ----------
    file : str
        Path relative to the folder, with forward slashes.
    label : str
        Name of the class.
    class_index : int
        Label as a number.
    metadata : mapping
        Everything else that is known about the image, including the user's columns.

    Returns
    -------
    dict

    Raises
    ------
    DataError
        If the metadata has a column "origin" of the user's.

    Examples
    --------
    >>> from ganaug.io.table import make_row
    >>> row = make_row("cat/1.png", "cat", 0, {"site": "A"})
    >>> row["label"], row["is_synthetic"], row["origin"]
    ('cat', False, 'original')
    """
    check_origin(metadata, file)
    is_synthetic = is_true(metadata.get("is_synthetic"))
    origin = SYNTHETIC if is_synthetic else metadata.get(ORIGIN)
    return {
        **metadata,
        "file_name": file,
        "label": label,
        "class_index": class_index,
        "is_synthetic": is_synthetic,
        ORIGIN: ORIGINAL if is_missing(origin) else origin,
    }


def check_origin(metadata: Row, file: str) -> None:
    """Raise DataError if the metadata of an image has a column "origin" that ganaug did not write."""
    origin = metadata.get(ORIGIN)
    if not is_missing(origin) and origin not in ORIGINS:
        raise DataError(
            f"{file}: its metadata has the column {ORIGIN!r} with {str(origin)!r}. ganaug writes {', '.join(ORIGINS)} "
            "there. Rename your column."
        )


def encode_table(rows: Iterable[Row]) -> bytes:
    """Encode rows as the content of metadata.csv.

    Parameters
    ----------
    rows : iterable of mapping
        As `make_row` returns them.

    Returns
    -------
    bytes
        CSV in UTF-8. `STANDARD_COLUMNS` come first, then all others in order of appearance. Missing values become empty
        cells. The first rows contain every combination of class and origin.

    Notes
    -----
    A cell that a spreadsheet would evaluate gets a leading quote (`names.escape_cell`), which `read_folder` removes. A
    path gets ``./`` instead, because other readers would take the quote for a part of the path.

    Examples
    --------
    >>> from ganaug.io.table import encode_table, make_row
    >>> print(encode_table([make_row("cat/1.png", "cat", 0, {"site": "=A"})]).decode())
    file_name,label,is_synthetic,origin,class_index,seed,model_hash,ganaug_version,site
    cat/1.png,cat,False,original,0,,,,'=A
    <BLANKLINE>
    """
    ordered = _representatives_first(list(rows))
    columns = dict.fromkeys(STANDARD_COLUMNS) | dict.fromkeys(name for row in ordered for name in row)
    text = io.StringIO(newline="")  # line ends inside cells stay as they are
    minimal, quoted = (
        csv.writer(text, lineterminator="\n", quoting=style) for style in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    for cells in (
        [escape_cell(name) for name in columns],
        *([_cell(name, row.get(name)) for name in columns] for row in ordered),
    ):
        has_carriage_return = any("\r" in cell for cell in cells)  # csv would leave it unquoted
        (quoted if has_carriage_return else minimal).writerow(cells)
    return text.getvalue().encode()


def check_labels(names: Iterable[str]) -> None:
    """Raise DataError for class names that other readers of metadata.csv take for a missing label.

    Examples
    --------
    >>> from ganaug.io.table import check_labels
    >>> check_labels(["cat", "null"])
    Traceback (most recent call last):
    ganaug.errors.DataError: class 'null': pandas and Hugging Face datasets read this name in metadata.csv as ...
    """
    missing = [repr(name) for name in names if name in MISSING_TEXTS]
    if missing:
        raise DataError(
            f"class {', '.join(missing)}: pandas and Hugging Face datasets read this name in metadata.csv as a missing "
            "label. Rename the class: its folder, or its label in metadata.csv."
        )


def is_true(value: object) -> bool:
    """Read a flag from a data frame or a CSV cell. A missing value is False.

    Examples
    --------
    >>> from ganaug.io.table import is_true
    >>> is_true("True"), is_true(1.0), is_true("no"), is_true(float("nan"))
    (True, True, False, False)
    """
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return value.strip().lower() in {"true", "1", "1.0", "yes"}
    return not is_missing(value) and bool(value)


def is_missing(value: object) -> bool:
    """Return whether a value is None, NaN, NA, NaT or an empty cell.

    Examples
    --------
    >>> from ganaug.io.table import is_missing
    >>> is_missing(None), is_missing(""), is_missing(0)
    (True, True, False)
    """
    if type(value) in (str, bool, int):  # nearly all values; pandas takes ten times as long
        return value == ""
    return value is None or bool(pd.isna(value)) or value == ""  # type: ignore[call-overload]


def as_integer(value: object) -> int | None:
    """Read an integer from a CSV cell, or from a data frame, where missing values in its column can make it a float.

    Examples
    --------
    >>> from ganaug.io.table import as_integer
    >>> as_integer(7.0), as_integer("7"), as_integer("")
    (7, 7, None)
    """
    return None if is_missing(value) else int(str(value).removesuffix(".0"))


def _representatives_first(rows: Sequence[Row]) -> list[Row]:
    """Move the first row of each combination of class and origin to the top."""
    # Hugging Face datasets infers column types from the first 10,000 rows. Without every class and every origin, a
    # column that is empty there gets a type that later rows do not fit.
    combinations: set[tuple[object, object]] = set()
    first: list[Row] = []
    rest: list[Row] = []
    for row in rows:
        combination = (row["label"], row[ORIGIN])
        (rest if combination in combinations else first).append(row)
        combinations.add(combination)
    return first + rest


def _cell(column: str, value: object) -> str:
    """Format one cell."""
    if is_missing(value):
        return ""
    if column == "file_name" and is_formula(str(value)):
        return f"./{value}"  # for example in the folder of a class "-7"
    return escape_cell(str(as_integer(value)) if column == "seed" and not isinstance(value, str) else str(value))
