"""How time and memory grow with the number of images, of classes, and their size.

    python benchmarks/growth.py images --sizes 1000 10000 100000 1000000 --out benchmarks/results/growth_images_...
    python benchmarks/growth.py classes --sizes 2 10 100 1000
    python benchmarks/growth.py size --sizes 16 32 64 128

images: Fashion-MNIST-LT, repeated, as Parquet files; each is made a store, opened, and trained on for --steps steps.
classes, size: trained on and sampled from, 20 images a class and the 1,401 that ship. Every measurement is a process
of its own; peak memory is its largest resident set. Exponents are slopes of log time and of log memory above the
smallest.
"""

import argparse
import json
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from collect import processor
from tables import table

EACH_FILE = 50_000  # images of a Parquet file


def sources(folder: Path, n: int) -> None:
    """Parquet files with `n` images of the set that ships, over and over."""
    from ganaug.datasets.embedded import fashion_mnist_lt
    from ganaug.io.archives import publish_parquet
    from ganaug.io.output import Contents, NewFile
    from ganaug.io.writing import streamed

    images = fashion_mnist_lt()
    made = streamed(iter([images]), images.counts, images.shape)
    encoded = [(new, new.content()) for new in made.files]
    order = np.random.default_rng(0).permutation(len(encoded))

    def files(first: int, last: int) -> Any:
        for number in range(first, last):
            new, content = encoded[order[number % len(order)]]
            yield NewFile(f"{number}.png", partial(bytes, content), len(content), new.row)

    folder.mkdir(parents=True)
    for first in range(0, n, EACH_FILE):
        last = min(n, first + EACH_FILE)
        contents = Contents(files(first, last), (), last - first, 0, images.classes)
        publish_parquet(contents, folder / f"{first:09d}.parquet", None)


def build(source: str, store: str) -> dict[str, float]:
    from ganaug import build_store

    begun = time.perf_counter()
    build_store(source, store)
    return {"seconds": time.perf_counter() - begun}


def opened(store: str) -> dict[str, float]:
    """To the first batch."""
    from ganaug import read_folder
    from ganaug.training.batches import BalancedBatches

    begun = time.perf_counter()
    images = read_folder(store)
    opening = time.perf_counter() - begun
    BalancedBatches(images, 64, seed=0, power=0.0)(0)
    return {"seconds": opening, "first batch": time.perf_counter() - begun}


def trained(images: Any, steps: int) -> dict[str, float]:
    from ganaug import GANAugmenter

    ticks: list[float] = []
    gan = GANAugmenter(n_steps=steps, check_every=steps, device="cpu", random_state=0)
    begun = time.perf_counter()
    gan.fit(images, callbacks=[lambda done, logs: ticks.append(time.perf_counter())])  # noqa: ARG005
    whole, middle = time.perf_counter() - begun, ticks[len(ticks) // 3 :]
    begun = time.perf_counter()
    gan.sample(1000, filtered=False)
    return {
        "seconds": whole,
        "a step": float(np.median(np.diff(middle))),
        "1,000 samples": time.perf_counter() - begun,
    }


def on_store(store: str, steps: str) -> dict[str, float]:
    from ganaug import read_folder

    return trained(read_folder(store), int(steps))


def with_classes(n: str, steps: str) -> dict[str, float]:
    from ganaug import LabeledImages
    from ganaug.datasets.embedded import fashion_mnist_lt

    known = fashion_mnist_lt()
    rows = torch.arange(20 * int(n)) % len(known)
    labels = torch.arange(int(n)).repeat_interleave(20)
    names = tuple(f"{k:04d}" for k in range(int(n)))
    return trained(LabeledImages(known.images[rows], labels, names), int(steps))


def with_size(side: str, steps: str) -> dict[str, float]:
    from ganaug import LabeledImages
    from ganaug.datasets.embedded import fashion_mnist_lt

    known = fashion_mnist_lt()
    resized = torch.nn.functional.interpolate(known.images.float(), size=(int(side),) * 2, mode="bilinear")
    return trained(LabeledImages(resized.to(torch.uint8), known.labels, known.classes), int(steps))


MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    one.__name__: one for one in (build, opened, on_store, with_classes, with_size)
}


def measure(threads: int, name: str, *arguments: object) -> dict[str, float]:
    """In a process of its own: what it measured, and "MiB"."""
    command = [sys.executable, __file__, "--measure", str(threads), name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def exponent(sizes: list[int], values: list[float]) -> str:
    """Slope of log value over log size, of what lies above the value at the smallest size."""
    above = [value - min(values) for value in values]
    known = [(size, value) for size, value in zip(sizes, above, strict=True) if value > 0.02 * max(values)]
    if len(known) < 2:
        return "none seen"
    return f"{np.polyfit(*np.log(np.array(known)).T, 1)[0]:.2f}"


def of_images(options: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    head = ["images", "build s", "images/s", "build MiB", "open s", "first batch s", "fit s", "ms a step", "fit MiB"]
    rows: list[list[float]] = []
    for n in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.room) as room:
            sources(Path(room) / "source", n)
            store = Path(room) / "store"
            built = measure(options.threads, "build", Path(room) / "source", store)
            at_once = measure(options.threads, "opened", store)
            fit = measure(options.threads, "on_store", store, options.steps)
        rows.append(
            [
                *(n, built["seconds"], n / built["seconds"], built["MiB"], at_once["seconds"]),
                *(at_once["first batch"], fit["seconds"], 1000 * fit["a step"], fit["MiB"]),
            ]
        )
        print(dict(zip(head, rows[-1], strict=True)), flush=True)
    return head, formatted(rows)


def of_others(options: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    name = {"classes": "with_classes", "size": "with_size"}[options.what]
    head = [options.what, "fit s", "ms a step", "s for 1,000 samples", "MiB"]
    rows: list[list[float]] = []
    for n in options.sizes:
        found = measure(options.threads, name, n, options.steps)
        rows.append([n, found["seconds"], 1000 * found["a step"], found["1,000 samples"], found["MiB"]])
        print(dict(zip(head, rows[-1], strict=True)), flush=True)
    return head, formatted(rows)


def formatted(rows: list[list[float]]) -> list[list[str]]:
    shown = [
        [f"{row[0]:,}", *(f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in row[1:])] for row in rows
    ]
    sizes = [int(row[0]) for row in rows]
    return [*shown, ["exponent", *(exponent(sizes, list(column)) for column in list(zip(*rows, strict=True))[1:])]]


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        torch.set_num_threads(int(sys.argv[2]))
        found = MEASURES[sys.argv[3]](*sys.argv[4:])
        print(json.dumps({**found, "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["images", "classes", "size"])
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--room", type=Path, help="a folder for the files; default: the system's for such")
    parser.add_argument("--out", type=Path, help="write OUT.md")
    options = parser.parse_args()
    head, rows = of_images(options) if options.what == "images" else of_others(options)
    lines = table(head, rows)
    print("\n".join(lines))
    if options.out is not None:
        from ganaug import __version__

        text = [
            f"# Growth with {options.what}",
            "",
            f"`python benchmarks/growth.py {shlex.join(sys.argv[1:])}`",
            "",
            f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
            f"{datetime.now(UTC):%Y-%m-%d}. Training: {options.steps} steps of 64 images, auxiliary classifier and filters too. "
            "Exponents: slope of the log of what lies above the smallest value.",
            "",
            *lines,
            "",
        ]
        options.out.with_suffix(".md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
