"""The tables of the ladders: ways to use samples, scored on draws of a set and kept as they come.

Scores that OUT.json holds are not measured again, so that ways and draws can be added to a table.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from collect import processor
from scipy.stats import t as student
from sets import draw_cell
from sklearn.metrics import f1_score, recall_score
from tables import table
from usefulness import cells

from ganaug import LabeledImages, __version__
from ganaug.evaluation.scores import offset

BASE = "classical augmentation"  # the best baseline on these sets: gains are over it
GAINS = ("balanced", "macro F1", "three rarest", "three largest", "above curve")
ADJUSTED = ("balanced, adjusted", "macro F1, adjusted", "three rarest, adjusted")  # at an offset that is chosen
TAUS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # strengths of it that are tried
CURVE = np.linspace(-2.0, 2.0, 41)  # strengths of class-wise offsets
Scores = dict[str, list[dict[str, Any]]]  # of each seed, by training and way


class Cell(Protocol):
    """One draw of everything. truth (N,): labels of the test images; counts (K,): training images of each class."""

    notes: dict[str, float]

    @property
    def truth(self) -> np.ndarray: ...

    @property
    def counts(self) -> np.ndarray: ...


def drawn(own: tuple[str, int, float], seed: int, options: argparse.Namespace) -> list[LabeledImages]:
    """Training, held-out and test images of a draw, without metadata."""
    name, shots, rho = own
    parts = draw_cell(name, shots=shots, rho=rho, seed=seed, image_size=options.image_size)
    return [replace(part, metadata=None) for part in parts]


def command_line(about: str | None) -> argparse.ArgumentParser:
    """What the programs that climb have in common."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs=1, help="NAME or NAME:SHOTS:RHO")
    parser.add_argument("--shots", type=int, default=500)
    parser.add_argument("--rho", type=float, default=50)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--inner", type=int, default=1, help="trainings of each way and seed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="write OUT.md and OUT.json")
    return parser


def climb(
    ways: dict[str, Callable[[Any], np.ndarray]],
    cell_of: Callable[[tuple[str, int, float], int, int, argparse.Namespace], Cell],
    title: str,
    about: str,
    options: argparse.Namespace,
) -> None:
    """Every way of `options` on every draw: `cell_of(set, seed, training, options)` -> log-probabilities (N, K)."""
    torch.set_num_threads(options.threads)
    (own,) = cells(options)
    path = options.out.with_suffix(".json")
    found: Scores = json.loads(path.read_text()) if path.exists() else {}
    for seed in options.seeds:
        trainings = found.setdefault(str(seed), [])
        trainings.extend({} for _ in range(options.inner - len(trainings)))
        for inner, rows in enumerate(trainings):
            missing = [way for way in dict.fromkeys([BASE, *options.ways]) if way not in rows]
            if not missing:
                continue
            cell = cell_of(own, seed, inner, options)
            base = ways[BASE](cell)
            for way in missing:
                begun = time.perf_counter()
                cell.notes.clear()
                rows[way] = judged(cell, base if way == BASE else ways[way](cell), base) | cell.notes
                better = rows[way]["balanced"] - rows[BASE]["balanced"]
                print(f"{own[0]} {seed} {inner} {way}: {better:+.2f}, {time.perf_counter() - begun:.0f} s", flush=True)
                keep(path, json.dumps(found) + "\n")
        lines = [
            f"# {title}: {own[0]}, {sizes(own)} images a class",
            "",
            f"`python benchmarks/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}`",
            "",
            f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
            f"{datetime.now(UTC):%Y-%m-%d}. {about} Points: {BASE} as it is, the others as paired gains over it, with "
            f"95 % intervals over the draws. Above offset curve: recall of the common classes less what class-wise "
            f"offsets of {BASE} reach at the same recall of the rare ones. Adjusted: with the logit adjustment that is "
            "best on the other half of the test images.",
            "",
            *summary(found, list(ways)),
            "",
        ]
        keep(options.out.with_suffix(".md"), "\n".join(lines))
    print("\n".join(summary(found, list(ways))), flush=True)


def sizes(own: tuple[str, int, float]) -> str:
    """'500 to 10', or of the blood cells, which keep their own rare classes, '200, 60 and 30'."""
    name, shots, rho = own
    if name == "bccd":
        return f"{shots}, {0.3 * shots:g} and {0.15 * shots:g}"
    return f"{shots} to {shots / rho:g}" if rho > 1 else str(shots)


def keep(path: Path, text: str) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def judged(cell: Cell, told_of: np.ndarray, base: np.ndarray) -> dict[str, float]:
    """Scores in points, of one training."""
    labels, counts = cell.truth, cell.counts
    predicted, order = told_of.argmax(1), np.argsort(counts, kind="stable")
    recall = 100 * recall_score(labels, predicted, average=None)
    moved = adjusted_in_turns(labels, counts, told_of)
    moved_recall = 100 * recall_score(labels, moved, average=None)
    return {
        "balanced": recall.mean(),
        "macro F1": 100 * f1_score(labels, predicted, average="macro"),
        "three rarest": recall[order[:3]].mean(),
        "three largest": recall[order[-3:]].mean(),
        "above curve": above_curve(labels, counts, recall, base),
        "balanced, adjusted": moved_recall.mean(),
        "macro F1, adjusted": 100 * f1_score(labels, moved, average="macro"),
        "three rarest, adjusted": moved_recall[order[:3]].mean(),
    }


def adjusted_in_turns(labels: np.ndarray, counts: np.ndarray, told_of: np.ndarray) -> np.ndarray:
    """Predictions (N,) under logit adjustment, at the strength that is best on the other half of the test images."""
    prior, half = np.log(counts / counts.sum()), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        half[np.flatnonzero(labels == label)[::2]] = True
    answers = [offset(told_of, prior, tau).argmax(1) for tau in TAUS]
    found = np.empty_like(labels)
    for shown in (half, ~half):
        best = max(answers, key=lambda one: recall_score(labels[shown], one[shown], average="macro"))
        found[~shown] = best[~shown]
    return found


def above_curve(labels: np.ndarray, counts: np.ndarray, recall: np.ndarray, base: np.ndarray) -> float:
    """Recall of the common classes less what offsets of the base reach at the same recall of the rare ones."""
    few = counts < counts.mean()
    if not few.any():
        return float("nan")
    prior = np.log(counts / counts.sum())
    points = [100 * recall_score(labels, offset(base, prior, tau).argmax(1), average=None) for tau in CURVE]
    x, y = np.array([[one[few].mean(), one[~few].mean()] for one in points]).T
    order = np.argsort(x, kind="stable")
    frontier = np.maximum.accumulate(y[order[::-1]])[::-1]
    return float(recall[~few].mean() - np.interp(recall[few].mean(), x[order], frontier))


def mean_with_interval(values: list[float], *, signed: bool) -> str:
    """Mean over seeds, and its 95 % interval by Student's t."""
    mean, form = float(np.mean(values)), "{:+.1f}" if signed else "{:.1f}"
    if np.isnan(mean):  # there is no curve where classes are of one size
        return "-"
    if len(values) < 2:
        return form.format(mean)
    reach = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{form.format(mean)} ({form.format(mean - reach)} to {form.format(mean + reach)})"


def summary(found: Scores, ways: list[str]) -> list[str]:
    """A row a way: gains over classical augmentation, paired within draws and trainings, over the draws."""
    rows = []
    for way in ways:
        runs = [paired for own in found.values() if (paired := [one for one in own if BASE in one and way in one])]
        if not runs:
            continue
        cells = [over_draws(runs, way, measure) for measure in (*GAINS, *ADJUSTED)]
        probes = [one[way]["probe AUC"] for own in runs for one in own if "probe AUC" in one[way]]
        rows.append([way, str(len(runs)), *cells, f"{np.mean(probes):.2f}" if probes else "-"])
    head = ["way", "draws", "balanced accuracy", "macro F1", "three rarest", "three largest", "above offset curve"]
    return table([*head, *ADJUSTED, "probe AUC"], rows)


def over_draws(runs: list[list[dict[str, Any]]], way: str, measure: str) -> str:
    """Mean over draws and its interval; '-' where the measure says nothing of the way, or was not taken."""
    known = [[one for one in own if measure in one[way] and measure in one[BASE]] for own in runs]
    values = [float(np.mean([gain(one, way, measure) for one in own])) for own in known if own]
    if not values or (way == BASE and measure == "above curve"):
        return "-"
    return mean_with_interval(values, signed=way != BASE)


def gain(scores: dict[str, Any], way: str, measure: str) -> float:
    """Over the base, but for the base's own row, and for what is a difference already."""
    plain = way == BASE or measure == "above curve"
    return float(scores[way][measure] - (0 if plain else scores[BASE][measure]))
