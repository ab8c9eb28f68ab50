"""Do samples of another site's generator help a classifier of this site?

    python -m benchmarks.two_sites fashion-mnist-lt:500:50 cifar10-lt:500:50 --seconds 600 --threads 1
    python -m benchmarks.two_sites fashion-mnist-lt:500:50 --absent 3 --seconds 600 --threads 1

Site A is a draw of a long-tailed set. Site B has other images, in the reverse order: A's rarest class is its largest.
Only the generator of B reaches A. With --absent, A has no image of its rarest classes. Time: for each set and seed
twice --seconds for the generators, then about a minute of one core for each method and training.

How to read it: points on test images of site A, mean over the draws (smallest to largest); gains are paired, over the
best method without samples. All methods alter images classically; with samples, classes are drawn equally often.
"Both classifiers": probabilities of A's and B's classifiers are averaged, which needs B's classifier. "Own samples": of
a generator that was fitted on A. "Images of B": what a perfect generator of B would give.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from benchmarks.generators import stored_generator
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page, write_whole
from benchmarks.subsets import SetSpec, add_set_options, at_most, draw_subset, parse_set
from benchmarks.tables import markdown_table, mean_range
from ganaug import LabeledImages, PretrainedSampler
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation import CNN, TrainingSet
from ganaug.evaluation.augmenters import sample_learned_classes
from ganaug.evaluation.training_set import balance_classes, mix_synthetic
from ganaug.images import concatenate

N_RAREST = 3
MAX_SAMPLES = 500  # of a class
AS_IS, EQUAL, SQUARE_ROOT, BOTH = "as it is", "classes equally often", "square root of the counts", "both classifiers"
BASELINES = (AS_IS, EQUAL, SQUARE_ROOT)
SHARES = (0.1, 0.25, 0.5)
MEASURES = ("macro F1", "balanced accuracy", "rarest three")
SMOKE = {"sets": ["smoke:8:2"], "seeds": [0], "seconds": 0.0, "trainings": 1, "steps": 2, "n_max": 8, "ratio": 2}


@dataclass(frozen=True)
class Sites:
    """Training images of both sites, and test images of the first; class sizes of the draw."""

    here: LabeledImages
    there: LabeledImages
    test: LabeledImages
    rarest: list[int]


def draw_sites(spec: SetSpec, seed: int, options: argparse.Namespace) -> Sites:
    """Images of two sites whose class sizes are in reverse order; without those of `--absent` rarest classes here."""
    here, others, test = draw_subset(spec, seed, options)
    sizes = list(here.counts.values())
    order = np.argsort(sizes, kind="stable")
    if spec.name == "bccd":  # other slides, with the same natural counts
        there = others
    else:
        reverse = dict(zip(order.tolist(), sorted(sizes, reverse=True), strict=True))
        there = others.take(at_most(others, [reverse[k] for k in range(len(sizes))], seed))
    absent = torch.tensor(order[: options.absent].tolist(), dtype=torch.int64)
    return Sites(here.take(~torch.isin(here.labels, absent)), there, test, order[:N_RAREST].tolist())


def training_sets(sites: Sites, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, TrainingSet]:
    """What the classifier of each method is trained on."""
    here, there = sites.here, sites.there
    stored_generator(there, seed, folder / "there", options)
    # the images of a fit name its classes, and here some may be absent
    lent = PretrainedSampler(folder / "there", random_state=seed).fit(there)
    sets = {
        AS_IS: TrainingSet.from_images(here),
        SQUARE_ROOT: balance_classes(here, 0.5),
        EQUAL: balance_classes(here, 1.0),
    }
    samples = samples_of(lent, here, seed)
    for share in SHARES:
        sets[f"samples of B, {share:.0%}"] = mix_synthetic(here, samples, share, 1.0)
    if not options.absent:
        own, _ = stored_generator(here, seed, folder / "here", options)
        sets["own samples, 25%"] = mix_synthetic(here, samples_of(own, here, seed), 0.25, 1.0)
    sets["images of B"] = balance_classes(concatenate(bare(here), bare(there)), 1.0)
    return {name: replace(each, alteration="classical") for name, each in sets.items()}


def samples_of(augmenter: Any, here: LabeledImages, seed: int) -> LabeledImages:
    """Samples of every class that was learned."""
    return sample_learned_classes(augmenter, dict.fromkeys(here.classes, MAX_SAMPLES), seed, here)


def bare(images: LabeledImages) -> LabeledImages:
    """Images without metadata."""
    return replace(images, metadata=None)


def run_draw(spec: SetSpec, seed: int, options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Scores of every method and training; methods that are in the file `path` are not repeated."""
    sites = draw_sites(spec, seed, options)
    folder = path.with_suffix("")
    stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"scores": {}}
    run = {"set": spec.stem, "seed": seed, "scores": stored["scores"]}
    sets = training_sets(sites, seed, options, folder)
    augment = classical_augmentation(sites.here)
    path.parent.mkdir(parents=True, exist_ok=True)

    def predict(training: TrainingSet, number: int) -> np.ndarray:
        classifier = CNN(steps=options.steps)
        scale = replace(training, length=options.length)
        log_probabilities: np.ndarray = classifier(scale, augment, derive(seed, "training", number))(sites.test.images)
        return log_probabilities

    for method in (*sets, BOTH):
        if method in run["scores"]:
            continue
        rows = []
        for number in range(options.trainings):
            if method == BOTH:
                parts = [sets[EQUAL], replace(balance_classes(sites.there, 1.0), alteration="classical")]
                predictions = np.logaddexp.reduce([predict(part, number) for part in parts])
            else:
                predictions = predict(sets[method], number)
            rows.append(score(predictions.argmax(1), sites.test, sites.rarest))
        run["scores"][method] = rows
        write_whole(path, json.dumps(run))
        progress(f"{spec.name} {seed} {method}: " + ", ".join(f"{mean:.1f}" for mean in np.mean(rows, axis=0)))
    return run


def score(predicted: np.ndarray, test: LabeledImages, rarest: Sequence[int]) -> list[float]:
    """Macro F1, balanced accuracy and mean recall of the classes `rarest`, in percent."""
    labels = test.labels.numpy()
    recall = np.array([(predicted[labels == k] == k).mean() for k in range(len(test.classes))])
    f1 = float(f1_score(labels, predicted, average="macro", zero_division=0.0))
    return [100 * f1, 100 * float(recall.mean()), 100 * float(recall[list(rarest)].mean())]


def page(runs: list[dict[str, Any]], baselines: Sequence[str] = BASELINES) -> list[str]:
    """One table for each set: scores, and gains over the best of the baselines, by macro F1."""
    body: list[str] = []
    for name in dict.fromkeys(run["set"] for run in runs):
        of_set = [run for run in runs if run["set"] == name]
        rows = []
        for method in of_set[0]["scores"]:
            means = np.array([np.mean(run["scores"][method], axis=0) for run in of_set])
            best = np.array(
                [
                    max((np.mean(run["scores"][each], axis=0) for each in baselines), key=lambda x: x[0])
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


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("two_sites", __doc__)
    parser.add_argument("sets", nargs="*", default=["fashion-mnist-lt"], help="NAME or NAME:N_MAX:RATIO")
    parser.add_argument("--seconds", type=float, default=600, help="training of each generator")
    parser.add_argument("--absent", type=int, default=0, help="rarest classes that site A has no images of")
    parser.add_argument("--trainings", type=int, default=3, help="trainings of each method")
    parser.add_argument("--length", type=float, default=1, help="factor of the training steps")
    parser.add_argument("--steps", type=int, help="training steps of a classifier")
    add_set_options(parser)
    add_seeds(parser, range(5))
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    runs = []
    for text in options.sets:
        spec = parse_set(text, options)
        for seed in options.seeds:
            key = f"{spec.stem}_{seed}_{options.absent}_{options.seconds:g}s_{options.length:g}_{options.trainings}"
            key += f"_{options.steps}" * (options.steps is not None)
            runs.append(run_draw(spec, seed, options, options.cache / "two_sites" / f"{key}.json"))
    about = (
        f"{options.seconds:g} s for each generator, {options.trainings} trainings of each method. Percent; mean over "
        "draws (smallest to largest)."
    )
    absent = f", {options.absent} classes absent at site A" if options.absent else ""
    return write_page(options, f"A generator of another site{absent}", about, page(runs))


if __name__ == "__main__":
    main()
