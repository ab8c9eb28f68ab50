"""Images of each class as HTML, for a notebook."""

import base64
import html
import io
from collections.abc import Iterable

import torch
from PIL import Image
from torch import Tensor

MIN_HEIGHT = 48  # pixels that an image is shown with, at least


def contact_sheet(title: str, rows: Iterable[tuple[str, int, Tensor]]) -> str:
    """Return an HTML table with a row for each class.

    Parameters
    ----------
    title : str
    rows : iterable of (name, number of images, images that are shown)
        Images are uint8 of shape (N, C, H, W), C 1 or 3. Plain vectors, with H or W of 1, are not shown.

    Returns
    -------
    str
        The pictures are inside, as data URLs.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.contact_sheet import contact_sheet
    >>> pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    >>> page = contact_sheet("two images", [("<cat>", 2, pixels), ("dog", 0, pixels[:0])])
    >>> "&lt;cat&gt;" in page, page.count("<img")
    (True, 1)
    """
    cells = []
    for name, count, pixels in rows:
        picture = _picture(pixels) if len(pixels) and min(pixels.shape[2:]) > 1 else ""
        cells.append(f"<tr><th>{html.escape(name)}</th><td>{count:,}</td><td>{picture}</td></tr>")
    return f"<p>{html.escape(title)}</p><table>{''.join(cells)}</table>"


def _picture(pixels: Tensor) -> str:
    """Return images side by side as an <img>."""
    strip = torch.cat(list(pixels), dim=2).permute(1, 2, 0).numpy()
    picture = Image.fromarray(strip[:, :, 0] if strip.shape[2] == 1 else strip)
    scale = max(1, -(-MIN_HEIGHT // len(strip)))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
