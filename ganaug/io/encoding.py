"""Encode pixels as PNG, faster than Pillow and, except for tiny images, about as small (``benchmarks/png.py``)."""

import struct
import zlib
from functools import cache

import numpy as np
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ganaug.io.profiles import icc_profile

HEADER_BYTES = 33  # signature and IHDR chunk; other chunks may follow
MAX_UNCOMPRESSED_BYTES = 2048  # such a file takes one disk block in any case, so compressing it gains nothing


def png(pixels: Tensor, marks: PngInfo | None = None, *, statement: str = "") -> bytes:
    """Encode an image as a lossless PNG file.

    Parameters
    ----------
    pixels : Tensor of shape (C, H, W), uint8
        Gray (C = 1) or RGB (C = 3).
    marks : PIL.PngImagePlugin.PngInfo, optional
        Text chunks. They are placed before the pixels.
    statement : str, default=""
        Copyright statement of an sRGB profile. No profile is embedded if it is empty.

    Returns
    -------
    bytes
        The content of the file. Equal arguments give equal bytes.

    Examples
    --------
    >>> import io
    >>> import torch
    >>> from PIL import Image
    >>> from ganaug.io.encoding import png
    >>> content = png(torch.zeros(3, 8, 10, dtype=torch.uint8))
    >>> image = Image.open(io.BytesIO(content))
    >>> image.mode, image.size
    ('RGB', (10, 8))
    """
    import cv2  # takes a tenth of a second to import; Albumentations depends on it

    array = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()[:, :, ::-1])  # OpenCV's order is BGR
    # run-length encoding of equal differences: for small images, slower strategies gain nothing
    level = 0 if array.size <= MAX_UNCOMPRESSED_BYTES else 1
    settings = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    is_encoded, buffer = cv2.imencode(".png", array, settings)
    assert is_encoded
    content: bytes = buffer.tobytes()
    chunks = [_profile_chunk(len(pixels), statement)] if statement else []
    chunks += [_chunk(chunk[0], chunk[1]) for chunk in (marks.chunks if marks else ())]
    return b"".join([content[:HEADER_BYTES], *chunks, content[HEADER_BYTES:]])


@cache
def _profile_chunk(n_channels: int, statement: str) -> bytes:
    """Encode an iCCP chunk: name, compression method and compressed profile (PNG specification, 11.3.2.3)."""
    return _chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc_profile(n_channels, statement), 9))


def _chunk(chunk_type: bytes, content: bytes) -> bytes:
    """Encode a chunk: length, type, content and checksum (PNG specification, 5.3)."""
    return struct.pack(">I", len(content)) + chunk_type + content + struct.pack(">I", zlib.crc32(chunk_type + content))
