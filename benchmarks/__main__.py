"""List the benchmark programs, or run each of them in seconds: `python -m benchmarks [--smoke]`."""

import argparse
import sys
import time
from importlib import import_module

from benchmarks import PROGRAMS


def main() -> None:
    """Print the question of each program; with --smoke, run each and print where its page is."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument("--smoke", action="store_true", help="run each program on a few images, with a few steps")
    options = parser.parse_args()
    for name in PROGRAMS:
        program = import_module(f"benchmarks.{name}")
        if not options.smoke:
            print(f"{name}: {program.__doc__.splitlines()[0]}")
            continue
        start = time.perf_counter()
        page = program.main(["--smoke"])
        print(f"{name}: {page}, {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
