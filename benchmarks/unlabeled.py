"""Do images without a class help: as pseudo-labels of a classifier, or through samples of a generator?

    python -m benchmarks.unlabeled fashion-mnist-lt:500:50 cifar10-lt:500:50 --seconds 600 --threads 1
    python -m benchmarks.unlabeled fashion-mnist-lt:500:50 --foreign 0.3 --seconds 600 --threads 1

A draw has the labeled images of a long-tailed set, and --count other images of the set, equally many of each class,
whose labels nobody knows. With --foreign, this fraction of them is of another set. Time: for each set and seed twice
--seconds for the generators, then about a minute of one core for each method and training.

How to read it: points on test images, mean over the draws (smallest to largest); gains are paired, over the best method
that uses neither images without a class nor samples. All methods alter images classically. "Pseudo-labels": a
classifier of the labeled images labels the others where it gives a class a probability of at least --threshold, and
another one learns from both. "Samples": 25 % of the draws of each class are samples of a generator, which was fitted to
the labeled images with or without the others. "True labels": what correct labels of the others would give.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.datasets import read_fashion_mnist, read_images
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
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page
from benchmarks.subsets import SetSpec, add_set_options, at_most, draw_subset, parse_set
from ganaug import LabeledImages
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation import CNN, TrainingSet
from ganaug.evaluation.training_set import balance_classes, mix_synthetic
from ganaug.images import concatenate
from ganaug.sampling.pretrained_model import convert_pixels

SHARE = 0.25
SMOKE = {"sets": ["smoke:8:2"], "seeds": [0], "seconds": 0.0, "trainings": 1, "steps": 2, "count": 12}


def draw_unlabeled(
    train: LabeledImages, others: LabeledImages, seed: int, options: argparse.Namespace
) -> tuple[LabeledImages, LabeledImages]:
    """Images whose labels are not used, with foreign ones among them; and those of the set with their true labels."""
    random = np.random.default_rng([seed, 11])
    n_own = round(options.count * (1 - options.foreign))
    per_class = [-(-n_own // len(train.classes))] * len(train.classes)
    own = bare(others.take(at_most(others, per_class, seed)))
    pixels = [own.images]
    if options.foreign:
        is_color = train.shape[0] == 3
        source = read_fashion_mnist(options.data) if is_color else read_images(options.data, "train")
        rows = random.choice(len(source), options.count - n_own, replace=False)
        pixels.append(convert_pixels(source.images[rows], train.shape))
    both = torch.cat(pixels)
    order = torch.from_numpy(random.permutation(len(both)))
    return LabeledImages(both[order], torch.zeros(len(both), dtype=torch.int64), ("without a class",)), own


def with_pseudo_labels(train: LabeledImages, unlabeled: LabeledImages, seed: int, options: Any) -> LabeledImages:
    """The labeled images, and those that a classifier of them is sure about, with its labels."""
    training = replace(balance_classes(train, 1.0), alteration="classical", length=options.length)
    predict = CNN(steps=options.steps)(training, classical_augmentation(train), derive(seed, "teacher"))
    probability, label = torch.from_numpy(predict(unlabeled.images)).exp().max(1)
    is_sure = probability >= options.threshold
    return concatenate(bare(train), LabeledImages(unlabeled.images[is_sure], label[is_sure], train.classes))


def training_sets(
    train: LabeledImages, others: LabeledImages, seed: int, options: argparse.Namespace, folder: Path
) -> dict[str, TrainingSet]:
    """What the classifier of each method is trained on."""
    unlabeled, own = draw_unlabeled(train, others, seed, options)
    only_labeled, _ = stored_generator(train, seed, folder / "labeled", options)
    with_all, _ = stored_generator(train, seed, folder / "with_unlabeled", options, unlabeled=unlabeled)
    drawn = {"labeled images": only_labeled, "all images": with_all}
    samples = {name: samples_of(augmenter, train, seed) for name, augmenter in drawn.items()}
    pseudo = with_pseudo_labels(train, unlabeled, seed, options)
    progress(f"{len(pseudo) - len(train):,} of {len(unlabeled):,} images got a pseudo-label")
    sets = {
        AS_IS: TrainingSet.from_images(train),
        SQUARE_ROOT: balance_classes(train, 0.5),
        EQUAL: balance_classes(train, 1.0),
        "pseudo-labels": balance_classes(pseudo, 1.0),
    }
    for name, synthetic in samples.items():
        sets[f"samples ({name})"] = mix_synthetic(train, synthetic, SHARE, 1.0)
        sets[f"pseudo-labels and samples ({name})"] = mix_synthetic(pseudo, synthetic, SHARE, 1.0)
    sets["true labels"] = balance_classes(concatenate(bare(train), own), 1.0)
    return {name: replace(each, alteration="classical", length=options.length) for name, each in sets.items()}


def run_draw(spec: SetSpec, seed: int, options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Scores of every method and training; methods that are in the file `path` are not repeated."""
    train, others, test = draw_subset(spec, seed, options)
    run = stored_run(spec.stem, seed, path)
    rarest = np.argsort(list(train.counts.values()), kind="stable")[:N_RAREST].tolist()
    augment, classifier = classical_augmentation(train), CNN(steps=options.steps)
    sets = training_sets(train, others, seed, options, path.with_suffix(""))

    def predict(method: str, number: int) -> np.ndarray:
        return classifier(sets[method], augment, derive(seed, "training", number))(test.images)

    score_methods(sets, predict, test, rarest, options.trainings, run, path)
    return run


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("unlabeled", __doc__)
    parser.add_argument("sets", nargs="*", default=["fashion-mnist-lt"], help="NAME or NAME:N_MAX:RATIO")
    parser.add_argument("--seconds", type=float, default=600, help="training of each generator")
    parser.add_argument("--count", type=int, default=5000, help="images without a class")
    parser.add_argument("--foreign", type=float, default=0.0, help="fraction of them that is of another set")
    parser.add_argument("--threshold", type=float, default=0.95, help="least probability of a pseudo-label")
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
            parts = (spec.stem, seed, options.count, options.foreign, options.threshold, f"{options.seconds:g}s")
            name = "_".join(map(str, (*parts, options.length, options.trainings, options.steps or "planned")))
            runs.append(run_draw(spec, seed, options, options.cache / "unlabeled" / f"{name}.json"))
    foreign = f", {options.foreign:.0%} of them of another set" if options.foreign else ""
    about = (
        f"{options.count:,} images without a class{foreign}; {options.seconds:g} s for each generator, "
        f"{options.trainings} trainings of each method. Percent; mean over draws (smallest to largest)."
    )
    return write_page(options, f"Images without a class{foreign}", about, page(runs))


if __name__ == "__main__":
    main()
