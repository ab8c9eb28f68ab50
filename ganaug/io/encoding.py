"""Pixels -> the bytes of a PNG, sooner than by Pillow and, but for tiny ones, about as small (benchmarks/png.py)."""

import struct
import zlib
from functools import cache

import numpy as np
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ganaug.io.profiles import icc_profile

HEADER = 33  # bytes of the signature and the IHDR chunk, after which further chunks may stand
STORED = 2048  # bytes of pixels up to which the file takes one block of a disk in any case: compressing is for nothing


def png(pixels: Tensor, marks: PngInfo | None = None, *, statement: str = "") -> bytes:
    """uint8 (C, H, W), gray or RGB, losslessly.

    marks: text chunks, put before the pixels. statement: the copyright of an sRGB profile; none where this is empty.
    """
    import cv2  # takes a tenth of a second, and comes with Albumentations

    array = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()[:, :, ::-1])  # OpenCV's order is BGR
    # at this strategy runs of equal differences are written short, which for small pictures is all that pays
    level = 0 if array.size <= STORED else 1
    settings = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    done, found = cv2.imencode(".png", array, settings)
    assert done
    content: bytes = found.tobytes()
    chunks = [_profile(len(pixels), statement)] if statement else []
    chunks += [_chunk(chunk[0], chunk[1]) for chunk in (marks.chunks if marks else ())]
    return b"".join([content[:HEADER], *chunks, content[HEADER:]])


@cache
def _profile(n_channels: int, statement: str) -> bytes:
    """Name, method and the profile compressed (PNG specification, section 11.3.2.3)."""
    return _chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc_profile(n_channels, statement), 9))


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Length, kind, content and checksum (PNG specification, section 5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
