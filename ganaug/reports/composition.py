"""Rows of a bias report on composition: shares of classes, shares of attributes within classes, bias amplification."""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ganaug.evaluation.predictions import MIN_GROUPS
from ganaug.images import LabeledImages
from ganaug.metrics.attribute_shift import MIN_IMAGES, clustered_share_shift, share_shift
from ganaug.metrics.bias_amplification import amplification, calibrated_amplification
from ganaug.metrics.intervals import wilson_interval
from ganaug.metrics.predicted_attributes import corrected_shares, predicted_share_test
from ganaug.reports.attributes import Attribute
from ganaug.reports.rows import Row

CLASS_SHARES = "Class shares"
ATTRIBUTE_SHARES = "Attributes within each class"
AMPLIFICATION = "Bias amplification"
DIRECTIONS = {"attribute": "attribute given class", "class": "class given attribute"}  # of bias amplification

TOO_FEW = f"fewer than {MIN_IMAGES} images"
GROUPED = "images come in groups, which this test does not take into account if the claim is about the population"
DISJOINT = "no value occurs among both real and synthetic images"
UNPREDICTABLE = "the images do not show the attribute clearly enough to predict it"


@dataclass(frozen=True)
class BiasInputs:
    """What the parts of a bias report compare.

    Parameters
    ----------
    real, synthetic : LabeledImages
        N and M images with the same classes.
    of_population : bool
        Whether the claim is about the population that the real images were drawn from, not about the training set.
    groups : ndarray, shape (N,), optional
        Group (patient, slide) of each real image; only if the claim is about the population.
    n_draws : int
        Permutations and resamples of a test.
    seed : int
        Seed of all random draws.
    features : tuple of Tensor, shapes (N, D) and (M, D), optional
        Features of the real and of the synthetic images.
    """

    real: LabeledImages
    synthetic: LabeledImages
    of_population: bool
    groups: np.ndarray | None
    n_draws: int
    seed: int
    features: tuple[Tensor, Tensor] | None = None

    @property
    def is_grouped(self) -> bool:
        """Whether the real images come in groups that matter for the claim."""
        return self.groups is not None

    def counts(self, attribute: Attribute) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of real and of synthetic images by class and value: (K, A) each."""
        n_classes = len(self.real.classes)
        return (
            attribute.counts("real", self.real.labels.numpy(), n_classes),
            attribute.counts("synthetic", self.synthetic.labels.numpy(), n_classes),
        )


def class_share_rows(real: LabeledImages, synthetic: LabeledImages) -> list[Row]:
    """Report the number and the share of images of each class.

    Parameters
    ----------
    real, synthetic : LabeledImages
        At least one image each, with the same classes.

    Returns
    -------
    list of Row
        Shares have Wilson intervals. Nothing is judged: the user chooses how many images of a class are generated.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.reports.composition import class_share_rows
    >>> images = LabeledImages(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 0, 1]), ("a", "b"))
    >>> [str(row) for row in class_share_rows(images, images) if row.metric == "real share"]
    ['0.750 [0.301, 0.954]', '0.250 [0.046, 0.699]']
    """
    rows = []
    for name in real.classes:
        for origin, images in {"real": real, "synthetic": synthetic}.items():
            count = images.counts[name]
            rows.append(Row(CLASS_SHARES, name, f"{origin} images", count))
            rows.append(
                Row(CLASS_SHARES, name, f"{origin} share", count / len(images), *wilson_interval(count, len(images)))
            )
    return rows


def attribute_share_rows(inputs: BiasInputs, attribute: Attribute) -> list[Row]:
    """Compare the share of each value within each class between real and synthetic images.

    Parameters
    ----------
    inputs : BiasInputs
        The images.
    attribute : Attribute
        With known values.

    Returns
    -------
    list of Row
        The row "change" has a p value: binomial against the training set, Fisher against the population, adjusted for
        clusters if the images come in groups (`metrics.fairness`). It is "insufficient" for fewer than 10 images or 6
        groups.
    """
    rows: list[Row] = []
    real_counts, synthetic_counts = inputs.counts(attribute)
    for label, name in enumerate(inputs.real.classes):
        n_real, n_synthetic = int(real_counts[label].sum()), int(synthetic_counts[label].sum())
        members = (inputs.real.labels.numpy() == label) & (attribute.real >= 0)
        groups = None if inputs.groups is None else inputs.groups[members]
        # the sandwich variance of clusters is too small for few groups
        has_few = min(n_real, n_synthetic) < MIN_IMAGES or (groups is not None and len(np.unique(groups)) < MIN_GROUPS)
        for value in attribute.reported_values():
            subject = _subject(name, attribute, value)
            # the counts are shown even if they are too small for a test
            rows += _count_rows(subject, n_real, n_synthetic)
            if has_few:
                note = TOO_FEW + ("" if groups is None else f" or {MIN_GROUPS} groups")
                rows.append(_insufficient(ATTRIBUTE_SHARES, subject, "change", note))
                continue
            hits = int(synthetic_counts[label, value])
            result = (
                share_shift(
                    int(real_counts[label, value]), n_real, hits, n_synthetic, of_population=inputs.of_population
                )
                if groups is None
                else clustered_share_shift(attribute.real[members] == value, groups, hits, n_synthetic)
            )
            rows += _share_rows(
                subject,
                (result.real, n_real),
                (result.synthetic, result.low, result.high),
                (result.change, result.change_low, result.change_high, result.p),
            )
    return rows


def predicted_share_rows(inputs: BiasInputs, attribute: Attribute) -> list[Row]:
    """Do the same as `attribute_share_rows` for an attribute that a classifier predicts.

    Parameters
    ----------
    inputs : BiasInputs
        The images.
    attribute : Attribute
        With `predicted`.

    Returns
    -------
    list of Row
        The test compares predictions with predictions. The shares that are shown are corrected for wrong predictions
        (`metrics.guessed`).
    """
    assert attribute.predicted is not None
    rows: list[Row] = []
    is_known = attribute.real >= 0
    # cross-fitted: no real image is predicted by a classifier that was fitted on it
    accuracy = float((attribute.predicted == attribute.real)[is_known].mean())
    note = (
        f"predicted by a classifier and corrected for its errors; {100 * accuracy:.0f} % of its predictions for real "
        "images are right"
    )
    for label, name in enumerate(inputs.real.classes):
        members = np.flatnonzero((inputs.real.labels.numpy() == label) & is_known)
        predictions = attribute.synthetic[inputs.synthetic.labels.numpy() == label]
        n_real, n_synthetic = len(members), len(predictions)
        n_values = len(attribute.values)
        # the errors of this class alone, if it has enough images of every value; else those of all classes
        knows_errors = min(np.bincount(attribute.real[members], minlength=n_values)) >= MIN_IMAGES
        judged = members if knows_errors else np.flatnonzero(is_known)
        corrected = None
        if min(n_real, n_synthetic) >= MIN_IMAGES and not inputs.is_grouped:
            true, guesses = attribute.real[judged], attribute.predicted[judged]
            corrected = corrected_shares(true, guesses, predictions, n_values, seed=inputs.seed)
        for value in attribute.reported_values():
            subject = _subject(name, attribute, value)
            rows += _count_rows(subject, n_real, n_synthetic)
            if corrected is None:
                reason = GROUPED if inputs.is_grouped else UNPREDICTABLE
                reason = TOO_FEW if min(n_real, n_synthetic) < MIN_IMAGES else reason
                rows.append(_insufficient(ATTRIBUTE_SHARES, subject, "change", reason))
                continue
            real_share = float((attribute.real[members] == value).mean())
            share, low, high = (float(part[value]) for part in (corrected.shares, corrected.low, corrected.high))
            # shares are corrected for the reader; the test is exact on the predictions as they are
            p = predicted_share_test(attribute.predicted[members], predictions, value)
            change = (share - real_share, low - real_share, high - real_share, p)
            rows += _share_rows(subject, (real_share, n_real), (share, low, high), change, note)
    return rows


def amplification_rows(inputs: BiasInputs, attribute: Attribute) -> list[Row]:
    """Measure whether class and attribute are associated more strongly than among real images, in both directions.

    Parameters
    ----------
    inputs : BiasInputs
        The images.
    attribute : Attribute
        With known values.

    Returns
    -------
    list of Row
        Directional bias amplification (Wang & Russakovsky 2021), less its mean under a faithful generator
        (`metrics.fairness.calibrated_amplification`), with a p value; and the sums of all increases and of all
        decreases, which the mean may cancel.
    """
    real_counts, synthetic_counts = inputs.counts(attribute)
    rows = []
    for direction, metric in DIRECTIONS.items():
        if inputs.is_grouped or min(real_counts.sum(), synthetic_counts.sum()) < MIN_IMAGES:
            reason = GROUPED if inputs.is_grouped else TOO_FEW
            rows.append(_insufficient(AMPLIFICATION, attribute.name, metric, reason))
            continue
        # increases and decreases may cancel in the mean, so their sums are shown too
        plain = amplification(real_counts, synthetic_counts, direction=direction)
        if not math.isfinite(plain.mean):
            rows.append(_insufficient(AMPLIFICATION, attribute.name, metric, DISJOINT))
            continue
        result = calibrated_amplification(
            real_counts,
            synthetic_counts,
            direction=direction,
            of_population=inputs.of_population,
            n=inputs.n_draws,
            seed=inputs.seed,
        )
        low, high = result.null_interval
        note = f"a faithful generator: {low:+.3f} to {high:+.3f}; without calibration: {plain.mean:+.3f}"
        rows.append(
            Row(AMPLIFICATION, attribute.name, metric, result.value, result.low, result.high, result.p, note=note)
        )
        # changes of opposite direction cancel in the mean
        rows.append(Row(AMPLIFICATION, attribute.name, f"{metric}: sum of increases", plain.positive))
        rows.append(Row(AMPLIFICATION, attribute.name, f"{metric}: sum of decreases", plain.negative))
    return rows


def _subject(name: str, attribute: Attribute, value: int) -> str:
    """Subject of the rows on one value of an attribute within a class."""
    return f"{name}: {attribute.name} = {attribute.values[value]}"


def _count_rows(subject: str, n_real: int, n_synthetic: int) -> list[Row]:
    """Numbers of images that a comparison of shares is based on."""
    return [
        Row(ATTRIBUTE_SHARES, subject, "real images", n_real),
        Row(ATTRIBUTE_SHARES, subject, "synthetic images", n_synthetic),
    ]


def _share_rows(
    subject: str,
    real: tuple[float, int],
    synthetic: tuple[float, float, float],
    change: tuple[float, float, float, float],
    note: str = "",
) -> list[Row]:
    """Shares and their change. real: (share, images); synthetic: (share, low, high); change: (value, low, high, p)."""
    share, n = real
    return [
        Row(ATTRIBUTE_SHARES, subject, "real share", share, *wilson_interval(round(share * n), n)),
        Row(ATTRIBUTE_SHARES, subject, "synthetic share", *synthetic, note=note),
        Row(ATTRIBUTE_SHARES, subject, "change", *change),
    ]


def _insufficient(section: str, subject: str, metric: str, reason: str) -> Row:
    """A row without a number, because there are too few images or no valid test."""
    return Row(section, subject, metric, None, state="insufficient", note=reason)
