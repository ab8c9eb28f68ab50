"""How long do `import ganaug`, `ganaug --help` and `ganaug check` take?

    python -m benchmarks.startup --images 10000 --rounds 7

Time: about a minute. Whole commands, each in a new process, beside Python that imports nothing, and numpy alone. The
folder that is checked holds 28x28 gray PNGs in ten classes.

How to read it: seconds; the first run of a command, which may read files from the disk, is in a separate column.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.runner import ROOT, parse, program_parser, write_page
from benchmarks.tables import MEDIAN_RANGE, markdown_table, median_range
from ganaug import LabeledImages, write_folder

SMOKE = {"images": 20, "rounds": 2}


def write_random_images(folder: Path, n: int) -> Path:
    """`n` random gray images in ten classes."""
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=draws)
    write_folder(LabeledImages(pixels, torch.arange(n) % 10, tuple(f"class {k}" for k in range(10))), folder)
    return folder


def command_seconds(command: list[str], environment: Mapping[str, str]) -> float:
    """Wall time of a command. Raises CalledProcessError if it fails."""
    start = time.perf_counter()
    subprocess.run(command, env=dict(environment), check=True, capture_output=True)
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> Path:
    """Time every command, and write the page."""
    parser = program_parser("startup", __doc__)
    parser.add_argument("--images", type=int, default=10_000, help="in the folder that is checked")
    parser.add_argument("--rounds", type=int, default=7)
    options = parse(parser, argv, SMOKE)
    with tempfile.TemporaryDirectory() as folder:
        data = write_random_images(Path(folder) / "data", options.images)
        commands = {
            "Python alone": [sys.executable, "-c", ""],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "import ganaug": [sys.executable, "-c", "import ganaug"],
            "ganaug --help": [sys.executable, "-m", "ganaug", "--help"],
            f"ganaug check, {options.images:,} images": [sys.executable, "-m", "ganaug", "check", str(data)],
        }
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path}
        seconds = {
            name: [command_seconds(command, environment) for _ in range(options.rounds)]
            for name, command in commands.items()
        }
    rows = [[name, *median_range(times[1:], ".2f"), f"{times[0]:.2f}"] for name, times in seconds.items()]
    *_, check_times = seconds.values()
    rate = options.images / np.median(check_times[1:])
    about = f"Seconds of whole commands, on {os.cpu_count()} cores. `ganaug check`: {rate:,.0f} images/s."
    body = markdown_table(["command", *MEDIAN_RANGE, "first run"], rows)
    return write_page(options, "Start-up time of ganaug", about, body)


if __name__ == "__main__":
    main()
