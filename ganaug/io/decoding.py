"""Decode one image file to uint8 pixels, or say why it cannot be used.

No other module opens image files that ganaug did not write. Images are normalized as follows:

- The EXIF orientation is applied.
- Transparency is composited on white, the background of paper and web pages.
- Palette, CMYK and similar modes become RGB. 1-bit images become 0 and 255. 16-bit gray is divided by 257, so that
  65535 becomes 255.
- Of several frames or pages, the first is used.
- With an image size, the whole image is resized (bicubic, antialiased), and its aspect ratio changes with it: a crop
  could remove the object that gives the image its class.
"""

import hashlib
import io
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from torch import Tensor  # torch takes seconds to import, and checking a folder does not need it

T = TypeVar("T")
Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF")  # an allow-list: Pillow also opens EPS, which runs programs
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
COLOR_MODES = frozenset({"P", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
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


class UnusableImage(Exception):  # noqa: N818 - a finding about a file, not a failure of the program
    """An image file cannot be used.

    Parameters
    ----------
    cause : str
        What is wrong with the file.
    fix : str, default="Replace it"
        What the user can do.
    """

    def __init__(self, cause: str, fix: str = "Replace it") -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix


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


def decode(path: Path, image_size: tuple[int, int] | None = None) -> DecodedImage:
    """Decode an image file.

    Parameters
    ----------
    path : pathlib.Path
    image_size : tuple of int, optional
        (height, width) to resize to.

    Returns
    -------
    DecodedImage

    Raises
    ------
    UnusableImage
        If the file cannot be read, is not an image of one of `FORMATS`, is damaged, or has more than `MAX_FILE_BYTES`
        or `MAX_PIXELS`.
    """
    return decode_bytes(_read(path), image_size)


def decode_bytes(content: bytes, image_size: tuple[int, int] | None = None) -> DecodedImage:
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
    return _decode_with(lambda image: _decode(image, content, image_size), content)


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


def resize_images(images: "Tensor", image_size: tuple[int, int]) -> "Tensor":
    """Resize uint8 images as `decode` does: bicubic, antialiased, the whole image.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W), uint8
    image_size : tuple of int
        (height, width).

    Returns
    -------
    Tensor of shape (N, C, height, width), uint8

    Examples
    --------
    >>> import torch
    >>> from ganaug.io.decoding import resize_images
    >>> resize_images(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), (16, 24)).shape
    torch.Size([2, 3, 16, 24])
    """
    import torch

    if tuple(images.shape[2:]) == image_size:
        return images
    resized = torch.empty(len(images), images.shape[1], *image_size, dtype=torch.uint8)
    for row in range(len(images)):  # one at a time, because images of a store are read as they are used
        picture = to_pillow(images[row]).resize(image_size[::-1], Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(picture))
        resized[row] = pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
    return resized


def to_pillow(pixels: "Tensor") -> Image.Image:
    """Convert a uint8 tensor of shape (C, H, W) to a Pillow image of mode L or RGB.

    Examples
    --------
    >>> import torch
    >>> from ganaug.io.decoding import to_pillow
    >>> image = to_pillow(torch.zeros(3, 8, 10, dtype=torch.uint8))
    >>> image.mode, image.size
    ('RGB', (10, 8))
    """
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def stack_images(images: Sequence[Pixels]) -> "Tensor":
    """Stack decoded images of one size.

    Parameters
    ----------
    images : sequence of ndarrays of shape (H, W) if gray or (H, W, 3) if RGB, uint8

    Returns
    -------
    Tensor of shape (N, C, H, W), uint8
        C is 1 if all images are gray, else 3.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.io.decoding import stack_images
    >>> stack_images([np.zeros((8, 9), np.uint8), np.zeros((8, 9, 3), np.uint8)]).shape
    torch.Size([2, 3, 8, 9])
    """
    import torch

    n_channels = 3 if any(pixels.ndim == 3 for pixels in images) else 1
    rows = [
        np.broadcast_to(pixels[..., None] if pixels.ndim == 2 else pixels, (*pixels.shape[:2], n_channels))
        for pixels in images
    ]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()


def gray_or_rgb(image: Image.Image) -> Image.Image:
    """Convert a Pillow image of any mode to mode L or RGB.

    Raises
    ------
    UnusableImage
        If the mode has no defined black and white, as floating-point images.

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug.io.decoding import gray_or_rgb
    >>> transparent = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    >>> gray_or_rgb(transparent).getpixel((0, 0))
    (255, 255, 255)
    """
    target_mode = "L" if image.mode in GRAY_MODES else "RGB"
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_16_bit(np.asarray(image))
    if image.mode in ALPHA_MODES or (image.mode in {"P", "L", "RGB"} and "transparency" in image.info):
        # composited, because the color stored under transparent pixels is arbitrary
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        return background.convert(target_mode)
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode == "1" or image.mode in COLOR_MODES:
        return image.convert(target_mode)
    raise UnusableImage(f"mode {image.mode!r} has no defined black and white", "Convert it to 8-bit gray or RGB")


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
        raise UnusableImage(f"damaged ({reason})") from None


def _decode(image: Image.Image, content: bytes, image_size: tuple[int, int] | None) -> DecodedImage:
    """Normalize an opened image. See the description of this module."""
    width, height = image.size
    if not width or not height:
        raise UnusableImage(f"is {height}x{width} (height x width): it has no pixels")
    if width * height > MAX_PIXELS:  # the header has the size, so a bomb is refused before it takes memory
        raise _too_many_pixels(height, width)
    mode, file_format = image.mode, image.format or "?"
    if image_size is not None:  # decode a JPEG at a fraction of its size, but at twice the requested one or more
        image.draft(None, (2 * max(image_size),) * 2)
    image.load()
    orientation = 1
    with suppress(Exception):  # damaged EXIF data does not affect the pixels
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        if orientation != 1:
            ImageOps.exif_transpose(image, in_place=True)
    if orientation in _TRANSPOSED:
        height, width = width, height
    converted = gray_or_rgb(image)
    if image_size is not None and converted.size != image_size[::-1]:
        converted = converted.resize(image_size[::-1], Image.Resampling.BICUBIC)
    pixels = np.array(converted, dtype=np.uint8)
    info = dict(image.info)
    is_multiframe = False
    with suppress(Exception):  # last: searching for a second frame can fail although the first is valid
        is_multiframe = bool(getattr(image, "is_animated", False))
    return DecodedImage(
        pixels, height, width, mode, file_format, len(content), is_multiframe, info, content_hash(content)
    )


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


def _from_16_bit(values: NDArray[np.integer]) -> Image.Image:
    """Scale 0..65535 to 0..255, rounded."""
    if values.min() < 0 or values.max() > 65535:
        raise UnusableImage("has 32-bit values outside 0..65535", "Convert it to 8-bit or 16-bit gray")
    # 65535 / 255 is exactly 257; the sum would overflow uint16
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def pillow_to_arrays(images: Sequence[Image.Image], image_size: tuple[int, int] | None = None) -> list[Pixels]:
    """Stub until the branch `files` is merged."""
    converted = [gray_or_rgb(image) for image in images]
    if image_size is not None:
        converted = [image.resize(image_size[::-1], Image.Resampling.BICUBIC) for image in converted]
    return [np.array(image) for image in converted]
