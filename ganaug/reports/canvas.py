"""How figures of reports become files, and their colors."""

import warnings
from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any

from PIL import Image

INK, BLUE, GRAY = "#1a1a1a", "#1f5fbf", "#8a8a8a"
GOOD, BAD, NEUTRAL = "#1b7f3b", "#b3261e", "#6b6b6b"
HEIGHT_PER_ROW = 0.3  # inches, of a plot with a row for each class


def svg(plot: Callable[[Any], None], width: float, height: float) -> str:
    """Render a plot as SVG.

    Parameters
    ----------
    plot : callable
        Called with Matplotlib axes to draw on.
    width, height : float
        Size in inches.

    Returns
    -------
    str
        Text of the SVG. The same plot gives the same text.

    Examples
    --------
    >>> from ganaug.reports.canvas import svg
    >>> text = svg(lambda axes: axes.plot([0, 1]), 2, 1)
    >>> "<svg" in text, text == svg(lambda axes: axes.plot([0, 1]), 2, 1)
    (True, True)
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as MatplotlibFigure  # not pyplot: no global state, no display

    figure, text = MatplotlibFigure(figsize=(width, height), layout="constrained"), StringIO()
    plot(figure.subplots())
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "ganaug"}):  # reproducible ids
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box; the tables have the character
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def row_height(n_rows: int) -> float:
    """Height in inches of a plot with a row for each class."""
    return max(2.0, HEIGHT_PER_ROW * n_rows + 0.8)


def png(picture: Image.Image) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    picture : PIL.Image.Image
        The picture.

    Returns
    -------
    bytes
        The file.

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug.reports.canvas import png
    >>> png(Image.new("L", (2, 2)))[1:4]
    b'PNG'
    """
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
