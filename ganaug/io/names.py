"""Class and file names that are safe in any folder and in any spreadsheet, whatever a label says."""

import hashlib
import re
from functools import lru_cache

MAX_BYTES = 200

_ODD = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]|\.\.|^[A-Za-z]:|^__|^\.")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@lru_cache(maxsize=4096)
def safe_name(name: str) -> str:
    """`name` as it is where it can name a folder everywhere; otherwise a slug of it with eight digits of its hash.

    Not safe: `/`, `\\`, `..`, control characters, what is not UTF-8, a leading `.` or `__` (readers pass over those), a
    drive letter, a name that Windows reserves, what a spreadsheet takes for a formula, nothing at all, or more than 200
    bytes. Different names stay different.
    """
    plain = not _ODD.search(name) and not _RESERVED.fullmatch(name) and not is_formula(name)
    if name.strip() and plain and len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or not re.fullmatch("[A-Za-z0-9]{1,5}", suffix):
        stem, dot, suffix = name, "", ""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = re.sub(r"\W+", "_", stem).strip("_").encode()[: MAX_BYTES - 20].decode(errors="ignore") or "class"
    return f"{slug}-{digest}{dot}{suffix}"


def is_utf8(name: str) -> bool:
    """Whether a name from the file system is text; Python stands in for other bytes by surrogates."""
    return name.encode(errors="replace").decode() == name


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run it: it begins with `=`, `+`, `-`, `@`, a tab or a return, and is no number.

    Quotes in front do not matter, so that `as_cell` can be taken back.
    """
    return _FORMULA.match(text) is not None and not _NUMBER.fullmatch(text)


def as_cell(text: str) -> str:
    """A cell of a CSV file that no spreadsheet runs: a quote goes in front of what would be a formula."""
    return f"'{text}" if is_formula(text) else text


def of_cell(cell: str) -> str:
    """The text of which `as_cell` made the cell."""
    return cell[1:] if cell.startswith("'") and is_formula(cell) else cell


def unused(name: str, taken: set[str]) -> str:
    """`name`, or `name` with a number before its ending, such that it is not in `taken`; it is then added there."""
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{stem}-{number}{dot}{suffix}"
    taken.add(candidate)
    return candidate
