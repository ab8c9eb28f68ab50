"""One image file -> uint8 pixels, or the reason why not. The only place where ganaug opens a file it did not write.

What is converted, and how: the EXIF orientation is applied; transparency is laid on white, as on paper or a web page;
palette, CMYK and the like become RGB; 1-bit becomes 0 and 255; 16-bit gray is divided by 257, so 65535 becomes 255; of
several frames or pages the first is taken. With an image size, the whole picture is resized (bicubic, antialiased) and
its aspect ratio follows: a crop could cut away the very thing that gives the image its class.
"""

import hashlib
import io
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from torch import Tensor  # torch takes seconds to import, and a check of a folder needs none

T = TypeVar("T")
Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF")  # an allow-list: Pillow also opens EPS, which runs programs
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
COLOR_MODES = frozenset({"P", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
MAX_PIXELS = 50_000_000
MAX_BYTES = 2**28
_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap height and width
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """A decoded file. `pixels`: (H, W) if gray, (H, W, 3) if RGB; `height`, `width`: upright, before any resizing;
    `content_hash`: `content_hash` of the file."""

    pixels: Pixels
    height: int
    width: int
    mode: str
    format: str
    n_bytes: int
    several_frames: bool
    info: dict[Any, object]
    content_hash: str


class UnusableImage(Exception):  # noqa: N818 - a finding about a file, no failure of the program
    """One file cannot be used: `cause`, and `fix`, what the user can do."""

    def __init__(self, cause: str, fix: str = "Replace it") -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix


@contextmanager
def pillow_warnings_judged() -> Iterator[None]:
    """Decode inside this block: Pillow's bomb warning is an error there, its remarks on odd metadata are not shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(path: Path, image_size: tuple[int, int] | None = None) -> Picture:
    """The pixels of one file, resized to `image_size` (height, width) where given. Raises UnusableImage."""
    return decode_bytes(_read(path), image_size)


def decode_labels(path: Path, num_labels: int, image_size: tuple[int, int] | None = None) -> Pixels:
    """The numbers of a label image as they are, of gray values or of a palette: (H, W), resized by the nearest pixel.

    Raises UnusableImage, also where a number is not below `num_labels`.
    """

    def numbers(image: Image.Image, content: bytes, size: tuple[int, int] | None) -> Pixels:  # noqa: ARG001  # as _decode
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise _too_many_pixels(*reversed(image.size))
        if image.mode not in {"1", "L", "P"} and not image.mode.startswith("I"):
            raise UnusableImage(
                f"mode {image.mode!r} is no label image", "Save it as gray or with a palette, a number a label"
            )
        if size is not None and image.size != size[::-1]:
            image = image.resize(size[::-1], Image.Resampling.NEAREST)
        found = np.asarray(image).astype(np.int64)
        low, high = int(found.min()), int(found.max())
        if low < 0 or high >= num_labels:
            raise UnusableImage(
                f"holds the label {low if low < 0 else high}, beyond 0..{num_labels - 1}",
                "Give the right number of labels, or correct it",
            )
        return found.astype(np.uint8)

    return _opened(_read(path), numbers, image_size)


def decode_bytes(content: bytes, image_size: tuple[int, int] | None = None) -> Picture:
    """As `decode`, of what is in a file."""
    return _opened(content, _decode, image_size)


def content_hash(content: bytes) -> str:
    """By which a file is known again: 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _opened(
    content: bytes, read: Callable[[Image.Image, bytes, tuple[int, int] | None], T], image_size: tuple[int, int] | None
) -> T:
    """What `read` makes of the image in `content`; whatever Pillow raises becomes an UnusableImage."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return read(image, content, image_size)
    except UnusableImage:
        raise
    except UnidentifiedImageError:
        start = content[:12].decode("ascii", "backslashreplace")
        kinds = ", ".join(FORMATS)
        raise UnusableImage(
            f"its content is none of {kinds}; it begins with {start!r}", "Convert or remove it"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except MemoryError:
        raise UnusableImage("decoding it needs more memory than there is", "Scale it down") from None
    except Exception as error:  # damaged bytes make Pillow's plug-ins raise nearly anything
        reason = str(error) or type(error).__name__
        cause = (
            f"truncated: its {len(content):,} bytes end before the picture does"
            if "truncated" in reason.lower()
            else reason
        )
        raise UnusableImage(f"damaged ({cause})" if cause is reason else cause) from None


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise UnusableImage("is no regular file", "Remove it")
        if status.st_size == 0:
            raise UnusableImage("has zero bytes")
        if status.st_size > MAX_BYTES:
            raise UnusableImage(f"has {status.st_size:,} bytes, more than {MAX_BYTES:,}", "Scale it down")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnusableImage("not found", "Restore it, or remove what refers to it") from None
    except PermissionError:
        raise UnusableImage("may not be read (permission denied)", "Allow reading it (chmod u+r)") from None
    except OSError as error:
        raise UnusableImage(f"cannot be read: {error.strerror or error}") from None


def _decode(image: Image.Image, content: bytes, image_size: tuple[int, int] | None) -> Picture:
    width, height = image.size
    if not width or not height:
        raise UnusableImage(f"is {height}x{width} (height x width): it has no pixels")
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(height, width)
    mode, kind = image.mode, image.format or "?"
    if image_size is not None:  # a JPEG is decoded at a fraction of its size, never below twice the one wanted
        image.draft(None, (2 * max(image_size),) * 2)
    image.load()
    orientation = 1
    with suppress(Exception):  # a damaged EXIF block says nothing about the pixels
        orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation != 1:
            ImageOps.exif_transpose(image, in_place=True)
    if orientation in _TURNED:
        height, width = width, height
    plain = gray_or_rgb(image)
    if image_size is not None and plain.size != image_size[::-1]:
        plain = plain.resize(image_size[::-1], Image.Resampling.BICUBIC)
    pixels = np.array(plain, dtype=np.uint8)
    info = dict(image.info)
    several = False
    with suppress(Exception):  # only asked now: looking for a second frame can fail where the first is sound
        several = bool(getattr(image, "is_animated", False))
    return Picture(pixels, height, width, mode, kind, len(content), several, info, content_hash(content))


def _too_many_pixels(height: int | None = None, width: int | None = None) -> UnusableImage:
    size = "" if height is None or width is None else f"{height:,}x{width:,} (height x width), "
    return UnusableImage(f"{size}more than {MAX_PIXELS:,} pixels: a decompression bomb or a scan", "Scale it down")


def to_pillow(pixels: "Tensor") -> Image.Image:
    """uint8 (C, H, W) -> an image of mode L or RGB."""
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def gray_or_rgb(image: Image.Image) -> Image.Image:
    """Any mode that Pillow knows -> mode L or RGB."""
    target = "L" if image.mode in GRAY_MODES else "RGB"
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_16_bits(np.asarray(image))
    if image.mode in ALPHA_MODES or (image.mode in {"P", "L", "RGB"} and "transparency" in image.info):
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        return paper.convert(target)
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode == "1" or image.mode in COLOR_MODES:
        return image.convert(target)
    raise UnusableImage(f"mode {image.mode!r} has no agreed black and white", "Convert it to 8-bit gray or RGB")


def _from_16_bits(values: NDArray[np.integer]) -> Image.Image:
    if values.min() < 0 or values.max() > 65535:
        raise UnusableImage("has 32-bit values beyond 0..65535", "Convert it to 8-bit or 16-bit gray")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
