"""bias_report: do synthetic images keep the composition of the real ones?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import StepProgress, progress_of
from ganaug.evaluation.bootstrap import holm
from ganaug.evaluation.classifiers import Classifier, resolve_classifier
from ganaug.evaluation.groups import check_groups_apart, resolve_groups
from ganaug.evaluation.matching import check_trainable, drop_synthetic, match_classes, match_synthetic
from ganaug.images import LabeledImages
from ganaug.metrics.bias_amplification import N_RESAMPLES
from ganaug.metrics.features import Extractor, get_extractor
from ganaug.reports.attribute_selection import AttributeSelection, select_attributes
from ganaug.reports.attributes import Attribute, known_attributes, predicted_attributes
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


@library_defaults()
def bias_report(
    real: LabeledImages,
    synthetic: LabeledImages,
    *,
    attributes: str | Sequence[str] | None = None,
    groups: str | Sequence[Any] | np.ndarray | None = None,
    claim: str = "training",
    predicted: bool = False,
    features: str | Extractor | nn.Module | None = "auto",
    test: LabeledImages | None = None,
    classifier: Any = "features",
    n_seeds: int = 3,
    random_state: int = 0,
    progress: StepProgress | None = None,
    verbose: int = 0,
) -> Report:
    """Compare the composition of synthetic images with that of real ones, by class and attribute.

    All tests are exact, by permutation, or (for the classifier) by bootstrap. Their p values are adjusted together
    (Holm 1979): at most 2 % of reports on images that keep the composition raise any alarm.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Images with a column of metadata for each attribute.
    attributes : str or sequence of str, optional
        Columns to compare, or their names separated by commas. None: those that begin with `attr_`. A column without 2
        to 20 values, or without values in one of the sets, is left out with a warning, and the report says so.
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
    progress : callable, optional
        Called with (current step, steps done, steps in total).
    verbose : int, default=0
        1: show progress on stderr or in the notebook.

    Returns
    -------
    Report
        Verdict "pass", "warn", "fail" or "insufficient". Cells of fewer than 10 images are "insufficient", and so is
        the report if no attribute can be compared.

    Warns
    -----
    UserWarning
        If an attribute is left out, with the reason.

    Raises
    ------
    DataError
        If a requested attribute is not a column of the metadata, the image sets do not match, or test images or their
        groups are among the training images.
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
    extract, trainer = None if features is None else get_extractor(features)[1], resolve_classifier(classifier)
    sets = check_bias_inputs(real, synthetic, attributes=attributes, groups=groups, predicted=predicted, test=test)
    for warning in sets.attributes.warnings():
        warn_user(warning)
    names, known = sets.attributes.names, known_attributes(sets.real, sets.synthetic, sets.attributes.names)
    of_population = claim == "population"
    with progress_of(progress, verbose, "report") as show:
        steps = _Steps(show, n=4 + len(known))
        steps.begin("features of the images")
        inputs = BiasInputs(
            sets.real,
            sets.synthetic,
            of_population,
            sets.groups if of_population else None,
            n_draws=_count_draws(sets.real, known, names),
            seed=random_state,
            features=(extract(sets.real.images), extract(sets.synthetic.images)) if extract and names else None,
        )
        steps.begin("composition")
        guesses = _predict(inputs, names) if predicted else []
        rows = _composition_rows(inputs, sets.attributes, known, guesses, steps)
        steps.begin("classifiers on the test images")
        rows += _classifier_rows(sets, trainer, n_seeds, random_state)
    rows = _judge(rows)
    return Report(
        "bias",
        "Do the synthetic images keep the composition of the real ones?",
        worst_state(rows),
        tuple(summarize_bias(rows, REFERENCES[claim], sets.attributes)),
        tuple(rows),
        _facts(claim, sets, guesses),
    )


@dataclass(frozen=True)
class BiasSets:
    """The images of a bias report, after all checks.

    Attributes
    ----------
    real, synthetic : LabeledImages
        N and M images with the same classes.
    test : LabeledImages or None
        Test images with the same classes.
    groups, test_groups : array of str, or None
        Group of each real and of each test image.
    attributes : AttributeSelection
        What is compared.
    """

    real: LabeledImages
    synthetic: LabeledImages
    test: LabeledImages | None
    groups: np.ndarray | None
    test_groups: np.ndarray | None
    attributes: AttributeSelection


def check_bias_inputs(
    real: LabeledImages,
    synthetic: LabeledImages,
    *,
    attributes: str | Sequence[str] | None = None,
    groups: str | Sequence[Any] | np.ndarray | None = None,
    predicted: bool = False,
    test: LabeledImages | None = None,
) -> BiasSets:
    """Check everything that can be wrong with the images of a bias report, before anything is computed.

    Parameters
    ----------
    real, synthetic, attributes, groups, predicted, test
        As in `bias_report`.

    Returns
    -------
    BiasSets

    Raises
    ------
    DataError
        If an attribute or group is not a column of the metadata, the image sets do not match, or test images or their
        groups are among the training images.
    """
    synthetic = match_synthetic(synthetic, real)
    real, group_ids = drop_synthetic(real, resolve_groups(real, groups), warn=True)
    test_groups = None
    if test is not None:
        check_trainable(real)
        test, _ = drop_synthetic(match_classes(test, real, "test"), what="test", warn=True)
        check_test(test, real)
        test_groups = resolve_groups(test, groups if isinstance(groups, str) else None, "test")
        check_groups_apart(group_ids, test_groups)
    selection = select_attributes(real, synthetic, test, attributes, predicted=predicted)
    return BiasSets(real, synthetic, test, group_ids, test_groups, selection)


@dataclass
class _Steps:
    """Counts the steps of a report."""

    show: StepProgress
    n: int
    done: int = 0

    def begin(self, name: str) -> None:
        """Report that a step begins."""
        self.show(name, self.done, self.n)
        self.done += 1


def _facts(claim: str, sets: BiasSets, guesses: list[Attribute]) -> dict[str, Any]:
    """Settings and counts of the report."""
    images = {"real": sets.real, "synthetic": sets.synthetic, "test": sets.test}
    return {
        "claim": claim,
        "reference": REFERENCES[claim],
        "attributes": sets.attributes.names,
        "attributes left out": sets.attributes.left_out,
        "predicted attributes": [attribute.name for attribute in guesses],
        "groups": None if sets.groups is None else len(np.unique(sets.groups)),
        **{f"{origin} images": 0 if part is None else len(part) for origin, part in images.items()},
        "false alarm rate": ALARM,
    }


def _count_draws(real: LabeledImages, attributes: list[Attribute], names: list[str]) -> int:
    """Number of permutations and resamples: the smallest p value must stay below the level when it is adjusted."""
    n_tests = len(real.classes) * sum(2 * len(attribute.values) for attribute in attributes) + 2 * len(names)
    return max(N_RESAMPLES, round(2 * n_tests / ALARM))


def _predict(inputs: BiasInputs, names: list[str]) -> list[Attribute]:
    """The attributes that the synthetic images lack, predicted from features."""
    if inputs.features is None:  # no attribute is left
        return []
    return predicted_attributes(inputs.real, inputs.synthetic, names, *inputs.features, inputs.seed)


def _composition_rows(
    inputs: BiasInputs,
    attributes: AttributeSelection,
    known: list[Attribute],
    guesses: list[Attribute],
    steps: "_Steps",
) -> list[Row]:
    """All rows that need no classifier of the classes. known, guesses: attributes with known and predicted values."""
    rows = class_share_rows(inputs.real, inputs.synthetic) + attributes.rows()
    for attribute in known:
        steps.begin(attribute.name)
        rows += attribute_share_rows(inputs, attribute)
    for attribute in guesses:
        rows += predicted_share_rows(inputs, attribute)
    for attribute in known:
        if attribute.name in attributes.names:  # not for combinations of two
            rows += amplification_rows(inputs, attribute)
    if inputs.features is not None:
        steps.begin("coverage by group")
        rows += group_coverage_rows(inputs, [*known, *guesses])
    return rows


def _classifier_rows(sets: BiasSets, trainer: Classifier, n_seeds: int, seed: int) -> list[Row]:
    """Rows on classifiers of the classes; none without test images."""
    if sets.test is None or not sets.attributes.tested:
        return []
    training, tested, clusters = (sets.real, sets.synthetic), sets.attributes.tested, sets.test_groups
    return downstream_rows(*training, sets.test, tested, trainer, clusters, n_seeds=n_seeds, seed=seed)


def _check_parameters(claim: str, predicted: bool, features: object, n_seeds: int) -> None:
    """Raise ValueError for a parameter that cannot be used."""
    if claim not in REFERENCES:
        raise ValueError(f"claim must be one of {', '.join(REFERENCES)}; got {claim!r}.")
    if predicted and features is None:
        raise ValueError("predicted=True predicts attributes from features: pass features='auto', or other features.")
    if n_seeds < 1:
        raise ValueError(f"n_seeds must be at least 1; got {n_seeds}.")


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
