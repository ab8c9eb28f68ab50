"""Time and memory of diversity_report by the number of images, each measurement in a process of its own.

    python benchmarks/report_speed.py --n 1000 4000 16000 --out OUT

n real and n synthetic color images of 64x64 in ten classes, textures drawn from a seed. Once with no features kept,
and once more with those of the first time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from collect import processor
from tables import table
from torch.nn.functional import interpolate

from ganaug import LabeledImages, __version__, diversity_report

SIDE, CLASSES = 64, tuple(f"class {number}" for number in range(10))


def texture(n: int, seed: int) -> LabeledImages:
    draws = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 8, 8, generator=draws)
    fine = interpolate(coarse, size=SIDE, mode="bilinear") + 0.1 * torch.randn(n, 3, SIDE, SIDE, generator=draws)
    return LabeledImages((fine.clamp(0, 1) * 255).to(torch.uint8), torch.arange(n) % len(CLASSES), CLASSES)


def measure(n: int, threads: int) -> dict[str, float]:
    torch.set_num_threads(threads)
    real, synthetic = texture(n, 0), texture(n, 1)
    begun = time.perf_counter()
    report = diversity_report(real, synthetic)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "peak GiB": peak, "page MB": len(report.to_html()) / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", action="store_true", help="measure in this process and print JSON")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.n[0], options.threads)))
        return
    rows, found = [], []
    with tempfile.TemporaryDirectory() as cache:
        for n in options.n:
            for kept in (False, True):
                command = [sys.executable, __file__, "--one", "--n", str(n), "--threads", str(options.threads)]
                done = subprocess.run(
                    command, env={**os.environ, "GANAUG_CACHE": cache}, capture_output=True, text=True, check=True
                )
                one = json.loads(done.stdout.splitlines()[-1])
                found.append({"n": n, "features kept": kept, **one})
                rows.append(
                    [
                        f"{n:,} + {n:,}",
                        "yes" if kept else "no",
                        f"{one['seconds']:.0f}",
                        f"{one['peak GiB']:.1f}",
                        f"{one['page MB']:.1f}",
                    ]
                )
                print(" | ".join(rows[-1]), flush=True)
    if options.out is not None:
        lines = [
            "# Time and memory of diversity_report",
            "",
            f"`python benchmarks/report_speed.py {' '.join(sys.argv[1:])}`",
            "",
            f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
            f"{datetime.now(UTC):%Y-%m-%d}. Ten classes, {SIDE}x{SIDE} color.",
            "",
            *table(["images", "features kept", "seconds", "peak GiB", "page, MB"], rows),
            "",
        ]
        options.out.with_suffix(".md").write_text("\n".join(lines))
        options.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
