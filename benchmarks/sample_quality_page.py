"""The result page of `sample_quality.py`: means over seeds, with the smallest and the largest value."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.runner import write_page, write_whole
from benchmarks.tables import markdown_table, mean_range

OVERALL = {
    "cas_ratio": "CAS / real",
    "cas": "balanced CAS",
    "label_accuracy": "label accuracy",
    "label_accuracy_ratio": "/ judge on real",
    "worst_label_accuracy_ratio": "worst class",
    "kid_rarest": "KID, three rarest",
    "kid": "KID",
    "coverage_ratio": "coverage / its null",
    "grid": "grid",
    "detail": "detail",
}
COST = {
    "steps": "steps",
    "images_seen": "images seen",
    "seconds": "seconds",
    "rate": "images/s",
    "peak_mib": "peak MiB",
}
CLASS = {
    "n": "training images",
    "label_accuracy": "label accuracy",
    "judge_on_real": "judge on real",
    "label_accuracy_ratio": "ratio",
    "cas": "CAS",
    "cas_of_real": "CAS of real",
    "coverage": "coverage",
    "coverage_null": "1 % of its null",
    "density": "density",
    "copies": "near-copies",
    "kid": "KID",
}
INTEGERS = ("n", *COST)
DETAILED_SYSTEMS = ("ganaug", "plain", "mimicry", "torchgan")  # with a table by class
RUN_OPTIONS = ("set", "seconds", "marks", "samples_per_class", "threads", "quick", "features_only")
STORED_FIELDS = ("system", "params", "seed", *RUN_OPTIONS)
Run = dict[str, Any]


def write_quality_page(options: argparse.Namespace, folder: Path) -> Path:
    """Write the page and its JSON from the runs in `folder`, as they were after `options.seconds` of training."""
    files = sorted(folder.glob("*.json"))
    runs = [run for path in files for run in runs_until(options.seconds, json.loads(path.read_text()))]
    if len({tuple(run["job"][name] for name in ("threads", "quick", "features_only")) for run in runs}) != 1:
        raise SystemExit(
            f"{folder}: has no runs of {options.seconds:g} s, or runs with different --threads, --quick or "
            "--features-only, which do not go into one table. Choose another --name."
        )
    systems: dict[str, list[Run]] = {}
    for run in runs:
        systems.setdefault(run["job"]["system"], []).append(run)
    order = sorted(systems, key=lambda name: (name != "ganaug", -_mean_cas(systems[name])))
    clock = "processor time" if runs[0]["job"]["threads"] == 1 else "wall time"
    head = ["system", "seeds", *OVERALL.values(), *COST.values()]
    body = [*markdown_table(head, [overall_row(name, systems[name]) for name in order]), ""]
    for name in (name for name in order if name in DETAILED_SYSTEMS):
        body += [f"## {name}, by class", "", *markdown_table(["class", *CLASS.values()], class_rows(systems[name])), ""]
    stages = [run for run in systems.get("ganaug", []) if len(run["curve"]) > 1]
    if stages:
        body += [f"## ganaug, by seconds of {clock}", ""]
        body += [*markdown_table(["seconds", *OVERALL.values()], stage_rows(stages)), ""]
    adaptations = sorted({note for run in runs for note in run["curve"][-1].get("adaptations", [])})
    if adaptations:
        body += ["## How other libraries were adapted to the data", "", *(f"- {note}" for note in adaptations), ""]
    about = f"{options.seconds:g} s of {clock} of training a run. Mean over seeds (smallest to largest)."
    page = write_page(options, options.title, about, body[:-1])
    write_whole(page.with_suffix(".json"), json.dumps(runs, separators=(",", ":")) + "\n")
    return page


def runs_until(seconds: float, run: Run) -> list[Run]:
    """The run up to `seconds`; none if it was not scored then."""
    marks = [*run["job"]["marks"], run["job"]["seconds"]]
    if seconds not in marks:
        return []
    end = marks.index(seconds)
    job = {name: run["job"].get(name, False) for name in STORED_FIELDS}
    return [{"job": {**job, "seconds": seconds, "marks": marks[:end]}, "curve": run["curve"][: end + 1]}]


def overall_row(name: str, runs: list[Run]) -> list[str]:
    """Scores over all classes, and what training cost."""
    final = [run["curve"][-1] for run in runs]
    for run, point in zip(runs, final, strict=True):
        # wall time would depend on what else the machine does
        seconds = run["job"]["seconds"] if run["job"]["threads"] == 1 else point["seconds"]
        point["rate"] = point["images_seen"] / seconds
    scores = [_cell((point["overall"].get(key) for point in final), key) for key in OVERALL]
    return [name, str(len(runs)), *scores, *(_cell((point.get(key) for point in final), key) for key in COST)]


def class_rows(runs: list[Run]) -> list[list[str]]:
    """Scores of each class."""
    final = [run["curve"][-1]["classes"] for run in runs]
    return [[name, *(_cell((classes[name].get(key) for classes in final), key) for key in CLASS)] for name in final[0]]


def stage_rows(runs: list[Run]) -> list[list[str]]:
    """Scores over all classes at each mark."""
    marks = [*runs[0]["job"]["marks"], runs[0]["job"]["seconds"]]
    return [
        [f"{mark:g}", *(_cell((point["overall"].get(key) for point in points), key) for key in OVERALL)]
        for mark, *points in zip(marks, *(run["curve"] for run in runs), strict=True)
    ]


def _cell(values: Iterable[float | None], key: str) -> str:
    """Mean with smallest and largest; the number of training images is the same in every run."""
    known = list(values)
    return mean_range(known[:1] if key == "n" else known, ",.0f" if key in INTEGERS else ".3f")


def _mean_cas(runs: list[Run]) -> float:
    """Mean CAS over seeds, by which rows are sorted; without classifiers, the negative mean KID."""
    scores = [run["curve"][-1]["overall"] for run in runs]
    return fmean(score["cas"] if "cas" in score else -score["kid"] for score in scores)
