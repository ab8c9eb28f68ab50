"""Pictures of training: grids of real and synthetic images, and training curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from ganaug._runtime.storage import atomic_write
from ganaug._runtime.terminal import one_line

TEXT_COLOR, BACKGROUND_COLOR = (30, 30, 30), (255, 255, 255)
FONT_SIZE = 14
HEADER_HEIGHT, MIN_ROW_HEIGHT, MIN_COLUMN_WIDTH = 24, 18, 88  # pixels; the last two fit a line and a short name
MAX_NAME_LENGTH = 24
GAP = 16  # pixels between real and synthetic images
NAME_PADDING = 12  # pixels on both sides of the class names together
HALF_LINE_HEIGHT = 9  # pixels; centers a class name vertically
PREVIEW_SIZE, COLUMN_SIZE = 48, 96  # pixels to which the longer side of smaller images is enlarged


def draw_preview(rows: Mapping[str, tuple[Tensor, Tensor]]) -> Image.Image:
    """Draw a grid with a row for each class: its name, real images, a gap, synthetic images.

    Parameters
    ----------
    rows : mapping of str to (Tensor, Tensor)
        Class name to its real and its synthetic images, each uint8 of shape (n, C, H, W), with the same C, H and W.

    Returns
    -------
    PIL.Image.Image
        RGB. Images are enlarged by the whole factor that brings the longer side nearest to 48 pixels, and never
        reduced.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.pictures import draw_preview
    >>> images = torch.zeros(2, 3, 48, 48, dtype=torch.uint8)
    >>> draw_preview({"owl": (images, images), "cat": (images, images)}).mode
    'RGB'
    """
    shape = next(iter(rows.values()))[0].shape[1:]
    zoom = max(1, round(PREVIEW_SIZE / max(shape[1:])))
    cell_height, cell_width = max(MIN_ROW_HEIGHT, shape[1] * zoom + 2), shape[2] * zoom + 2
    max_real = max(len(real) for real, _ in rows.values())
    max_synthetic = max(len(synthetic) for _, synthetic in rows.values())
    font = ImageFont.load_default(size=FONT_SIZE)
    names = [one_line(name, MAX_NAME_LENGTH) for name in rows]
    label_width = NAME_PADDING + max(int(font.getlength(name)) for name in names)
    synthetic_left = label_width + max_real * cell_width + GAP
    size = (synthetic_left + max_synthetic * cell_width, HEADER_HEIGHT + len(rows) * cell_height)
    canvas = Image.new("RGB", size, BACKGROUND_COLOR)
    draw = ImageDraw.Draw(canvas)
    draw.text((label_width, 4), "real", fill=TEXT_COLOR, font=font)
    draw.text((synthetic_left, 4), "synthetic", fill=TEXT_COLOR, font=font)
    for row, (name, (real, synthetic)) in enumerate(zip(names, rows.values(), strict=True)):
        top = HEADER_HEIGHT + row * cell_height
        draw.text((4, top + cell_height // 2 - HALF_LINE_HEIGHT), name, fill=TEXT_COLOR, font=font)
        for left, images in ((label_width, real), (synthetic_left, synthetic)):
            for column, image in enumerate(images):
                canvas.paste(_enlarged(image, zoom), (left + column * cell_width, top + 1))
    return canvas


def draw_columns(columns: Mapping[str, Tensor]) -> Image.Image:
    """Draw a grid with a column for each name and a row for each image.

    Parameters
    ----------
    columns : mapping of str to Tensor
        Name to uint8 images of shape (n, C, H, W), all of the same H and W.

    Returns
    -------
    PIL.Image.Image
        RGB. Images are enlarged by the whole factor that brings the longer side nearest to 96 pixels, and never
        reduced.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.pictures import draw_columns
    >>> images = torch.zeros(3, 1, 96, 96, dtype=torch.uint8)
    >>> draw_columns({"mask": images, "photo": images}).size
    (200, 324)
    """
    height, width = next(iter(columns.values())).shape[2:]
    zoom = max(1, round(COLUMN_SIZE / max(height, width)))
    row_height, column_width = height * zoom + 4, max(width * zoom + 4, MIN_COLUMN_WIDTH)
    n_rows = max(len(images) for images in columns.values())
    canvas = Image.new("RGB", (len(columns) * column_width, HEADER_HEIGHT + n_rows * row_height), BACKGROUND_COLOR)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=FONT_SIZE)
    for index, (name, images) in enumerate(columns.items()):
        left = index * column_width + 2
        draw.text((left, 4), one_line(name, MAX_NAME_LENGTH), fill=TEXT_COLOR, font=font)
        for row, image in enumerate(images):
            canvas.paste(_enlarged(image, zoom), (left, HEADER_HEIGHT + row * row_height))
    return canvas


def _enlarged(image: Tensor, zoom: int) -> Image.Image:
    """Convert a uint8 image (C, H, W) to PIL, each pixel repeated `zoom` times in both directions."""
    # nearest neighbor, so that previews show the pixels as they are
    pixels = interpolate(image[None].float(), scale_factor=zoom)[0].to(torch.uint8)
    return Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy())


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG file, completely or not at all.

    Parameters
    ----------
    picture : PIL.Image.Image
    path : Path

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def save_curves(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Plot losses, discriminator accuracy, score and diversity against the number of images processed.

    Parameters
    ----------
    rows : sequence of mapping
        The rows of `history.csv`. Values may be absent or None.
    path : Path
        PNG file to write.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from matplotlib.figure import Figure  # not pyplot, which has global state and needs a display

    panels = {
        "losses": ("loss_discriminator", "loss_generator"),
        "discriminator's accuracy (0.5: at chance)": ("accuracy_real", "accuracy_fake"),
        "distance to real images (lower is better)": ("score",),
        "diversity of the least diverse class (1: like real images)": ("diversity",),
    }
    figure = Figure(figsize=(10, 6))
    # fixed margins, because finding them takes as long as drawing
    figure.subplots_adjust(left=0.06, right=0.98, top=0.94, bottom=0.08, wspace=0.14, hspace=0.2)
    grid = figure.subplots(2, 2, sharex=True)
    for axes, (title, names) in zip(grid.flat, panels.items(), strict=True):
        for name in names:
            points = [(row["images"], row[name]) for row in rows if row.get(name) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), label=name.split("_")[-1])
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        if len(names) > 1 and axes.lines:
            axes.legend(fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("images processed", fontsize=8)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
