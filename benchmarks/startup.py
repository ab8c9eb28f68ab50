"""How soon ganaug is there: its import, `ganaug --help`, and `ganaug check` of a folder of small images.

    python benchmarks/startup.py --images 10000 --rounds 7 --out OUT

Whole commands, each in a process of its own; beside them Python that imports nothing, and numpy alone. The folder holds
28x28 gray PNGs in ten classes. Median, smallest and largest of the rounds but the first, which is shown apart.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from collect import processor
from tables import table

from ganaug import LabeledImages, __version__, write_folder


def folder(root: Path, n: int) -> Path:
    """`n` random gray images in ten classes."""
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=draws)
    write_folder(LabeledImages(pixels, torch.arange(n) % 10, tuple(f"class {k}" for k in range(10))), root)
    return root


def seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="the table's path, without .md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        data = folder(Path(room) / "data", options.images)
        commands = {
            "Python alone": [sys.executable, "-c", ""],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "import ganaug": [sys.executable, "-c", "import ganaug"],
            "ganaug --help": [sys.executable, "-m", "ganaug", "--help"],
            f"ganaug check, {options.images:,} images": [sys.executable, "-m", "ganaug", "check", str(data)],
        }
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        found = {
            name: [seconds(one, environment) for one in [command] * options.rounds]
            for name, command in commands.items()
        }
    rows = [
        [name, *(f"{value:.2f}" for value in (np.median(times[1:]), min(times[1:]), max(times[1:]), times[0]))]
        for name, times in found.items()
    ]
    *_, checks = found.values()
    text = [
        "# How soon ganaug is there",
        "",
        f"`python benchmarks/startup.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, {os.cpu_count()} cores of {processor()}, {datetime.now(tz=UTC):%Y-%m-%d}. Seconds of "
        f"whole commands. `ganaug check`: {options.images / np.median(checks[1:]):,.0f} images/s.",
        "",
        *table(["command", "median", "smallest", "largest", "the first"], rows),
    ]
    options.out.with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
