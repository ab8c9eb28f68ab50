"""Groups of images: equal values in any form are one group, and a missing value is a group of one image."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import AugmentedClassifier, LabeledImages, bias_report, utility_report
from ganaug.errors import DataError
from ganaug.evaluation import resolve_groups, split_folds
from ganaug.evaluation.groups import check_groups_apart, name_groups
from tests.planted.test_bias import drawn
from tests.planted.test_utility_verdict import PoolGenerator, digits
from tests.sets import noise

FORMS = {
    "whole numbers": [1, 1, 2, 2],
    "floats": [1.0, 1.0, 2.0, 2.0],
    "texts": ["1", " 1", "2 ", "2"],
    "texts of floats": ["1.0", "1.00", "2.0", "2"],
    "mixed": [1, "1", 2.0, np.float32(2)],
    "array": np.array([1, 1, 2, 2], dtype=np.uint8),
    "array of floats": np.array([1, 1, 2, 2.0]),
    "column vector": np.array([[1], [1], [2], [2]]),
    "series": pd.Series([1, 1, 2, 2], index=[7, 8, 9, 7]),
    "nullable series": pd.Series([1, 1, 2, 2], dtype="Int64"),
    "categorical": pd.Categorical(["1", "1", "2", "2"]),
    "categorical series": pd.Series(pd.Categorical([1.0, 1.0, 2.0, 2.0])),
    "tensor": torch.tensor([1, 1, 2, 2]),
    "list of tensors": list(torch.tensor([1, 1, 2, 2])),
    "data frame": pd.DataFrame({"patient": [1, 1, 2, 2]}),
    "bytes": [b"1", b"1", b"2", b"2"],
}


@pytest.mark.parametrize("form", FORMS)
def test_equal_values_are_one_group_in_every_form(form):
    assert resolve_groups(noise((2, 2)), FORMS[form]).tolist() == ["1", "1", "2", "2"]


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("column vector", "data frame")])
def test_a_column_of_metadata_in_every_form(form):
    images = replace(noise((2, 2)), metadata=pd.DataFrame({"patient": list(FORMS[form])}))
    assert resolve_groups(images, "patient").tolist() == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    "groups",
    [
        ["a", None, float("nan"), ""],
        ["a", float("nan"), "  ", pd.NA],
        pd.Series(["a", None, np.nan, ""]),
        pd.Categorical(["a", None, None, None]),
        np.array(["a", None, np.nan, ""], dtype=object),
        pd.Series(["a", pd.NA, pd.NA, pd.NA], dtype="string"),
    ],
)
def test_images_without_a_group_are_groups_of_one(groups):
    names = resolve_groups(noise((2, 2)), groups)
    assert names[0] == "a"
    assert len(set(names)) == 4
    assert name_groups(names, 4).tolist() == names.tolist()


def test_a_group_is_not_confused_with_an_image_without_one():
    names = resolve_groups(noise((2, 2)), ["row 1", None, "row 3", None])
    assert len(set(names)) == 4


def test_composed_and_decomposed_accents_and_texts_such_as_na_are_values():
    assert resolve_groups(noise((2, 2)), ["caf\u00e9", "cafe\u0301", "NA", "NA "]).tolist() == ["café"] * 2 + ["NA"] * 2


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2, 3], "3 for 4 images"),
        ({1: 2}, "groups is a dict"),
        ([[1, 2], [1], [1], [1]], "groups, row 0: a cell is a list"),
        ("patiant", "Columns: patient. Did you mean 'patient'?"),
        (pd.DataFrame({"a": [1] * 4, "b": [2] * 4}), "groups is a DataFrame"),
    ],
)
def test_groups_that_cannot_be_used_are_named(groups, message):
    images = replace(noise((2, 2)), metadata=pd.DataFrame({"patient": [1, 1, 2, 2]}))
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        resolve_groups(images, groups)


def test_folds_keep_equal_groups_together():
    images = noise((8, 8))
    groups = [1, 1.0, "1", "1.0", 2, "2", 2.0, " 2", 3, "3", 3.0, "3 ", 4, "4", 4.0, "4.0"]
    for fold in split_folds(images, 2, groups=groups):
        names = name_groups(groups, 16)
        assert not set(names[fold.train.numpy()]) & set(names[fold.test.numpy()])


SETS = {
    "float beside int": ([1.0, 2.0], [1, 5]),
    "text beside int": (["1", "2"], [1, 5]),
    "spaces": (["p1 ", "p2"], [" p1", "p5"]),
    "accents": (["cafe\u0301", "b"], ["caf\u00e9", "c"]),
    "missing value turns numbers to floats": ([1, None], [1, 5]),
    "named like an image without a group": (["row 1", "b"], ["row 1", "c"]),
}


@pytest.mark.parametrize("form", SETS)
def test_a_patient_in_training_and_test_images_is_noticed_in_every_form(form):
    of_real, of_test = SETS[form]
    train, validation, test = digits(0)

    def with_groups(images, values):
        return replace(images, metadata=pd.DataFrame({"group_id": np.resize(np.array(values, object), len(images))}))

    options = {"classifier": LogisticRegression(), "n_seeds": 2, "shares": (0.5,), "resamples": 10}
    with pytest.raises(DataError, match="has training and test images"):
        utility_report(
            with_groups(train, of_real), PoolGenerator(validation), test=with_groups(test, of_test), **options
        )
    real, synthetic, held_out = drawn(20), drawn(20, seed=1), drawn(20, seed=2)
    for images, values in ((real, of_real), (held_out, of_test)):
        images.metadata["patient"] = np.resize(np.array(values, object), len(images))
    with pytest.raises(DataError, match="has training and test images"):
        bias_report(real, synthetic, test=held_out, groups="patient", features=_refuse)


def _refuse(pixels):
    pytest.fail("features were computed before the error")


def test_images_without_a_group_are_in_no_group_of_the_test_images():
    real, synthetic, test = drawn(12), drawn(12, seed=1), drawn(12, seed=2)
    for images in (real, test):
        images.metadata["group_id"] = None
    report = bias_report(
        real, synthetic, test=test, features=None, classifier=LogisticRegression(max_iter=50), n_seeds=1
    )
    assert report.facts["groups"] == 24


def test_a_set_without_groups_beside_one_with_groups_is_noted():
    train, validation, test = digits(0)
    grouped = replace(train, metadata=pd.DataFrame({"group_id": np.arange(len(train))}))
    report = utility_report(
        grouped, validation, test=test, classifier=LogisticRegression(), n_seeds=2, shares=(0.5,), resamples=10
    )
    assert any("only the training images have groups" in sentence for sentence in report.summary)


def test_groups_of_a_classifier_are_those_of_the_reports(monkeypatch):
    received = []

    def select(self, rows, groups):
        received.extend(groups.tolist())
        raise InterruptedError

    monkeypatch.setattr("ganaug.estimators.classifier.ShareSelector.select", select)
    X, y = np.random.default_rng(0).uniform(size=(8, 4)), [0, 1] * 4
    with pytest.raises(InterruptedError):
        AugmentedClassifier(LogisticRegression(), PoolGenerator(noise((2, 2)))).fit(
            X, y, groups=[1, 1.0, "1", None, None, 2, float("nan"), " 2"]
        )
    assert received == ["1", "1", "1", " row 3", " row 4", "2", " row 6", "2"]


def test_metadata_of_lists_are_refused_by_name():
    metadata = pd.DataFrame({"group_id": [[1, 2]] * 4})
    with pytest.raises(DataError, match="groups, row 0: a cell is a list"):
        resolve_groups(LabeledImages(noise((2, 2)).images, noise((2, 2)).labels, ("a", "b"), metadata), None)


def test_several_columns_together_are_the_key_of_a_group():
    keys = [("north", 1), ("north ", 1.0), ("south", 1), (None, None)]
    names = resolve_groups(noise((2, 2)), keys)
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert names[3] == " row 3"


def test_groups_that_differ_only_in_case_raise_a_warning():
    with pytest.warns(UserWarning, match="differ only in case: 'P1' = 'p1'"):
        check_groups_apart(name_groups(["P1", "b"], 2), name_groups(["p1", "c"], 2))
