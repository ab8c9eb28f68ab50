"""Scores of predictions with paired bootstrap intervals: pure functions of labels and log-probabilities."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm, t

BINS = 15
CHUNK = 128  # resamples whose weights are spread out at once
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval, and the two-sided p value of its being 0."""

    value: float
    low: float
    high: float
    p: float = 1.0

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Resamples:
    """Which images and seeds count how often; row 0 is the sample as it is, so that every score has its point value.

    images: (B + 1, N), counts. seeds: (B + 1, S), weights that sum to 1. Drawing S seeds with replacement would show
    less spread than S trainings have: it is stretched, by the root of S / (S - 1) and from the normal distribution's
    quantile to that of Student's t with S - 1 degrees of freedom. Of one seed nothing can be said.
    Images are drawn within their class, or, where groups are given, whole groups (a patient, a slide) at once, since
    images of one group are no independent evidence.
    """

    images: np.ndarray
    seeds: np.ndarray

    @classmethod
    def draw(
        cls, labels: np.ndarray, n_seeds: int, *, groups: np.ndarray | None = None, n: int = 1000, seed: int = 0
    ) -> "Resamples":
        """`n` resamples of labels (N,) with optional groups (N,)."""
        random = np.random.default_rng(seed)
        images = np.ones((n + 1, len(labels)), np.uint16)
        for rows, many in _parts(labels, groups, random, n):
            images[1:, rows] = many
        seeds = np.full((n + 1, n_seeds), 1 / n_seeds)
        drawn = random.multinomial(n_seeds, seeds[0], size=n) / n_seeds
        seeds[1:] += (drawn - 1 / n_seeds) * _stretch(n_seeds)
        return cls(images, seeds)


def _stretch(n_seeds: int) -> float:
    if n_seeds < 2:
        return 1.0
    upper = (1 + LEVEL) / 2
    return math.sqrt(n_seeds / (n_seeds - 1)) * float(t.ppf(upper, n_seeds - 1) / norm.ppf(upper))


def _parts(
    labels: np.ndarray, groups: np.ndarray | None, random: np.random.Generator, n: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places in the set, and how often each of them is drawn in `n` resamples."""
    if groups is not None:
        names, place = np.unique(groups, return_inverse=True)
        drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
        yield np.arange(len(labels)), drawn[:, place]
        return
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        yield own, random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=n)


@dataclass(frozen=True)
class Scores:
    """Scores of one way of training in every resample, averaged over its seeds.

    recall: (B + 1, K), NaN for a class that a resample lacks. balanced_accuracy, macro_f1, ece: (B + 1,).
    """

    recall: np.ndarray
    balanced_accuracy: np.ndarray
    macro_f1: np.ndarray
    ece: np.ndarray


def scores(labels: np.ndarray, log_probabilities: np.ndarray, resamples: Resamples) -> Scores:
    """labels (N,), log-probabilities (S, N, K) -> Scores.

    The expected calibration error takes 15 bins of equal width (Guo et al. 2017, eq. 3).
    """
    n_classes = log_probabilities.shape[2]
    actual = _summed(resamples.images, [(labels, np.ones(len(labels)), n_classes)])[0]
    found = [_of_one_seed(labels, table, resamples.images, actual) for table in log_probabilities]
    recall, f1, ece = (np.stack(parts) for parts in zip(*found, strict=True))  # (S, B + 1, ...)
    seeds = resamples.seeds.T
    recall = (recall * seeds[:, :, None]).sum(0)
    return Scores(recall, np.nanmean(recall, axis=1), (f1 * seeds).sum(0), (ece * seeds).sum(0))


def recalls(labels: np.ndarray, log_probabilities: np.ndarray, resamples: Resamples) -> np.ndarray:
    """`Scores.recall` alone: (B + 1, K)."""
    n_classes = log_probabilities.shape[2]
    actual = _summed(resamples.images, [(labels, np.ones(len(labels)), n_classes)])[0]
    found = np.zeros_like(actual)
    for table, share in zip(log_probabilities, resamples.seeds.T, strict=True):
        right = (table.argmax(1) == labels).astype(float)
        found += _summed(resamples.images, [(labels, right, n_classes)])[0] * share[:, None]
    with np.errstate(invalid="ignore"):
        recall: np.ndarray = found / actual
    return recall


def _of_one_seed(
    labels: np.ndarray, table: np.ndarray, images: np.ndarray, actual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_classes = actual.shape[1]
    predicted = table.argmax(1)
    right = predicted == labels
    confidence = np.exp(table.max(1).astype(np.float64))
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    true_positive, named, gaps = _summed(
        images,
        [
            (labels, right.astype(float), n_classes),
            (predicted, np.ones(len(labels)), n_classes),
            (bins, confidence - right, BINS),
        ],
    )
    with np.errstate(invalid="ignore"):
        recall = true_positive / actual
        f1 = np.nanmean(np.where(actual > 0, 2 * true_positive / (actual + named), np.nan), axis=1)
    return recall, f1, np.abs(gaps).sum(1) / actual.sum(1)


def _summed(weights: np.ndarray, what: list[tuple[np.ndarray, np.ndarray, int]]) -> list[np.ndarray]:
    """weights (B, N) @ values (N,), apart for each column (N,): (B, n_columns) for each (column, values, n_columns)."""
    ends = np.cumsum([0, *(size for _, _, size in what)])
    rows = np.concatenate([column + start for (column, _, _), start in zip(what, ends, strict=False)])
    places = np.tile(np.arange(weights.shape[1]), len(what))
    values = np.concatenate([values for _, values, _ in what])
    table = csr_array((values, (rows, places)), shape=(ends[-1], weights.shape[1]))
    chunks = (weights[start : start + CHUNK].T for start in range(0, len(weights), CHUNK))
    parts = [table @ np.ascontiguousarray(chunk, dtype=float) for chunk in chunks]
    found = np.concatenate(parts, axis=1).T
    return [found[:, start:end] for start, end in pairwise(ends)]


def interval(values: np.ndarray) -> Interval:
    """(B + 1,) values, the point value first -> Interval. Resamples in which the figure does not exist are left out.

    p is that of the point value over the bootstrap's standard error, normally distributed, so that it can be small
    enough to be adjusted for many classes whatever the number of resamples.
    """
    point, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not len(drawn) or not np.isfinite(point):
        return Interval(point, float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    error = float(drawn.std())
    p = 2 * float(norm.sf(abs(point) / error)) if error > 0 else 1.0 if point == 0 else 2 / (1 + len(drawn))
    return Interval(point, float(low), float(high), p)


def share_interval(values: np.ndarray) -> Interval:
    """`interval` of a figure between 0 and 1: few seeds, spread out for their number, may lead beyond."""
    found = interval(values)
    return replace(found, low=float(np.clip(found.low, 0, 1)), high=float(np.clip(found.high, 0, 1)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """p values adjusted for their number (Holm 1979): same shape; a NaN stays one and does not count."""
    adjusted = np.full(len(p_values), np.nan)
    order = [place for place in np.argsort(p_values) if np.isfinite(p_values[place])]
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def offset(log_probabilities: np.ndarray, log_prior: np.ndarray, tau: float) -> np.ndarray:
    """Log-probabilities (..., K) of a classifier with logits lowered by tau * log prior (Menon et al. 2021, eq. 9).

    tau > 0 favors rare classes. Normalized again, so that calibration can be judged.
    """
    moved = log_probabilities - tau * log_prior
    top = moved.max(-1, keepdims=True)
    normalized: np.ndarray = moved - top - np.log(np.exp(moved - top).sum(-1, keepdims=True))
    return normalized
