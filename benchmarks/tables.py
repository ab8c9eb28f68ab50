"""The results of `quality.py` as a JSON file and a Markdown page: means over seeds, smallest to largest in brackets."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from collect import processor

from ganaug import __version__

OVERALL = {
    "cas_ratio": "CAS / real",
    "cas": "balanced CAS",
    "label_accuracy": "label accuracy",
    "label_accuracy_ratio": "/ judge on real",
    "worst_label_accuracy_ratio": "worst class",
    "kid_rarest": "KID, three rarest",
    "kid": "KID",
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
WHOLE = ("n", "steps", "images_seen", "seconds", "rate", "peak_mib")
Run = dict[str, Any]


def write(folder: Path, out: Path, title: str, command: str, seconds: float) -> None:
    """OUT.json and OUT.md from the runs in `folder`, as they stood after `seconds` of training."""
    runs = [run for path in sorted(folder.glob("*.json")) for run in _after(seconds, json.loads(path.read_text()))]
    out.with_suffix(".json").write_text(json.dumps(runs, indent=1) + "\n")
    if len({(run["job"]["threads"], run["job"]["quick"]) for run in runs}) != 1:
        raise SystemExit(f"{folder}: no runs of {seconds:g} s, or of different threads, which do not go into one table")
    systems: dict[str, list[Run]] = {}
    for run in runs:
        systems.setdefault(run["job"]["system"], []).append(run)
    order = sorted(systems, key=lambda name: (name != "ganaug", -_mean(systems[name], "cas")))
    threads = runs[0]["job"]["threads"]
    clock = "of processor time" if threads == 1 else "by the clock"
    lines = [f"# {title}", "", f"`{command}`", ""]
    lines += [
        f"ganaug {__version__}, torch {torch.__version__}, {threads} thread{'s' * (threads > 1)} of {processor()}, "
        f"{datetime.now(UTC):%Y-%m-%d}; {runs[0]['job']['seconds']:g} s {clock} of training a run. Mean over seeds "
        "(smallest to largest).",
        "",
        *table(["system", "seeds", *OVERALL.values(), *COST.values()], [_row(name, systems[name]) for name in order]),
        "",
    ]
    for name in [name for name in order if name in ("ganaug", "plain", "mimicry", "torchgan")]:
        lines += [f"## {name}, by class", ""]
        lines += [*table(["class", *CLASS.values()], _class_rows(systems[name])), ""]
    curve = [run for run in systems.get("ganaug", []) if len(run["curve"]) > 1]
    if curve:
        lines += [f"## ganaug, by seconds {clock}", ""]
        marks = [*curve[0]["job"]["marks"], curve[0]["job"]["seconds"]]
        rows = [
            [f"{mark:g}", *(_spread([p["overall"].get(k) for p in points], k) for k in OVERALL)]
            for mark, *points in zip(marks, *(run["curve"] for run in curve), strict=True)
        ]
        lines += [*table(["seconds", *OVERALL.values()], rows), ""]
    notes = {note for run in runs for note in run["curve"][-1].get("adaptations", [])}
    if notes:
        lines += [
            "## What was done to let the baselines take the data",
            "",
            *(f"- {note}" for note in sorted(notes)),
            "",
        ]
    out.with_suffix(".md").write_text("\n".join(lines))


def _after(seconds: float, run: Run) -> list[Run]:
    """The run up to `seconds`; nothing where it was not judged then."""
    marks = [*run["job"]["marks"], run["job"]["seconds"]]
    if seconds not in marks:
        return []
    end = marks.index(seconds)
    job = {name: value for name, value in run["job"].items() if name not in ("folder", "rival_python")}
    return [{"job": {**job, "seconds": seconds, "marks": marks[:end]}, "curve": run["curve"][: end + 1]}]


def _row(name: str, runs: list[Run]) -> list[str]:
    last = [run["curve"][-1] for run in runs]
    for point in last:
        point["rate"] = point["images_seen"] / point["seconds"]
    figures = [_spread([point["overall"].get(key) for point in last], key) for key in OVERALL]
    return [name, str(len(runs)), *figures, *(_spread([point.get(key) for point in last], key) for key in COST)]


def _class_rows(runs: list[Run]) -> list[list[str]]:
    last = [run["curve"][-1]["classes"] for run in runs]
    return [[name, *(_spread([found[name].get(key) for found in last], key) for key in CLASS)] for name in last[0]]


def _spread(values: list[float | None], key: str) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    form = "{:,.0f}" if key in WHOLE else "{:.3f}"
    mean = form.format(sum(found) / len(found))
    return mean if len(found) == 1 or key == "n" else f"{mean} ({form.format(min(found))}-{form.format(max(found))})"


def _mean(runs: list[Run], key: str) -> float:
    values: list[Mapping[str, float]] = [run["curve"][-1]["overall"] for run in runs]
    return sum(value[key] for value in values) / len(values)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
