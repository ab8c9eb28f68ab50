"""Which PNG encoder is fastest, and how large are its files?

    python -m benchmarks.png_encoders

Time: a minute. Gray 28x28 images (Fashion-MNIST as it ships), and color 64x64 ones, smooth with some noise.

How to read it: microseconds of processor time of one thread, and bytes, for each image; medians of --rounds.
"""

import io
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import torch
from PIL import __version__ as pillow_version
from torch import Tensor
from torchvision.io import encode_png

from benchmarks.runner import parse, program_parser, write_page
from benchmarks.tables import markdown_table
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.io.decoding import to_pillow
from ganaug.io.encoding import png

GRAY_IMAGES, COLOR_IMAGES = 300, 100
Z_RLE = 3  # zlib's strategy of run lengths, as Pillow passes it on
SMOKE = {"rounds": 1, "gray_images": 10, "color_images": 5}
Encoder = Callable[[Tensor], bytes]


def with_pillow(level: int, strategy: int | None = None) -> Encoder:
    """Pillow at a compression level of zlib, or by a strategy."""
    options = {"compress_level": level} if strategy is None else {"compress_type": strategy}

    def encode(pixels: Tensor) -> bytes:
        buffer = io.BytesIO()
        to_pillow(pixels).save(buffer, "PNG", **options)
        return buffer.getvalue()

    return encode


def with_opencv(level: int, strategy: int) -> Encoder:
    """OpenCV at a compression level of zlib and by a strategy."""
    settings = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, strategy]

    def encode(pixels: Tensor) -> bytes:
        bgr = pixels.permute(1, 2, 0).contiguous().numpy()[:, :, ::-1]
        content: bytes = cv2.imencode(".png", bgr, settings)[1].tobytes()
        return content

    return encode


def with_torchvision(level: int) -> Encoder:
    """torchvision at a compression level of zlib."""
    return lambda pixels: encode_png(pixels, level).numpy().tobytes()


ENCODERS: dict[str, Encoder] = {
    "Pillow, default": with_pillow(-1),
    "Pillow, level 1": with_pillow(1),
    "Pillow, run lengths": with_pillow(-1, Z_RLE),
    "torchvision, level 1": with_torchvision(1),
    "torchvision, level 6": with_torchvision(6),
    "OpenCV, level 1": with_opencv(1, cv2.IMWRITE_PNG_STRATEGY_DEFAULT),
    "OpenCV, level 1, filtered": with_opencv(1, cv2.IMWRITE_PNG_STRATEGY_FILTERED),
    "OpenCV, level 1, run lengths": with_opencv(1, cv2.IMWRITE_PNG_STRATEGY_RLE),
    "ganaug": png,
}


def smooth_colors(count: int) -> Tensor:
    """Smooth color images with noise: uint8 (count, 3, 64, 64)."""
    draws = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.randn(count, 3, 16, 16, generator=draws), size=64, mode="bilinear")
    noise = torch.randn(count, 3, 64, 64, generator=draws)
    return (smooth * 40 + 128 + noise * 6).clamp(0, 255).to(torch.uint8)


def measure(encode: Encoder, images: Tensor, rounds: int) -> tuple[float, float]:
    """Microseconds and bytes of an image."""
    times, size = [], 0
    for _ in range(rounds):
        start = time.process_time()
        size = sum(len(encode(image)) for image in images)
        times.append((time.process_time() - start) / len(images) * 1e6)
    return statistics.median(times), size / len(images)


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure every encoder, and write the page."""
    parser = program_parser("png_encoders", __doc__, threads=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.set_defaults(gray_images=GRAY_IMAGES, color_images=COLOR_IMAGES)
    options = parse(parser, argv, SMOKE)
    images = {
        "28x28 gray": fashion_mnist_lt().images[: options.gray_images],
        "64x64 color": smooth_colors(options.color_images),
    }
    rows = []
    for name, encode in ENCODERS.items():
        figures = [figure for part in images.values() for figure in measure(encode, part, options.rounds)]
        rows.append([name, *(f"{figure:,.0f}" for figure in figures)])
    about = f"Pillow {pillow_version}, OpenCV {cv2.__version__}; processor time."
    head = ["encoder", *(f"{name}, {unit}" for name in images for unit in ("us", "bytes"))]
    return write_page(options, "PNG encoders", about, markdown_table(head, rows))


if __name__ == "__main__":
    main()
