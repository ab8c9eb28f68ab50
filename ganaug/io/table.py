"""OUT/metadata.csv: a row an image, readable by Hugging Face datasets, by pandas and by ganaug itself."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ganaug.io.names import as_cell, is_formula

OWN_COLUMNS = ("file_name", "label", "is_synthetic", "class_index", "seed", "model_hash", "ganaug_version")

Row = Mapping[str, object]


def row_of(file: str, label: str, class_index: int, source: Row) -> Row:
    """The row of one image; `source` has what else is known of it, and its own columns."""
    return {
        **source,
        "file_name": file,
        "label": label,
        "class_index": class_index,
        "is_synthetic": is_true(source.get("is_synthetic")),
    }


def table(rows: Iterable[Row]) -> bytes:
    """metadata.csv: ganaug's columns, then all others in order of appearance; UTF-8, missing values as empty cells.

    What a spreadsheet would take for a formula gets a quote in front (`names.as_cell`), which `read_folder` takes away,
    or, as a path, `./`.
    """
    ordered = _representatives_first(list(rows))
    columns = dict.fromkeys(OWN_COLUMNS) | dict.fromkeys(name for row in ordered for name in row)
    text = io.StringIO(newline="")
    plain, quoted = (csv.writer(text, lineterminator="\n", quoting=how) for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    for cells in (
        [as_cell(name) for name in columns],
        *([_cell(name, row.get(name)) for name in columns] for row in ordered),
    ):
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)  # which csv would leave bare
    return text.getvalue().encode()


def is_true(value: object) -> bool:
    """A flag from a frame or from a CSV cell; what is missing is false."""
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return value.strip().lower() in {"true", "1", "1.0", "yes"}
    return not is_missing(value) and bool(value)


def is_missing(value: object) -> bool:
    """None, NaN, NA, NaT, or an empty cell."""
    if type(value) in (str, bool, int):  # nearly all; asking pandas takes ten times as long
        return value == ""
    return value is None or bool(pd.isna(value)) or value == ""  # type: ignore[call-overload]


def whole(value: object) -> int | None:
    """A seed from a frame, where missing neighbors may have made it a float, or from a CSV cell."""
    return None if is_missing(value) else int(str(value).removesuffix(".0"))


def _representatives_first(rows: Sequence[Row]) -> list[Row]:
    # Hugging Face datasets takes each column's type from the first 10,000 rows: they must hold every class, and
    # synthetic rows beside original ones, or a column that is empty so far gets a type that later rows do not fit
    seen: set[tuple[object, object]] = set()
    first: list[Row] = []
    rest: list[Row] = []
    for row in rows:
        kind = (row["label"], row["is_synthetic"])
        (rest if kind in seen else first).append(row)
        seen.add(kind)
    return first + rest


def _cell(column: str, value: object) -> str:
    if is_missing(value):
        return ""
    if column == "file_name" and is_formula(str(value)):
        return f"./{value}"  # of a class -7, say; a quote in front would be part of the path to other readers
    return as_cell(str(whole(value)) if column == "seed" and not isinstance(value, str) else str(value))
