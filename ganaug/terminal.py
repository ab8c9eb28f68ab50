"""What may be printed: a file name or label must not steer a terminal."""


def printable(text: str) -> str:
    """`text` without control characters; they are shown as `\\x1b` and the like."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)
