"""Which PNG encoder? Processor time and size for an image, of gray 28x28 and color 64x64.

    python benchmarks/png.py --out benchmarks/results/png_...md

Fashion-MNIST as it ships, and smooth colors with noise like a generator's. Medians of rounds, one thread.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import torch
from collect import processor
from PIL import __version__ as pillow_version
from tables import table
from torch import Tensor
from torchvision.io import encode_png

from ganaug import __version__
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.io.decoding import to_pillow
from ganaug.io.encoding import png


def with_pillow(level: int, strategy: int | None = None) -> Callable[[Tensor], bytes]:
    options = {"compress_level": level} if strategy is None else {"compress_type": strategy}

    def encode(pixels: Tensor) -> bytes:
        buffer = io.BytesIO()
        to_pillow(pixels).save(buffer, "PNG", **options)
        return buffer.getvalue()

    return encode


def with_opencv(level: int, strategy: int) -> Callable[[Tensor], bytes]:
    settings = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, strategy]

    def encode(pixels: Tensor) -> bytes:
        found: bytes = cv2.imencode(".png", pixels.permute(1, 2, 0).contiguous().numpy()[:, :, ::-1], settings)[
            1
        ].tobytes()
        return found

    return encode


def with_torchvision(level: int) -> Callable[[Tensor], bytes]:
    return lambda pixels: encode_png(pixels, level).numpy().tobytes()


ENCODERS = {
    "Pillow, as it is": with_pillow(-1),
    "Pillow, level 1": with_pillow(1),
    "Pillow, run lengths": with_pillow(-1, 3),  # Z_RLE of zlib
    "torchvision, level 1": with_torchvision(1),
    "torchvision, level 6": with_torchvision(6),
    "OpenCV, level 1": with_opencv(1, cv2.IMWRITE_PNG_STRATEGY_DEFAULT),
    "OpenCV, level 1, filtered": with_opencv(1, cv2.IMWRITE_PNG_STRATEGY_FILTERED),
    "OpenCV, level 1, run lengths": with_opencv(1, cv2.IMWRITE_PNG_STRATEGY_RLE),
    "ganaug": png,
}


def colors(count: int) -> Tensor:
    """uint8 (count, 3, 64, 64)."""
    draws = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.randn(count, 3, 16, 16, generator=draws), size=64, mode="bilinear")
    noise = torch.randn(count, 3, 64, 64, generator=draws)
    return (smooth * 40 + 128 + noise * 6).clamp(0, 255).to(torch.uint8)


def measured(encode: Callable[[Tensor], bytes], images: Tensor, rounds: int) -> tuple[float, float]:
    """Microseconds and bytes, an image."""
    times, size = [], 0
    for _ in range(rounds):
        begun = time.process_time()
        size = sum(len(encode(image)) for image in images)
        times.append((time.process_time() - begun) / len(images) * 1e6)
    return statistics.median(times), size / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = {"28x28 gray": fashion_mnist_lt().images[:300], "64x64 color": colors(100)}
    rows = []
    for name, encode in ENCODERS.items():
        cells = [measured(encode, images, options.rounds) for images in sets.values()]
        rows.append([name, *(f"{value:,.0f}" for cell in cells for value in cell)])
    lines = [
        "# PNG encoders",
        "",
        f"`python benchmarks/png.py --rounds {options.rounds}`",
        "",
        f"ganaug {__version__}, Pillow {pillow_version}, OpenCV {cv2.__version__}, one thread of {processor()}, "
        f"{datetime.now(UTC):%Y-%m-%d}; processor time.",
        "",
        *table(["encoder", *(f"{name}, {unit}" for name in sets for unit in ("us", "bytes"))], rows),
        "",
    ]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
