"""What does a longer fit of the generator change for a classifier?

    python -m benchmarks.training_time fashion-mnist-lt:500:50 --seconds 150 300 600 1200 --seeds 0 1 2

Time: for each seed the largest of --seconds, and about four minutes on one core for each row.
One generator is trained, and stored after each of --seconds. A quarter of its samples is then mixed with the real
images, for four times the usual training steps (as in uses_of_synthetic.py).

How to read it: gains are points over the same training without samples. If they stop growing with the seconds, the
quality of the samples is not what limits them.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.generators import sample_learned, stored_stages
from benchmarks.runner import parse
from benchmarks.subsets import SetSpec
from benchmarks.uses.schedules import four_times
from benchmarks.uses.scoring import BASE, compare_methods, draw_images, uses_parser
from benchmarks.uses.training import Draw, batches, mixture, predict, predict_trained, train_network
from ganaug import GANAugmenter
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation.training_set import balance_classes

SMOKE = {"set": "smoke:8:2", "seeds": [0], "trainings": 1, "seconds": [0.01, 0.02], "samples_per_class": 12}
SMOKE_TRAINING = {"batch_size": 8, "max_steps": 1}


@dataclass
class StagedDraw(Draw):
    """A draw with the folders of its generator after each number of seconds."""

    models: dict[float, Path] = field(default_factory=dict)


def with_samples(draw: StagedDraw, seconds: float) -> np.ndarray:
    """Log-probabilities of the test images with a quarter of samples of the generator after `seconds`."""
    augmenter = GANAugmenter.load(draw.models[seconds], device="cpu")
    samples = sample_learned(augmenter, draw.train, draw.samples_per_class, 0)
    longer = replace(draw, length=4)
    return predict_trained(longer, mixture(longer, samples))


def make_draw(spec: SetSpec, seed: int, number: int, options: argparse.Namespace) -> StagedDraw:
    """Images and generators of a seed, and the weights of a training."""
    train, validation, test = draw_images(spec, seed, options)
    folder = options.cache / "training_time" / f"{spec.stem}_{seed}"
    models = stored_stages(train, seed, folder, options.seconds, options)
    return StagedDraw(
        train,
        validation,
        test,
        synthetic=train,  # no method here takes samples from it
        augmenter=GANAugmenter.load(models[max(models)], device="cpu"),
        augment=classical_augmentation(train),
        seed=derive(seed, "inner", number),
        samples_per_class=options.samples_per_class,
        **(SMOKE_TRAINING if options.smoke else {}),
        models=models,
    )


def main(argv: Sequence[str] | None = None) -> Path:
    """Score what is missing, and write the page."""
    parser = uses_parser("training_time", __doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[150, 300, 600, 1200, 2400])
    parser.add_argument("--samples-per-class", type=int, default=1000)
    options = parse(parser, argv, SMOKE)
    methods = {
        BASE: four_times(lambda d: predict(d, d.base)),
        **{f"25% after {stage:g} s": partial(with_samples, seconds=stage) for stage in sorted(options.seconds)},
        "25%, held out": four_times(lambda d: predict_trained(d, mixture(d, d.validation))),
        "no classical augmentation": four_times(
            lambda d: predict(d, train_network(d, batches(d, balance_classes(d.train), augment=False)))
        ),
    }
    options.methods = list(methods)
    about = "A draw is one of images, rare classes, generator and weights; four times the usual steps in every row."
    return compare_methods(methods, make_draw, "Time of training the generator", about, options)


if __name__ == "__main__":
    main()
