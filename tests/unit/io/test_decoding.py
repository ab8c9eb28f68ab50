import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganaug.errors import DataError
from ganaug.io.decoding import SUFFIXES, UnusableImage, decode, pillow_to_arrays, strict_pillow_warnings
from ganaug.io.pillow_modes import white_value

RED = (200, 30, 10)


def cause_of(path, image_size=None) -> str:
    with pytest.raises(UnusableImage) as raised, strict_pillow_warnings():
        decode(path, image_size)
    return raised.value.cause


@pytest.mark.parametrize(
    "suffix", [".png", ".bmp", ".webp", ".tif", ".gif", ".jpg", ".JPEG", ".jfif", ".jpe", ".ppm", ".pnm"]
)
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


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_refused_with_a_cause(tmp_path, suffix, share):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert cause_of(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"])
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
    Image.new("RGB", (9, 9)).save(tmp_path / "spoof.jpg", "TGA")
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
    for file_format in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"):
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


@pytest.mark.parametrize(("name", "mode", "expected"), [("a.pbm", "1", 255), ("a.pgm", "L", 77), ("a.pgm", "I;16", 9)])
def test_portable_bitmaps_and_graymaps_are_decoded(tmp_path, name, mode, expected):
    Image.new(mode, (8, 9), {"1": 1, "L": 77, "I;16": 257 * 9}[mode]).save(tmp_path / name)
    assert (decode(tmp_path / name).pixels == expected).all()
    (tmp_path / "text.ppm").write_bytes(b"P3\n# a comment\n2 1\n255\n200 30 10  1 2 3\n")
    assert decode(tmp_path / "text.ppm").pixels.tolist() == [[[200, 30, 10], [1, 2, 3]]]


def test_every_file_that_image_folder_reads_is_an_image():
    from torchvision.datasets.folder import IMG_EXTENSIONS

    assert set(IMG_EXTENSIONS) <= SUFFIXES


def tiff(n_bands, bits, sample_format=1, compression=1, photometric=1, prefix=b"II*\0"):
    """A TIFF of 8x8 pixels with these tags, which most programs can read."""
    pixels = bytes(64 * n_bands * bits // 8)
    tags = [
        (256, 3, (8,)), (257, 3, (8,)), (258, 3, (bits,) * n_bands), (259, 3, (compression,)), (262, 3, (photometric,)),
        (273, 4, (8,)), (277, 3, (n_bands,)), (278, 3, (8,)), (279, 4, (len(pixels),)),
        (339, 3, (sample_format,) * n_bands),
    ]  # fmt: skip
    start = 8 + len(pixels)
    after = start + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, kind, values in tags:
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack("<I", after + len(extra))
        entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return prefix + struct.pack("<I", start) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4) + extra


@pytest.mark.parametrize(
    ("content", "cause", "fix"),
    [
        (tiff(5, 8), "a TIFF of 5 bands of 8 bits", "Save three of its bands as 8-bit RGB"),
        (tiff(4, 16), "a TIFF of 4 bands of 16 bits", "Save three of its bands as 8-bit RGB"),
        (tiff(13, 16), "a TIFF of 13 bands of 16 bits", "Save three of its bands as 8-bit RGB"),
        (tiff(3, 32, 3, photometric=2), "a TIFF of 3 bands of 32 floating-point bits", "Save three of its bands"),
        (tiff(3, 16, photometric=1), "a TIFF of 3 bands of 16 bits", "Save three of its bands as 8-bit RGB"),
        (tiff(1, 64), "a TIFF of 1 band of 64 bits", "Save it as 8-bit or 16-bit gray"),
        (tiff(1, 8, compression=34712), "a TIFF compressed by method 34712", "Save it without compression"),
        (b"II*\0\x08\0\0\0", "damaged: its header cannot be read", "Replace it"),
        (b"\x89PNG\r\n\x1a\n", "damaged", "Replace it"),
    ],
)
def test_an_image_that_pillow_refuses_is_described(tmp_path, content, cause, fix):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UnusableImage) as raised:
        decode(tmp_path / "a.tif")
    assert cause in raised.value.cause
    assert "none of" not in raised.value.cause
    assert fix in raised.value.fix


def test_a_jpeg_of_twelve_bits_is_described(tmp_path):
    Image.new("L", (16, 16)).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    content[content.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "a.jpg").write_bytes(content)
    assert "a JPEG of 1 band of 12 bits" in cause_of(tmp_path / "a.jpg")


def test_a_bitmap_of_an_unsupported_variant_is_described(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.bmp")
    content = bytearray((tmp_path / "a.bmp").read_bytes())
    content[30] = 77  # the compression
    (tmp_path / "a.bmp").write_bytes(content)
    assert "a variant that Pillow cannot read (Unsupported BMP compression (77))" in cause_of(tmp_path / "a.bmp")


@pytest.mark.parametrize(("maximum", "white"), [(200, 255), (1000, 1023), (4095, 4095), (4096, 8191), (40000, 65535)])
def test_16_bit_images_are_scaled_by_the_bits_in_use(tmp_path, maximum, white):
    values = np.linspace(0, maximum, 81).astype(np.uint16).reshape(9, 9)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").maximum == maximum
    assert white_value(maximum) == white
    pixels = decode(tmp_path / "a.png", white=white).pixels
    assert np.abs(pixels - values * 255.0 / white).max() <= 0.5
    if white < 65535:
        with pytest.raises(UnusableImage, match="the other 16-bit images use"):
            decode(tmp_path / "a.png", white=white // 2)


def test_a_graymap_uses_the_range_that_its_header_declares(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 4095\n" + struct.pack(">64H", *[2000] * 64))
    image = decode(tmp_path / "a.pgm")
    assert image.maximum == 65535
    assert (image.pixels == round(2000 * 255 / 4095)).all()


def test_dark_16_bit_images_have_different_pixel_hashes(tmp_path):
    hashes = set()
    for value in (3, 5):
        Image.fromarray(np.full((8, 8), value, np.uint16)).save(tmp_path / "a.png")
        image = decode(tmp_path / "a.png")
        assert image.pixels.max() == 0
        hashes.add(image.pixel_hash)
    assert len(hashes) == 2


def test_pillow_images_of_any_mode_become_arrays_of_one_scale():
    dark, bright = (Image.fromarray(np.full((8, 10), value, np.uint16)) for value in (100, 4000))
    with pytest.warns(UserWarning, match="16-bit images use 12 bits, scaled by 4,095"):
        arrays = pillow_to_arrays([dark, bright, Image.new("RGBA", (10, 8), (*RED, 255))])
    assert [int(array.max()) for array in arrays[:2]] == [round(100 * 255 / 4095), round(4000 * 255 / 4095)]
    assert [array.shape for array in arrays] == [(8, 10), (8, 10), (8, 10, 3)]
    assert pillow_to_arrays([Image.new("L", (10, 8), 7)], (16, 20))[0].shape == (16, 20)
    with pytest.raises(DataError, match=r"row 1 cannot be used: mode 'F'"):
        pillow_to_arrays([Image.new("L", (8, 8)), Image.new("F", (8, 8))])
