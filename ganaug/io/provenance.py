"""Marks inside a PNG that say it is synthetic: for people, for asset managers (IPTC term in XMP) and for ganaug.

A copy of the file keeps all marks. Of the files that Pillow saves again, a JPEG or GIF keeps the comment, and a PNG or
TIFF keeps the color profile, whose copyright is `STATEMENT` too (`encoding.png`). A WebP keeps what is passed to it
(``xmp=``), and a BMP keeps nothing.

References
----------
The IPTC term that search engines and picture libraries read:
https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import DataError
from ganaug.io.decoding import FORMATS

TERM = "digitalsourcetype/trainedAlgorithmicMedia"
SOURCE_TYPE = f"http://cv.iptc.org/newscodes/{TERM}"
STATEMENT = f"Synthetic image: {SOURCE_TYPE}"
KEY = "ganaug"
XMP_KEY = "XML:com.adobe.xmp"

_TERM_PATTERN = re.compile(rb"%b\b|%b" % (TERM.encode(), TERM.encode("utf-16-be")))  # color profiles hold UTF-16
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>{software}</xmp:CreatorTool>
<dc:subject><rdf:Bag><rdf:li>{label}</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def make_mark(label: str, *, seed: int | None, model_hash: str, version: str = __version__) -> PngInfo:
    """Build the text chunks that mark one PNG as synthetic.

    Parameters
    ----------
    label : str
        Class of the image.
    seed : int or None
        Seed of the image.
    model_hash : str
        Hash of the model that generated it.
    version : str, optional
        Version of ganaug.

    Returns
    -------
    PIL.PngImagePlugin.PngInfo
        For ``Image.save(..., pnginfo=...)``. It holds ``Software``; ``comment``, the IPTC source type; ``ganaug``, a
        JSON object of label, seed, model_hash and version; and XMP with the source type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from ganaug.io.provenance import is_marked, make_mark, read_mark
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cat.png")
    ...     Image.new("L", (8, 8)).save(path, pnginfo=make_mark("cat", seed=7, model_hash="ab12"))
    ...     is_marked(path), read_mark(path)["seed"]
    (True, 7)
    """
    software = f"ganaug {version}"
    facts = {"synthetic": True, "label": label, "seed": seed, "model_hash": model_hash, "version": version}
    chunks = PngInfo()
    chunks.add_text("Software", software.encode("latin-1", "replace"))
    chunks.add_text("comment", STATEMENT)
    chunks.add_text(KEY, json.dumps(facts))  # json escapes everything outside ASCII
    chunks.add_itxt(XMP_KEY, _xmp(label, software))
    return chunks


@lru_cache(maxsize=1024)
def _xmp(label: str, software: str) -> str:
    """Fill in the XMP packet."""
    texts = {"source_type": SOURCE_TYPE, "software": software, "label": label}
    # XML 1.0 cannot represent control characters, not even escaped ones
    return _XMP.format(**{key: escape(_NOT_XML.sub("\ufffd", text)) for key, text in texts.items()})


def is_marked(image: Image.Image | Path | str) -> bool:
    """Return whether an image's metadata declare it AI-generated, by ganaug or any other tool.

    Parameters
    ----------
    image : PIL.Image.Image or path
        An `Image` must be loaded, because a PNG may store its text after its pixels.

    Returns
    -------
    bool
        True if the XMP, the comment or the color profile contains the IPTC term `trainedAlgorithmicMedia`, or if there
        is a `ganaug` text entry.

    Raises
    ------
    DataError
        If the file cannot be read as an image.
    """
    return info_is_marked((image if isinstance(image, Image.Image) else _load(expand_user(image))).info)


def info_is_marked(info: Mapping[Any, object]) -> bool:
    """Apply `is_marked` to the ``info`` of a loaded Pillow image."""
    texts = (info.get(key) or b"" for key in ("xmp", "comment", "icc_profile"))
    statements = b" ".join(text if isinstance(text, bytes) else str(text).encode(errors="replace") for text in texts)
    return _TERM_PATTERN.search(statements) is not None or isinstance(info.get(KEY), str)


def read_mark(path: Path | str) -> dict[str, object] | None:
    """Read what `make_mark` wrote into a PNG.

    Returns
    -------
    dict or None
        With the keys label, seed, model_hash and version. None if the file has no such mark.

    Raises
    ------
    DataError
        If the file cannot be read as an image.
    """
    try:
        facts = json.loads(str(_load(expand_user(path)).info.get(KEY)))
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _load(path: Path) -> Image.Image:
    """Open and load an image with Pillow."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {error}.") from error
