"""How good are the samples of each class: those of ganaug, of its variants, and of other libraries' GANs?

    python -m benchmarks.sample_quality fashion-mnist-lt --systems ganaug plain --seconds 900
    python -m benchmarks.sample_quality fashion-mnist-lt --ablation --seconds 100 --threads 1 --parallel 2 --quick
    python -m benchmarks.sample_quality skin-64 --systems ganaug "previous default" --seconds 250 --features-only

Time: seconds x systems x seeds, and about two minutes of scoring each; the ablation about 85 minutes on two cores.
Each run is a process: it trains for --seconds, draws samples and scores them. --marks 100 300 scores it at those
seconds too. A run whose result lies in the cache (folder --name) is not repeated; `--systems` without a name only
writes the table of what is there. Other libraries need --peer-python mimicry=PATH torchgan=PATH (peers/README.md).

How to read it: "label accuracy" is how often a classifier of real images (the judge) recognizes the class, "/ judge on
real" divides by its accuracy on real images. CAS is the accuracy on real images of a classifier trained on samples
alone, "CAS / real" divides by training on the real ones. KID: kernel distance to real images, lower is better.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.peer_runs import PEERS, WITHOUT_SAMPLES, peer_pythons
from benchmarks.recipes import ABLATION, PHOTOS, PLAIN, PREVIOUS
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, run_isolated
from benchmarks.sample_quality_job import Job, run_job
from benchmarks.sample_quality_page import RUN_OPTIONS, write_quality_page
from benchmarks.splits import SPLITS

SMOKE = {
    "set": "smoke",
    "systems": ["ganaug"],
    "ablation": False,
    "seconds": 0.02,
    "marks": [0.01],
    "seeds": [0],
    "samples_per_class": 8,
    "name": "smoke",
    "peer_python": [],
}


def plan_jobs(options: argparse.Namespace) -> list[Job]:
    """A job for each system and seed. Exits on a system that is not known, or a peer without its Python."""
    pythons = peer_pythons(options.peer_python)
    peers = [name for name in PEERS if name not in WITHOUT_SAMPLES]
    known: dict[str, dict[str, Any]] = {
        "ganaug": {},
        "plain": PLAIN,
        **ABLATION,
        **PREVIOUS,
        **PHOTOS,
        **{name: {} for name in peers},
    }
    names = [*options.systems, *(["ganaug", *ABLATION] if options.ablation else [])]
    for name in names:
        if name not in known:
            raise SystemExit(f"unknown system {name!r}. Known: {', '.join(known)}.")
        if name in peers and name not in pythons:
            raise SystemExit(
                f"system {name!r} needs --peer-python {name}=PATH, the Python that has it (peers/README.md)."
            )
    systems = {name: known[name] for name in names}
    if options.params:
        if set(systems) & {*peers, "plain"}:
            raise SystemExit("--params changes ganaug only: run the other systems without it.")
        changed = json.loads(options.params)
        systems = {f"{name} {options.params}": {**params, **changed} for name, params in systems.items()}
    shared = {name: getattr(options, name) for name in (*RUN_OPTIONS, "name", "smoke")}
    return [
        Job(
            system=name,
            params=params,
            seed=seed,
            peer_python=pythons.get(name),
            data=str(options.data),
            cache=str(options.cache),
            has_sampling_variants=options.ablation and name == "ganaug",
            **shared,
        )
        for seed in options.seeds
        for name, params in systems.items()
    ]


def run_missing(job: Job) -> None:
    """Run a job unless its result is there; a failure is printed and leaves its row out."""
    if job.result.exists():
        return
    start = time.perf_counter()
    try:
        run_isolated(run_job, asdict(job), threads=job.threads, in_process=job.smoke)
    except RuntimeError as error:
        progress(f"{job.system}, seed {job.seed}: {error}")
        return
    overall = json.loads(job.result.read_text())["curve"][-1]["overall"]
    scores = {name: round(value, 3) for name, value in overall.items()}
    progress(f"{job.system}, seed {job.seed}: {scores} in {time.perf_counter() - start:.0f} s")


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("sample_quality", __doc__, page="sample_quality_{set}")
    parser.add_argument("set", nargs="?", choices=SPLITS, default="fashion-mnist-lt")
    parser.add_argument("--systems", nargs="*", default=["ganaug"], help="rows: ganaug, plain, peers, ablation rows")
    parser.add_argument("--ablation", action="store_true", help="every row of recipes.py")
    parser.add_argument("--params", help="parameters of GANAugmenter as JSON, for every row that is ganaug")
    parser.add_argument("--seconds", type=float, default=900, help="of training; of processor time with --threads 1")
    parser.add_argument("--marks", type=float, nargs="*", default=[], help="earlier seconds at which to score, too")
    parser.add_argument("--samples-per-class", type=int, default=500)
    parser.add_argument("--parallel", type=int, default=1, help="runs at the same time")
    judged = parser.add_mutually_exclusive_group()
    judged.add_argument("--quick", action="store_true", help="a smaller classifier and no features")
    judged.add_argument("--features-only", action="store_true", help="no classifiers, which take minutes to train")
    parser.add_argument("--peer-python", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--name", default="default", help="folder of these runs in the cache")
    parser.add_argument("--title", default="Quality of samples")
    add_seeds(parser, [0, 1, 2])
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    if options.smoke:
        progress("other libraries are left out of a smoke run")
    jobs = plan_jobs(options)
    with ThreadPoolExecutor(options.parallel) as pool:
        list(pool.map(run_missing, jobs))
    return write_quality_page(options, options.cache / "sample_quality" / options.name)


if __name__ == "__main__":
    main()
