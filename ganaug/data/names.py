"""Class and file names that are safe in any folder, whatever a label says."""

import hashlib
import re
from functools import lru_cache

MOST_BYTES = 200

_ODD = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]|\.\.|^[A-Za-z]:|^__|^\.")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@lru_cache(maxsize=4096)
def safe_name(name: str) -> str:
    """`name` as it is where it can name a folder everywhere; otherwise a slug of it with eight digits of its hash.

    Not safe: `/`, `\\`, `..`, control characters, what is not UTF-8, a leading `.` or `__` (readers pass over those), a
    drive letter, a name that Windows reserves, nothing at all, or more than 200 bytes. Different names stay different.
    """
    if name.strip() and not _ODD.search(name) and not _RESERVED.fullmatch(name) and len(name.encode()) <= MOST_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or not re.fullmatch("[A-Za-z0-9]{1,5}", suffix):
        stem, dot, suffix = name, "", ""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = re.sub(r"\W+", "_", stem).strip("_").encode()[: MOST_BYTES - 20].decode(errors="ignore") or "class"
    return f"{slug}-{digest}{dot}{suffix}"


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
