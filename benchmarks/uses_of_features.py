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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

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
from benchmarks.uses.scoring import BASE, Method, compare_methods, draw_images, uses_parser
from ganaug import LabeledImages
from ganaug._runtime.randomness import derive
from ganaug.evaluation.classical import classical_augmentation
from ganaug.evaluation.scores import adjust_logits
from ganaug.metrics.features import efficientnet_features

VERSIONS, FOLDS = 2, 3  # augmented versions of an image; folds that choose the penalty
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # C of the logistic regression
MAX_HELD_OUT = 200  # images of a class
MIN_PROBABILITY = 1e-6  # below which a confident classifier is not believed
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


def sample_weights(labels: np.ndarray, is_synthetic: np.ndarray, share: float) -> np.ndarray:
    """Weights (N,) that balance the classes, with `share` of each class's on synthetic rows if it has any.

    Their sum is the number of real rows.
    """
    groups = labels * 2 + is_synthetic
    sizes = np.bincount(groups, minlength=2 * labels.max() + 2)
    has_synthetic = sizes[1::2][labels] > 0
    parts = np.where(is_synthetic, share, np.where(has_synthetic, 1 - share, 1.0))
    weights = parts / sizes[groups]
    scaled: np.ndarray = weights * (~is_synthetic).sum() / weights.sum()
    return scaled


def standardize(X: np.ndarray, rows: FeatureRows) -> np.ndarray:
    """`X` (N, D) by mean and standard deviation of `rows`."""
    return (X - rows.X.mean(0)) / (rows.X.std(0) + 1e-6)


def log_probabilities(
    rows: FeatureRows, test: np.ndarray, sampler: Sampler | None, share: float, seed: int
) -> list[np.ndarray]:
    """Log-probabilities (N, K) of features `test` (N, D), for each of STRENGTHS."""
    test, rows = standardize(test, rows), replace(rows, X=standardize(rows.X, rows))
    X, y, is_synthetic = rows.X, rows.y, np.zeros(len(rows.y), dtype=bool)
    if sampler is not None:
        more, labels = sampler(rows, seed)
        X, y = np.concatenate([X, more]).astype(np.float32), np.concatenate([y, labels])
        is_synthetic = np.arange(len(y)) >= len(rows.y)
    weights = sample_weights(y, is_synthetic, share)
    model, tables = LogisticRegression(max_iter=400, warm_start=True), []
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(X, y, sample_weight=weights)
        tables.append(np.log(model.predict_proba(test).clip(MIN_PROBABILITY)))
    return tables


def best_strength(rows: FeatureRows, sampler: Sampler | None, share: float, seed: int) -> int:
    """Index in STRENGTHS with the smallest balanced log loss over folds of the images."""
    images = rows.unaugmented
    losses = np.zeros(len(STRENGTHS))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    for inside, outside in folds.split(images.X, images.y):
        train = rows.of_images(images.image[inside])
        tables = log_probabilities(train, images.X[outside], sampler, share, seed)
        weights = sample_weights(images.y[outside], np.zeros(len(outside), dtype=bool), 0.0)
        losses += [-(weights * table[np.arange(len(outside)), images.y[outside]]).sum() for table in tables]
    return int(losses.argmin())


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
