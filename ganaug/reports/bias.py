"""bias_report: do synthetic images keep the make-up of the real ones: classes, attributes, and both together?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from scipy.stats import fisher_exact
from torch import nn

from ganaug.data.table import is_missing
from ganaug.errors import DataError
from ganaug.images import LabelledImages, matched
from ganaug.metrics.coverage import covered
from ganaug.metrics.fairness import FEWEST, amplification, calibrated_amplification, shift
from ganaug.metrics.features import Extractor, extractor
from ganaug.metrics.measures import wilson
from ganaug.reports.report import Report, Row, p_value, worst
from ganaug.usefulness.scores import holm

ALARM = 0.02  # chance of an alarm in a whole report on images that keep the make-up
LARGE = 0.1  # change of a share from which on it fails, and does not only warn
CLAIMS = {"training": "the training set, as it is", "population": "the population that the real images were drawn from"}
PREFIX = "attr_"
NEIGHBOURS = 5
MOST, MOST_TOLD = 20, 5  # values of an attribute, and alarms that are told in words
SHIFTS, AMPLIFIED, COVERED = "Attributes within each class", "Bias amplification", "How well each group is covered"


def bias_report(
    real: LabelledImages,
    synthetic: LabelledImages,
    *,
    attributes: Sequence[str] | None = None,
    claim: str = "training",
    features: str | Extractor | nn.Module | None = "auto",
    random_state: int = 0,
) -> Report:
    """Compare the make-up of synthetic images with that of real ones, class by class and attribute by attribute.

    real, synthetic: with a column of metadata for each attribute. attributes: these columns; None: those that begin
    with `attr_`. claim: 'training', whether the training set's composition is kept, or 'population', whether that of
    the population is from which it was drawn, which few real images say little about. features: as `diversity_report`
    has it, for how well each group is covered; None leaves that out.

    Tests are exact and adjusted together (Holm 1979): an alarm comes in at most 2 % of reports on images that keep the
    make-up. Cells of fewer than 10 real images, or 10 synthetic ones of the class, are `insufficient`. Raises DataError
    where an attribute is not among the metadata of both.
    """
    if claim not in CLAIMS:
        raise ValueError(f"claim must be one of {', '.join(CLAIMS)}; got {claim!r}.")
    synthetic = matched(synthetic, real, "synthetic")
    names = _attributes(real, synthetic, attributes)
    of_population = claim == "population"
    columns = _columns(real, synthetic, names)
    rows = _class_rows(real, synthetic)
    for column in columns:
        rows += _shift_rows(real, synthetic, column, of_population=of_population)
    for column in columns[: len(names)]:
        rows += _amplification_rows(real, synthetic, column, of_population=of_population, seed=random_state)
    if features is not None:
        rows += _coverage_rows(real, synthetic, columns, extractor(features)[1])
    rows = _judged(rows)
    return Report(
        "bias",
        "Do the synthetic images keep the make-up of the real ones?",
        worst(rows),
        tuple(_findings(rows, claim)),
        tuple(rows),
        {
            "claim": f"against {CLAIMS[claim]}",
            "attributes": names,
            "real images": len(real),
            "synthetic images": len(synthetic),
            "chance of a false alarm": ALARM,
        },
    )


@dataclass(frozen=True)
class _Column:
    """An attribute, or two together. values: those of the real images. real, synthetic: which value each image has, -1
    where it is not known: (N,), (M,)."""

    name: str
    values: tuple[str, ...]
    real: np.ndarray
    synthetic: np.ndarray

    def counts(self, which: str, labels: np.ndarray, n_classes: int) -> np.ndarray:
        """Images of each class with each value: (K, A)."""
        own = getattr(self, which)
        found = np.zeros((n_classes, len(self.values)), np.int64)
        np.add.at(found, (labels[own >= 0], own[own >= 0]), 1)
        return found

    def told(self) -> list[int]:
        """Values that have rows of their own: of two, the second says nothing new."""
        return [0] if len(self.values) == 2 else list(range(len(self.values)))


def shared_attributes(*sides: LabelledImages) -> list[str]:
    """Columns `attr_...` that the metadata of every side has."""
    columns = [set() if side.metadata is None else set(side.metadata.columns) for side in sides]
    return sorted(name for name in set.intersection(*columns) if name.startswith(PREFIX))


def _attributes(real: LabelledImages, synthetic: LabelledImages, given: Sequence[str] | None) -> list[str]:
    columns = [set() if side.metadata is None else set(side.metadata.columns) for side in (real, synthetic)]
    names = list(given) if given is not None else shared_attributes(real)
    if not names:
        raise DataError(
            f"no attributes: give attributes=, names of columns of metadata.csv, or name columns {PREFIX}..., "
            f"{PREFIX}sex for example."
        )
    for name in names:
        for side, own in zip(("real", "synthetic"), columns, strict=True):
            if name not in own:
                there = ", ".join(sorted(own)) or "none"
                raise DataError(f"attribute {name!r} is not among the metadata of the {side} images ({there}).")
    return names


def _columns(real: LabelledImages, synthetic: LabelledImages, names: list[str]) -> list[_Column]:
    """Each attribute, and each two of them."""
    frames = [pd.DataFrame(side.metadata) for side in (real, synthetic)]
    sides = [{name: _texts(frame[name]) for name in names} for frame in frames]
    for one, two in combinations(names, 2):
        for side in sides:
            side[f"{one}, {two}"] = [
                None if a is None or b is None else f"{a}, {b}" for a, b in zip(side[one], side[two], strict=True)
            ]
    found = []
    for name in sides[0]:
        values = sorted({value for value in sides[0][name] if value is not None})
        if name in names and not 2 <= len(values) <= MOST:
            raise DataError(
                f"attribute {name!r} has {len(values)} values among the real images: give one with 2 to {MOST}."
            )
        place = {value: number for number, value in enumerate(values)}
        found.append(
            _Column(
                name,
                tuple(values),
                *(np.array([-1 if v is None else place.get(v, -1) for v in side[name]]) for side in sides),
            )
        )
    return found


def _texts(values: pd.Series) -> list[str | None]:
    return [None if is_missing(value) else str(value) for value in values]


def _class_rows(real: LabelledImages, synthetic: LabelledImages) -> list[Row]:
    rows, section = [], "Shares of the classes"
    for name in real.classes:
        for side, images in {"real": real, "synthetic": synthetic}.items():
            count = images.counts[name]
            rows.append(Row(section, name, f"{side} images", count))
            low, high = wilson(count, len(images))
            rows.append(Row(section, name, f"share of the {side}", count / len(images), low, high))
    return rows


def _shift_rows(real: LabelledImages, synthetic: LabelledImages, column: _Column, *, of_population: bool) -> list[Row]:
    mine = column.counts("real", real.labels.numpy(), len(real.classes))
    theirs = column.counts("synthetic", synthetic.labels.numpy(), len(real.classes))
    rows = []
    for label, name in enumerate(real.classes):
        n_real, n = int(mine[label].sum()), int(theirs[label].sum())
        for value in column.told():
            subject = f"{name}: {column.name} = {column.values[value]}"
            rows += [Row(SHIFTS, subject, "real images", n_real), Row(SHIFTS, subject, "synthetic images", n)]
            if min(n_real, n) < FEWEST:
                rows.append(
                    Row(SHIFTS, subject, "change", None, state="insufficient", note=f"fewer than {FEWEST} images")
                )
                continue
            one = shift(int(mine[label, value]), n_real, int(theirs[label, value]), n, of_population=of_population)
            rows.append(Row(SHIFTS, subject, "real share", one.real))
            rows.append(Row(SHIFTS, subject, "synthetic share", one.synthetic, one.low, one.high))
            rows.append(Row(SHIFTS, subject, "change", one.change, one.low - one.real, one.high - one.real, one.p))
    return rows


def _amplification_rows(
    real: LabelledImages, synthetic: LabelledImages, column: _Column, *, of_population: bool, seed: int
) -> list[Row]:
    mine = column.counts("real", real.labels.numpy(), len(real.classes))
    theirs = column.counts("synthetic", synthetic.labels.numpy(), len(real.classes))
    rows = []
    for direction, metric in {"attribute": "values given the class", "class": "classes given the value"}.items():
        if min(mine.sum(), theirs.sum()) < FEWEST:
            rows.append(Row(AMPLIFIED, column.name, metric, None, state="insufficient"))
            continue
        one = calibrated_amplification(mine, theirs, direction=direction, of_population=of_population, seed=seed)
        plain = amplification(mine, theirs, direction=direction)
        note = f"faithful: {one.low:+.3f} to {one.high:+.3f}; not calibrated {plain.mean:+.3f}"
        rows.append(Row(AMPLIFIED, column.name, metric, one.value, p=one.p, note=note))
        rows.append(Row(AMPLIFIED, column.name, f"{metric}: what grows", plain.positive))
        rows.append(Row(AMPLIFIED, column.name, f"{metric}: what shrinks", plain.negative))
    return rows


def _coverage_rows(
    real: LabelledImages, synthetic: LabelledImages, columns: list[_Column], embed: Extractor
) -> list[Row]:
    """Of the real images of each group, how many have a synthetic one like them, against the others of the class."""
    points, others, rows = embed(real.images), embed(synthetic.images), []
    for label, name in enumerate(real.classes):
        own = np.flatnonzero(real.labels.numpy() == label)
        made = others[synthetic.labels == label]
        if len(own) <= NEIGHBOURS or not len(made):
            continue
        reached = covered(points[torch.from_numpy(own)], made, k=NEIGHBOURS).numpy()
        for column in columns:
            for value, text in enumerate(column.values):
                group = column.real[own] == value
                rest = (column.real[own] >= 0) & ~group
                subject = f"{name}: {column.name} = {text}"
                if min(group.sum(), rest.sum()) < FEWEST:
                    rows.append(
                        Row(COVERED, subject, "covered", None, state="insufficient", note=f"fewer than {FEWEST} images")
                    )
                    continue
                hits = [int(reached[who].sum()) for who in (group, rest)]
                misses = [int(who.sum()) - hit for who, hit in zip((group, rest), hits, strict=True)]
                p = float(fisher_exact([[hits[0], misses[0]], [hits[1], misses[1]]], alternative="less").pvalue)
                rows.append(
                    Row(COVERED, subject, "covered", hits[0] / group.sum(), *wilson(hits[0], int(group.sum())), p)
                )
                rows.append(Row(COVERED, subject, "others of the class", hits[1] / rest.sum()))
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
    told = [_sentence(row) for row in alarms[:MOST_TOLD]]
    if len(alarms) > MOST_TOLD:
        told.append(f"{len(alarms) - MOST_TOLD} more are in the tables.")
    if not alarms:
        told.append("No change of make-up was found that chance would not explain.")
    unsure = sum(row.state == "insufficient" for row in rows)
    if unsure:
        told.append(f"{unsure} cells have fewer than {FEWEST} images: nothing is said about them.")
    return [*told, f"What is claimed is about {CLAIMS[claim]}."]


def _sentence(row: Row) -> str:
    value, sure = row.value or 0.0, f"{p_value(row.p or 0.0)}, adjusted"
    if row.section == SHIFTS:
        told = f"is {100 * abs(value):.0f} points {'more' if value > 0 else 'less'} frequent among synthetic images"
        return f"{row.subject} {told} ({sure}). Drop some, or fit with more images of the group that is lacking."
    if row.section == AMPLIFIED:
        told = f"{row.metric} go together {'more' if value > 0 else 'less'} than among real images, by {value:+.3f}"
        return f"{row.subject}: {told} ({sure}). A classifier may come to rely on the attribute in place of the class."
    told = f"{100 * value:.0f} % of its real images have a synthetic one like them, fewer than of the class's others"
    return f"{row.subject}: {told} ({sure}). The generator shows this group less; collect more images of it."
