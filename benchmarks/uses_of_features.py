"""Which samples of feature vectors help a linear classifier on pre-trained features?

    python -m benchmarks.uses_of_features cifar10-lt:500:20

Time: about 20 minutes on one core for each seed.
EfficientNet-lite0 features, standardized, and a balanced logistic regression on them. The penalty is chosen for each
method by the same cross-validation, with samplers fitted inside each fold. A seed draws the images, which classes are
rare, and the samples.

How to read it: gains are points over classical augmentation. "held out" rows have held-out real images for samples.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.judge import smoke_features
from benchmarks.runner import parse
from benchmarks.subsets import SetSpec
from benchmarks.uses.feature_samplers import (
    FeatureRows,
    Sampler,
    sample_gaussians,
    sample_kernel_density,
    sample_smote,
    sample_wgan_gp,
)
from benchmarks.uses.linear_classifier import MIN_PROBABILITY, best_strength, log_probabilities, standardize
from benchmarks.uses.scoring import BASE, Method, compare_methods, draw_images, uses_parser
from ganaug import LabeledImages
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation.scores import adjust_logits
from ganaug.metrics.features import efficientnet_features

VERSIONS = 2  # augmented versions of an image
MAX_HELD_OUT = 200  # images of a class
SMOKE = {
    "set": "smoke:8:2",
    "seeds": [0],
    "trainings": 1,
    "gan_steps": 2,
    "methods": [
        BASE,
        "linear discriminant",
        "25% of features by WGAN-GP",
        "25% of features by Gaussians",
        "50% of features by kernel density",
        "25% of features by SMOTE",
        "25%, held out",
    ],
}


@dataclass(frozen=True)
class Draw:
    """Features of one draw of a set, and the seed of the samplers."""

    train: FeatureRows
    validation: FeatureRows
    test: FeatureRows
    seed: int
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def test_labels(self) -> np.ndarray:
        """(N,)."""
        return self.test.y

    @property
    def counts(self) -> np.ndarray:
        """Training images of each class, (K,)."""
        return np.bincount(self.train.unaugmented.y)


def with_sampler(draw: Draw, sampler: Sampler | None = None, share: float = 0.0, *, augment: bool = True) -> np.ndarray:
    """Log-probabilities of the test images, with `share` of each class by a sampler."""
    rows = draw.train if augment else draw.train.unaugmented
    strength = best_strength(rows, sampler, share, draw.seed)
    return log_probabilities(rows, draw.test.X, sampler, share, draw.seed)[strength]


def with_held_out(draw: Draw, share: float) -> np.ndarray:
    """The same with held-out real images, at the penalty of classical augmentation."""
    more = standardize(draw.validation.X, draw.train), draw.validation.y
    strength = best_strength(draw.train, None, 0.0, draw.seed)
    return log_probabilities(draw.train, draw.test.X, lambda rows, seed: more, share, draw.seed)[strength]  # noqa: ARG005


def with_discriminant(draw: Draw) -> np.ndarray:
    """The limit of ever more Gaussian samples: linear discriminant analysis with balanced classes."""
    n = len(draw.counts)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(n, 1 / n))
    probabilities = model.fit(draw.train.X, draw.train.y).predict_proba(draw.test.X)
    table: np.ndarray = np.log(probabilities.clip(MIN_PROBABILITY))
    return table


def with_adjustment(draw: Draw, tau: float) -> np.ndarray:
    """Classical augmentation under logit adjustment of strength `tau`."""
    return adjust_logits(with_sampler(draw), np.log(draw.counts / draw.counts.sum()), tau)


def make_methods(gan_steps: int = 1000) -> dict[str, Method]:
    """The rows of the table; gan_steps: training steps of the WGAN-GP."""
    wgan_gp = partial(sample_wgan_gp, steps=gan_steps)
    return {
        "oversampling": partial(with_sampler, augment=False),
        BASE: with_sampler,
        "classical, logit adjustment 0.25": partial(with_adjustment, tau=0.25),
        "linear discriminant": with_discriminant,
        "25% of features by WGAN-GP": partial(with_sampler, sampler=wgan_gp, share=0.25),
        "50% of features by WGAN-GP": partial(with_sampler, sampler=wgan_gp, share=0.5),
        "25% of features by Gaussians": partial(with_sampler, sampler=sample_gaussians, share=0.25),
        "50% of features by Gaussians": partial(with_sampler, sampler=sample_gaussians, share=0.5),
        "75% of features by Gaussians": partial(with_sampler, sampler=sample_gaussians, share=0.75),
        "50% of features by kernel density": partial(with_sampler, sampler=sample_kernel_density, share=0.5),
        "25% of features by SMOTE": partial(with_sampler, sampler=sample_smote, share=0.25),
        "50% of features by SMOTE": partial(with_sampler, sampler=sample_smote, share=0.5),
        "25%, held out": partial(with_held_out, share=0.25),
        "50%, held out": partial(with_held_out, share=0.5),
    }


def make_draw(spec: SetSpec, seed: int, number: int, options: argparse.Namespace) -> Draw:  # noqa: ARG001
    """Features of the images of a seed."""
    features = smoke_features if options.smoke else efficientnet_features
    train, validation, test = draw_images(spec, seed, options)
    augment = classical_augmentation(train)
    versions = [train.images, *(augment(train.images, derive(seed, "classical", k)) for k in range(VERSIONS))]
    X = np.concatenate([features(images).numpy() for images in versions])
    rows = FeatureRows(X, np.tile(train.labels.numpy(), len(versions)), np.tile(np.arange(len(train)), len(versions)))

    def rows_of(images: LabeledImages, limit: int) -> FeatureRows:
        labels = images.labels.numpy()
        places = np.concatenate([np.flatnonzero(labels == k)[:limit] for k in range(len(images.classes))])
        part = images.take(places)
        return FeatureRows(features(part.images).numpy(), part.labels.numpy(), np.arange(len(part)))

    return Draw(rows, rows_of(validation, MAX_HELD_OUT), rows_of(test, len(test)), seed)


def main(argv: Sequence[str] | None = None) -> Path:
    """Score what is missing, and write the page."""
    parser = uses_parser("uses_of_features", __doc__)
    names = list(make_methods())
    parser.add_argument("--methods", nargs="+", choices=names, metavar="METHOD", default=names)
    parser.add_argument("--gan-steps", type=int, default=1000, help="of the WGAN-GP")
    options = parse(parser, argv, SMOKE)
    about = (
        "A draw is one of images, rare classes and samples. Logistic regression on EfficientNet-lite0 features, its "
        "penalty chosen for each method."
    )
    return compare_methods(
        make_methods(options.gan_steps), make_draw, "Uses of samples of pre-trained features", about, options
    )


if __name__ == "__main__":
    main()
