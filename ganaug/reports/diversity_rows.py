"""The rows of a diversity report: measures with adjusted p values and states, duplicates, the Frechet distance."""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.evaluation.bootstrap import holm
from ganaug.images import LabeledImages, image_hashes
from ganaug.metrics.distance import frechet_distance
from ganaug.metrics.diversity import DIVERSITY_METRICS, DiversityMetric, MetricResult
from ganaug.metrics.features import FRECHET_NAMES
from ganaug.metrics.pair import Pair
from ganaug.reports.diversity_pairs import ALL
from ganaug.reports.rows import Row, worst_state

CLASSES, ALL_CLASSES, REAL_IMAGES = "Classes", "All classes, weighted equally", "Real images"
FALSE_ALARM_RATE = 0.02  # probability of any alarm in a report on synthetic images that are as good as real ones
ENOUGH_IMAGES = 50  # of a class, to pass without a remark
JACKKNIFE_BLOCKS = 5  # of images, left out in turn for the interval of a Frechet distance
MIN_FRECHET = 2048  # images below which a Frechet distance depends more on their number than on the images


def measure_rows(pairs: Mapping[str, Pair], results: Mapping[tuple[str, str], MetricResult]) -> list[Row]:
    """Report all measures of all pairs, with p values adjusted together.

    Parameters
    ----------
    pairs : mapping of str to Pair
        {class or "all classes": pair}.
    results : mapping of (str, str) to MetricResult
        {(class, measure): result}; a measure that could not be computed is absent.

    Returns
    -------
    list of Row
    """
    # all measures and classes together, so that the false alarm rate is that of the whole report
    tested = [key for key, result in results.items() if result.p is not None]
    adjusted = dict(zip(tested, holm(np.array([results[key].p for key in tested])), strict=True))
    rows: list[Row] = []
    for subject, pair in pairs.items():
        section = ALL_CLASSES if subject == ALL else CLASSES
        rows.append(Row(section, subject, "real", len(pair.real)))
        rows.append(Row(section, subject, "synthetic", len(pair.synthetic)))
        for name, measure in DIVERSITY_METRICS.items():
            result, p = results.get((subject, name)), adjusted.get((subject, name))
            if result is not None:
                n = result.n or min(len(pair.real), len(pair.synthetic))
                state = _state(measure, p, n) if measure.severity else ""
                note = _note(result, measure, state, n)
                rows.append(Row(section, subject, name, result.value, result.low, result.high, p, state, note))
            elif measure.required_field and getattr(pair, measure.required_field) is None:
                rows.append(Row(section, subject, name, None, note=measure.missing_note))
            elif measure.severity:
                rows.append(Row(section, subject, name, None, state="insufficient", note="too few images"))
    return rows


def _state(measure: DiversityMetric, p: float | None, n: int) -> str:
    """State of a measure of n images: a pass needs as many images as it takes to detect gross faults."""
    # a significant deviation counts however few images there are
    if p is not None and p < FALSE_ALARM_RATE:
        return measure.severity
    return "insufficient" if n < measure.min_images else "pass"


def _note(result: MetricResult, measure: DiversityMetric, state: str, n: int) -> str:
    """Remark on a measure: the expected value, and what too few images mean."""
    parts = [f"{measure.reference}: {result.expected:.3f}"] if result.expected is not None else []
    parts += [result.note] if result.note else []
    if state == "pass" and n < ENOUGH_IMAGES:
        parts.append("few images: only gross faults would be detected")
    if state == "insufficient":
        parts.append(f"a pass needs at least {measure.min_images} images in each of the two sets")
    return "; ".join(parts)


def diversity_verdict(rows: list[Row]) -> str:
    """Return the verdict on a diversity report.

    Parameters
    ----------
    rows : list of Row
        All rows.

    Returns
    -------
    str
        "pass" only if every measure over all classes passes; single classes may have too few images for some.

    Examples
    --------
    >>> from ganaug.reports.diversity_rows import diversity_verdict
    >>> from ganaug.reports.rows import Row
    >>> passing = Row("Classes", "cat", "coverage", 1.0, state="pass")
    >>> diversity_verdict([passing, Row("All classes", "all classes", "KID", None, state="insufficient")])
    'insufficient'
    """
    verdict = worst_state(rows)
    # a report on one class has no rows over all classes
    decisive = [row for row in rows if row.subject == ALL] or rows
    is_incomplete = any(row.state == "insufficient" for row in decisive)
    return "insufficient" if verdict == "pass" and is_incomplete else verdict


def absent_class_rows(real: LabeledImages, synthetic: LabeledImages) -> list[Row]:
    """Report the classes that have real images but no synthetic ones; they are not judged.

    Parameters
    ----------
    real, synthetic : LabeledImages
        With the same classes.

    Returns
    -------
    list of Row
        The numbers of images of these classes.
    """
    note = "no synthetic images of this class"
    return [
        Row(CLASSES, name, origin, count, note=note)
        for name in real.classes
        if real.counts[name] and not synthetic.counts[name]
        for origin, count in (("real", real.counts[name]), ("synthetic", 0))
    ]


def duplicate_rows(real: LabeledImages) -> list[Row]:
    """Warn if the training set contains an image more than once.

    Such images have more weight in training and are memorized sooner.

    Parameters
    ----------
    real : LabeledImages
        Training images.

    Returns
    -------
    list of Row
        One row with the number of surplus images, or none.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.reports.diversity_rows import duplicate_rows
    >>> black = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    >>> [(row.value, row.state) for row in duplicate_rows(LabeledImages(black, torch.tensor([0, 0, 0]), ("a",)))]
    [(2.0, 'warn')]
    """
    # duplicates distort distances among training images, which define copies
    n_surplus = len(real) - len(torch.unique(image_hashes(real.images)))
    if not n_surplus:
        return []
    note = "remove them: `ganaug check` lists them"
    return [Row(REAL_IMAGES, "duplicates", "images", n_surplus, state="warn", note=note)]


def frechet_rows(features: tuple[Tensor, Tensor], labels: tuple[Tensor, Tensor], name: str, seed: int) -> list[Row]:
    """Report the Frechet distance between as many real and synthetic images of each class.

    Parameters
    ----------
    features : tuple of Tensor, shapes (N, D) and (M, D)
        Features of the real and the synthetic images.
    labels : tuple of Tensor, shapes (N,) and (M,)
        Their classes.
    name : str
        Name of the features; the distance is called FID only for Inception's.
    seed : int
        Seed of the random split that shows the distance by chance.

    Returns
    -------
    list of Row
        One row, with a jackknife interval. Below 2,048 images it has no value.
    """
    title = FRECHET_NAMES.get(name, f"Frechet distance ({name})")
    real, synthetic = _balanced_features(features, labels)
    n = len(real)
    if n < MIN_FRECHET:
        note = (
            f"not computed: {n:,} real and {n:,} synthetic images; below {MIN_FRECHET:,} it depends mostly on their "
            "number"
        )
        return [Row(ALL_CLASSES, ALL, title, None, note=note)]
    pooled = torch.cat([real, synthetic])
    order = torch.randperm(len(pooled), generator=generator(seed, "frechet"))
    # the distance is above 0 by chance too, and the reader needs to know how far
    by_chance = frechet_distance(pooled[order[:n]], pooled[order[n:]])
    value = frechet_distance(real, synthetic)
    blocks = torch.arange(n) % JACKKNIFE_BLOCKS
    left_out = np.array(
        [frechet_distance(real[blocks != block], synthetic[blocks != block]) for block in range(JACKKNIFE_BLOCKS)]
    )
    # jackknife variance: left-out values vary less than estimates from new samples
    error = float(np.sqrt((JACKKNIFE_BLOCKS - 1) * left_out.var()))
    margin = float(norm.ppf(0.975)) * error
    note = f"both sets split at random: {by_chance:.3f}"
    return [Row(ALL_CLASSES, ALL, title, value, value - margin, value + margin, note=note)]


def _balanced_features(features: tuple[Tensor, Tensor], labels: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Features of equally many real and synthetic images of each class."""
    rows: tuple[list[Tensor], list[Tensor]] = [], []
    for label in torch.unique(labels[1]):
        members = [torch.nonzero(part == label).flatten() for part in labels]
        n = min(map(len, members))
        for chosen, part in zip(rows, members, strict=True):
            chosen.append(part[:n])
    return features[0][torch.cat(rows[0])], features[1][torch.cat(rows[1])]
