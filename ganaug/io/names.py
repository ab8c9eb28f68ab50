"""Names of classes and files that are safe in any folder, and cells that are safe in any spreadsheet."""

import hashlib
import re
from functools import lru_cache

MAX_NAME_BYTES = 200  # most file systems allow 255; unique_name and temporary files need some of them

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]|\.\.|^[A-Za-z]:|^__|^\.")
# spreadsheets evaluate cells that begin so; the leading quotes make the escaping reversible
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_RESERVED_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@lru_cache(maxsize=4096)
def safe_name(name: str) -> str:
    r"""Return a file or folder name that is safe on every file system.

    Parameters
    ----------
    name : str
        Any text, such as the name of a class.

    Returns
    -------
    str
        `name` itself if it is safe; otherwise a slug with eight digits of the name's hash, so that different names stay
        different. A short file suffix is kept.

    Notes
    -----
    These are not safe: ``/``, ``\``, ``..``, control characters, text that is not UTF-8, a leading ``.`` or ``__``
    (folder readers skip such names), a drive letter, names that Windows reserves, text that a spreadsheet takes for a
    formula, blank text, and more than 200 bytes.

    Examples
    --------
    >>> from ganaug.io.names import safe_name
    >>> safe_name("T-shirt"), safe_name("a/b"), safe_name("../x.png")
    ('T-shirt', 'a_b-c14cddc0', 'x-ee921a2e.png')
    """
    is_safe = not _UNSAFE.search(name) and not _RESERVED_ON_WINDOWS.fullmatch(name) and not is_formula(name)
    if name.strip() and is_safe and len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or not re.fullmatch("[A-Za-z0-9]{1,5}", suffix):
        stem, dot, suffix = name, "", ""
    # names from the file system can contain surrogates, which plain UTF-8 cannot encode
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = re.sub(r"\W+", "_", stem).strip("_").encode()[: MAX_NAME_BYTES - 20].decode(errors="ignore") or "class"
    return f"{slug}-{digest}{dot}{suffix}"


def is_utf8(name: str) -> bool:
    r"""Return whether a name from the file system is valid UTF-8.

    Python represents other bytes in file names by surrogate characters (PEP 383).

    Examples
    --------
    >>> from ganaug.io.names import is_utf8
    >>> is_utf8("café"), is_utf8("\udcff")
    (True, False)
    """
    return name.encode(errors="replace").decode() == name


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would evaluate a cell with this text.

    Such a text begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, and is not a number. Leading single
    quotes are ignored, so that `escape_cell` can be reversed.

    Examples
    --------
    >>> from ganaug.io.names import is_formula
    >>> is_formula("=1+1"), is_formula("-1"), is_formula("cat")
    (True, False, False)
    """
    return _FORMULA.match(text) is not None and not _NUMBER.fullmatch(text)


def escape_cell(text: str) -> str:
    """Quote a CSV cell that a spreadsheet would evaluate, by a leading single quote. `unescape_cell` reverses it.

    Examples
    --------
    >>> from ganaug.io.names import escape_cell, unescape_cell
    >>> escape_cell("=1+1"), escape_cell("cat"), unescape_cell(escape_cell("=1+1"))
    ("'=1+1", 'cat', '=1+1')
    """
    return f"'{text}" if is_formula(text) else text


def unescape_cell(cell: str) -> str:
    """Return the text that `escape_cell` turned into this cell."""
    return cell[1:] if cell.startswith("'") and is_formula(cell) else cell


def unique_name(name: str, used_names: set[str]) -> str:
    """Return a name that is not in use, and add it to the names in use.

    Parameters
    ----------
    name : str
        The preferred file name.
    used_names : set of str
        Names in use. The returned name is added.

    Returns
    -------
    str
        `name`, or `name` with a number before its suffix.

    Examples
    --------
    >>> from ganaug.io.names import unique_name
    >>> used_names = {"a.png"}
    >>> unique_name("a.png", used_names), unique_name("a.png", used_names), unique_name("b.png", used_names)
    ('a-2.png', 'a-3.png', 'b.png')
    """
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    candidate, number = name, 1
    while candidate in used_names:
        number += 1
        candidate = f"{stem}-{number}{dot}{suffix}"
    used_names.add(candidate)
    return candidate
