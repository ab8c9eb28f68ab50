"""How do time and memory of `diversity_report` grow with the number of images?

    python -m benchmarks.report_time --n 1000 4000 16000

Time: about 35 minutes. Color images of 64x64 in ten classes, textures drawn from a seed, `n` real and
`n` synthetic ones. Every measurement runs in a new process; memory is its largest resident set.

How to read it: "features cached" rows repeat the report when the features of the images are in the library's cache.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate

from benchmarks.judge import smoke_features
from benchmarks.runner import parse, program_parser, progress, run_isolated, write_page
from benchmarks.tables import markdown_table
from ganaug import LabeledImages, diversity_report

SIDE, CLASSES = 64, tuple(f"class {number}" for number in range(10))
SMOKE = {"n": [40]}


def textures(n: int, seed: int) -> LabeledImages:
    """`n` color images of smooth noise."""
    draws = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 8, 8, generator=draws)
    fine = interpolate(coarse, size=SIDE, mode="bilinear") + 0.1 * torch.randn(n, 3, SIDE, SIDE, generator=draws)
    return LabeledImages((fine.clamp(0, 1) * 255).to(torch.uint8), torch.arange(n) % len(CLASSES), CLASSES)


def measure_report(n: int, smoke: bool) -> dict[str, float]:
    """Seconds of a report, and the size of its page in MB."""
    real, synthetic = textures(n, 0), textures(n, 1)
    arguments: dict[str, Any] = {"features": smoke_features} if smoke else {}
    start = time.perf_counter()
    report = diversity_report(real, synthetic, **arguments)
    return {"seconds": time.perf_counter() - start, "page MB": len(report.to_html()) / 1e6}


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure every number of images, and write the page."""
    parser = program_parser("report_time", __doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 4000, 16000], help="real images, and synthetic ones")
    options = parse(parser, argv, SMOKE)
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for n in options.n:
            for cached in ("no", "yes"):
                result = run_isolated(
                    measure_report,
                    n,
                    options.smoke,
                    threads=options.threads,
                    in_process=options.smoke and cached == "yes",
                    environment={"GANAUG_CACHE": cache},
                )
                figures = f"{result['seconds']:.0f}", f"{result['peak_mib'] / 1024:.1f}", f"{result['page MB']:.1f}"
                rows.append([f"{n:,} + {n:,}", cached, *figures])
                progress(" | ".join(rows[-1]))
    head = ["images", "features cached", "seconds", "peak GiB", "page, MB"]
    about = f"Ten classes, {SIDE}x{SIDE} color."
    return write_page(options, "Time and memory of diversity_report", about, markdown_table(head, rows))


if __name__ == "__main__":
    main()
