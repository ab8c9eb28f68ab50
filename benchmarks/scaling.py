"""How do time and memory grow with the number of images, the number of classes, and the image size?

    python -m benchmarks.scaling images --sizes 10000 100000 1000000
    python -m benchmarks.scaling classes --sizes 2 10 100 1000
    python -m benchmarks.scaling size --sizes 16 32 64 128

Time: about seven, three and four minutes on two cores.
images: the images that ship, repeated, as Parquet files; a store is built of them, opened, and trained on for --steps.
classes, size: training and 1,000 samples, with 20 images a class, or the 1,401 images that ship resized. Every
measurement runs in a new process; memory is its largest resident set.

How to read it: the last row has the exponents, slopes of log time and log memory above the smallest value; 1 is linear
growth.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.generators import make_augmenter
from benchmarks.runner import parse, program_parser, progress, run_isolated, write_page
from benchmarks.tables import markdown_table
from ganaug import LabeledImages, build_store, read_folder
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.io.archives import publish_parquet
from ganaug.io.output import Contents, NewFile
from ganaug.io.writing import stream_contents
from ganaug.training.batches import BalancedBatches

IMAGES_PER_FILE, IMAGES_PER_CLASS = 50_000, 20
SMOKE = {"what": "images", "sizes": [1500, 3000], "steps": 10}


def write_sources(folder: Path, n: int) -> None:
    """Parquet files with `n` images: those that ship, repeated in a random order."""
    images = fashion_mnist_lt()
    contents = stream_contents(iter([images]), images.counts, images.shape)
    encoded = [(file, file.content()) for file in contents.files]
    order = np.random.default_rng(0).permutation(len(encoded))

    def numbered_files(first: int, last: int) -> Any:
        for number in range(first, last):
            file, content = encoded[order[number % len(order)]]
            yield NewFile(f"{number}.png", partial(bytes, content), len(content), file.row)

    folder.mkdir(parents=True)
    for first in range(0, n, IMAGES_PER_FILE):
        last = min(n, first + IMAGES_PER_FILE)
        part = Contents(numbered_files(first, last), (), last - first, 0, images.classes)
        publish_parquet(part, folder / f"{first:09d}.parquet", None)


def measure_build(source: str, store: str) -> dict[str, float]:
    """Seconds of building a store."""
    start = time.perf_counter()
    build_store(source, store)
    return {"seconds": time.perf_counter() - start}


def measure_opening(store: str) -> dict[str, float]:
    """Seconds until a store is open, and until its first batch."""
    start = time.perf_counter()
    images = read_folder(store)
    opening = time.perf_counter() - start
    BalancedBatches(images, 64, seed=0, power=0.0)(0)
    return {"seconds": opening, "first batch": time.perf_counter() - start}


def measure_training(images: LabeledImages, steps: int, *, smoke: bool) -> dict[str, float]:
    """Seconds of a fit, of its median step, and of 1,000 samples."""
    ticks: list[float] = []
    augmenter = make_augmenter(0, smoke=smoke, n_steps=steps, check_every=steps)
    start = time.perf_counter()
    augmenter.fit(images, callbacks=[lambda done, logs: ticks.append(time.perf_counter())])  # noqa: ARG005
    seconds, later_ticks = time.perf_counter() - start, ticks[len(ticks) // 3 :]
    start = time.perf_counter()
    augmenter.sample(1000, filtered=False)
    return {
        "seconds": seconds,
        "a step": float(np.median(np.diff(later_ticks))),
        "1,000 samples": time.perf_counter() - start,
    }


def measure_training_on_store(store: str, steps: int, smoke: bool) -> dict[str, float]:
    """`measure_training` on a store."""
    return measure_training(read_folder(store), steps, smoke=smoke)


def measure_classes(n: int, steps: int, smoke: bool) -> dict[str, float]:
    """`measure_training` on `n` classes of 20 images."""
    shipped = fashion_mnist_lt()
    rows = torch.arange(IMAGES_PER_CLASS * n) % len(shipped)
    labels = torch.arange(n).repeat_interleave(IMAGES_PER_CLASS)
    names = tuple(f"{k:04d}" for k in range(n))
    return measure_training(LabeledImages(shipped.images[rows], labels, names), steps, smoke=smoke)


def measure_size(side: int, steps: int, smoke: bool) -> dict[str, float]:
    """`measure_training` on images of `side` x `side` pixels."""
    shipped = fashion_mnist_lt()
    resized = torch.nn.functional.interpolate(shipped.images.float(), size=(side, side), mode="bilinear")
    images = LabeledImages(resized.to(torch.uint8), shipped.labels, shipped.classes)
    return measure_training(images, steps, smoke=smoke)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> str:
    """Slope of log value over log size, of what each value is above the smallest; '-' if fewer than two are above."""
    above = [value - min(values) for value in values]
    points = [(size, value) for size, value in zip(sizes, above, strict=True) if value > 0.02 * max(values)]
    if len(points) < 2:
        return "-"
    return f"{np.polyfit(*np.log(np.array(points)).T, 1)[0]:.2f}"


def measure_images(options: argparse.Namespace) -> tuple[list[str], list[list[float]]]:
    """Head and rows of the table by number of images."""
    head = ["images", "build s", "images/s", "build MiB", "open s", "first batch s", "fit s", "ms a step", "fit MiB"]
    rows: list[list[float]] = []
    run = partial(run_isolated, threads=options.threads, in_process=options.smoke)
    for n in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.work_dir) as folder:
            source, store = str(Path(folder) / "source"), str(Path(folder) / "store")
            write_sources(Path(source), n)
            build = run(measure_build, source, store)
            opening = run(measure_opening, store)
            fit = run(measure_training_on_store, store, options.steps, options.smoke)
        rows.append(
            [
                *(n, build["seconds"], n / build["seconds"], build["peak_mib"], opening["seconds"]),
                *(opening["first batch"], fit["seconds"], 1000 * fit["a step"], fit["peak_mib"]),
            ]
        )
        progress(str(dict(zip(head, rows[-1], strict=True))))
    return head, rows


def measure_others(options: argparse.Namespace) -> tuple[list[str], list[list[float]]]:
    """Head and rows of the table by number of classes, or by image size."""
    function = {"classes": measure_classes, "size": measure_size}[options.what]
    head = [options.what, "fit s", "ms a step", "s for 1,000 samples", "MiB"]
    rows: list[list[float]] = []
    for n in options.sizes:
        result = run_isolated(
            function, n, options.steps, options.smoke, threads=options.threads, in_process=options.smoke
        )
        values = [result["seconds"], 1000 * result["a step"], result["1,000 samples"], result["peak_mib"]]
        rows.append([n, *values])
        progress(str(dict(zip(head, rows[-1], strict=True))))
    return head, rows


def with_exponents(rows: list[list[float]]) -> list[list[str]]:
    """The rows as text, and the row of exponents."""
    texts = [
        [f"{row[0]:,}", *(f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in row[1:])] for row in rows
    ]
    sizes, *columns = (list(column) for column in zip(*rows, strict=True))
    return [*texts, ["exponent", *(exponent(sizes, column) for column in columns)]]


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure every size, and write the page."""
    parser = program_parser("scaling", __doc__, page="scaling_{what}")
    parser.add_argument("what", nargs="?", choices=["images", "classes", "size"], default="classes")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 10, 100, 1000])
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--work-dir", type=Path, help="where files are written [default: the system's]")
    options = parse(parser, argv, SMOKE)
    head, rows = measure_images(options) if options.what == "images" else measure_others(options)
    about = (
        f"Training: {options.steps} steps of 64 images, with auxiliary classifier and filters. Exponents: slope of the "
        "log of what is above the smallest value."
    )
    return write_page(options, f"Scaling with {options.what}", about, markdown_table(head, with_exponents(rows)))


if __name__ == "__main__":
    main()
