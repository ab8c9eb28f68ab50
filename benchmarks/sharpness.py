"""Does a classifier see which images are synthetic by their sharpness, and what does that cost?

    python -m benchmarks.sharpness sign-digits:150:10 --generator-size 32 --seconds 240
    python -m benchmarks.sharpness bccd:400:1 --generator-size 32 --seconds 240

Time: for each seed --seconds of training the generator, then about a minute for each of eight trainings on one core.
Real images are larger than those of the generator, as photos are. The classifier gets images of their full size.
"full size": real images are as they are, and synthetic images are enlarged. "one chain": real images are first reduced
to the size of the generator and then enlarged like the synthetic ones, as MixedDataset(resize=...) does, in training
and in testing.

"Held-out images" are real images that are treated as if a perfect generator had drawn them.

How to read it: gains are points over classical augmentation of full-size images, without synthetic ones. "Probe AUC" is
how well a linear probe of the network's features tells synthetic from real images: 0.5 is by chance.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.generators import sample_learned, stored_generator
from benchmarks.runner import parse
from benchmarks.subsets import SetSpec
from benchmarks.uses.scoring import BASE, Method, compare_methods, draw_images, uses_parser
from benchmarks.uses.selection import predict_with_probe
from benchmarks.uses.training import Draw, batches, mixture, predict, train_network
from ganaug import LabeledImages
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation.training_set import TrainingSet, balance_classes, fill_classes
from ganaug.io.decoding import resize_images

SMOKE = {
    "set": "smoke:8:2",
    "seeds": [0],
    "trainings": 1,
    "seconds": 0.0,
    "samples_per_class": 12,
    "generator_size": 16,
}
SMOKE_TRAINING = {"batch_size": 8, "max_steps": 1}
CHAIN = "one chain"
FULL_SIZE = "full size"


@dataclass
class SizedDraw:
    """One draw with real images at full size, and with real images that went through the size of the generator."""

    full_size: Draw
    chain: Draw
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def test_labels(self) -> np.ndarray:
        """(N,)."""
        return self.full_size.test_labels

    @property
    def counts(self) -> np.ndarray:
        """Training images of each class, (K,)."""
        return self.full_size.counts


def train_and_predict(
    draw: SizedDraw, training_set: Callable[[Draw], TrainingSet], train: str, test: str, *, probe: bool = True
) -> np.ndarray:
    """Train on images of one size treatment, and predict test images of one, (N, K)."""
    trained = draw.chain if train == CHAIN else draw.full_size
    tested = draw.chain if test == CHAIN else draw.full_size
    network = train_network(trained, batches(trained, training_set(trained)))
    if not probe:
        return predict(tested, network)
    trained.notes.clear()
    others = trained.validation if training_set is filled_with_held_out else trained.synthetic
    log_probabilities = predict_with_probe(trained, network, others)
    draw.notes.update(trained.notes)
    return log_probabilities if tested is trained else predict(tested, network)


def balanced(draw: Draw) -> TrainingSet:
    """Real images, classes equally often."""
    return balance_classes(draw.train)


def filled(draw: Draw) -> TrainingSet:
    """Real images, and synthetic ones until the classes have the same number of images."""
    return fill_classes(draw.train, draw.synthetic)


def filled_with_held_out(draw: Draw) -> TrainingSet:
    """Real images, and held-out ones of the size of the generator: what a perfect generator would draw."""
    return fill_classes(draw.train, draw.validation)


METHODS: dict[str, Method] = {
    BASE: partial(train_and_predict, training_set=balanced, train=FULL_SIZE, test=FULL_SIZE),
    "real only, one chain": partial(train_and_predict, training_set=balanced, train=CHAIN, test=CHAIN),
    "25%, full size": partial(train_and_predict, training_set=mixture, train=FULL_SIZE, test=FULL_SIZE),
    "25%, one chain": partial(train_and_predict, training_set=mixture, train=CHAIN, test=CHAIN),
    "25%, one chain, tested at full size": partial(
        train_and_predict, training_set=mixture, train=CHAIN, test=FULL_SIZE, probe=False
    ),
    "filled with held-out images, full size": partial(
        train_and_predict, training_set=filled_with_held_out, train=FULL_SIZE, test=FULL_SIZE
    ),
    "filled with held-out images, one chain": partial(
        train_and_predict, training_set=filled_with_held_out, train=CHAIN, test=CHAIN
    ),
    "filled to balance, full size": partial(train_and_predict, training_set=filled, train=FULL_SIZE, test=FULL_SIZE),
    "filled to balance, one chain": partial(train_and_predict, training_set=filled, train=CHAIN, test=CHAIN),
    "filled to balance, one chain, tested at full size": partial(
        train_and_predict, training_set=filled, train=CHAIN, test=FULL_SIZE, probe=False
    ),
}


def resized(images: LabeledImages, *sizes: tuple[int, int]) -> LabeledImages:
    """The images, resized to each size in turn."""
    pixels = images.images
    for size in sizes:
        pixels = resize_images(pixels, size)
    return replace(images, images=pixels)


def make_draw(spec: SetSpec, seed: int, number: int, options: argparse.Namespace) -> SizedDraw:
    """Images, generator and samples of a seed, and the weights of a training."""
    parts = draw_images(spec, seed, options)
    full, small = parts[0].shape[1:], (options.generator_size,) * 2
    train = resized(parts[0], small)
    folder = options.cache / "sharpness" / f"{spec.stem}_{seed}_{options.generator_size}_{options.seconds:g}s"
    augmenter, _ = stored_generator(train, seed, folder, options)
    synthetic = resized(sample_learned(augmenter, train, options.samples_per_class, 0), full)

    validation = resized(parts[1], small, full)

    def draw_of(*sizes: tuple[int, int]) -> Draw:
        images, test = (resized(part, *sizes) for part in (parts[0], parts[2]))
        return Draw(
            images,
            validation,
            test,
            synthetic,
            augmenter,
            classical_augmentation(images),
            derive(seed, "inner", number),
            samples_per_class=options.samples_per_class,
            **(SMOKE_TRAINING if options.smoke else {}),
        )

    return SizedDraw(draw_of(full), draw_of(small, full))


def main(argv: Sequence[str] | None = None) -> Path:
    """Score what is missing, and write the page."""
    parser = uses_parser("sharpness", __doc__)
    parser.add_argument("--seconds", type=float, default=240, help="training of each generator")
    parser.add_argument("--samples-per-class", type=int, default=500)
    parser.add_argument("--generator-size", type=int, default=32, help="height and width of synthetic images")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="METHOD", default=list(METHODS))
    options = parse(parser, argv, SMOKE)
    about = (
        f"Synthetic images of {options.generator_size}x{options.generator_size} pixels beside larger real ones. A draw "
        f"is one of images, rare classes, generator ({options.seconds:g} s) and weights, with {options.trainings} "
        "training of the small CNN. Full size: real images as they are, synthetic ones enlarged. One chain: real "
        "images are first reduced to the size of the generator. Probe: how well a linear classifier of the network's "
        "features tells synthetic from real images."
    )
    return compare_methods(METHODS, make_draw, "Sharpness of real and synthetic images", about, options)


if __name__ == "__main__":
    main()
