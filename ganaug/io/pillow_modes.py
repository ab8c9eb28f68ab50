"""Convert Pillow images of any mode to 8-bit gray or RGB.

- Transparency is composited on white, the background of paper and web pages.
- Palette, CMYK and similar modes become RGB. 1-bit images become 0 and 255.
- 16-bit gray is scaled by the bits in use: cameras and scanners often use 10, 12 or 14 of them. The images of a set
  share one scale: the smallest 2^b - 1, b in 8..16, that is not below the maximum over the whole set, becomes 255.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug._runtime.messages import warn_user
from ganaug.errors import DataError
from ganaug.io.resizing import resize_picture

Pixels = NDArray[np.uint8]

GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
COLOR_MODES = frozenset({"P", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
MAX_16_BIT = 65535


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


def white_value(maximum: int | None) -> int:
    """Return the value of 16-bit images that becomes 255.

    Parameters
    ----------
    maximum : int or None
        Largest value of all 16-bit images of a set; None if there are none.

    Returns
    -------
    int
        The smallest 2^b - 1, b in 8..16, that is not below `maximum`.

    Examples
    --------
    >>> from ganaug.io.pillow_modes import white_value
    >>> white_value(3001), white_value(4096), white_value(7), white_value(None)
    (4095, 8191, 255, 65535)
    """
    return MAX_16_BIT if maximum is None else 2 ** max(8, int(maximum).bit_length()) - 1


def scale_message(white: int) -> str | None:
    """Return the warning about 16-bit images that do not use all bits, or None if they do.

    Examples
    --------
    >>> from ganaug.io.pillow_modes import scale_message
    >>> scale_message(4095)
    '16-bit images use 12 bits, scaled by 4,095'
    """
    return None if white == MAX_16_BIT else f"16-bit images use {white.bit_length()} bits, scaled by {white:,}"


def is_16_bit(image: Image.Image) -> bool:
    """Return whether an image has gray values of more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;16")


def values_16_bit(image: Image.Image) -> NDArray[np.uint16]:
    """Return the values of a 16-bit or 32-bit gray image. Raises UnusableImage if they do not fit into 16 bits."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > MAX_16_BIT:
        raise UnusableImage("has 32-bit values outside 0..65535", "Convert it to 8-bit or 16-bit gray")
    return values.astype(np.uint16)


def gray_or_rgb(image: Image.Image, white: int = MAX_16_BIT) -> Image.Image:
    """Convert a Pillow image of any mode to mode L or RGB.

    Parameters
    ----------
    image : PIL.Image.Image
    white : int, default=65535
        The value of 16-bit images that becomes 255. See `white_value`.

    Raises
    ------
    UnusableImage
        If the mode has no defined black and white, as floating-point images; or if a value is above `white`.

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug.io.pillow_modes import gray_or_rgb
    >>> transparent = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    >>> gray_or_rgb(transparent).getpixel((0, 0))
    (255, 255, 255)
    """
    if is_16_bit(image):
        return Image.fromarray(to_8_bit(values_16_bit(image), white))
    target_mode = "L" if image.mode in GRAY_MODES else "RGB"
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


def to_8_bit(values: NDArray[np.uint16], white: int = MAX_16_BIT) -> Pixels:
    """Scale 0..white to 0..255, rounded. Raises UnusableImage if a value is above `white`."""
    if (maximum := int(values.max())) > white:
        raise UnusableImage(
            f"has the value {maximum:,}; the other 16-bit images use {white.bit_length()} bits, up to {white:,}",
            "Scale all 16-bit images to one range",
        )
    return ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def pillow_to_arrays(images: Sequence[Image.Image], image_size: tuple[int, int] | None = None) -> list[Pixels]:
    """Convert Pillow images of any mode to arrays. 16-bit images share one scale.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
    image_size : tuple of int, optional
        (height, width) to resize to.

    Returns
    -------
    list of ndarrays of shape (H, W) if gray or (H, W, 3) if RGB, uint8

    Raises
    ------
    DataError
        If an image cannot be converted, with its row.

    Warns
    -----
    UserWarning
        If 16-bit images do not use all bits.

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug.io.pillow_modes import pillow_to_arrays
    >>> gray, color = pillow_to_arrays([Image.new("1", (8, 9)), Image.new("CMYK", (8, 9))], image_size=(16, 10))
    >>> gray.shape, color.shape
    ((16, 10), (16, 10, 3))
    """
    row = 0
    try:
        maximum = None
        for row, image in enumerate(images):  # noqa: B007  # for the message
            if is_16_bit(image):
                maximum = max(maximum or 0, int(values_16_bit(image).max()))
        white, arrays = white_value(maximum), []
        for row, image in enumerate(images):  # noqa: B007
            picture = gray_or_rgb(image, white)
            arrays.append(np.array(picture if image_size is None else resize_picture(picture, image_size)))
    except UnusableImage as error:
        raise DataError(f"the image in row {row:,} cannot be used: {error.cause}. {error.fix}.") from error
    if message := scale_message(white):
        warn_user(message)
    return arrays
