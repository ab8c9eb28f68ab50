"""Parameters that take a name or an object: find the entry, or report the known names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


def lookup(table: Mapping[str, T], name_or_object: str | T, kind: str) -> T:
    """Return the entry of `table` with that name, or the object itself if it has the type of the entries.

    Parameters
    ----------
    table : mapping of str to T
        The registered entries. Not empty. Either all are callable or all have one type.
    name_or_object : str or T
        A name in `table`, or an object to use in place of an entry.
    kind : str
        What an entry is, for the error message, such as "loss".

    Returns
    -------
    T
        The entry or the object.

    Raises
    ------
    ValueError
        If the name is unknown or the object has another type. The message lists the known names.

    Examples
    --------
    >>> from ganaug._runtime.lookup import lookup
    >>> lookup({"min": min, "max": max}, "max", "reduction")([1, 3, 2])
    3
    >>> lookup({"min": min, "max": max}, "maximum", "reduction")
    Traceback (most recent call last):
    ...
    ValueError: Unknown reduction 'maximum'. Known: max, min. Did you mean 'max'?
    """
    if not isinstance(name_or_object, str):
        example = next(iter(table.values()))
        if not (callable(name_or_object) if callable(example) else isinstance(name_or_object, type(example))):
            expected = "a function" if callable(example) else f"an object of {type(example).__name__}"
            raise ValueError(
                f"{kind} must be one of {', '.join(sorted(table))}, or {expected}; got "
                f"{type(name_or_object).__name__} {name_or_object!r}."
            )
        return name_or_object
    if name_or_object in table:
        return table[name_or_object]
    raise ValueError(unknown_name_message(kind, name_or_object, table))


def split_names(names: str | Sequence[T] | None, argument: str) -> list[str | T]:
    """Split comma-separated names into a list; return a list of names or objects as it is.

    Parameters
    ----------
    names : str, sequence or None
        "a, b" gives ["a", "b"], and None an empty list.
    argument : str
        Name of the parameter, for the error message.

    Returns
    -------
    list
        The names or objects.

    Raises
    ------
    ValueError
        If `names` is anything else.

    Examples
    --------
    >>> from ganaug._runtime.lookup import split_names
    >>> split_names("copies, label", "filters")
    ['copies', 'label']
    """
    if isinstance(names, str):
        return [part.strip() for part in names.split(",") if part.strip()]
    if not isinstance(names, Sequence | None):
        raise ValueError(f"{argument} must be comma-separated names, a list, or None; got {names!r}.")
    return list(names or [])


def unknown_name_message(kind: str, name: str, known: Mapping[str, object] | list[str]) -> str:
    """Return the error message for an unknown name, with the known names and the most similar one.

    Parameters
    ----------
    kind : str
        What the name stands for, such as "loss".
    name : str
        The unknown name.
    known : mapping or list of str
        The known names.

    Returns
    -------
    str
        One or two sentences; the second suggests a name when one is similar.

    Examples
    --------
    >>> from ganaug._runtime.lookup import unknown_name_message
    >>> unknown_name_message("loss", "hnge", ["hinge", "vanilla"])
    "Unknown loss 'hnge'. Known: hinge, vanilla. Did you mean 'hinge'?"
    """
    message = f"Unknown {kind} {name!r}. Known: {', '.join(sorted(known))}."
    similar = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"{message} Did you mean {similar[0]!r}?" if similar else message
