"""The metrics of a diversity report. To add one, add an entry to `DIVERSITY_METRICS`: a function of a `Pair`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from scipy.stats import binom, fisher_exact
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.metrics.aligned_copies import FALSE_COPIES, copy_threshold
from ganaug.metrics.alignment import aligned_nearest
from ganaug.metrics.distance import kernel_distance_error
from ganaug.metrics.intervals import (
    NORMAL_QUANTILE,
    auc_interval,
    newcombe_interval,
    share_upper_bound,
    wilson_interval,
)
from ganaug.metrics.membership_inference import membership_advantage
from ganaug.metrics.pair import Pair
from ganaug.metrics.permutation import PermutationTestResult
from ganaug.metrics.precision_recall import count_balls, precision, recall
from ganaug.metrics.two_sample_tests import classifier_test, coverage_test, kernel_test, mean_test
from ganaug.metrics.vendi import vendi_ratio

CERTAIN_COPY = 0.25  # ratio below which an image is a copy without doubt
FALSE_CERTAIN_COPIES = 0.001  # share of images that are no copies, and have a ratio below CERTAIN_COPY
MISSING_MODE_P = 0.01  # adjusted p value below which a mode is missing
REPEAT_QUANTILE = 0.05  # of distances among real images, half of which makes two synthetic images repeats
MAX_REPEAT_DISTANCE = 1.5  # replaces the infinite distance of an image without neighbors
N_HALVES, MAX_VENDI_POINTS = 20, 300  # half-samples for the error of the Vendi ratio, and points of each set


@dataclass(frozen=True)
class MetricResult:
    """The value of a metric.

    Parameters
    ----------
    value : float
        The value.
    low, high : float or None
        Its 95 % interval.
    expected : float or None
        Its value where the synthetic images are as good as real ones, as `DiversityMetric.reference` describes.
    p : float or None
        p value of so bad a value, where the metric is tested.
    note : str
        What a reader of the report should know.
    n : int or None
        Number of images of each set, where the metric does not use all.

    Examples
    --------
    >>> from ganaug.metrics import MetricResult
    >>> MetricResult(0.8, 0.7, 0.9, expected=0.97, p=0.001).p
    0.001
    """

    value: float
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    p: float | None = None
    note: str = ""
    n: int | None = None


@dataclass(frozen=True)
class DiversityMetric:
    """A metric of a diversity report.

    Parameters
    ----------
    compute : callable
        Maps a `Pair` to a `MetricResult`.
    severity : {'', 'warn', 'fail'}
        State that a failed test gives the report; '' for a metric that is shown but not tested.
    meaning, fix : str
        For the reader of the report: what a failure means, and what to do. Parts of sentences.
    min_images : int
        Smallest number of real and of synthetic images at which the metric detects gross faults, so that a pass is
        informative: one mode in five missing, one image in twenty copied, one label in five wrong, half of the images
        darker and half brighter, or ten images repeated over and over (benchmarks/planted_defects.py).
    required_field : str
        Attribute of `Pair` that the metric needs; '' for none.
    missing_note : str
        Note of the report if that attribute is None.
    reference : str
        What `MetricResult.expected` refers to, as shown in the report.

    Examples
    --------
    >>> from ganaug.metrics import DIVERSITY_METRICS
    >>> DIVERSITY_METRICS["coverage"].severity, DIVERSITY_METRICS["coverage"].min_images
    ('fail', 20)
    """

    compute: Callable[[Pair], MetricResult]
    severity: str = ""
    meaning: str = ""
    fix: str = ""
    min_images: int = 20
    required_field: str = ""
    missing_note: str = ""
    reference: str = "real images"


def _share(value: float, n: int, test: PermutationTestResult | None = None) -> MetricResult:
    """A share of `n` with its Wilson interval, and the result of a test."""
    low, high = wilson_interval(round(value * n), n)
    return MetricResult(value, low, high) if test is None else MetricResult(value, low, high, test.expected, test.p)


def _recognized(pair: Pair) -> MetricResult:
    """Share of synthetic images that a classifier recognizes; the test compares log-probabilities with real images."""
    assert pair.recognized is not None
    of_real, of_synthetic = pair.recognized
    hits, n = int((of_synthetic.predicted == pair.claimed[1]).sum()), len(of_synthetic.predicted)
    test = mean_test(of_real.log_probability, of_synthetic.log_probability, pair.permutations)
    real_share = float((of_real.predicted == pair.claimed[0]).double().mean())
    return MetricResult(hits / n, *wilson_interval(hits, n), real_share, test.p)


def _copies(pair: Pair) -> MetricResult:
    """Share of synthetic images that copy a training image; the test also looks at copies without doubt."""
    ratios, _, reference = pair.copies
    n, limit = len(ratios), copy_threshold(reference)
    hits, reference_hits, p = _test_copies(ratios, reference, limit, FALSE_COPIES)
    certain_p = _test_copies(ratios, reference, min(CERTAIN_COPY, limit), FALSE_CERTAIN_COPIES)[2]
    expected = max(FALSE_COPIES, reference_hits / max(1, len(reference)))
    low = wilson_interval(hits, n)[0] if hits else 0.0
    p = min(1.0, 2 * p, 2 * certain_p)  # Bonferroni: two tests
    return MetricResult(hits / n, low, share_upper_bound(hits, n), expected, p, "upper end: one-sided 95 % bound")


def _test_copies(ratios: Tensor, reference: Tensor, limit: float, false_copies: float) -> tuple[int, int, float]:
    """Count synthetic and training images below a ratio, and test whether the former are more than chance explains.

    false_copies: share of images that are no copies and have a ratio below the limit.
    """
    n, hits, reference_hits = len(ratios), int((ratios < limit).sum()), int((reference < limit).sum())
    p = float(binom.sf(hits - 1, n, false_copies))
    if reference_hits:  # training images resemble each other: synthetic images must resemble them more often
        table = [[hits, n - hits], [reference_hits, len(reference) - reference_hits]]
        p = max(p, float(fisher_exact(table, alternative="greater").pvalue))
    return hits, reference_hits, p


def _coverage(pair: Pair) -> MetricResult:
    """Share of real images with a synthetic image like them."""
    test = coverage_test(pair.real, pair.synthetic, pair.permutations, k=pair.k)
    return _share(test.value, len(pair.real), test)


def _missing_modes(pair: Pair) -> MetricResult:
    """Share of real images in modes that lack synthetic images; p is Bonferroni-adjusted."""
    n_modes, n_real = len(pair.modes), len(pair.real)
    missing = [mode for mode in pair.modes if mode.p * n_modes < MISSING_MODE_P]
    share = sum(mode.real for mode in missing) / n_real
    p = min(1.0, pair.modes[0].p * n_modes)
    return MetricResult(share, *wilson_interval(round(share * n_real), n_real), 0.0, p)


def _repeats(pair: Pair) -> MetricResult:
    """Share of synthetic images that repeat another one, among as many as there are real ones."""
    n = min(len(pair.real_images), len(pair.synthetic_images))
    real_distances, synthetic_distances = (
        _nearest_distances(images, n, pair.seed) for images in (pair.real_images, pair.synthetic_images)
    )
    if n < 3 or not len(real_distances):
        return MetricResult(0.0, 0.0, 1.0, 0.0, 1.0)
    limit = float(real_distances.quantile(REPEAT_QUANTILE)) / 2
    real, synthetic = (int((distances <= limit).sum()) for distances in (real_distances, synthetic_distances))
    p = float(fisher_exact([[synthetic, n - synthetic], [real, n - real]], alternative="greater").pvalue)
    return MetricResult(synthetic / n, *wilson_interval(synthetic, n), real / n, p)


def _nearest_distances(images: Tensor, n: int, seed: int) -> Tensor:
    """Distance from each of `n` images, drawn by the seed, to the nearest other one: (n,)."""
    rows = torch.randperm(len(images), generator=generator(seed, "repeats"))[:n]
    sample = images[rows.sort().values]
    distances = aligned_nearest(sample, sample, places=torch.arange(len(sample)))[0][:, 0]
    return distances.clamp_max(MAX_REPEAT_DISTANCE)


def _kernel(pair: Pair) -> MetricResult:
    """Kernel distance of the features (KID)."""
    test = kernel_test(pair.real, pair.synthetic, pair.permutations)
    margin = NORMAL_QUANTILE * kernel_distance_error(pair.real, pair.synthetic)
    note = f"range if both sets have the same distribution: {test.low:.3f} to {test.high:.3f}"
    return MetricResult(test.value, test.value - margin, test.value + margin, 0.0, test.p, note)


def _classifier(pair: Pair) -> MetricResult:
    """AUC of a classifier that separates real from synthetic features (C2ST)."""
    test = classifier_test(pair.real, pair.synthetic, pair.permutations)
    low, high = auc_interval(test.value, len(pair.real), len(pair.synthetic))
    return MetricResult(test.value, low, high, test.expected, test.p)


def _membership(pair: Pair) -> MetricResult:
    """Advantage of a membership inference attack."""
    assert pair.members is not None
    result, n = membership_advantage(*pair.members), len(pair.members[0])
    low, high = newcombe_interval(result.true_positives, n, result.false_positives, n)
    note = (
        f"the attacker takes {result.true_positives:.0%} of the images trained on, and "
        f"{result.false_positives:.0%} of others, for training images"
    )
    return MetricResult(result.advantage, max(0.0, low), high, result.by_chance, result.p, note, n)


def _density(pair: Pair) -> MetricResult:
    """Density, with a normal interval over the synthetic images."""
    counts = count_balls(pair.real, pair.synthetic, k=pair.k).double() / pair.k
    margin = NORMAL_QUANTILE * float(counts.std()) / math.sqrt(len(counts))
    value = float(counts.mean())
    return MetricResult(value, max(0.0, value - margin), value + margin, 1.0)


def _precision(pair: Pair) -> MetricResult:
    """Precision, and its value where both sets are alike."""
    value = _share(precision(pair.real, pair.synthetic, k=pair.k), len(pair.synthetic))
    return replace(value, expected=pair.expected_precision_recall[0])


def _recall(pair: Pair) -> MetricResult:
    """Recall, and its value where both sets are alike."""
    value = _share(recall(pair.real, pair.synthetic, k=pair.k), len(pair.real))
    return replace(value, expected=pair.expected_precision_recall[1])


def _vendi(pair: Pair) -> MetricResult:
    """Vendi score of the synthetic images over that of as many real ones."""
    n = min(len(pair.real), len(pair.synthetic), MAX_VENDI_POINTS)
    draws = generator(pair.seed, "halves")
    halves = torch.stack([torch.randperm(n, generator=draws)[: max(1, n // 2)] for _ in range(N_HALVES)])
    ratio, error = vendi_ratio(pair.real[:n], pair.synthetic[:n], halves)
    margin = NORMAL_QUANTILE * error
    return MetricResult(ratio, max(0.0, ratio - margin), ratio + margin, 1.0)


DIVERSITY_METRICS: dict[str, DiversityMetric] = {
    "recognized": DiversityMetric(
        _recognized,
        "fail",
        "a classifier trained on the real images is less certain of the class of synthetic images than of real ones",
        "train longer, keep the label filter on, or leave the class out",
        min_images=100,
        required_field="recognized",
        missing_note="needs two classes with two real images each",
    ),
    "near-copies": DiversityMetric(
        _copies,
        "fail",
        "synthetic images repeat training images",
        "keep the copy filter on, augment more, stop earlier; do not publish these images as synthetic",
        min_images=50,
    ),
    "coverage": DiversityMetric(
        _coverage,
        "fail",
        "many real images have no synthetic image like them",
        "train longer or with augmentation, sample with a larger latent spread, do not truncate",
    ),
    "missing modes": DiversityMetric(
        _missing_modes,
        "fail",
        "whole modes of the real images have no synthetic images",
        "look at these modes below; train longer, or collect more images of them",
        min_images=200,
    ),
    "repeats": DiversityMetric(
        _repeats,
        "fail",
        "synthetic images repeat each other more than real ones do",
        "this is mode collapse: try another loss, more augmentation or fewer steps",
    ),
    "KID": DiversityMetric(
        _kernel,
        "warn",
        "features differ from those of real images",
        "train longer; the table shows which classes differ most",
        min_images=200,
    ),
    "C2ST AUC": DiversityMetric(
        _classifier,
        "warn",
        "a classifier separates synthetic from real images",
        "compare both in the pictures below",
        min_images=200,
    ),
    "membership": DiversityMetric(
        _membership,
        "warn",
        "the synthetic images reveal which real images were trained on",
        "train for a shorter time or publish fewer images: both lowered the advantage in our measurements, filters did "
        "not",
        min_images=50,
        required_field="members",
        missing_note="needs real images that were not trained on (holdout)",
        reference="by chance",
    ),
    "density": DiversityMetric(_density),
    "precision": DiversityMetric(_precision),
    "recall": DiversityMetric(_recall),
    "Vendi ratio": DiversityMetric(_vendi),
}
