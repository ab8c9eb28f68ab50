"""What all pictures of reports share: how a plot becomes an SVG and an image a PNG, and the colors."""

import warnings
from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any

from PIL import Image

INK, OURS, OTHERS = "#1a1a1a", "#1f5fbf", "#8a8a8a"
GOOD, BAD, NEITHER = "#1b7f3b", "#b3261e", "#6b6b6b"


def svg(plot: Callable[[Any], None], width: float, height: float) -> str:
    """What `plot` draws on matplotlib axes, as a file of `width` x `height` inches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas  # not pyplot: no global state, no display

    canvas, text = Canvas(figsize=(width, height), layout="constrained"), StringIO()
    plot(canvas.subplots())
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "ganaug"}):  # the same figures give the same file
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it; the tables have it
        canvas.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def png(picture: Image.Image) -> bytes:
    """The picture as a PNG."""
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
