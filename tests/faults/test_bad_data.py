"""Bad files and bad data sets: each gets an error message, and the other files stay usable."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganaug import read_folder
from ganaug.errors import DataError
from ganaug.io.preflight import inspect_folder
from ganaug.io.store import open_store
from tests.processes import run_command

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
THOUSAND_ZEROS = zlib.compress(b"\0" * 1000)
FORMATS = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "webp": "WEBP", "ppm": "PPM"}


def encoded(file_format, image=None, **options):
    out = io.BytesIO()
    (Image.fromarray(PIXELS) if image is None else image).save(out, file_format, **options)
    return out.getvalue()


def chunk(chunk_type, content):
    checksum = struct.pack(">I", zlib.crc32(chunk_type + content))
    return struct.pack(">I", len(content)) + chunk_type + content + checksum


def png_header(width, height, depth=8, color=2, stream=THOUSAND_ZEROS, before=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = chunk(b"IHDR", header) + before + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def truncated():
    """Images cut after every 64th byte, except for those that have all their pixels."""
    for suffix, file_format in FORMATS.items():
        content = encoded(file_format)
        for length in range(64, len(content) - 24, 64):
            yield f"cut-{length:04d}.{suffix}", content[:length]


def spoofed():
    """Files with the name of an image and other content."""
    png = encoded("PNG")
    contents = {
        "zero.png": b"",
        "text.png": b"hello, I am not an image",
        "page.jpg": b"<!DOCTYPE html><script>alert(1)</script>",
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "pdf.jpg": b"%PDF-1.7\n1 0 obj",
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "zip.png": b"PK\x03\x04" + b"\0" * 100,
        "program.png": b"\x7fELF" + b"\0" * 100,
        "pickle.png": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix",
        "icon.png": encoded("ICO", Image.new("RGB", (16, 16))),
        "targa.png": encoded("TGA"),
        "zeros.jpg": b"\0" * 4096,
        "noise.webp": np.random.default_rng(1).bytes(4096),
        "header-only.jpg": encoded("JPEG")[:20],
        "signature-only.png": png[:8],
        "crc.png": png[:20] + bytes([png[20] ^ 255]) + png[21:],
        "no-pixels.png": png[:33] + png[-12:],
        "broken-stream.png": png[:60] + b"\xff" * 40 + png[100:],
        "float.tif": encoded("TIFF", Image.new("F", (12, 12))),
        "beyond-16-bit.tif": encoded("TIFF", Image.fromarray(np.full((12, 12), 10**6, np.int32))),
    }
    yield from contents.items()


def impossible_sizes():
    yield "0x0.png", png_header(0, 0)
    yield "0x9.png", png_header(0, 9)
    for size in (8_000, 12_000, 60_000, 2**31 - 1):
        yield f"bomb-{size}.png", png_header(size, size)
    yield "bomb.gif", b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + encoded("GIF")[10:]
    yield "bomb.bmp", encoded("BMP")[:18] + struct.pack("<ii", 60_000, 60_000) + encoded("BMP")[26:]


def bombs():
    """Images of about a megabyte that unpack to up to a gigabyte."""
    compressor = zlib.compressobj()
    zeros = b"".join(compressor.compress(b"\0" * 2**20) for _ in range(1024)) + compressor.flush()
    yield "pixels.png", png_header(20_000, 20_000, stream=zeros)
    yield "more-pixels-than-it-says.png", png_header(12, 12, stream=zeros)
    yield "text.png", png_header(12, 12, before=chunk(b"zTXt", b"a\0\0" + zeros))
    yield "international-text.png", png_header(12, 12, before=chunk(b"iTXt", b"a\0\1\0\0\0" + zeros))
    yield "profile.png", png_header(12, 12, before=chunk(b"iCCP", b"a\0\0" + zeros))
    yield "scan.tif", encoded("TIFF", Image.new("1", (8_000, 8_000)), compression="tiff_adobe_deflate")
    yield "scan.jpg", encoded("JPEG", Image.new("L", (8_000, 8_000)))
    yield "scan.gif", encoded("GIF", Image.new("L", (8_000, 8_000)))


BAD = dict([*truncated(), *spoofed(), *impossible_sizes()])


def unusual():
    """Valid images of unusual modes, depths, frames and orientations."""
    photo = Image.fromarray(PIXELS)
    palette = photo.convert("P", palette=Image.Palette.ADAPTIVE)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "1-bit.png", encoded("PNG", photo.convert("1"))
    yield "16-bit.png", encoded("PNG", Image.fromarray(np.full((12, 12), 4660, np.uint16)))
    yield "32-bit.tif", encoded("TIFF", Image.fromarray(np.full((12, 12), 4660, np.int32)))
    yield "cmyk.jpg", encoded("JPEG", photo.convert("CMYK"))
    yield "la.png", encoded("PNG", photo.convert("LA"))
    yield "rgba.png", encoded("PNG", photo.convert("RGBA"))
    yield "palette.png", encoded("PNG", palette)
    yield "transparent-palette.png", encoded("PNG", palette, transparency=0)
    yield "animated.gif", encoded("GIF", photo, save_all=True, append_images=[photo.rotate(90)])
    yield "animated.png", encoded("PNG", photo, save_all=True, append_images=[photo.rotate(90)])
    yield "rotated.jpg", encoded("JPEG", photo, exif=exif)
    yield "a png by name.jpg", encoded("PNG", photo)
    yield "a pixmap by name.png", encoded("PPM", photo)


UNUSUAL = dict(unusual())


@pytest.fixture
def folder(tmp_path):
    """A function that writes a data folder, by default of two classes of 12x12 images."""

    def make(counts=None, size=(12, 12), root="data"):
        rng = np.random.default_rng(0)
        for name, count in ({"cat": 3, "dog": 2} if counts is None else counts).items():
            (tmp_path / root / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / root / name / f"{number}.png")
        return tmp_path / root

    return make


def test_every_bad_file_is_named_with_cause_and_fix_and_the_rest_is_read(folder):
    assert len(BAD) >= 60
    root = folder()
    for name, content in {**BAD, **UNUSUAL}.items():
        (root / "cat" / name).write_bytes(content)
    inspection = inspect_folder(root)
    problems = {problem.file.removeprefix("cat/"): problem for problem in inspection.problems}
    assert set(problems) == set(BAD)
    assert all(problem.cause and problem.fix for problem in problems.values())
    with pytest.raises(DataError, match=rf"and {len(BAD) - 10:,} more unusable files"):
        read_folder(root)
    images = read_folder(root, skip_bad=True)
    assert images.counts == {"cat": 3 + len(UNUSUAL), "dog": 2}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_among_good_ones(folder, name):
    """Each file alone as well: a long list could hide that a file is named with the cause of another one."""
    root = folder()
    (root / "dog" / name).write_bytes(BAD[name])
    with pytest.raises(DataError) as raised:
        read_folder(root)
    assert f"dog/{name}: " in str(raised.value)
    assert "--skip-bad" in str(raised.value)
    assert read_folder(root, skip_bad=True).counts == {"cat": 3, "dog": 2}


def test_bombs_take_no_memory(folder, tmp_path):
    """A process that has imported everything may use 256 MiB more."""
    root = folder()
    for name, content in bombs():
        (root / "cat" / name).write_bytes(content)
    status, output = run_command("check", root, log=tmp_path / "log", memory=2**28)
    assert status == 1, output
    assert "memory" not in output
    for name in ("pixels.png", "scan.tif", "scan.jpg", "scan.gif"):
        assert f"cat/{name}: " in output
    status, output = run_command("store", root, tmp_path / "store", "--skip-bad", log=tmp_path / "log", memory=2**28)
    assert status == 0, output
    assert open_store(tmp_path / "store").counts["dog"] == 2


def tree(*paths, size=(12, 12)):
    """A function that writes a different image to each of `paths`."""

    def make(root):
        rng = np.random.default_rng(len(paths))
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(root / path)

    return make


def with_metadata(content, *paths):
    """A function that writes metadata.csv and images."""

    def make(root):
        tree(*(paths or ("a.png", "b.png", "c.png", "d.png")))(root)
        (root / "metadata.csv").write_text(content)

    return make


def two_sizes(root):
    tree("cat/0.png", "cat/1.png", "dog/0.png")(root)
    tree("dog/1.png", size=(20, 10))(root)


def an_empty_class(root):
    tree("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")(root)
    (root / "bird").mkdir()


def a_class_of_bad_files(root):
    tree("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")(root)
    (root / "bird").mkdir()
    (root / "bird" / "0.png").write_bytes(b"no image")


def only_bad_files(root):
    for name in ("cat/0.png", "dog/0.png"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()


def a_link_outside(root):
    tree("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")(root)
    outside = root.parent / "elsewhere"
    tree("0.png", "1.png")(outside)
    (root / "bird").symlink_to(outside)


def only_documents(root):
    (root / "cat").mkdir(parents=True)
    (root / "cat" / "notes.txt").write_text("no image")


def many_classes(root):
    for number in range(1001):
        (root / f"c{number:04d}").mkdir(parents=True)
    tree("c0000/0.png", "c0000/1.png")(root)


FOUR_FILES = ("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")
DATA_SETS = {  # how the data set is written, and what the error message contains
    "no folder": (lambda root: None, "does not exist"),
    "a file": (lambda root: root.write_text("x"), "is a file|no folder"),
    "an empty folder": (lambda root: root.mkdir(), "no image|no class"),
    "documents alone": (only_documents, "no image|no usable image|no class"),
    "bad files alone": (only_bad_files, "no usable image"),
    "one class": (tree("cat/0.png", "cat/1.png"), "one class only"),
    "an empty class": (an_empty_class, "no usable image in class bird"),
    "a class of bad files": (a_class_of_bad_files, "no usable image in class bird"),
    "a class of one": (tree("cat/0.png", "cat/1.png", "dog/0.png"), "one image only in class dog"),
    "two classes of one": (tree("cat/0.png", "dog/0.png"), "one image only in class cat, dog"),
    "two sizes": (two_sizes, "2 sizes .* --image-size"),
    "too small": (tree(*FOUR_FILES, size=(7, 12)), r"7x12 .* outside 8\.\.256"),
    "too large": (tree(*FOUR_FILES, size=(12, 300)), r"12x300 .* outside 8\.\.256"),
    "one pixel high": (tree(*FOUR_FILES, size=(1, 10_000)), r"1x10000 .* outside 8\.\.256"),
    "splits as classes": (tree("train/cat/0.png", "test/cat/0.png"), "train"),
    "splits with no classes below": (tree("train/0.png", "train/1.png", "val/0.png", "val/1.png"), "train"),
    "a class that is a link outside": (a_link_outside, "leads out"),
    "more than a thousand classes": (many_classes, "1,001 classes"),
    "metadata without labels": (with_metadata("file_name\na.png\nb.png\n"), "label"),
    "metadata without file names": (with_metadata("name,label\na.png,x\n"), "file_name"),
    "empty metadata": (with_metadata(""), r"metadata\.csv"),
    "metadata without rows": (with_metadata("file_name,label\n"), r"metadata\.csv|no image"),
    "metadata of files that do not exist": (with_metadata("file_name,label\nx.png,cat\ny.png,dog\n"), "does not exist"),
    "metadata with paths outside": (
        with_metadata("file_name,label\n../a.png,cat\n/etc/passwd,dog\n"),
        "outside|leads out",
    ),
    "a file named twice with two labels": (
        with_metadata("file_name,label\na.png,cat\na.png,dog\nb.png,cat\nc.png,dog\nd.png,dog\n"),
        r"a\.png",
    ),
    "metadata without a label in a row": (with_metadata("file_name,label\na.png,\nb.png,cat\nc.png,dog\n"), "label"),
    "metadata that is not text": (with_metadata("\0\0\x01\x02"), r"metadata\.csv"),
    "metadata with one class": (with_metadata("file_name,label\na.png,cat\nb.png,cat\n"), "one class only"),
}


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_bad_data_set_is_refused_by_name(tmp_path, name):
    assert len(DATA_SETS) >= 25
    make, message = DATA_SETS[name]
    make(tmp_path / "the data set")
    with pytest.raises(DataError, match=message) as raised:
        read_folder(tmp_path / "the data set")
    assert "the data set" in str(raised.value)
    assert str(raised.value).rstrip().endswith((".", ")"))
