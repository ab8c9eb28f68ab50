import io
import shutil
import tarfile
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganaug import read_folder, write_folder
from ganaug.errors import DataError
from ganaug.io.archives import publish_parquet, publish_tar
from ganaug.io.provenance import SOURCE_TYPE, is_marked, make_mark, read_mark
from ganaug.io.writing import stream_contents

LABELS = ["cat", "a & b", "<script>\"'</script>", "]]>", "猫", "bell \x07", "{braces}", "\ud800"]


def save_marked(path, label="cat"):
    Image.new("L", (8, 8)).save(path, pnginfo=make_mark(label, seed=5, model_hash="abc"))
    return path


@pytest.mark.parametrize("label", LABELS)
def test_marks_are_read_back_for_any_class_name(tmp_path, label):
    path = save_marked(tmp_path / "a.png", label)
    assert is_marked(path)
    facts = read_mark(path)
    assert (facts["label"], facts["seed"], facts["model_hash"]) == (label, 5, "abc")


@pytest.mark.parametrize("label", LABELS)
def test_the_xmp_is_valid_xml_with_the_iptc_term(tmp_path, label):
    with Image.open(save_marked(tmp_path / "a.png", label)) as image:
        tree = ET.fromstring(image.info["xmp"].decode().strip())
        software = image.info["Software"]
    assert software.startswith("ganaug ")
    (term,) = tree.iter("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert term.text == SOURCE_TYPE
    (subject,) = tree.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")
    assert subject.text == label.replace("\x07", "\ufffd").replace("\ud800", "\ufffd")


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "TIFF"])
def test_a_copy_in_another_format_that_keeps_its_xmp_is_still_marked(tmp_path, file_format):
    with Image.open(save_marked(tmp_path / "a.png")) as image:
        image.load()
        buffer = io.BytesIO()
        xmp = image.info["xmp"]
        image.save(buffer, file_format, **({"tiffinfo": {700: xmp}} if file_format == "TIFF" else {"xmp": xmp}))
    with Image.open(buffer) as copy:
        copy.load()
        assert is_marked(copy)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "GIF"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_image_that_pillow_saves_again_is_still_marked(synthetic, tmp_path, file_format, mode):
    (path, *_) = write_folder(synthetic, tmp_path / "out").rglob("*.png")
    with Image.open(path) as image:
        image.convert(mode).resize((4, 4)).save(tmp_path / "copy", file_format)
    assert is_marked(tmp_path / "copy")


def test_a_copy_of_the_file_keeps_all_marks(tmp_path):
    shutil.copy(save_marked(tmp_path / "a.png"), tmp_path / "b.png")
    assert read_mark(tmp_path / "b.png") == read_mark(tmp_path / "a.png") is not None


@pytest.mark.parametrize("file_format", ["WEBP", "BMP"])
def test_formats_for_which_pillow_keeps_no_metadata_lose_the_marks_as_documented(synthetic, tmp_path, file_format):
    (path, *_) = write_folder(synthetic, tmp_path / "out").rglob("*.png")
    with Image.open(path) as image:
        image.save(tmp_path / "copy", file_format)
    assert not is_marked(tmp_path / "copy")


def test_a_png_saved_with_the_text_that_pillow_read_is_still_marked(tmp_path):
    with Image.open(save_marked(tmp_path / "a.png")) as image:
        image.load()
        chunks = PngInfo()
        for name, text in image.text.items():
            chunks.add_itxt(name, text)
        image.save(tmp_path / "b.png", pnginfo=chunks)
    assert read_mark(tmp_path / "b.png") == read_mark(tmp_path / "a.png")


@pytest.mark.parametrize("form", ["tar", "parquet"])
def test_images_in_archives_are_marked(synthetic, tmp_path, form):
    counts = {name: count for name, count in synthetic.counts.items() if count}
    out = tmp_path / f"out.{form}"
    {"tar": publish_tar, "parquet": publish_parquet}[form](
        stream_contents([synthetic], counts, synthetic.shape), out, None
    )
    if form == "tar":
        with tarfile.open(out) as archive:
            contents = [archive.extractfile(entry).read() for entry in archive if entry.name.endswith(".png")]
    else:
        contents = [row["bytes"] for row in pq.read_table(out).column("image").to_pylist()]
    assert len(contents) == len(synthetic)
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.png").write_bytes(content)
        assert is_marked(tmp_path / f"{number}.png")


def test_images_recognized_by_their_marks_alone_are_written_as_synthetic_again(synthetic, tmp_path):
    once = write_folder(synthetic, tmp_path / "once")
    (once / "metadata.csv").unlink()
    again = write_folder(read_folder(once), tmp_path / "again")
    assert all(is_marked(path) for path in again.rglob("*.png"))
    assert len(list(again.rglob("*.png"))) == len(synthetic)


def test_other_images_are_not_marked(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert not is_marked(tmp_path / "a.png")
    assert read_mark(tmp_path / "a.png") is None
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.png"):
        is_marked(tmp_path / "b.png")
