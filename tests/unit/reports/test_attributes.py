"""Attributes of a bias report: equal values in any form are equal, and unsuitable columns are left out by name."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from ganaug import bias_report
from ganaug.errors import DataError
from tests.planted.test_bias import drawn


def with_columns(images, **columns):
    return replace(images, metadata=images.metadata.assign(**columns))


def pair(n=20, **columns):
    """Real and synthetic images; a column is given for both, or as (of the real, of the synthetic)."""
    sets = [drawn(n), drawn(n, seed=1)]
    for name, values in columns.items():
        both = values if isinstance(values, tuple) else (values, values)
        for number, of_set in enumerate(both):
            if of_set is not None:
                sets[number] = with_columns(sets[number], **{name: of_set})
    return sets


def text_of(report):
    console = Console(file=StringIO(), width=200)
    console.print(report)
    return console.file.getvalue()


REAL = [1, 2] * 20
FORMS = {
    "floats": [1.0, 2.0] * 20,
    "texts": ["1", "2"] * 20,
    "texts of floats": ["1.0", " 2.00"] * 20,
    "spaces": [" 1", "2 "] * 20,
    "categorical": pd.Categorical(["1", "2"] * 20),
    "nullable": pd.array([1, 2] * 20, dtype="Int64"),
    "objects": np.array([np.int8(1), np.float32(2)] * 20, dtype=object),
    "one-element lists": [[1], [2]] * 20,
}


@pytest.mark.parametrize("form", FORMS)
def test_equal_values_are_equal_in_every_form(form):
    real, other = pair(attr_scanner=(REAL, FORMS[form]))
    report = bias_report(real, other, attributes="attr_scanner", features=None)
    subjects = {row.subject for row in report.rows if ": attr_scanner" in row.subject}
    assert subjects == {"healthy: attr_scanner = 1", "ill: attr_scanner = 1"}
    assert report.verdict == "pass"


def test_groups_of_test_images_are_equal_in_every_form():
    real, other = pair(attr_site=(["cafe\u0301", "b"] * 20, ["caf\u00e9 ", "b"] * 20))
    test = with_columns(drawn(20, seed=2), attr_site=[" caf\u00e9", "b"] * 20)
    report = bias_report(
        real,
        other,
        attributes="attr_site",
        features=None,
        test=test,
        classifier=LogisticRegression(max_iter=50),
        n_seeds=1,
    )
    rows = {
        row.subject: row.value for row in report.rows if row.metric == "test images" and row.subject.count(":") == 0
    }
    assert rows == {"attr_site = b": 20, "attr_site = café": 20}


def test_texts_that_pandas_reads_as_missing_are_values_and_unknown_values_are_counted():
    values = ["NA", "null", "None", "nan", "N/A", "", None, " ", float("nan"), pd.NA] * 4
    real, other = pair(attr_site=(values, ["NA"] * 39 + [None]))
    report = bias_report(real, other, attributes="attr_site", features=None)
    counted = {row.metric: row.value for row in report.rows if row.section == "Attributes"}
    assert counted == {"real images without a value": 20, "synthetic images without a value": 1}
    assert {row.subject.partition("= ")[2] for row in report.rows if "attr_site =" in row.subject} == {
        "NA", "null", "None", "nan", "N/A",
    }  # fmt: skip
    sentence = "attr_site is unknown for 20 real and 1 synthetic images"
    assert any(sentence in each for each in report.summary)
    for text in (report.to_html(), text_of(report)):
        assert sentence in " ".join(text.split())
        assert "real images without a value" in text


def test_no_row_says_that_nothing_is_unknown():
    assert not [row for row in bias_report(*pair(), features=None).rows if row.section == "Attributes"]


UNSUITABLE = {
    "identifiers": ([f"p{n}" for n in range(40)], "it has 40 values, more than 20"),
    "floats": (np.linspace(0, 1, 40).tolist(), "it has 40 different numbers, more than 20; write ranges"),
    "one value": ("north", "its only value is 'north'"),
    "one value in two forms": ([1, "1.0"] * 20, "its only value is '1'"),
    "no value": (None, "no real image has a value"),
    "no real value": (([None] * 40, ["a", "b"] * 20), "no real image has a value"),
    "no synthetic value": ((["a", "b"] * 20, [""] * 40), "no synthetic image has a value"),
    "no synthetic column": ((["a", "b"] * 20, None), "the synthetic images have no such column; predicted=True"),
    "no real column": ((None, ["a", "b"] * 20), "the real images have no such column"),
    "lists": ([["a", "b"], ["c"]] * 20, "a cell is a list"),
    "arrays": ([np.zeros(3)] * 40, "a cell is a ndarray"),
    "dicts": ([{"a": 1}] * 40, "a cell is a dict"),
}


def columns_of(case):
    values = UNSUITABLE[case][0]
    return [None] * 40 if values is None else values


@pytest.mark.parametrize("case", UNSUITABLE)
def test_an_unsuitable_column_is_left_out_by_name_and_the_others_are_compared(case):
    reason = UNSUITABLE[case][1]
    with pytest.warns(UserWarning, match=f"attr_odd is left out: {reason}"):
        report = bias_report(*pair(attr_odd=columns_of(case)), features=None)
    expected = bias_report(*pair(), features=None)
    assert [row for row in report.rows if row.section != "Attributes"] == list(expected.rows)
    (row,) = (row for row in report.rows if row.metric == "comparison")
    assert (row.subject, row.state) == ("attr_odd", "insufficient")
    assert reason in row.note
    assert report.facts["attributes"] == ["attr_site", "attr_skin"]
    assert reason in report.facts["attributes left out"]["attr_odd"]
    assert any(sentence.startswith(f"attr_odd is left out: {reason}") for sentence in report.summary)
    assert "attr_odd is left out" in text_of(report)
    assert report.verdict == expected.verdict


@pytest.mark.parametrize("case", [case for case in UNSUITABLE if "column" not in case])
def test_a_requested_column_that_is_unsuitable_is_left_out_too(case):
    with pytest.warns(UserWarning, match="attr_odd is left out"):
        report = bias_report(*pair(attr_odd=columns_of(case)), attributes=["attr_odd", "attr_skin"], features=None)
    assert report.facts["attributes"] == ["attr_skin"]


def test_two_columns_with_one_name_are_left_out():
    sets = [
        replace(images, metadata=pd.concat([images.metadata, images.metadata[["attr_site"]]], axis=1))
        for images in pair()
    ]
    with pytest.warns(UserWarning, match="attr_site is left out: 2 columns have this name"):
        assert bias_report(*sets, features=None).facts["attributes"] == ["attr_skin"]


def _refuse(pixels):
    pytest.fail("features were computed")


def test_without_a_comparable_attribute_the_report_says_so_and_computes_no_features():
    real, other = pair()
    bare = replace(other, metadata=None)
    with pytest.warns(UserWarning, match="attr_site is left out"):
        report = bias_report(real, bare, features=_refuse)
    assert report.verdict == "insufficient"
    assert report.summary[1] == "No attribute can be compared."
    assert "predicted=True" in " ".join(report.summary)
    assert not any("No change of composition" in sentence for sentence in report.summary)
    assert {row.section for row in report.rows} == {"Class shares", "Attributes"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attributes": ["attr_skn"]}, "'attr_skn' is not a column .* of the real images.* Did you mean 'attr_skin'?"),
        ({"attributes": "attr_skin,attr_sit"}, "'attr_sit' is not a column .* Did you mean 'attr_site'?"),
        ({"attributes": []}, "attributes= is empty"),
        ({"groups": "patient"}, "metadata of the real images have no such column. Columns: attr_site, attr_skin."),
    ],
)
def test_a_requested_column_that_does_not_exist_is_an_error_before_any_features(changes, message):
    with pytest.raises(DataError, match=message):
        bias_report(*pair(), features=_refuse, **changes)


def test_a_column_of_groups_that_the_test_images_lack_is_an_error_before_any_features():
    real, other = pair(patient=list(range(40)))
    with pytest.raises(DataError, match="metadata of the test images have no such column"):
        bias_report(real, other, groups="patient", test=drawn(20, seed=2), features=_refuse)


def test_a_requested_attribute_counts_once():
    report = bias_report(*pair(), attributes=["attr_skin", "attr_skin"], features=None)
    assert report.facts["attributes"] == ["attr_skin"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("north", "its only value is 'north'"),
        (None, "no test image has a value"),
        ([f"p{n}" for n in range(40)], "40 values"),
    ],
)
def test_an_attribute_that_is_unsuitable_among_test_images_is_compared_and_does_not_group_them(values, reason):
    test = with_columns(drawn(20, seed=2), attr_site=values)
    with pytest.warns(UserWarning, match=f"Test images are not grouped by attr_site: .*{reason}"):
        report = bias_report(*pair(), features=None, test=test, classifier=LogisticRegression(max_iter=50), n_seeds=1)
    of_classifier = [row.subject for row in report.rows if row.section.startswith("Classifier")]
    assert any("attr_skin" in subject for subject in of_classifier)
    assert not any("attr_site" in subject for subject in of_classifier)
    assert any(row.subject.startswith("ill: attr_site") for row in report.rows)
    assert any(row.metric == "classifier by group" and reason in row.note for row in report.rows)


def test_a_column_without_synthetic_values_is_predicted_on_request():
    real, other = pair(40, attr_skin=(drawn(40).metadata["attr_skin"].tolist(), [None] * 80))
    report = bias_report(real, other, predicted=True, features="pixels")
    assert report.facts["predicted attributes"] == ["attr_skin"]
    assert report.facts["attributes"] == ["attr_site", "attr_skin"]
    assert not [row for row in report.rows if row.section == "Attributes"]


@pytest.mark.parametrize(
    ("synthetic", "warning"),
    [
        (["A", "b"] * 20, "Values of attr_x differ only in case: 'A' = 'a'"),
        (["female", "male"] * 20, "No value of attr_x occurs among real and synthetic images: a, b and female, male"),
        ([True, False] * 20, "No value of attr_x occurs among real and synthetic images"),
    ],
)
def test_values_that_the_two_sets_write_differently_are_compared_with_a_warning(synthetic, warning):
    with pytest.warns(UserWarning, match=warning):
        report = bias_report(*pair(attr_x=(["a", "b"] * 20, synthetic)), attributes="attr_x", features=None)
    assert any(warning in sentence for sentence in report.summary)
    assert all(row.value is not None for row in report.rows if row.p is not None)  # nothing is judged without a number


@pytest.mark.parametrize("form", [tuple, set, np.array, pd.Index, pd.Series, ",".join, iter])
def test_attributes_in_any_sequence(form):
    report = bias_report(*pair(), attributes=form(["attr_skin"]), features=None)
    assert report.facts["attributes"] == ["attr_skin"]


@pytest.mark.parametrize("values", [["a"] * 39 + ["b"], ["a", "b"] + [None] * 38])
def test_an_attribute_with_too_few_images_to_predict_it_is_left_out(values):
    real, other = pair(attr_x=(values, None))
    bare = replace(other, metadata=other.metadata[["attr_skin"]])
    with pytest.warns(UserWarning, match="attr_x is left out: too few real images have a second value to predict it"):
        report = bias_report(real, bare, attributes=["attr_x", "attr_skin"], predicted=True, features="pixels")
    assert report.facts["attributes"] == ["attr_skin"]


def test_two_images_of_a_second_value_can_be_predicted():
    real, other = pair(attr_x=(["a"] * 38 + ["b"] * 2, None))
    report = bias_report(real, other, attributes=["attr_x"], predicted=True, features="pixels")
    assert report.facts["predicted attributes"] == ["attr_x"]
