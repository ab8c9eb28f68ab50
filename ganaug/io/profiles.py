"""sRGB color profiles with a copyright statement, which say that an image is synthetic.

An image without a profile is taken for sRGB, so an sRGB profile does not change its colors. When Pillow saves a PNG
again it drops the text chunks but keeps the profile.

References
----------
ICC.1:2022, https://www.color.org/specification/ICC.1-2022-05.pdf. Sections are named beside the code.
"""

import struct

WHITE_POINT = (0.96420, 1.0, 0.82491)  # D50, the white of the profile connection space (section 7.2.16)
D65_TO_D50 = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01706, -0.00925, 0.01508, 0.75168)  # Bradford (annex E)
PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))  # IEC 61966-2-1
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # parametric curve type 3 (section 10.18)


def icc_profile(n_channels: int, statement: str) -> bytes:
    """Build an sRGB profile with a copyright statement.

    Parameters
    ----------
    n_channels : int
        3 for an RGB profile, 1 for a gray profile with the sRGB curve.
    statement : str
        Text of the copyright tag.

    Returns
    -------
    bytes
        The profile, uncompressed. Equal arguments give equal bytes.

    Examples
    --------
    >>> from ganaug.io.profiles import icc_profile
    >>> profile = icc_profile(3, "Synthetic image")
    >>> profile[12:20], int.from_bytes(profile[:4], "big") == len(profile)
    (b'mntrRGB ', True)
    """
    curve = struct.pack(">4sIHH", b"para", 0, 3, 0) + _fixed_point(*SRGB_CURVE)
    tags = {
        b"desc": _text_tag("sRGB" if n_channels == 3 else "sRGB gray"),
        b"cprt": _text_tag(statement),
        b"wtpt": _xyz_tag(*WHITE_POINT),
        b"chad": struct.pack(">4sI", b"sf32", 0) + _fixed_point(*D65_TO_D50),
    }
    if n_channels == 3:
        tags |= {name: _xyz_tag(*primary) for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), PRIMARIES, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, contents, offsets = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, content in tags.items():
        if content not in offsets:  # tags with equal content share it (section 7.3.1)
            offsets[content] = 128 + 4 + 12 * len(tags) + len(contents)
            contents += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, offsets[content], len(content))
    return _header(128 + len(table) + len(contents), b"RGB " if n_channels == 3 else b"GRAY") + table + contents


def _header(size: int, color_space: bytes) -> bytes:
    """Build the header of a display profile, version 4.4 (section 7.2)."""
    profile_class = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04400000, b"mntr", color_space, b"XYZ ")
    creation_date = struct.pack(">6H4s", 2025, 1, 1, 0, 0, 0, b"acsp")  # constant, so that files stay reproducible
    return (profile_class + creation_date + bytes(28) + _fixed_point(*WHITE_POINT)).ljust(128, b"\0")


def _fixed_point(*numbers: float) -> bytes:
    """Encode as s15Fixed16Number (section 4.6)."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _xyz_tag(*numbers: float) -> bytes:
    """Encode an XYZType tag (section 10.31)."""
    return struct.pack(">4sI", b"XYZ ", 0) + _fixed_point(*numbers)


def _text_tag(text: str) -> bytes:
    """Encode one English text as a multiLocalizedUnicodeType tag, in UTF-16 (section 10.15)."""
    content = text.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(content), 28) + content
