"""Score training methods on draws of a set, keep the scores, and write the table of paired gains.

Scores in the page's JSON are not measured again, so methods and draws can be added to a table.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.runner import add_folders, add_seeds, program_parser, progress, write_page, write_whole
from benchmarks.subsets import SetSpec, add_set_options, draw_subset, parse_set
from benchmarks.tables import markdown_table, mean_interval
from ganaug import LabeledImages
from ganaug.evaluation.scores import adjust_logits

BASE = "classical augmentation"  # the best baseline on these sets: gains are over it
ABOVE_CURVE = "above curve"
MEASURES = {  # in the stored scores -> in the head of the table
    "balanced": "balanced accuracy",
    "macro F1": "macro F1",
    "three rarest": "three rarest",
    "three largest": "three largest",
    ABOVE_CURVE: "above adjustment curve",
    "balanced, adjusted": "balanced, adjusted",
    "macro F1, adjusted": "macro F1, adjusted",
    "three rarest, adjusted": "three rarest, adjusted",
}
PROBE = "probe AUC"
TAUS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # strengths of logit adjustment to choose from
CURVE_TAUS = np.linspace(-2.0, 2.0, 41)
EXPLANATION = (
    f"Points: {BASE} as it is, the others as paired gains over it, with 95 % intervals over the draws. Above "
    f"adjustment curve: recall of the common classes less what logit adjustment of {BASE} reaches at the same recall "
    "of the rare ones. Adjusted: with the logit adjustment that is best on the other half of the test images."
)
Scores = dict[str, list[dict[str, dict[str, float]]]]  # seed -> for each training: method -> measure -> points


class Draw(Protocol):
    """One draw of images, generator and weights. notes: scores of the last method beside its predictions."""

    notes: dict[str, float]

    @property
    def test_labels(self) -> np.ndarray:
        """(N,)."""
        ...

    @property
    def counts(self) -> np.ndarray:
        """Training images of each class, (K,)."""
        ...


Method = Callable[[Any], np.ndarray]  # draw -> log-probabilities of the test images, (N, K)
MakeDraw = Callable[[SetSpec, int, int, argparse.Namespace], Draw]  # set, seed, number of the training, options


def uses_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Parser of the programs that compare uses of synthetic images."""
    parser = program_parser(program, description, threads=1, page=f"{program}_{{set}}")
    parser.add_argument("set", nargs="?", default="fashion-mnist-lt", help="NAME or NAME:N_MAX:RATIO")
    parser.add_argument("--trainings", type=int, default=1, help="trainings of each method and draw")
    add_set_options(parser)
    add_seeds(parser, [0, 1, 2, 3, 4])
    add_folders(parser)
    return parser


def draw_images(spec: SetSpec, seed: int, options: argparse.Namespace) -> list[LabeledImages]:
    """Training, held-out and test images of a draw, without metadata."""
    return [replace(part, metadata=None) for part in draw_subset(spec, seed, options)]


def compare_methods(
    methods: Mapping[str, Method], make_draw: MakeDraw, title: str, about: str, options: argparse.Namespace
) -> Path:
    """Score the methods named in `options.methods` on every draw, and write the page and its JSON."""
    spec = parse_set(options.set, options)
    stored = options.out.with_suffix(".json")
    scores: Scores = json.loads(stored.read_text()) if stored.exists() else {}
    for seed in options.seeds:
        trainings = scores.setdefault(str(seed), [])
        trainings.extend({} for _ in range(options.trainings - len(trainings)))
        for number, rows in enumerate(trainings):
            missing = [name for name in dict.fromkeys([BASE, *options.methods]) if name not in rows]
            if not missing:
                continue
            draw = make_draw(spec, seed, number, options)
            base = methods[BASE](draw)
            for name in missing:
                start = time.perf_counter()
                draw.notes.clear()
                rows[name] = score(draw, base if name == BASE else methods[name](draw), base) | draw.notes
                gain = rows[name]["balanced"] - rows[BASE]["balanced"]
                progress(f"{spec.name} {seed} {number} {name}: {gain:+.2f}, {time.perf_counter() - start:.0f} s")
                write_whole(stored, json.dumps(scores) + "\n")
    heading = f"{title}: {spec.name}, {spec.sizes} images a class"
    return write_page(options, heading, f"{about} {EXPLANATION}", summary_table(scores, list(methods)))


def score(draw: Draw, log_probabilities: np.ndarray, base: np.ndarray) -> dict[str, float]:
    """Scores of one training in points; base: log-probabilities of BASE on the same draw, (N, K)."""
    labels, counts = draw.test_labels, draw.counts
    predictions, order = log_probabilities.argmax(1), np.argsort(counts, kind="stable")
    recall = 100 * class_recall(labels, predictions)
    adjusted = adjusted_predictions(labels, counts, log_probabilities)
    adjusted_recall = 100 * class_recall(labels, adjusted)
    return {
        "balanced": recall.mean(),
        "macro F1": 100 * f1_score(labels, predictions, average="macro"),
        "three rarest": recall[order[:3]].mean(),
        "three largest": recall[order[-3:]].mean(),
        ABOVE_CURVE: above_adjustment_curve(labels, counts, recall, base),
        "balanced, adjusted": adjusted_recall.mean(),
        "macro F1, adjusted": 100 * f1_score(labels, adjusted, average="macro"),
        "three rarest, adjusted": adjusted_recall[order[:3]].mean(),
    }


def class_recall(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Recall of each class, (K,); every class needs a test image.

    Examples
    --------
    >>> class_recall(np.array([0, 0, 1]), np.array([0, 1, 1]))
    array([0.5, 1. ])
    """
    recall: np.ndarray = np.bincount(labels[labels == predictions], minlength=labels.max() + 1) / np.bincount(labels)
    return recall


def adjusted_predictions(labels: np.ndarray, counts: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
    """Predictions (N,) under logit adjustment, at the strength that is best on the other half of the test images."""
    prior, half = np.log(counts / counts.sum()), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        half[np.flatnonzero(labels == label)[::2]] = True
    candidates = [adjust_logits(log_probabilities, prior, tau).argmax(1) for tau in TAUS]
    predictions = np.empty_like(labels)
    for tuned in (half, ~half):
        best = max(candidates, key=lambda answers: class_recall(labels[tuned], answers[tuned]).mean())
        predictions[~tuned] = best[~tuned]
    return predictions


def above_adjustment_curve(labels: np.ndarray, counts: np.ndarray, recall: np.ndarray, base: np.ndarray) -> float:
    """Mean recall of the common classes, less that of the adjusted base at the same recall of the rare ones.

    NaN if the classes are of one size.
    """
    rare = counts < counts.mean()
    if not rare.any():
        return float("nan")
    prior = np.log(counts / counts.sum())
    points = [100 * class_recall(labels, adjust_logits(base, prior, tau).argmax(1)) for tau in CURVE_TAUS]
    x, y = np.array([[point[rare].mean(), point[~rare].mean()] for point in points]).T
    order = np.argsort(x, kind="stable")
    frontier = np.maximum.accumulate(y[order[::-1]])[::-1]
    return float(recall[~rare].mean() - np.interp(recall[rare].mean(), x[order], frontier))


def summary_table(scores: Scores, methods: Sequence[str]) -> list[str]:
    """A row for each method: gains over BASE, paired within draws and trainings, averaged over the draws."""
    rows = []
    for name in methods:
        paired = [[one for one in trainings if BASE in one and name in one] for trainings in scores.values()]
        draws = [trainings for trainings in paired if trainings]
        if not draws:
            continue
        cells = [gain_cell(draws, name, measure) for measure in MEASURES]
        probes = [one[name][PROBE] for trainings in draws for one in trainings if PROBE in one[name]]
        rows.append([name, str(len(draws)), *cells, f"{np.mean(probes):.2f}" if probes else "-"])
    return markdown_table(["method", "draws", *MEASURES.values(), PROBE], rows)


def gain_cell(draws: Sequence[Sequence[dict[str, dict[str, float]]]], name: str, measure: str) -> str:
    """Mean over draws with its interval; '-' if the measure was not taken, or does not apply to the method."""
    known = [[one for one in trainings if measure in one[name] and measure in one[BASE]] for trainings in draws]
    values = [float(np.mean([gain(one, name, measure) for one in trainings])) for trainings in known if trainings]
    if not values or (name == BASE and measure == ABOVE_CURVE):
        return "-"
    return mean_interval(values, ".1f" if name == BASE else "+.1f")


def gain(scores: Mapping[str, Mapping[str, float]], name: str, measure: str) -> float:
    """Points over BASE; of BASE itself, and of what is a difference already, the points as they are."""
    is_absolute = name == BASE or measure == ABOVE_CURVE
    return float(scores[name][measure] - (0 if is_absolute else scores[BASE][measure]))
