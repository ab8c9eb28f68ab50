"""Color profiles that say, where a profile states its copyright, that the picture is synthetic.

sRGB, which is what a picture without a profile is taken for, so colors stay. Pillow drops the text of a PNG that it
saves anew, and hands its profile on. Written as ICC.1:2022 says (https://www.color.org/specification/ICC.1-2022-05.pdf);
the sections are named below.
"""

import struct

WHITE = (0.96420, 1.0, 0.82491)  # of the space in which profiles meet: D50 (section 7.2.16)
FROM_D65 = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01706, -0.00925, 0.01508, 0.75168)  # Bradford's (annex E)
PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))  # IEC 61966-2-1
CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # of its values, by formula 3 of section 10.18


def icc_profile(n_channels: int, statement: str) -> bytes:
    """An sRGB profile for pictures of 3 channels, or a gray one with its curve for 1. statement: its copyright."""
    curve = struct.pack(">4sIHH", b"para", 0, 3, 0) + _fixed(*CURVE)
    tags = {
        b"desc": _text("sRGB" if n_channels == 3 else "sRGB gray"),
        b"cprt": _text(statement),
        b"wtpt": _xyz(*WHITE),
        b"chad": struct.pack(">4sI", b"sf32", 0) + _fixed(*FROM_D65),
    }
    if n_channels == 3:
        tags |= {name: _xyz(*primary) for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), PRIMARIES, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, contents, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, content in tags.items():
        if content not in places:  # equal ones stand once (section 7.3.1)
            places[content] = 128 + 4 + 12 * len(tags) + len(contents)
            contents += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, places[content], len(content))
    return _header(128 + len(table) + len(contents), b"RGB " if n_channels == 3 else b"GRAY") + table + contents


def _header(size: int, space: bytes) -> bytes:
    """Section 7.2: a display profile of version 4.4, made at no time that would tell one file from another."""
    kind = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04400000, b"mntr", space, b"XYZ ")
    made = struct.pack(">6H4s", 2025, 1, 1, 0, 0, 0, b"acsp")
    return (kind + made + bytes(28) + _fixed(*WHITE)).ljust(128, b"\0")


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _xyz(*numbers: float) -> bytes:
    return struct.pack(">4sI", b"XYZ ", 0) + _fixed(*numbers)


def _text(text: str) -> bytes:
    """Section 10.15: one text, in English, as UTF-16."""
    content = text.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(content), 28) + content
