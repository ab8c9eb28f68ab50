"""What a person looks at while and after training: the grid of real beside synthetic images, and the curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from ganaug._runtime.storage import writing
from ganaug._runtime.terminal import one_line

INK, PAPER = 30, 255


def preview(rows: Mapping[str, tuple[Tensor, Tensor]]) -> Image.Image:
    """A grid with a row for each class: its name, real images, a gap, synthetic images.

    rows: class name -> (real, synthetic), each uint8 (n, C, H, W), all of one C, H and W.
    """
    shape = next(iter(rows.values()))[0].shape[1:]
    zoom = max(1, round(48 / max(shape[1:])))
    height, width = max(18, shape[1] * zoom + 2), shape[2] * zoom + 2  # 18: a line of text
    most_real = max(len(real) for real, _ in rows.values())
    most_synthetic = max(len(synthetic) for _, synthetic in rows.values())
    font = ImageFont.load_default(size=14)
    label_width = 12 + max(int(font.getlength(one_line(name, 24))) for name in [*rows, "class"])
    gap, head = 16, 24
    synthetic_left = label_width + most_real * width + gap
    canvas = Image.new("RGB", (synthetic_left + most_synthetic * width, head + len(rows) * height), (PAPER,) * 3)
    pen = ImageDraw.Draw(canvas)
    pen.text((label_width, 4), "real", fill=(INK,) * 3, font=font)
    pen.text((synthetic_left, 4), "synthetic", fill=(INK,) * 3, font=font)
    for row, (name, (real, synthetic)) in enumerate(rows.items()):
        top = head + row * height
        pen.text((4, top + height // 2 - 9), one_line(name, 24), fill=(INK,) * 3, font=font)
        for left, images in ((label_width, real), (synthetic_left, synthetic)):
            for column, image in enumerate(images):
                canvas.paste(_tile(image, zoom), (left + column * width, top + 1))
    return canvas


def columns(images: Mapping[str, Tensor]) -> Image.Image:
    """A grid with a column for each name and a row for each image: uint8 (n, C, H, W), all of one H and W."""
    height, width = next(iter(images.values())).shape[2:]
    zoom = max(1, round(96 / max(height, width)))
    step, head = (height * zoom + 4, max(width * zoom + 4, 88)), 24
    rows = max(len(column) for column in images.values())
    canvas = Image.new("RGB", (len(images) * step[1], head + rows * step[0]), (PAPER,) * 3)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for left, (name, column) in enumerate(images.items()):
        pen.text((left * step[1] + 2, 4), one_line(name, 24), fill=(INK,) * 3, font=font)
        for top, image in enumerate(column):
            canvas.paste(_tile(image, zoom), (left * step[1] + 2, head + top * step[0]))
    return canvas


def _tile(image: Tensor, zoom: int) -> Image.Image:
    """uint8 (C, H, W), each pixel `zoom` times as large."""
    tile = interpolate(image[None].float(), scale_factor=zoom)[0].to(torch.uint8)
    return Image.fromarray(tile.expand(3, -1, -1).permute(1, 2, 0).numpy())


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with writing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def save_curves(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Plot losses, the discriminator's accuracy, and score and diversity against images seen, from the rows of history.csv."""
    from matplotlib.figure import Figure  # not pyplot: no global state, no display

    panels = {
        "losses": ("loss_discriminator", "loss_generator"),
        "discriminator's accuracy (0.5 is convergence)": ("accuracy_real", "accuracy_fake"),
        "distance to real images (lower is better)": ("score",),
        "diversity in the worst class (1 is real)": ("diversity",),
    }
    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for name in names:
            points = [(row["images"], row[name]) for row in rows if row.get(name) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), label=name.split("_")[-1])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("images seen", fontsize=8)
        axes.grid(alpha=0.3)
        if len(names) > 1 and axes.lines:
            axes.legend(fontsize=8)
    with writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
