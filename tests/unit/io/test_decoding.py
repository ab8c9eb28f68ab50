import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganaug.io.decoding import UnusableImage, decode, strict_pillow_warnings

RED = (200, 30, 10)


def cause_of(path, image_size=None) -> str:
    with pytest.raises(UnusableImage) as raised, strict_pillow_warnings():
        decode(path, image_size)
    return raised.value.cause


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tif", ".gif", ".jpg", ".JPEG"])
def test_every_format_is_decoded(tmp_path, suffix):
    Image.new("RGB", (10, 12), RED).save(tmp_path / f"a{suffix}")
    pixels = decode(tmp_path / f"a{suffix}").pixels
    assert pixels.shape == (12, 10, 3)
    assert np.abs(pixels.astype(int) - RED).max() <= 6


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, 255),
        ("L", 77, 77),
        ("LA", (100, 0), 255),
        ("LA", (100, 255), 100),
        ("RGB", RED, RED),
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (*RED, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("I;16", 65535, 255),
        ("I;16", 257 * 9, 9),
    ],
)
def test_modes_become_eight_bit_gray_or_rgb_on_white(tmp_path, mode, color, expected):
    Image.new(mode, (8, 9), color).save(tmp_path / "a.png")
    image = decode(tmp_path / "a.png")
    assert image.mode == mode
    assert image.pixels.shape == ((9, 8) if isinstance(expected, int) else (9, 8, 3))
    assert (image.pixels == expected).all()


def test_cmyk_and_palettes_become_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert np.abs(decode(tmp_path / "a.tif").pixels - np.array((255, 0, 0))).max() <= 2
    palette = Image.new("RGB", (8, 8), RED).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "b.png")
    assert (decode(tmp_path / "b.png").pixels == RED).all()
    palette.save(tmp_path / "c.png", transparency=palette.getpixel((0, 0)))
    assert (decode(tmp_path / "c.png").pixels == 255).all()


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("L", (8, 20))
    image.paste(255, (0, 0, 8, 4))  # a bright band at the top of the stored pixels
    exif = Image.Exif()
    exif[0x0112] = 6  # stored rotated by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    image = decode(tmp_path / "a.png")
    assert (image.height, image.width) == (8, 20)
    assert image.pixels[:, -4:].min() == 255
    assert image.pixels[:, :-4].max() == 0


def test_only_the_first_frame_of_an_animation_is_used(tmp_path):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, "blue")]
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        lossless = {"lossless": True} if name.endswith("webp") else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **lossless)
        image = decode(tmp_path / name)
        assert image.is_multiframe
        assert (image.pixels == RED).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_refused_with_a_cause(tmp_path, suffix, share):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert cause_of(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp"])
def test_a_file_truncated_anywhere_is_refused_or_has_all_its_pixels(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    content, pixels = path.read_bytes(), decode(path).pixels
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            with strict_pillow_warnings():
                assert np.array_equal(decode(path).pixels, pixels)  # only the trailer was missing
        except UnusableImage:
            continue


def test_the_cause_names_what_is_wrong(tmp_path):
    (tmp_path / "empty.png").touch()
    assert cause_of(tmp_path / "empty.png") == "has zero bytes"
    assert cause_of(tmp_path / "absent.png") == "does not exist"
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    assert cause_of(tmp_path / "folder.png") == cause_of(tmp_path / "pipe.png") == "is not a regular file"
    (tmp_path / "spoof.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "'%!PS-Adobe-3'" in cause_of(tmp_path / "spoof.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "spoof.jpg", "PPM")
    assert "none of PNG" in cause_of(tmp_path / "spoof.jpg")
    Image.new("F", (9, 9)).save(tmp_path / "float.tif")
    assert "'F'" in cause_of(tmp_path / "float.tif")
    Image.fromarray(np.full((9, 9), 10**6, np.int32)).save(tmp_path / "int.tif")
    assert "outside 0..65535" in cause_of(tmp_path / "int.tif")


def test_a_file_without_permission_is_named(tmp_path, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied")

    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr("pathlib.Path.read_bytes", deny)
    assert "permission denied" in cause_of(tmp_path / "a.png")


@pytest.mark.parametrize("size", [8_000, 12_000, 60_000])
def test_decompression_bombs_are_refused_before_they_are_decoded(tmp_path, size):
    def chunk(chunk_type: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(chunk_type + content))
        return struct.pack(">I", len(content)) + chunk_type + content + checksum

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    assert "pixels" in cause_of(tmp_path / "bomb.png")


def test_changed_bytes_never_raise_another_exception(tmp_path):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for file_format in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"):
        buffer = io.BytesIO()
        image.save(buffer, file_format)
        for _ in range(60):
            content = bytearray(buffer.getvalue())
            for position in rng.integers(0, len(content), 4):
                content[position] = rng.integers(0, 256)
            (tmp_path / "a.png").write_bytes(content)
            try:
                with strict_pillow_warnings():
                    assert decode(tmp_path / "a.png", (8, 8)).pixels.shape[:2] == (8, 8)
            except UnusableImage as error:
                assert error.cause  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_resizing_keeps_the_whole_image_and_averages_it(tmp_path, suffix):
    stripes = np.zeros((400, 600), np.uint8)
    stripes[:, ::2] = 255  # nearest-neighbor would give all black or all white
    stripes[:, 300:] = 255
    Image.fromarray(stripes).save(tmp_path / f"a.{suffix}", quality=95)
    image = decode(tmp_path / f"a.{suffix}", (16, 32))
    assert (image.height, image.width) == (400, 600)
    assert image.pixels.shape == (16, 32)
    assert np.abs(image.pixels[:, :14].astype(int) - 127).max() < 12
    assert image.pixels[:, 18:].min() > 240
