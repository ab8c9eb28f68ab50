import io
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from ganaug.data.provenance import SOURCE_TYPE, is_marked, mark, read_mark
from ganaug.errors import DataError

LABELS = ["cat", "a & b", "<script>\"'</script>", "]]>", "猫", "bell \x07", "{braces}", "\ud800"]


def marked(path, label="cat"):
    Image.new("L", (8, 8)).save(path, pnginfo=mark(label, seed=5, model_hash="abc"))
    return path


@pytest.mark.parametrize("label", LABELS)
def test_marks_come_back_whatever_the_class_is_called(tmp_path, label):
    path = marked(tmp_path / "a.png", label)
    assert is_marked(path)
    facts = read_mark(path)
    assert (facts["label"], facts["seed"], facts["model_hash"]) == (label, 5, "abc")


@pytest.mark.parametrize("label", LABELS)
def test_the_xmp_is_sound_xml_with_the_iptc_term(tmp_path, label):
    with Image.open(marked(tmp_path / "a.png", label)) as image:
        tree = ET.fromstring(image.info["xmp"].decode().strip())
        software = image.info["Software"]
    assert software.startswith("ganaug ")
    (term,) = tree.iter("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert term.text == SOURCE_TYPE
    (subject,) = tree.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")
    assert subject.text == label.replace("\x07", "\ufffd").replace("\ud800", "\ufffd")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
def test_a_copy_in_another_format_that_keeps_its_xmp_is_still_marked(tmp_path, kind):
    with Image.open(marked(tmp_path / "a.png")) as image:
        image.load()
        buffer = io.BytesIO()
        xmp = image.info["xmp"]
        image.save(buffer, kind, **({"tiffinfo": {700: xmp}} if kind == "TIFF" else {"xmp": xmp}))
    with Image.open(buffer) as copy:
        copy.load()
        assert is_marked(copy)


def test_other_pictures_are_not_marked(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert not is_marked(tmp_path / "a.png")
    assert read_mark(tmp_path / "a.png") is None
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.png"):
        is_marked(tmp_path / "b.png")
