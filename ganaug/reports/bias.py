"""bias_report: do synthetic images keep the composition of the real ones: classes, attributes, and both together?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ganaug._runtime.randomness import derive
from ganaug.errors import DataError
from ganaug.evaluation.classifiers import classifier_for
from ganaug.evaluation.comparison import MIN_GROUPS
from ganaug.evaluation.scores import holm
from ganaug.evaluation.splits import groups_of
from ganaug.images import LabeledImages, matched
from ganaug.metrics.attribute_shift import FEWEST, Shift, clustered_shift, shift
from ganaug.metrics.bias_amplification import RESAMPLES, amplification, calibrated_amplification
from ganaug.metrics.features import Extractor, extractor
from ganaug.metrics.intervals import wilson
from ganaug.metrics.permutation import Permutations
from ganaug.metrics.precision_recall import covered
from ganaug.metrics.predicted_attributes import corrected_shares, guess_test
from ganaug.metrics.two_sample_tests import group_coverage_test, neighbors
from ganaug.reports.attributes import Attribute, attributes_of, guessed_attributes, names_of
from ganaug.reports.downstream import DOWNSTREAM, GAP, checked_test, downstream_rows
from ganaug.reports.report import Report, Row, p_value, worst

ALARM = 0.02  # chance of an alarm in a whole report on images that keep the composition
LARGE = 0.1  # change of a share from which on it fails, and does not only warn
CLAIMS = {"training": "the training set, as it is", "population": "the population that the real images were drawn from"}
GROUPED = "images come in groups, of which this test knows nothing where the claim is about the population"
NEIGHBORS, MOST = 5, 1000  # of a point; images of a class and side whose coverage is looked at
MAX_TOLD = 5  # alarms that are told in words
SHIFTS, AMPLIFIED, COVERED = "Attributes within each class", "Bias amplification", "How well each group is covered"


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
    """Compare the composition of synthetic images with that of real ones, class by class and attribute by attribute.

    real, synthetic: with a column of metadata for each attribute. attributes: these columns; None: those that begin
        with `attr_`.
    claim: 'training', whether the training set's composition is kept, or 'population', whether that of the population
        is from which it was drawn, which few real images say little about.
    groups: for `real`, (N,) or a column of metadata: images of one group (a patient, a slide) are no independent
        witnesses of the population. None: the column group_id where there is one.
    predicted: attributes that the synthetic images lack are guessed by a classifier of the real images, and the shares
        corrected for its errors.
    features: as `diversity_report` has it, for how well each group is covered, and for guesses; None leaves both out.
    test: real images with the attributes that nothing was trained on. If given, `classifier` (as `utility_report` has
        it) is trained on the real images and on both, `n_seeds` times each, and its accuracy compared group by group.

    Tests are exact or by permutation, of a bootstrap for the classifier, and adjusted together (Holm 1979): an alarm
    comes in at most 2 % of reports on images that keep the composition. Cells of fewer than 10 images are `insufficient`.
    Raises DataError where an attribute is not among the metadata.
    """
    if claim not in CLAIMS:
        raise ValueError(f"claim must be one of {', '.join(CLAIMS)}; got {claim!r}.")
    if predicted and features is None:
        raise ValueError("predicted=True guesses attributes from features: give features='auto', or another.")
    if n_seeds < 1:
        raise ValueError(f"n_seeds must be at least 1; got {n_seeds}.")
    synthetic = matched(synthetic, real, "synthetic")
    if not len(real) or not len(synthetic):
        raise DataError(f"there are no {'real' if not len(real) else 'synthetic'} images to judge.")
    names = names_of(real, synthetic, attributes, guessing=predicted)
    own_groups, chosen = groups_of(real, groups), classifier_for(classifier)
    if test is not None:
        test = matched(test, real, "test")
        checked_test(test, names)
    of_population = claim == "population"
    known = attributes_of(real, synthetic, names)
    every, grouped = list(known), of_population and own_groups is not None
    n_tests = len(real.classes) * sum(2 * len(one.values) for one in known) + 2 * len(names)
    n_draws = max(RESAMPLES, round(2 * n_tests / ALARM))  # so that the smallest p outlives its adjustment
    rows = _class_rows(real, synthetic)
    points = None if features is None else _points(real, synthetic, features)
    if predicted and points is not None:
        every += guessed_attributes(real, synthetic, names, *points, random_state)
    for one in every:
        if one.guessed is not None:
            rows += _guessed_rows(real, synthetic, one, random_state, grouped=grouped)
        else:
            rows += _shift_rows(real, synthetic, one, own_groups if of_population else None, of_population)
    for one in known:
        if one.name in names:
            rows += _amplification_rows(
                real, synthetic, one, n_draws, of_population=of_population, grouped=grouped, seed=random_state
            )
    if points is not None:
        rows += _coverage_rows(real, synthetic, every, *points, n_draws, grouped=grouped, seed=random_state)
    if test is not None:
        bundles = groups_of(test, groups if isinstance(groups, str) else None)
        rows += downstream_rows(real, synthetic, test, names, chosen, bundles, n_seeds=n_seeds, seed=random_state)
    rows = _judged(rows)
    return Report(
        "bias",
        "Do the synthetic images keep the composition of the real ones?",
        worst(rows),
        tuple(_findings(rows, claim)),
        tuple(rows),
        {
            "claim": f"against {CLAIMS[claim]}",
            "attributes": names,
            "guessed attributes": [one.name for one in every if one.guessed is not None],
            "groups": None if own_groups is None else len(np.unique(own_groups)),
            "real images": len(real),
            "synthetic images": len(synthetic),
            "test images": 0 if test is None else len(test),
            "chance of a false alarm": ALARM,
        },
    )


def _points(
    real: LabeledImages, synthetic: LabeledImages, features: str | Extractor | nn.Module
) -> tuple[torch.Tensor, torch.Tensor]:
    embed = extractor(features)[1]
    return embed(real.images), embed(synthetic.images)


def _class_rows(real: LabeledImages, synthetic: LabeledImages) -> list[Row]:
    rows, section = [], "Shares of the classes"
    for name in real.classes:
        for side, images in {"real": real, "synthetic": synthetic}.items():
            count = images.counts[name]
            rows.append(Row(section, name, f"{side} images", count))
            low, high = wilson(count, len(images))
            rows.append(Row(section, name, f"share of the {side}", count / len(images), low, high))
    return rows


def _shift_rows(
    real: LabeledImages, synthetic: LabeledImages, column: Attribute, groups: np.ndarray | None, of_population: bool
) -> list[Row]:
    mine = column.counts("real", real.labels.numpy(), len(real.classes))
    theirs = column.counts("synthetic", synthetic.labels.numpy(), len(real.classes))
    rows = []
    for label, name in enumerate(real.classes):
        n_real, n = int(mine[label].sum()), int(theirs[label].sum())
        for value in column.told():
            subject = f"{name}: {column.name} = {column.values[value]}"
            rows += [Row(SHIFTS, subject, "real images", n_real), Row(SHIFTS, subject, "synthetic images", n)]
            own = (real.labels.numpy() == label) & (column.real >= 0)
            if min(n_real, n) < FEWEST or (groups is not None and len(np.unique(groups[own])) < MIN_GROUPS):
                note = f"fewer than {FEWEST} images" + ("" if groups is None else f" or {MIN_GROUPS} groups")
                rows.append(Row(SHIFTS, subject, "change", None, state="insufficient", note=note))
                continue
            hits = int(theirs[label, value])
            one: Shift = (
                shift(int(mine[label, value]), n_real, hits, n, of_population=of_population)
                if groups is None
                else clustered_shift(column.real[own] == value, groups[own], hits, n)
            )
            rows.append(Row(SHIFTS, subject, "real share", one.real, *wilson(round(one.real * n_real), n_real)))
            rows.append(Row(SHIFTS, subject, "synthetic share", one.synthetic, one.low, one.high))
            rows.append(Row(SHIFTS, subject, "change", one.change, one.change_low, one.change_high, one.p))
    return rows


def _guessed_rows(
    real: LabeledImages, synthetic: LabeledImages, column: Attribute, seed: int, *, grouped: bool
) -> list[Row]:
    """As `_shift_rows`, of guesses: the test compares guesses with guesses, the shares are corrected."""
    assert column.guessed is not None
    is_known, right = column.real >= 0, float((column.guessed == column.real)[column.real >= 0].mean())
    rows = []
    for label, name in enumerate(real.classes):
        mine = np.flatnonzero((real.labels.numpy() == label) & is_known)
        theirs = column.synthetic[synthetic.labels.numpy() == label]
        n_values = len(column.values)
        many = min(np.bincount(column.real[mine], minlength=n_values)) >= FEWEST  # enough to know this class's errors
        errors = mine if many else np.flatnonzero(is_known)
        corrected = (
            corrected_shares(column.real[errors], column.guessed[errors], theirs, n_values, seed=seed)
            if min(len(mine), len(theirs)) >= FEWEST and not grouped
            else None
        )
        for value in column.told():
            subject = f"{name}: {column.name} = {column.values[value]}"
            rows.append(Row(SHIFTS, subject, "real images", len(mine)))
            rows.append(Row(SHIFTS, subject, "synthetic images", len(theirs)))
            if corrected is None:
                few = f"fewer than {FEWEST} images" if min(len(mine), len(theirs)) < FEWEST else ""
                note = few or (GROUPED if grouped else "the images hardly tell the attribute")
                rows.append(Row(SHIFTS, subject, "change", None, state="insufficient", note=note))
                continue
            usual = float((column.real[mine] == value).mean())
            share, low, high = (float(part[value]) for part in (corrected.shares, corrected.low, corrected.high))
            note = f"guessed, and corrected for errors: {100 * right:.0f} % of guesses are right for real images"
            p = guess_test(column.guessed[mine], theirs, value)
            rows.append(Row(SHIFTS, subject, "real share", usual, *wilson(round(usual * len(mine)), len(mine))))
            rows.append(Row(SHIFTS, subject, "synthetic share", share, low, high, note=note))
            rows.append(Row(SHIFTS, subject, "change", share - usual, low - usual, high - usual, p))
    return rows


def _amplification_rows(
    real: LabeledImages,
    synthetic: LabeledImages,
    column: Attribute,
    n_draws: int,
    *,
    of_population: bool,
    grouped: bool,
    seed: int,
) -> list[Row]:
    mine = column.counts("real", real.labels.numpy(), len(real.classes))
    theirs = column.counts("synthetic", synthetic.labels.numpy(), len(real.classes))
    rows = []
    for direction, metric in {"attribute": "values given the class", "class": "classes given the value"}.items():
        if grouped or min(mine.sum(), theirs.sum()) < FEWEST:
            note = GROUPED if grouped else f"fewer than {FEWEST} images"
            rows.append(Row(AMPLIFIED, column.name, metric, None, state="insufficient", note=note))
            continue
        one = calibrated_amplification(
            mine, theirs, direction=direction, of_population=of_population, n=n_draws, seed=seed
        )
        plain = amplification(mine, theirs, direction=direction)
        note = f"faithful: {one.faithful[0]:+.3f} to {one.faithful[1]:+.3f}; not calibrated {plain.mean:+.3f}"
        rows.append(Row(AMPLIFIED, column.name, metric, one.value, one.low, one.high, one.p, note=note))
        rows.append(Row(AMPLIFIED, column.name, f"{metric}: what grows", plain.positive))
        rows.append(Row(AMPLIFIED, column.name, f"{metric}: what shrinks", plain.negative))
    return rows


def _coverage_rows(
    real: LabeledImages,
    synthetic: LabeledImages,
    columns: list[Attribute],
    points: torch.Tensor,
    others: torch.Tensor,
    n_draws: int,
    *,
    grouped: bool,
    seed: int,
) -> list[Row]:
    """Of the real images of each group, how many have a synthetic one like them, against the others of the class."""
    rows = []
    if grouped:
        return [Row(COVERED, column.name, "covered", None, state="insufficient", note=GROUPED) for column in columns]
    for column in columns:
        for label in range(len(real.classes)):
            rows += _class_coverage_rows(real, synthetic, column, label, points, others, n_draws, seed)
    return rows


def _class_coverage_rows(
    real: LabeledImages,
    synthetic: LabeledImages,
    column: Attribute,
    label: int,
    points: torch.Tensor,
    others: torch.Tensor,
    n_draws: int,
    seed: int,
) -> list[Row]:
    name, rows = real.classes[label], []
    groups = column.real if column.guessed is None else column.guessed, column.synthetic
    random = np.random.default_rng(derive(seed, "covered", name))
    known = [
        np.flatnonzero((side.labels.numpy() == label) & (own >= 0))
        for side, own in zip((real, synthetic), groups, strict=True)
    ]
    mine, made = (np.sort(random.permutation(places)[:MOST]) for places in known)
    if len(mine) <= NEIGHBORS or not len(made):
        return []
    pair = points[torch.from_numpy(mine)], others[torch.from_numpy(made)]
    reached, near = covered(*pair, k=NEIGHBORS).numpy(), neighbors(torch.cat(pair), NEIGHBORS)
    who = Permutations(len(mine), len(made), n_draws, derive(seed, "permutations", name))
    for value, text in enumerate(column.values):
        group, subject = column.real[mine] == value, f"{name}: {column.name} = {text}"
        if min(group.sum(), (~group).sum()) < FEWEST:
            note = f"fewer than {FEWEST} images"
            rows.append(Row(COVERED, subject, "covered", None, state="insufficient", note=note))
            continue
        in_group = torch.from_numpy(np.concatenate([groups[0][mine], groups[1][made]]) == value)
        p = group_coverage_test(near, in_group, who).p
        for metric, own, p_own in (("covered", group, p), ("others of the class", ~group, None)):
            hits, n = int(reached[own].sum()), int(own.sum())
            rows.append(Row(COVERED, subject, metric, hits / n, *wilson(hits, n), p_own))
    return rows


def _judged(rows: list[Row]) -> list[Row]:
    """The rows with p values adjusted together, and a state for each that has one."""
    adjusted = iter(holm(np.array([row.p for row in rows if row.p is not None])))
    return [row if row.p is None else _with_state(row, float(next(adjusted))) for row in rows]


def _with_state(row: Row, p: float) -> Row:
    large = row.section == COVERED or abs(row.value or 0.0) >= LARGE
    state = "pass" if p >= ALARM else "fail" if large else "warn"
    return replace(row, p=p, state=state)


def _findings(rows: list[Row], claim: str) -> list[str]:
    alarms = sorted(
        (row for row in rows if row.state in ("warn", "fail")), key=lambda row: (row.p, -abs(row.value or 0))
    )
    told = [_sentence(row) for row in alarms[:MAX_TOLD]]
    if len(alarms) > MAX_TOLD:
        told.append(f"{len(alarms) - MAX_TOLD} more are in the tables.")
    if not alarms:
        told.append("No change of composition was found that chance would not explain.")
    unsure = sum(row.state == "insufficient" for row in rows)
    if unsure:
        told.append(f"{unsure} cells tell too little, as their notes say: nothing is said about them.")
    return [*told, f"What is claimed is about {CLAIMS[claim]}."]


def _sentence(row: Row) -> str:
    value, sure = row.value or 0.0, f"{p_value(row.p or 0.0)}, adjusted"
    if row.section == SHIFTS:
        told = f"is {100 * abs(value):.0f} points {'more' if value > 0 else 'less'} frequent among synthetic images"
        return f"{row.subject} {told} ({sure}). Drop some, or fit with more images of the group that is lacking."
    if row.section == AMPLIFIED:
        told = f"{row.metric} go together {'more' if value > 0 else 'less'} than among real images, by {value:+.3f}"
        fix = "A classifier may come to rely on the attribute in place of the class."
        if value < 0:
            fix = "What a classifier learns of the two together will not hold among real images."
        return f"{row.subject}: {told} ({sure}). {fix}"
    if row.section == DOWNSTREAM:
        if row.subject.endswith(GAP):
            told = f"grows by {100 * value:.1f} points of accuracy when synthetic images are added"
        else:
            told = f"a classifier loses {-100 * value:.1f} points of accuracy when synthetic images are added"
        return f"{row.subject}: {told} ({sure}). Leave them out, use fewer, or add images of the group that loses."
    told = f"{100 * value:.0f} % of its real images have a synthetic one like them, fewer than of the class's others"
    return f"{row.subject}: {told} ({sure}). The generator shows this group less; collect more images of it."
