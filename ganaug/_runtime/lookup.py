"""Find an entry by name, or take an object as it is."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


def lookup(table: Mapping[str, T], name_or_object: str | T, kind: str) -> T:
    """The entry of `table` called `name_or_object`, or the object itself when it is of the entries' kind.

    Raises ValueError that lists the known names, and the nearest one when there is one.
    """
    if not isinstance(name_or_object, str):
        example = next(iter(table.values()))
        if not (callable(name_or_object) if callable(example) else isinstance(name_or_object, type(example))):
            what = "a function" if callable(example) else f"an object of {type(example).__name__}"
            raise ValueError(
                f"{kind} must be one of {', '.join(sorted(table))}, or {what}; got {type(name_or_object).__name__} "
                f"{name_or_object!r}."
            )
        return name_or_object
    if name_or_object in table:
        return table[name_or_object]
    raise ValueError(unknown(kind, name_or_object, table))


def listed(names: str | Sequence[T] | None, argument: str) -> list[str | T]:
    """'a, b' -> ["a", "b"]; a list of names or objects as it is; None -> []. Raises ValueError for anything else."""
    if isinstance(names, str):
        return [part.strip() for part in names.split(",") if part.strip()]
    if not isinstance(names, Sequence | None):
        raise ValueError(f"{argument} must be names joined by commas, a list, or None; got {names!r}.")
    return list(names or [])


def unknown(kind: str, name: str, known: Mapping[str, object] | list[str]) -> str:
    """The sentence for a name that is not known: `Unknown loss 'x'. Known: a, b. Did you mean 'a'?`."""
    text = f"Unknown {kind} {name!r}. Known: {', '.join(sorted(known))}."
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"{text} Did you mean {near[0]!r}?" if near else text
