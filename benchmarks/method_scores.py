"""Scores of training methods on a set with rare classes: the part that two_sites and unlabeled share."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.runner import progress, write_whole
from benchmarks.tables import markdown_table, mean_range
from ganaug import LabeledImages
from ganaug.evaluation.augmenters import sample_learned_classes

N_RAREST = 3
MAX_SAMPLES = 500  # of a class
AS_IS, EQUAL, SQUARE_ROOT = "as it is", "classes equally often", "square root of the counts"
BASELINES = (AS_IS, EQUAL, SQUARE_ROOT)
MEASURES = ("macro F1", "balanced accuracy", "rarest three")


def samples_of(augmenter: Any, here: LabeledImages, seed: int) -> LabeledImages:
    """Samples of every class that was learned."""
    return sample_learned_classes(augmenter, dict.fromkeys(here.classes, MAX_SAMPLES), seed, here)


def bare(images: LabeledImages) -> LabeledImages:
    """Images without metadata."""
    return replace(images, metadata=None)


def score_methods(
    methods: Iterable[str],
    predict: Callable[[str, int], np.ndarray],
    test: LabeledImages,
    rarest: Sequence[int],
    n_trainings: int,
    run: dict[str, Any],
    path: Path,
) -> None:
    """Add the scores of every training of each method to `run["scores"]`, and store the run after each method.

    predict: (method, number of the training) -> log-probabilities of the test images. Methods that have scores are not
    repeated.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for method in methods:
        if method in run["scores"]:
            continue
        rows = [score(predict(method, number).argmax(1), test, rarest) for number in range(n_trainings)]
        run["scores"][method] = rows
        write_whole(path, json.dumps(run))
        means = ", ".join(f"{mean:.1f}" for mean in np.mean(rows, axis=0))
        progress(f"{run['set']} {run['seed']} {method}: {means}")


def stored_run(name: str, seed: int, path: Path) -> dict[str, Any]:
    """The run of a set and seed, with the scores in the file `path`, if it is there."""
    scores = json.loads(path.read_text())["scores"] if path.exists() else {}
    return {"set": name, "seed": seed, "scores": scores}


def score(predicted: np.ndarray, test: LabeledImages, rarest: Sequence[int]) -> list[float]:
    """Macro F1, balanced accuracy and mean recall of the classes `rarest`, in percent."""
    labels = test.labels.numpy()
    recall = np.array([(predicted[labels == k] == k).mean() for k in range(len(test.classes))])
    f1 = float(f1_score(labels, predicted, average="macro", zero_division=0.0))
    return [100 * f1, 100 * float(recall.mean()), 100 * float(recall[list(rarest)].mean())]


def page(runs: list[dict[str, Any]]) -> list[str]:
    """One table for each set: scores, and gains over the best of the baselines, by macro F1."""
    body: list[str] = []
    for name in dict.fromkeys(run["set"] for run in runs):
        of_set = [run for run in runs if run["set"] == name]
        rows = []
        for method in of_set[0]["scores"]:
            means = np.array([np.mean(run["scores"][method], axis=0) for run in of_set])
            best = np.array(
                [
                    max((np.mean(run["scores"][each], axis=0) for each in BASELINES), key=lambda x: x[0])
                    for run in of_set
                ]
            )
            gains = means - best
            cells = [mean_range(list(means[:, k]), ".1f") for k in range(len(MEASURES))]
            cells += [mean_range(list(gains[:, k]), "+.1f") for k in (0, 2)]
            rows.append([method, *cells])
        head = ["method", *MEASURES, "gain, macro F1", "gain, rarest three"]
        body += [f"## {name}, {len(of_set)} draws", "", *markdown_table(head, rows), ""]
    return body
