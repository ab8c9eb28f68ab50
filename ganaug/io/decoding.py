"""Decode one image file to uint8 pixels, or say why it cannot be used.

No other module opens image files that ganaug did not write. Images are normalized as follows:

- The EXIF orientation is applied.
- The mode becomes 8-bit gray or RGB (`pillow_modes`).
- Of several frames or pages, the first is used.
- With an image size, the whole image is resized (bicubic, antialiased), and its aspect ratio changes with it: a crop
  could remove the object that gives the image its class.
"""

import hashlib
import io
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from ganaug.io.file_headers import describe_refused, describe_unsupported
from ganaug.io.image_tensors import resize_images, stack_images, to_pillow
from ganaug.io.pillow_modes import (
    GRAY_MODES,
    MAX_16_BIT,
    Pixels,
    UnusableImage,
    gray_or_rgb,
    is_16_bit,
    pillow_to_arrays,
    values_16_bit,
)
from ganaug.io.resizing import resize_picture

__all__ = [
    "FORMATS",
    "GRAY_MODES",
    "SUFFIXES",
    "DecodedImage",
    "Pixels",
    "UnusableImage",
    "content_hash",
    "decode",
    "decode_bytes",
    "decode_labels",
    "gray_or_rgb",
    "pillow_to_arrays",
    "resize_images",
    "stack_images",
    "strict_pillow_warnings",
    "to_pillow",
]

T = TypeVar("T")

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")  # an allow-list: Pillow's EPS, for one, runs programs
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
MAX_PIXELS = 50_000_000
MAX_FILE_BYTES = 2**28
_EXIF_ORIENTATION = 0x0112
_TRANSPOSED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap height and width


@dataclass(frozen=True)
class DecodedImage:
    """The pixels of an image file and facts about the file.

    Attributes
    ----------
    pixels : ndarray of shape (H, W) if gray or (H, W, 3) if RGB, uint8
    height, width : int
        Size after applying the orientation and before resizing.
    mode, format : str
        Pillow's names of the mode and the format of the file.
    n_bytes : int
        Size of the file.
    is_multiframe : bool
        Whether the file has several frames or pages.
    info : dict
        Pillow's ``info`` of the file.
    content_hash : str
        `content_hash` of the file.
    pixel_hash : str
        Hash of the pixels. That of 16-bit images is of their values before scaling, which can make dark ones equal.
    maximum : int or None
        Largest value of a 16-bit image; None for other images.
    upper_maximum : int or None
        Largest 8-bit value of a 16-bit color image, of which Pillow reads the upper 8 bits; None for other images.
    """

    pixels: Pixels
    height: int
    width: int
    mode: str
    format: str
    n_bytes: int
    is_multiframe: bool
    info: dict[Any, object]
    content_hash: str
    pixel_hash: str
    maximum: int | None = None
    upper_maximum: int | None = None


@contextmanager
def strict_pillow_warnings() -> Iterator[None]:
    """Turn Pillow's decompression bomb warning into an error, and hide its warnings about metadata.

    Wrap every use of `decode`, `decode_labels` and `decode_bytes` in this context. It is not part of them, because
    changing warning filters is not thread-safe.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(path: Path, image_size: tuple[int, int] | None = None, white: int = MAX_16_BIT) -> DecodedImage:
    """Decode an image file.

    Parameters
    ----------
    path : pathlib.Path
    image_size : tuple of int, optional
        (height, width) to resize to.
    white : int, default=65535
        The value of 16-bit images that becomes 255. See `pillow_modes.white_value`.

    Returns
    -------
    DecodedImage

    Raises
    ------
    UnusableImage
        If the file cannot be read, is not an image of one of `FORMATS`, is damaged, has more than `MAX_FILE_BYTES` or
        `MAX_PIXELS`, or has a value above `white`.
    """
    return decode_bytes(_read(path), image_size, white)


def decode_bytes(content: bytes, image_size: tuple[int, int] | None = None, white: int = MAX_16_BIT) -> DecodedImage:
    """Decode the content of an image file. See `decode`.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from ganaug.io.decoding import decode_bytes
    >>> file = io.BytesIO()
    >>> Image.new("CMYK", (10, 12)).save(file, "TIFF")
    >>> image = decode_bytes(file.getvalue(), image_size=(8, 8))
    >>> image.mode, image.height, image.width, image.pixels.shape
    ('CMYK', 12, 10, (8, 8, 3))
    """
    return _decode_with(lambda image: _decode(image, content, image_size, white), content)


def decode_labels(path: Path, num_labels: int, image_size: tuple[int, int] | None = None) -> Pixels:
    """Decode a label image: the gray values or palette indices as they are stored.

    Parameters
    ----------
    path : pathlib.Path
    num_labels : int
        Number of labels; they are 0 to ``num_labels - 1``.
    image_size : tuple of int, optional
        (height, width) to resize to, by the nearest pixel.

    Returns
    -------
    ndarray of shape (H, W), uint8

    Raises
    ------
    UnusableImage
        As `decode`, and if the image is in color or has a label outside the range.
    """
    return _decode_with(lambda image: _decode_label_image(image, num_labels, image_size), _read(path))


def content_hash(content: bytes) -> str:
    """Return the hash by which the content of a file is recognized: 32 hexadecimal digits.

    Examples
    --------
    >>> from ganaug.io.decoding import content_hash
    >>> content_hash(b"")
    'cae66941d9efbd404e4d88758ea67670'
    """
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _read(path: Path) -> bytes:
    """Read a file, unless it is empty, too large or not a regular file."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would block forever
            raise UnusableImage("is not a regular file", "Remove it")
        if status.st_size == 0:
            raise UnusableImage("has zero bytes")
        if status.st_size > MAX_FILE_BYTES:  # it would be read into memory before Pillow could refuse it
            raise UnusableImage(f"has {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}", "Scale it down")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnusableImage("does not exist", "Restore it, or remove the reference to it") from None
    except PermissionError:
        raise UnusableImage("cannot be read (permission denied)", "Allow reading it (chmod u+r)") from None
    except OSError as error:
        raise UnusableImage(f"cannot be read: {error.strerror or error}") from None


def _decode_with(decoder: Callable[[Image.Image], T], content: bytes) -> T:
    """Open `content` with Pillow and apply `decoder`. Every exception of Pillow becomes an UnusableImage."""
    try:
        # from memory, so that pixels and content hash come from the same bytes
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return decoder(image)
    except UnusableImage:
        raise
    except UnidentifiedImageError:
        if (described := describe_refused(content)) is not None:
            raise described from None
        start = content[:12].decode("ascii", "backslashreplace")
        raise UnusableImage(
            f"its content is none of {', '.join(FORMATS)}; it begins with {start!r}", "Convert or remove it"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except MemoryError:
        raise UnusableImage("there is not enough memory to decode it", "Scale it down") from None
    except Exception as error:  # damaged bytes make Pillow's plug-ins raise nearly any exception
        reason = str(error) or type(error).__name__
        if "truncated" in reason.lower():
            raise UnusableImage(f"truncated: its {len(content):,} bytes end before the last pixel") from None
        if (described := describe_unsupported(content, reason)) is not None:
            raise described from None
        raise UnusableImage(f"damaged ({reason})") from None


def _decode(image: Image.Image, content: bytes, image_size: tuple[int, int] | None, white: int) -> DecodedImage:
    """Normalize an opened image. See the description of this module."""
    width, height = image.size
    if not width or not height:
        raise UnusableImage(f"is {height}x{width} (height x width): it has no pixels")
    if width * height > MAX_PIXELS:  # the header has the size, so a bomb is refused before it takes memory
        raise _too_many_pixels(height, width)
    mode, file_format = image.mode, image.format or "?"
    if image_size is not None:  # decode a JPEG at a fraction of its size, but at twice the requested one or more
        image.draft(None, (2 * max(image_size),) * 2)
    # Pillow scales PPM files by the maximum that their header declares: they use the whole range
    tile = str(image.tile[:1]) if isinstance(image, ImageFile.ImageFile) else ""
    is_scaled = file_format == "PPM" and "'ppm" in tile
    image.load()
    orientation = 1
    with suppress(Exception):  # damaged EXIF data does not affect the pixels
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        if orientation != 1:
            ImageOps.exif_transpose(image, in_place=True)
    if orientation in _TRANSPOSED:
        height, width = width, height
    values = values_16_bit(image) if is_16_bit(image) else None
    maximum = None if values is None else MAX_16_BIT if is_scaled else int(values.max())
    has_lost_bits = values is None and ";16" in tile  # the raw mode of 16-bit color, such as RGB;16B
    converted = gray_or_rgb(image, white)
    pixels = np.array(converted if image_size is None else resize_picture(converted, image_size), dtype=np.uint8)
    info = dict(image.info)
    is_multiframe = False
    with suppress(Exception):  # last: searching for a second frame can fail although the first is valid
        is_multiframe = bool(getattr(image, "is_animated", False))
    return DecodedImage(
        pixels=pixels,
        height=height,
        width=width,
        mode=mode,
        format=file_format,
        n_bytes=len(content),
        is_multiframe=is_multiframe,
        info=info,
        content_hash=content_hash(content),
        pixel_hash=_pixel_hash(pixels if values is None else values),
        maximum=maximum,
        upper_maximum=int(pixels.max()) if has_lost_bits else None,
    )


def _pixel_hash(pixels: np.ndarray) -> str:
    """Return a hash of the pixels, their shape and their type: images that differ in these can have equal bytes."""
    digest = hashlib.blake2b(f"{pixels.shape} {pixels.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _decode_label_image(image: Image.Image, num_labels: int, image_size: tuple[int, int] | None) -> Pixels:
    """Read the labels of an opened image."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(height, width)
    if image.mode not in {"1", "L", "P"} and not image.mode.startswith("I"):
        raise UnusableImage(
            f"mode {image.mode!r} is not the mode of a label image",
            "Save it as gray or with a palette, with one number per label",
        )
    if image_size is not None and image.size != image_size[::-1]:
        # interpolation would create labels that lie between two others
        image = image.resize(image_size[::-1], Image.Resampling.NEAREST)
    labels = np.asarray(image).astype(np.int64)
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= num_labels:
        raise UnusableImage(
            f"has the label {lowest if lowest < 0 else highest}, outside 0..{num_labels - 1}",
            "Pass the right number of labels, or correct the image",
        )
    return labels.astype(np.uint8)


def _too_many_pixels(height: int | None = None, width: int | None = None) -> UnusableImage:
    """Build the error for an image of more than `MAX_PIXELS`."""
    size = "" if height is None or width is None else f"{height:,}x{width:,} (height x width), "
    return UnusableImage(f"{size}more than {MAX_PIXELS:,} pixels: a decompression bomb or a scan", "Scale it down")
