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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.generators import stored_generator
from benchmarks.method_scores import (
    AS_IS,
    EQUAL,
    N_RAREST,
    SQUARE_ROOT,
    bare,
    page,
    samples_of,
    score_methods,
    stored_run,
)
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, write_page
from benchmarks.subsets import SetSpec, add_set_options, at_most, draw_subset, parse_set
from ganaug import LabeledImages, PretrainedSampler
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation import CNN, TrainingSet
from ganaug.evaluation.training_set import balance_classes, mix_synthetic
from ganaug.images import concatenate

BOTH = "both classifiers"
SHARES = (0.1, 0.25, 0.5)
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


def run_draw(spec: SetSpec, seed: int, options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Scores of every method and training; methods that are in the file `path` are not repeated."""
    sites = draw_sites(spec, seed, options)
    folder = path.with_suffix("")
    run = stored_run(spec.stem, seed, path)
    sets = training_sets(sites, seed, options, folder)
    augment = classical_augmentation(sites.here)

    def predict(training: TrainingSet, number: int) -> np.ndarray:
        classifier = CNN(steps=options.steps)
        scale = replace(training, length=options.length)
        log_probabilities: np.ndarray = classifier(scale, augment, derive(seed, "training", number))(sites.test.images)
        return log_probabilities

    def scores(method: str, number: int) -> np.ndarray:
        if method != BOTH:
            return predict(sets[method], number)
        parts = [sets[EQUAL], replace(balance_classes(sites.there, 1.0), alteration="classical")]
        both: np.ndarray = np.logaddexp.reduce([predict(part, number) for part in parts])
        return both

    score_methods((*sets, BOTH), scores, sites.test, sites.rarest, options.trainings, run, path)
    return run


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
