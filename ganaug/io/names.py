"""Names of classes and files that are safe in any folder, and cells that are safe in any spreadsheet."""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

MAX_NAME_BYTES = 200  # most file systems allow 255; unique_name and temporary files need some of them

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff<>:\"|?*]|\.\.|^__|^\.|[. ]$")
# spreadsheets evaluate cells that begin so; the leading quotes make the escaping reversible
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_RESERVED_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_FILES_OF_GANAUG = re.compile(r"metadata\.csv|store\.json", re.IGNORECASE)  # folder readers take them for these files


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
    (folder readers skip such names), what Windows and exFAT cannot store (``< > : " | ? *``, a dot or space at the end,
    reserved names), text that a spreadsheet takes for a formula, blank text, and more than 200 bytes.

    Examples
    --------
    >>> from ganaug.io.names import safe_name
    >>> safe_name("T-shirt"), safe_name("a/b"), safe_name("../x.png")
    ('T-shirt', 'a_b-c14cddc0', 'x-ee921a2e.png')
    """
    is_reserved = _RESERVED_ON_WINDOWS.fullmatch(name) or _FILES_OF_GANAUG.fullmatch(name)
    is_safe = not _UNSAFE.search(name) and not is_reserved and not is_formula(name)
    if name.strip() and is_safe and len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or not re.fullmatch("[A-Za-z0-9]{1,5}", suffix):
        stem, dot, suffix = name, "", ""
    slug = re.sub(r"\W+", "_", stem).strip("_").encode()[: MAX_NAME_BYTES - 20].decode(errors="ignore") or "class"
    return f"{slug}-{_digest(name)}{dot}{suffix}"


def folder_names(classes: Iterable[str], existing: Iterable[str] = ()) -> dict[str, str]:
    """Name the folders of all classes of a set, distinct and safe on every file system.

    Parameters
    ----------
    classes : iterable of str
        Class names, each once.
    existing : iterable of str
        Names in the folder that will hold the class folders. A class whose folder exists keeps it.

    Returns
    -------
    dict
        Class name -> name of its folder. No two names differ only in case or in the encoding of accents, which many
        disks ignore.

    Examples
    --------
    >>> from ganaug.io.names import folder_names
    >>> folder_names(["Cat", "cat", "what?"])
    {'Cat': 'Cat', 'cat': 'cat-77af778b', 'what?': 'what-2cc9a59a'}
    """
    from ganaug.io.items import folded  # that module imports this one

    names, present = list(classes), set(existing)
    folders = {name: name for name in names if name in present}
    used_names = {folded(name) for name in present}
    for name in names:
        if name not in folders:
            safe = safe_name(name)
            preferred = safe if folded(safe) not in used_names else f"{safe}-{_digest(name)}"
            folders[name] = unique_name(preferred, used_names)
    return {name: folders[name] for name in names}


def _digest(name: str) -> str:
    """Return eight digits of the hash of a name."""
    # names from the file system can contain surrogates, which plain UTF-8 cannot encode
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


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
        Names in use, as `items.folded` returns them. That of the returned name is added.

    Returns
    -------
    str
        `name`, or `name` with a number before its suffix. Names that differ only in case count as equal, because many
        disks ignore it.

    Examples
    --------
    >>> from ganaug.io.names import unique_name
    >>> used_names = {"a.png"}
    >>> unique_name("a.png", used_names), unique_name("a.png", used_names), unique_name("b.png", used_names)
    ('a-2.png', 'a-3.png', 'b.png')
    """
    from ganaug.io.items import folded  # that module imports this one

    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    candidate, number = name, 1
    while folded(candidate) in used_names:
        number += 1
        candidate = f"{stem}-{number}{dot}{suffix}"
    used_names.add(folded(candidate))
    return candidate
