"""A coverage-guided search for bytes that do more than be refused.

    python tests/faults/fuzz.py image --runs 100000 [--seconds 300]

Needs atheris (`pip install "ganaug[fuzz]"`, Linux). Ends with an error, and the bytes, where a target fails, takes more
than 20 s or more than 3 GiB.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ganaug", "yaml", "PIL", "tarfile"], enable_loader_override=False):
    from tests.faults.targets import TARGETS, seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=0, help="0: no limit")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    corpus = Path(tempfile.mkdtemp(prefix="ganaug-corpus-"))
    for number, content in enumerate(seeds()[options.target]):
        (corpus / str(number)).write_bytes(content)
    limits = ["-rss_limit_mb=3072", "-timeout=20", f"-max_total_time={options.seconds}", f"-runs={options.runs}"]
    where = [f"-artifact_prefix={corpus}/", f"-seed={options.seed}", "-max_len=4096", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *limits, *where, os.fspath(corpus)], TARGETS[options.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
