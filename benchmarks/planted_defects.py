"""Do the reports find planted defects, and raise no alarm on clean images?

    python -m benchmarks.planted_defects fashion-mnist --n 20 50 200
    python -m benchmarks.planted_defects bccd --n 20 50 170
    python -m benchmarks.planted_defects fashion-mnist --n 100 500 --clean 0 --only "labels swapped, 5 %"

Time: about 75 minutes on one core for the first.
Real images of two classes are divided into `n` a class that stand in for the training images and `n` that stand in for
synthetic ones; a defect is planted among the latter. Each row is repeated 59 times, or 20 times if one of these missed.

How to read it: a report finds a defect if one of the measures named in the last column raises an alarm; 59 of 59 shows
a power of 95 %. Clean rows count the reports with any alarm, which should be few.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.defects import DEFECTS, DUPLICATED, MODE_MISSING, add_mode, rows_of_share
from benchmarks.image_pools import FeatureCache, Features, load_pool
from benchmarks.judge import smoke_features
from benchmarks.runner import add_folders, parse, program_parser, progress, write_page
from benchmarks.tables import markdown_table
from ganaug import LabeledImages, bias_report, diversity_report
from ganaug.metrics.features import efficientnet_features

REPEATS, FIRST_REPEATS = 59, 20  # 0.95 ** 59 < 0.05
ALARMS = ("warn", "fail")
SHIFTS = (-20, -10, -5, 5, 10, 20)  # points of an attribute that three of ten real images have
CLEAN_SEED = 1000  # seeds of clean reports begin here
SMOKE = {"set": "smoke", "n": [6], "clean": 1, "repeats": 1, "first_repeats": 1}


def divide(pool: LabeledImages, n: int, random: np.random.Generator) -> tuple[LabeledImages, LabeledImages]:
    """Real images, `n` of each class, and others that stand in for synthetic ones: `n`, or as many as are left."""
    real, fake = [], []
    for label in range(len(pool.classes)):
        rows = random.permutation(np.flatnonzero(pool.labels.numpy() == label))[: 2 * n]
        real.append(rows[:n])
        fake.append(rows[n:])
    return pool.take(np.concatenate(real)), pool.take(np.concatenate(fake))


def find_alarms(pool: LabeledImages, n: int, defect: str | None, seed: int, features: Features) -> set[str]:
    """The measures of a diversity report that raise an alarm.

    Parameters
    ----------
    pool : LabeledImages
        Images of two classes.
    n : int
        Real images of each class, and synthetic ones.
    defect : str or None
        A key of DEFECTS; None for clean images.
    seed : int
        Seed of the division, the defect and the report.
    features : callable
        Images -> features.
    """
    random = np.random.default_rng([seed, n])
    real, fake = divide(pool, n, random)
    if defect == MODE_MISSING:
        real = add_mode(real, fake.images[n:][random.permutation(n)])
    if defect is not None:
        fake = DEFECTS[defect][0](real, fake, random)
    if defect == DUPLICATED:
        real = real.take(np.concatenate([np.arange(len(real)), rows_of_share(real, 0.05, random)]))
    report = diversity_report(real, fake, features=features, random_state=seed, pictures=False)
    alarms = [row for row in report.rows if row.state in ALARMS]
    return {"duplicates" if row.subject == "duplicates" else row.metric for row in alarms}


def shift_raises_alarm(n: int, points: int, seed: int) -> bool:
    """Whether a bias report finds an attribute's shift, in 2 classes of `n` real and 500 synthetic images."""
    random = np.random.default_rng([seed, n, points + 100])
    parts = []
    for count, share, is_random in ((n, 0.3, False), (500, 0.3 + points / 100, True)):
        rows = np.arange(2 * count)
        mask = random.uniform(size=2 * count) < share if is_random else rows % count < round(share * count)
        metadata = pd.DataFrame({"attr_a": np.where(mask, "yes", "no")})
        labels = torch.arange(2).repeat_interleave(count)
        parts.append(LabeledImages(torch.zeros(2 * count, 1, 4, 4, dtype=torch.uint8), labels, ("a", "b"), metadata))
    return any(row.state in ALARMS for row in bias_report(*parts, features=None).rows)


class AlarmRuns:
    """Alarms of reports, kept in the cache so that a run can be continued."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.pool = load_pool(options.set, options.data)
        folder = options.cache / "planted_defects"
        compute = smoke_features if options.smoke else efficientnet_features
        self.features = FeatureCache(folder / f"{options.set}.safetensors", compute)
        self.path = folder / f"{options.set}.json"
        self.alarms: dict[str, list[str]] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def __call__(self, n: int, defect: str | None, seed: int) -> set[str]:
        """The alarms of one report."""
        key = f"{n} {defect} {seed}"
        if key not in self.alarms:
            self.alarms[key] = sorted(find_alarms(self.pool, n, defect, seed, self.features))
        return set(self.alarms[key])

    def save(self) -> None:
        """Write alarms and features to the cache."""
        self.features.save()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.alarms))


def defect_row(runs: AlarmRuns, n: int, defect: str, options: argparse.Namespace) -> list[str]:
    """How often a defect is detected."""
    measures = DEFECTS[defect][1]
    hits = [bool(runs(n, defect, seed) & measures) for seed in range(options.first_repeats)]
    if all(hits):
        hits += [bool(runs(n, defect, seed) & measures) for seed in range(options.first_repeats, options.repeats)]
    return [defect, str(n), f"{sum(hits)} of {len(hits)}", ", ".join(sorted(measures))]


def clean_row(runs: AlarmRuns, n: int, count: int) -> list[str]:
    """How many clean reports raise any alarm."""
    alarms = [runs(n, None, CLEAN_SEED + seed) for seed in range(count)]
    measures = ", ".join(sorted(set().union(*alarms))) or "-"
    return ["clean: any alarm", str(n), f"{sum(map(bool, alarms))} of {count}", measures]


def shift_rows(n: int, options: argparse.Namespace) -> list[list[str]]:
    """How often shifts of an attribute are detected, and how often there is an alarm without one."""
    rows = []
    for points in SHIFTS:
        hits = sum(shift_raises_alarm(n, points, seed) for seed in range(options.repeats))
        rows.append([f"attribute, {points:+d} points", str(n), f"{hits} of {options.repeats}", "bias_report"])
    hits = sum(shift_raises_alarm(n, 0, CLEAN_SEED + seed) for seed in range(options.clean))
    return [*rows, ["clean composition: any alarm", str(n), f"{hits} of {options.clean}", "bias_report"]]


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("planted_defects", __doc__, page="planted_defects_{set}")
    parser.add_argument("set", nargs="?", choices=["fashion-mnist", "bccd", "smoke"], default="fashion-mnist")
    parser.add_argument("--n", type=int, nargs="+", default=[20, 50, 200], help="images a class")
    parser.add_argument("--only", nargs="+", choices=list(DEFECTS), metavar="DEFECT", default=list(DEFECTS))
    parser.add_argument("--clean", type=int, default=300, help="clean reports for each n; 0: no clean rows, no shifts")
    parser.set_defaults(repeats=REPEATS, first_repeats=FIRST_REPEATS)
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    runs, rows, start = AlarmRuns(options), list[list[str]](), time.perf_counter()
    for n in options.n:
        for defect in options.only:
            rows.append(defect_row(runs, n, defect, options))
            progress(f"{' | '.join(rows[-1])}: {time.perf_counter() - start:.0f} s")
            runs.save()
        if options.clean:
            rows.append(clean_row(runs, n, options.clean))
            runs.save()
    for n in options.n if options.clean else []:
        rows += shift_rows(n, options)
    about = (
        f"Classes {' and '.join(runs.pool.classes)}; n real and n synthetic images of each; EfficientNet-lite0 "
        "features. Detected: reports in which a measure for the defect raised an alarm. "
        f"{options.repeats} reports a row of a defect, or {options.first_repeats} if one of the first "
        f"{options.first_repeats} missed it"
    )
    about += (
        f"; {options.repeats} a row of an attribute; {options.clean} clean reports a row." if options.clean else "."
    )
    head = ["planted", "n a class", "detected", "by"]
    return write_page(options, f"Planted defects and clean reports: {options.set}", about, markdown_table(head, rows))


if __name__ == "__main__":
    main()
