"""What may be printed: a file name or label must not steer a terminal."""


def printable(text: str) -> str:
    """`text` without control characters; they are shown as `\\x1b` and the like."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def one_line(text: str, most: int = 40) -> str:
    """The beginning of `text`, where there is room for little: no control characters, no line's end."""
    plain = "".join(c if c.isprintable() else " " for c in text[:most])
    return plain if len(text) <= most else f"{plain[:-1]}\u2026"
