"""Bring images to one size: the same filter for every image, whatever it comes from and is used for."""

from PIL import Image, ImageOps

ASPECTS = ("stretch", "crop", "pad")


def resize_picture(image: Image.Image, size: tuple[int, int], aspect: str = "stretch") -> Image.Image:
    """Resize a Pillow image, bicubic and antialiased.

    Parameters
    ----------
    image : PIL.Image.Image
        Of mode L or RGB.
    size : tuple of int
        (height, width). An image of that size is returned as it is.
    aspect : {"stretch", "crop", "pad"}, default="stretch"
        How images of another aspect ratio are treated. "stretch": the whole image, which is stretched. "crop": the
        largest centered part that has the aspect ratio. "pad": the whole image, with black borders.

    Returns
    -------
    PIL.Image.Image

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug.io.resizing import resize_picture
    >>> photo = Image.new("L", (40, 20), "white")
    >>> [resize_picture(photo, (16, 16), aspect).getpixel((0, 0)) for aspect in ("pad", "crop")]
    [0, 255]
    """
    height, width = size
    if image.size == (width, height):
        return image
    if aspect == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    if aspect == "pad":
        return ImageOps.pad(image, (width, height), Image.Resampling.BICUBIC)
    return image.resize((width, height), Image.Resampling.BICUBIC)
