"""Which attributes a bias report can compare, why it leaves others out, and how many of their values are unknown."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ganaug._runtime.lookup import split_names
from ganaug.datasets.attribute_columns import (
    attribute_columns,
    column_texts,
    distinct_values,
    has_value,
    name_columns,
)
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.items import similar_names
from ganaug.io.paths import shorten
from ganaug.reports.rows import Row

PREFIX = "attr_"
MAX_VALUES = 20  # a column with more values is an identifier or a number rather than an attribute
ATTRIBUTES = "Attributes"
MAX_SENTENCES = 5  # on attributes; the table has the others


@dataclass
class AttributeSelection:
    """The attributes of a bias report.

    Attributes
    ----------
    names : list of str
        Attributes whose composition is compared.
    tested : list of str
        Those of them by which test images are grouped.
    left_out : dict of str to str
        Other attributes, and why they are not compared.
    not_tested : dict of str to str
        Attributes that are compared, and why test images are not grouped by them.
    unknown : dict of str to dict of str to int
        For each attribute and origin of images ("real", "synthetic", "test"), the number of images without a value.
    remarks : list of str
        What is unusual about the values of attributes that are compared, without the final period.
    """

    names: list[str] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    not_tested: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, dict[str, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Return a row for each number of unknown values above 0, and one for each attribute that is left out."""
        rows = [
            Row(ATTRIBUTES, name, f"{origin} images without a value", count)
            for name, counts in self.unknown.items()
            for origin, count in counts.items()
            if count
        ]
        rows += [
            Row(ATTRIBUTES, name, "comparison", None, state="insufficient", note=f"left out: {reason}")
            for name, reason in self.left_out.items()
        ]
        return rows + [
            Row(ATTRIBUTES, name, "classifier by group", None, state="insufficient", note=f"left out: {reason}")
            for name, reason in self.not_tested.items()
        ]

    def sentences(self) -> list[str]:
        """Return what a reader must know about the attributes before the results."""
        sentences = self.warnings()
        for name, counts in self.unknown.items():
            known = [f"{count:,} {origin}" for origin, count in counts.items() if count]
            if known and name in self.names:
                sentences.append(
                    f"{name} is unknown for {' and '.join(known)} images, which its comparison leaves out."
                )
        more = len(sentences) - MAX_SENTENCES
        shown = sentences[:MAX_SENTENCES]
        shown += [f"The table of attributes has {more} more remarks."] if more > 0 else []
        return shown if self.names else ["No attribute can be compared.", *shown]

    def warnings(self) -> list[str]:
        """Return a sentence for each attribute that is left out or unusual."""
        sentences = [f"{name} is left out: {reason}." for name, reason in self.left_out.items()]
        sentences += [f"Test images are not grouped by {name}: {reason}." for name, reason in self.not_tested.items()]
        return sentences + [f"{remark}." for remark in self.remarks]


def shared_attributes(*sets: LabeledImages) -> list[str]:
    """List the columns `attr_...` that the metadata of all image sets have.

    Parameters
    ----------
    *sets : LabeledImages
        At least one.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.reports.attribute_selection import shared_attributes
    >>> metadata = pd.DataFrame({"attr_sex": ["f"], "file_name": ["a.png"]})
    >>> pixels, labels = torch.zeros(1, 1, 4, 4, dtype=torch.uint8), torch.tensor([0])
    >>> shared_attributes(LabeledImages(pixels, labels, ("ill",), metadata))
    ['attr_sex']
    """
    columns = set.intersection(*(set(attribute_columns(images)) for images in sets))
    return sorted(name for name in columns if name.startswith(PREFIX))


def select_attributes(
    real: LabeledImages,
    synthetic: LabeledImages,
    test: LabeledImages | None,
    requested: str | Iterable[str] | None,
    *,
    predicted: bool,
) -> AttributeSelection:
    """Select the attributes to compare, before anything is computed.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Images with metadata.
    test : LabeledImages or None
        Test images with metadata.
    requested : str, iterable of str or None
        Columns; None: those that begin with `attr_`.
    predicted : bool
        Whether the synthetic images may lack an attribute, because it is predicted.

    Returns
    -------
    AttributeSelection
        Attributes without 2 to 20 values, or without values in one of the sets, are left out.

    Raises
    ------
    DataError
        If a requested column does not exist, or the real images have no attributes.
    """
    if requested is None:
        if not shared_attributes(real):
            raise DataError(
                "no attributes: pass attributes=, a list of columns of metadata.csv, or name the columns "
                f"{PREFIX}..., for example {PREFIX}sex."
            )
        names = sorted({*shared_attributes(real), *shared_attributes(synthetic)})
    else:
        texts = requested if isinstance(requested, str) else list(requested)
        names = list(dict.fromkeys(str(name) for name in split_names(texts, "attributes")))
        if not names:
            raise DataError("attributes= is empty: pass a list of columns of metadata.csv, or None for all attr_....")
        _check_columns(names, {"real": real, "synthetic": None if predicted else synthetic, "test": test})
    selection = AttributeSelection()
    for name in names:
        _add(selection, name, real, synthetic, test, predicted=predicted)
    return selection


def _check_columns(names: list[str], sets: dict[str, LabeledImages | None]) -> None:
    """Raise DataError if one of the sets lacks a column."""
    for name in names:
        for origin, images in sets.items():
            if images is not None and name not in attribute_columns(images):
                fix = " Pass predicted=True (--predicted) to predict it." if origin == "synthetic" else ""
                raise DataError(
                    f"attribute {name!r} is not a column of the metadata of the {origin} images. "
                    f"{name_columns(name, attribute_columns(images))}{fix}"
                )


def _add(
    selection: AttributeSelection,
    name: str,
    real: LabeledImages,
    synthetic: LabeledImages,
    test: LabeledImages | None,
    *,
    predicted: bool,
) -> None:
    """Add one attribute to the selection, where it can be compared, with its numbers of unknown values."""
    columns, problems = {}, {}
    for origin, images in {"real": real, "synthetic": synthetic, "test": test}.items():
        if images is not None:
            columns[origin], problems[origin] = _read(images, name, origin)
    if predicted and problems["synthetic"]:
        columns["synthetic"] = []
        problems["synthetic"] = _unpredictable(columns["real"])
    selection.unknown[name] = {origin: sum(text is None for text in column) for origin, column in columns.items()}
    reason = problems["real"] or problems["synthetic"] or _unsuitable(columns["real"] + columns["synthetic"])
    if reason:
        selection.left_out[name] = reason
        return
    selection.names.append(name)
    selection.remarks += _remarks(name, columns["real"], columns["synthetic"])
    if test is not None:
        reason = problems["test"] or _unsuitable(columns["test"])
        if reason:
            selection.not_tested[name] = reason
        else:
            selection.tested.append(name)


def _read(images: LabeledImages, name: str, origin: str) -> tuple[list[str | None], str]:
    """Return a column of metadata as texts, and why it has no values, or an empty string."""
    if name not in attribute_columns(images):
        fix = "; predicted=True (--predicted) predicts it" if origin == "synthetic" else ""
        return [], f"the {origin} images have no such column{fix}"
    try:
        column = column_texts(images, name)
    except DataError as error:
        return [], f"{str(error).rstrip('.')} ({origin} images)"
    return column, "" if has_value(column) else f"no {origin} image has a value"


def _unsuitable(column: list[str | None]) -> str:
    """Return why the values of a column cannot be compared, or an empty string."""
    values = distinct_values(column)
    if len(values) < 2:
        return f"its only value is {values[0]!r}"
    if len(values) <= MAX_VALUES:
        return ""
    if all(_is_number(value) for value in values):
        return f"it has {len(values):,} different numbers, more than {MAX_VALUES}; write ranges such as 20-40 instead"
    return f"it has {len(values):,} values, more than {MAX_VALUES}, as a column of names or identifiers has"


def _unpredictable(column: list[str | None]) -> str:
    """Return why a classifier cannot learn the values of a column, or an empty string."""
    counts = sorted(Counter(text for text in column if text is not None).values())
    return "too few real images have a second value to predict it" if len(counts) > 1 and counts[-2] < 2 else ""


def _remarks(name: str, real: list[str | None], synthetic: list[str | None]) -> list[str]:
    """Return what is unusual about the values of an attribute that is compared."""
    values = distinct_values(real), distinct_values(synthetic)
    remarks = []
    if values[1] and not set(values[0]) & set(values[1]):
        remarks.append(
            f"No value of {name} occurs among real and synthetic images: {shorten(list(values[0]))} and "
            f"{shorten(list(values[1]))}. Check that both sets write it alike"
        )
    alike = [" = ".join(map(repr, group)) for group in similar_names(sorted({*values[0], *values[1]}))]
    if alike:
        remarks.append(
            f"Values of {name} differ only in case: {shorten(alike)}. If they are one value, write them alike"
        )
    return remarks


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
