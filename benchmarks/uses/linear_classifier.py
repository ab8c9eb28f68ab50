"""A balanced logistic regression on standardized features, with samples added to each class."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from benchmarks.uses.feature_samplers import FeatureRows, Sampler

FOLDS = 3  # that choose the penalty
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # C of the logistic regression
MIN_PROBABILITY = 1e-6  # below which a confident classifier is not believed


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
