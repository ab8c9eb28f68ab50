"""diversity_report: are synthetic images as diverse as real ones, and are they copies? For any generator."""

from collections.abc import Callable, Mapping

from torch import nn

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.progress import StepProgress, progress_of
from ganaug.errors import DataError
from ganaug.evaluation.matching import drop_synthetic, match_classes, match_synthetic
from ganaug.images import LabeledImages
from ganaug.metrics.diversity import DIVERSITY_METRICS, MetricResult
from ganaug.metrics.features import Extractor, get_extractor
from ganaug.metrics.pair import Pair
from ganaug.reports.diversity_figures import draw_figures
from ganaug.reports.diversity_pairs import MIN_IMAGES, PairSource, draw_images
from ganaug.reports.diversity_rows import (
    FALSE_ALARM_RATE,
    absent_class_rows,
    diversity_verdict,
    duplicate_rows,
    frechet_rows,
    measure_rows,
)
from ganaug.reports.diversity_summary import summarize_diversity
from ganaug.reports.report import Report

MAX_IMAGES, MAX_OF_CLASS, MIN_OF_CLASS = 10_000, 1000, 100  # that are compared, in all and of a class


@library_defaults()
def diversity_report(
    real: LabeledImages,
    synthetic: LabeledImages,
    *,
    holdout: LabeledImages | None = None,
    unseen: LabeledImages | None = None,
    features: str | Extractor | nn.Module = "auto",
    max_images_per_class: int | None = None,
    random_state: int = 0,
    progress: StepProgress | None = None,
    verbose: int = 0,
    pictures: bool = True,
) -> Report:
    """Compare synthetic with real images, by class and over all classes.

    The measures are coverage, missing modes, copies, repeats, correct labels and differences in features. All tests
    are exact, by permutation, or of counts, and adjusted together (Holm 1979): a report on images that are as good as
    real ones raises any alarm in about 2 % of cases.

    Parameters
    ----------
    real : LabeledImages
        The training images, which may have been copied.
    synthetic : LabeledImages
        The images to judge; each of their classes must be a class of `real`.
    holdout : LabeledImages, optional
        Real images that the generator was not trained on. If passed, diversity and differences are judged against
        them, and membership inference is measured: whether the synthetic images reveal which images were trained on.
    unseen : LabeledImages, optional
        Real images that the generator was not trained on, for membership inference only. They may lack some classes.
    features : str, callable or Module
        "auto" (EfficientNet-lite0), another name in `metrics.features.FEATURES`, a function that maps uint8
        (N, C, H, W) to (N, D), or a module that takes floats in [0, 1].
    max_images_per_class : int, optional
        Maximum number of images of a class to compare, real and synthetic each; more are sampled. None: 1,000, or with
        more than 10 classes so many that 10,000 are compared in all, but at least 100. A report says what it used.
    random_state : int
        Seed.
    progress : callable, optional
        Called with (current step, steps done, steps in total).
    verbose : int, default=0
        1: show progress on stderr or in the notebook.
    pictures : bool
        Whether to draw figures, which takes some seconds.

    Returns
    -------
    Report
        Verdict "pass", "warn", "fail" or "insufficient". A measure is "insufficient" if there are fewer images than it
        needs to detect gross faults, unless it raises an alarm nevertheless.

    Raises
    ------
    DataError
        If there are no images, or classes or sizes do not match.
    ValueError
        If the name of the features is unknown.

    Examples
    --------
    A generator that returns the same image again and again:

    >>> import torch
    >>> from ganaug import LabeledImages, diversity_report
    >>> generator = torch.Generator().manual_seed(0)
    >>> pixels = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=generator)
    >>> labels = torch.zeros(30, dtype=torch.int64)
    >>> real = LabeledImages(pixels, labels, ("cat",))
    >>> collapsed = LabeledImages(pixels[:1].expand(30, -1, -1, -1), labels, ("cat",))
    >>> report = diversity_report(real, collapsed, features="pixels", pictures=False)
    >>> report.verdict
    'fail'
    >>> sorted(row.metric for row in report.rows if row.state == "fail")
    ['coverage', 'missing modes', 'near-copies', 'repeats']
    """
    real, synthetic, holdout, unseen = _check_sets(real, synthetic, holdout, unseen)
    reference = real if holdout is None else holdout
    max_images_per_class = max_images_per_class or _default_maximum(len(real.classes))
    real_sample = draw_images(reference, max_images_per_class, random_state, "real")
    synthetic_sample = draw_images(synthetic, max_images_per_class, random_state, "synthetic")
    features_name, extract = get_extractor(features)
    with progress_of(progress, verbose, "report") as report_progress:
        n_steps = len(real.classes) + 3
        report_progress("features of the real images", 0, n_steps)
        real_features = extract(real_sample.images)
        report_progress("features of the synthetic images", 1, n_steps)
        both_features = real_features, extract(synthetic_sample.images)
        membership = _draw_membership(real, holdout, real_sample, unseen, max_images_per_class, random_state)
        pairs = PairSource(
            real,
            real_sample,
            synthetic_sample,
            both_features,
            membership,
            max_images_per_class,
            FALSE_ALARM_RATE,
            random_state,
        ).pairs()
        results = _measure(pairs, lambda subject, done: report_progress(subject, 2 + done, n_steps))
    rows = measure_rows(pairs, results) + absent_class_rows(real_sample, synthetic_sample) + duplicate_rows(real)
    rows += frechet_rows(both_features, (real_sample.labels, synthetic_sample.labels), features_name, random_state)
    facts = {
        "features": features_name,
        "real images": len(reference),
        "synthetic images": len(synthetic),
        "reference": "training images" if holdout is None else "held-out images",
        "maximum images per class": max_images_per_class,
        "false alarm rate": FALSE_ALARM_RATE,
    }
    return Report(
        "diversity",
        "Are the synthetic images as diverse as real ones?",
        diversity_verdict(rows),
        tuple(summarize_diversity(rows, results)),
        tuple(rows),
        facts,
        tuple(draw_figures(pairs, results, rows)) if pictures else (),
    )


def _default_maximum(n_classes: int) -> int:
    """How many images of a class are compared, so that a report on many classes does not take hours."""
    return min(MAX_OF_CLASS, max(MIN_OF_CLASS, MAX_IMAGES // n_classes))


def _check_sets(
    real: LabeledImages, synthetic: LabeledImages, holdout: LabeledImages | None, unseen: LabeledImages | None
) -> tuple[LabeledImages, LabeledImages, LabeledImages | None, LabeledImages | None]:
    """The image sets with the same classes. Raises DataError if they do not match, or one is empty."""
    synthetic = match_synthetic(synthetic, real)
    real, _ = drop_synthetic(real, warn=True)
    holdout = None if holdout is None else match_classes(holdout, real, "held-out")
    if holdout is not None and not len(holdout):
        raise DataError("there are no held-out images to compare.")
    return real, synthetic, holdout, None if unseen is None else match_classes(unseen, real, "unseen")


def _draw_membership(
    real: LabeledImages,
    holdout: LabeledImages | None,
    held_out_sample: LabeledImages,
    unseen: LabeledImages | None,
    max_images_per_class: int,
    seed: int,
) -> tuple[LabeledImages, LabeledImages] | None:
    """Images that the generator was trained on, and others: `unseen`, or else held-out ones; None without either."""
    if holdout is None and unseen is None:
        return None
    others = held_out_sample if unseen is None else draw_images(unseen, max_images_per_class, seed, "unseen")
    return draw_images(real, max_images_per_class, seed, "members"), others


def _measure(
    pairs: Mapping[str, Pair], report_progress: Callable[[str, int], None]
) -> dict[tuple[str, str], MetricResult]:
    """Compute every measure of every pair that has enough images: {(class, measure): result}."""
    results = {}
    for number, (subject, pair) in enumerate(pairs.items()):
        report_progress(subject, number)
        if min(len(pair.real), len(pair.synthetic)) < MIN_IMAGES:
            continue
        for name, measure in DIVERSITY_METRICS.items():
            if not measure.required_field or getattr(pair, measure.required_field) is not None:
                results[subject, name] = measure.compute(pair)
        # the cached permutations are by far the largest part of a pair and are not used again
        vars(pair).pop("permutations", None)
    return results
