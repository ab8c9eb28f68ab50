"""Bring images to one size: the same filter for every image, whatever it comes from and is used for."""

from PIL import Image, ImageOps

ASPECTS = ("stretch", "crop", "pad")
SizeLike = int | tuple[int, int] | tuple[int, int, str]  # what users pass; see `preflight.parse_image_size`


class ImageSize(tuple[int, int]):
    """(height, width) in pixels, and what happens to images of another aspect ratio.

    Parameters
    ----------
    height, width : int
    aspect : {"stretch", "crop", "pad"}, default="stretch"
        "stretch": the whole image, stretched. "crop": the largest centered part that has the aspect ratio. "pad": the
        whole image, with black borders.

    Examples
    --------
    >>> from ganaug.io.resizing import ImageSize
    >>> size = ImageSize(48, 64, "crop")
    >>> size == (48, 64), size.aspect
    (True, 'crop')
    """

    aspect: str

    def __new__(cls, height: int, width: int, aspect: str = "stretch") -> "ImageSize":
        size = super().__new__(cls, (height, width))
        size.aspect = aspect
        return size

    def __getnewargs__(self) -> tuple[int, int, str]:
        return (*self, self.aspect)


def aspect_of(size: tuple[int, int] | None) -> str:
    """Return the aspect of a size; (height, width) and None stretch.

    Examples
    --------
    >>> from ganaug.io.resizing import ImageSize, aspect_of
    >>> aspect_of(ImageSize(8, 8, "pad")), aspect_of((8, 8))
    ('pad', 'stretch')
    """
    return size.aspect if isinstance(size, ImageSize) else "stretch"


def resize_picture(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize a Pillow image, bicubic and antialiased.

    Parameters
    ----------
    image : PIL.Image.Image
        Of mode L or RGB.
    size : ImageSize or tuple of int
        (height, width) stretches. An image of that size is returned as it is.

    Returns
    -------
    PIL.Image.Image

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug.io.resizing import ImageSize, resize_picture
    >>> photo = Image.new("L", (40, 20), "white")
    >>> [resize_picture(photo, ImageSize(16, 16, aspect)).getpixel((0, 0)) for aspect in ("pad", "crop")]
    [0, 255]
    """
    height, width = size
    aspect = aspect_of(size)
    if image.size == (width, height):
        return image
    if aspect == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    if aspect == "pad":
        return ImageOps.pad(image, (width, height), Image.Resampling.BICUBIC)
    return image.resize((width, height), Image.Resampling.BICUBIC)
