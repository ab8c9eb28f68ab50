"""Name what is unusual about a file that begins as an image of an allowed format and that Pillow refuses."""

import io

from PIL import TiffImagePlugin as Tiff

from ganaug.io.pillow_modes import UnusableImage

PREFIXES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF", b"GIF8", *Tiff.PREFIXES, *(b"P%d" % k for k in range(1, 7)))
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that begin a frame (ITU T.81, table B.1)
JPEG_BANDS = (1, 3, 4)
UNSUPPORTED = "Unsupported "  # how Pillow's messages about variants of a format begin
DAMAGED_HEADER = "damaged: its header cannot be read"


def describe_refused(content: bytes) -> UnusableImage | None:
    """Explain why Pillow does not identify a file.

    Parameters
    ----------
    content : bytes
        The content of the file.

    Returns
    -------
    UnusableImage or None
        None if the content does not begin as an image of an allowed format.

    Examples
    --------
    >>> from ganaug.io.file_headers import describe_refused
    >>> describe_refused(b"GIF89a").cause, describe_refused(b"hello")
    ('damaged: its header cannot be read', None)
    """
    if content.startswith(tuple(Tiff.PREFIXES)):
        return _describe_tiff(content)
    if content.startswith(b"\xff\xd8\xff"):
        return _describe_jpeg(content)
    return UnusableImage(DAMAGED_HEADER) if content.startswith(PREFIXES) else None


def describe_unsupported(content: bytes, reason: str) -> UnusableImage | None:
    """Explain an exception of Pillow with this message, if the file is a variant that Pillow cannot read."""
    if reason.startswith(UNSUPPORTED):
        return UnusableImage(f"is of a variant that Pillow cannot read ({reason})", "Save it as PNG")
    if content.startswith(tuple(Tiff.PREFIXES)):
        described = _describe_tiff(content)
        return described if "compressed" in described.cause else None
    return None


def _describe_tiff(content: bytes) -> UnusableImage:
    """Name the bands, the bits and the compression of a TIFF."""
    try:
        is_big = 43 in content[2:4]  # BigTIFF has a longer header
        tags = Tiff.ImageFileDirectory_v2(content[: 16 if is_big else 8])
        file = io.BytesIO(content)
        file.seek(tags.next)
        tags.load(file)
        n_bands, bits = int(tags.get(Tiff.SAMPLESPERPIXEL, 1)), tags.get(Tiff.BITSPERSAMPLE, (1,))
        compression = int(tags.get(Tiff.COMPRESSION, 1))
        is_float = 3 in tags.get(Tiff.SAMPLEFORMAT, (1,))
        if Tiff.IMAGEWIDTH not in tags:
            return UnusableImage(DAMAGED_HEADER)
    except Exception:  # damaged bytes make Pillow's parser raise nearly any exception
        return UnusableImage(DAMAGED_HEADER)
    if compression not in Tiff.COMPRESSION_INFO:
        return UnusableImage(
            f"is a TIFF compressed by method {compression}, which Pillow cannot read", "Save it without compression"
        )
    shown = " or ".join(str(number) for number in dict.fromkeys(bits)) + (
        " floating-point bits" if is_float else " bits"
    )
    return UnusableImage(
        f"is a TIFF of {n_bands} band{'s' if n_bands > 1 else ''} of {shown}, which Pillow cannot read",
        "Save three of its bands as 8-bit RGB" if n_bands > 2 else "Save it as 8-bit or 16-bit gray",
    )


def _describe_jpeg(content: bytes) -> UnusableImage:
    """Name the bits and the bands of a JPEG."""
    position = 2
    while position + 9 < len(content) and content[position] == 0xFF:
        if content[position + 1] in JPEG_FRAMES:
            bits, n_bands = content[position + 4], content[position + 9]
            if bits == 8 and n_bands in JPEG_BANDS:
                break
            return UnusableImage(
                f"is a JPEG of {n_bands} band{'s' if n_bands > 1 else ''} of {bits} bits, which Pillow cannot read",
                "Save it as 8-bit JPEG or PNG",
            )
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return UnusableImage(DAMAGED_HEADER)
