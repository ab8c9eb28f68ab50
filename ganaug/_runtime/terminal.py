"""Text that is safe to print: a file name or label must not control a terminal."""


def printable(text: str) -> str:
    """Escape control characters as `\\x1b` and the like; line breaks and tabs stay.

    Parameters
    ----------
    text : str
        Any text, such as a file name.

    Returns
    -------
    str
        Text without control characters.

    Examples
    --------
    >>> from ganaug._runtime.terminal import printable
    >>> print(printable("cat" + chr(27) + "[2J"))
    cat\\x1b[2J
    """
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def one_line(text: str, max_length: int = 40) -> str:
    """Shorten `text` to one line, for labels in figures.

    Parameters
    ----------
    text : str
        Any text. Control characters and line breaks become spaces.
    max_length : int
        Number of characters above which the text is cut and ends in an ellipsis.

    Returns
    -------
    str
        At most `max_length` characters.

    Examples
    --------
    >>> from ganaug._runtime.terminal import one_line
    >>> one_line("a long class name", 7)
    'a long…'
    """
    line = "".join(c if c.isprintable() else " " for c in text[:max_length])
    return line if len(text) <= max_length else f"{line[:-1]}\u2026"
