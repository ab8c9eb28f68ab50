"""Marks inside a PNG that say it is synthetic: readable by people, by asset managers (IPTC, in XMP) and by ganaug.

The IPTC term is the one that search engines and picture libraries read:
https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia

A copy of the file keeps them. Of what Pillow saves anew, a JPEG or GIF keeps the comment, a PNG or TIFF the color
profile, whose copyright is `STATEMENT` too (`encoding.png`); a WebP keeps what it is told to (`xmp=`), a BMP nothing.
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

from ganaug._version import __version__
from ganaug.errors import DataError
from ganaug.io.decoding import FORMATS

TERM = "digitalsourcetype/trainedAlgorithmicMedia"
SOURCE_TYPE = f"http://cv.iptc.org/newscodes/{TERM}"
STATEMENT = f"Synthetic image: {SOURCE_TYPE}"
KEY = "ganaug"
XMP_KEY = "XML:com.adobe.xmp"

_SOURCE_TYPE_FOUND = re.compile(rb"%b\b|%b" % (TERM.encode(), TERM.encode("utf-16-be")))  # profiles are in UTF-16
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


def mark(label: str, *, seed: int | None, model_hash: str, version: str = __version__) -> PngInfo:
    """The text chunks for `Image.save(..., pnginfo=...)` of one synthetic image of class `label`.

    `Software`; `comment`, the IPTC source type; `ganaug`, a JSON object of label, seed, model_hash and version; and XMP
    with the source type.
    """
    software = f"ganaug {version}"
    facts = {"synthetic": True, "label": label, "seed": seed, "model_hash": model_hash, "version": version}
    chunks = PngInfo()
    chunks.add_text("Software", software.encode("latin-1", "replace"))
    chunks.add_text("comment", STATEMENT)
    chunks.add_text(KEY, json.dumps(facts))  # ASCII by json's escapes, whatever the class is called
    chunks.add_itxt(XMP_KEY, _xmp(label, software))
    return chunks


@lru_cache(maxsize=1024)
def _xmp(label: str, software: str) -> str:
    texts = {"source_type": SOURCE_TYPE, "software": software, "label": label}
    # XML 1.0 has no way to write control characters, not even escaped
    return _XMP.format(**{key: escape(_NOT_XML.sub("\ufffd", text)) for key, text in texts.items()})


def is_marked(image: Image.Image | Path | str) -> bool:
    """Whether a picture says in text, comment, profile or XMP that a trained generator made it, ganaug or another.

    An `Image` must be loaded already, since a PNG may keep its text behind its pixels.
    Raises DataError where a path cannot be read.
    """
    return info_is_marked((image if isinstance(image, Image.Image) else _load(Path(image))).info)


def info_is_marked(info: Mapping[Any, object]) -> bool:
    """`is_marked` for the `info` of a loaded Pillow image."""
    texts = (info.get(key) or b"" for key in ("xmp", "comment", "icc_profile"))
    said = b" ".join(text if isinstance(text, bytes) else str(text).encode(errors="replace") for text in texts)
    return _SOURCE_TYPE_FOUND.search(said) is not None or isinstance(info.get(KEY), str)


def read_mark(path: Path | str) -> dict[str, object] | None:
    """What `mark` wrote into the PNG at `path`: label, seed, model_hash, version; None where nothing is there."""
    try:
        facts = json.loads(str(_load(Path(path)).info.get(KEY)))
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _load(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {error}.") from error
