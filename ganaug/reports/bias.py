"""bias_report: do synthetic images keep the composition of the real ones?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from ganaug.errors import DataError
from ganaug.evaluation.bootstrap import holm
from ganaug.evaluation.classifiers import resolve_classifier
from ganaug.evaluation.groups import resolve_groups
from ganaug.evaluation.matching import match_classes
from ganaug.images import LabeledImages
from ganaug.metrics.bias_amplification import N_RESAMPLES
from ganaug.metrics.features import Extractor, get_extractor
from ganaug.reports.attributes import Attribute, known_attributes, predicted_attributes, resolve_names
from ganaug.reports.bias_summary import summarize_bias
from ganaug.reports.composition import (
    BiasInputs,
    amplification_rows,
    attribute_share_rows,
    class_share_rows,
    predicted_share_rows,
)
from ganaug.reports.downstream import check_test, downstream_rows
from ganaug.reports.group_coverage import GROUP_COVERAGE, group_coverage_rows
from ganaug.reports.report import Report
from ganaug.reports.rows import Row, worst_state

ALARM = 0.02  # probability of any alarm in a report on images that keep the composition
LARGE_CHANGE = 0.1  # significant changes from this size on fail; smaller ones warn
REFERENCES = {
    "training": "the training set as it is",
    "population": "the population that the real images were drawn from",
}


def bias_report(
    real: LabeledImages,
    synthetic: LabeledImages,
    *,
    attributes: Sequence[str] | None = None,
    groups: str | Sequence[Any] | np.ndarray | None = None,
    claim: str = "training",
    predicted: bool = False,
    features: str | Extractor | nn.Module | None = "auto",
    test: LabeledImages | None = None,
    classifier: Any = "features",
    n_seeds: int = 3,
    random_state: int = 0,
) -> Report:
    """Compare the composition of synthetic images with that of real ones, by class and attribute.

    All tests are exact, by permutation, or (for the classifier) by bootstrap. Their p values are adjusted together
    (Holm 1979): at most 2 % of reports on images that keep the composition raise any alarm.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Images with a column of metadata for each attribute.
    attributes : sequence of str, optional
        Columns to compare. None: those that begin with `attr_`.
    groups : str or array of shape (N,), optional
        Group of each real image, or a column of metadata. Images of one group (a patient, a slide) are not independent
        evidence about the population. None: the column `group_id`, if there is one.
    claim : {"training", "population"}
        Whether the report is about the composition of the training set, or about that of the population from which
        it was drawn. A few real images say little about a population.
    predicted : bool
        Whether to predict attributes that the synthetic images lack, by a classifier of the real images. The shares
        are corrected for its errors.
    features : str, callable, Module or None
        Features for coverage by group and for predictions, as in `diversity_report`. None: neither is done.
    test : LabeledImages, optional
        Real images with the attributes that nothing was trained on. If passed, `classifier` is trained on the real
        images and on both sets together, and compared group by group: accuracy, balanced accuracy, recall of each
        class, gaps and ratios between groups.
    classifier : str, estimator or callable
        As in `utility_report`.
    n_seeds : int
        Trainings of the classifier with each set of images.
    random_state : int
        Seed.

    Returns
    -------
    Report
        Verdict "pass", "warn", "fail" or "insufficient". Cells of fewer than 10 images are "insufficient".

    Raises
    ------
    DataError
        If an attribute is not a column of the metadata, or the image sets do not match.
    ValueError
        If a parameter is invalid.

    References
    ----------
    Wang & Russakovsky 2021, "Directional Bias Amplification". Hardt, Price & Srebro 2016, "Equality of Opportunity in
    Supervised Learning".

    Examples
    --------
    A generator that draws half of the images from the north, where a quarter of the training images come from:

    >>> import pandas as pd, torch
    >>> from ganaug import LabeledImages, bias_report
    >>> def images(n_north, n_south):
    ...     sites = pd.DataFrame({"attr_site": ["north"] * n_north + ["south"] * n_south})
    ...     n = n_north + n_south
    ...     pixels = torch.zeros(n, 1, 8, 8, dtype=torch.uint8)
    ...     return LabeledImages(pixels, torch.zeros(n, dtype=torch.int64), ("ill",), sites)
    >>> report = bias_report(images(25, 75), images(100, 100), features=None)
    >>> report.verdict
    'fail'
    >>> print(report.summary[0])
    ill: attr_site = north is 25 percentage points more frequent among synthetic images than among real ones ...
    """
    _check_parameters(claim, predicted, features, n_seeds)
    synthetic = match_classes(synthetic, real, "synthetic")
    if not len(real) or not len(synthetic):
        raise DataError(f"there are no {'real' if not len(real) else 'synthetic'} images to compare.")
    names = resolve_names(real, synthetic, attributes, predicted=predicted)
    group_ids, trainer = resolve_groups(real, groups), resolve_classifier(classifier)
    if test is not None:
        test = match_classes(test, real, "test")
        check_test(test, names)
    known = known_attributes(real, synthetic, names)
    of_population = claim == "population"
    inputs = BiasInputs(
        real,
        synthetic,
        of_population,
        group_ids if of_population else None,
        n_draws=_count_draws(real, known, names),
        seed=random_state,
        features=None if features is None else _extract(real, synthetic, features),
    )
    guesses = _predict(inputs, names) if predicted else []
    rows = _composition_rows(inputs, names, known, guesses)
    if test is not None:
        clusters = resolve_groups(test, groups if isinstance(groups, str) else None)
        rows += downstream_rows(real, synthetic, test, names, trainer, clusters, n_seeds=n_seeds, seed=random_state)
    rows = _judge(rows)
    return Report(
        "bias",
        "Do the synthetic images keep the composition of the real ones?",
        worst_state(rows),
        tuple(summarize_bias(rows, REFERENCES[claim])),
        tuple(rows),
        _facts(claim, names, guesses, group_ids, {"real": real, "synthetic": synthetic, "test": test}),
    )


def _facts(
    claim: str,
    names: list[str],
    guesses: list[Attribute],
    group_ids: np.ndarray | None,
    sets: Mapping[str, LabeledImages | None],
) -> dict[str, Any]:
    """Settings and counts of the report."""
    return {
        "claim": claim,
        "reference": REFERENCES[claim],
        "attributes": names,
        "predicted attributes": [attribute.name for attribute in guesses],
        "groups": None if group_ids is None else len(np.unique(group_ids)),
        **{f"{origin} images": 0 if images is None else len(images) for origin, images in sets.items()},
        "false alarm rate": ALARM,
    }


def _count_draws(real: LabeledImages, attributes: list[Attribute], names: list[str]) -> int:
    """Number of permutations and resamples: the smallest p value must stay below the level when it is adjusted."""
    n_tests = len(real.classes) * sum(2 * len(attribute.values) for attribute in attributes) + 2 * len(names)
    return max(N_RESAMPLES, round(2 * n_tests / ALARM))


def _predict(inputs: BiasInputs, names: list[str]) -> list[Attribute]:
    """The attributes that the synthetic images lack, predicted from features."""
    assert inputs.features is not None
    return predicted_attributes(inputs.real, inputs.synthetic, names, *inputs.features, inputs.seed)


def _composition_rows(
    inputs: BiasInputs, names: list[str], known: list[Attribute], guesses: list[Attribute]
) -> list[Row]:
    """All rows that need no classifier of the classes. known, guesses: attributes with known and predicted values."""
    rows = class_share_rows(inputs.real, inputs.synthetic)
    for attribute in known:
        rows += attribute_share_rows(inputs, attribute)
    for attribute in guesses:
        rows += predicted_share_rows(inputs, attribute)
    for attribute in known:
        if attribute.name in names:  # not for combinations of two
            rows += amplification_rows(inputs, attribute)
    if inputs.features is not None:
        rows += group_coverage_rows(inputs, [*known, *guesses])
    return rows


def _check_parameters(claim: str, predicted: bool, features: object, n_seeds: int) -> None:
    """Raise ValueError for a parameter that cannot be used."""
    if claim not in REFERENCES:
        raise ValueError(f"claim must be one of {', '.join(REFERENCES)}; got {claim!r}.")
    if predicted and features is None:
        raise ValueError("predicted=True predicts attributes from features: pass features='auto', or other features.")
    if n_seeds < 1:
        raise ValueError(f"n_seeds must be at least 1; got {n_seeds}.")


def _extract(
    real: LabeledImages, synthetic: LabeledImages, features: str | Extractor | nn.Module
) -> tuple[Tensor, Tensor]:
    """Features of both image sets."""
    extract = get_extractor(features)[1]
    return extract(real.images), extract(synthetic.images)


def _judge(rows: list[Row]) -> list[Row]:
    """Adjust all p values together, and give each row that has one a state."""
    # all tests of the report together, so that the rate of any false alarm is bounded
    adjusted = iter(holm(np.array([row.p for row in rows if row.p is not None])))
    return [row if row.p is None else _with_state(row, float(next(adjusted))) for row in rows]


def _with_state(row: Row, p: float) -> Row:
    """The row with its adjusted p value and its state."""
    is_large = row.section == GROUP_COVERAGE or abs(row.value or 0.0) >= LARGE_CHANGE
    state = "pass" if p >= ALARM else "fail" if is_large else "warn"
    return replace(row, p=p, state=state)
