import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler

from ganaug.sampling.strategy import counts_for, to_generate

Y = np.array(["cat"] * 10 + ["dog"] * 4 + ["eel"] * 2, dtype=object)
CLASSES = np.unique(Y)
NAMES = tuple(CLASSES)


@pytest.mark.parametrize(
    "strategy",
    [
        "auto",
        "minority",
        "not minority",
        "not majority",
        "all",
        {"dog": 7},
        {"eel": 5, "cat": 12},
        lambda y: {"eel": 9},
    ],
)
def test_every_form_gives_what_imbalanced_learn_gives(strategy):
    X = np.arange(len(Y)).reshape(-1, 1)
    _, expected = RandomOverSampler(sampling_strategy=strategy, random_state=0).fit_resample(X, Y)
    made = to_generate(strategy, Y, CLASSES, NAMES)
    totals = {name: int((Y == name).sum()) + made.get(index, 0) for index, name in enumerate(CLASSES)}
    assert totals == {name: int((expected == name).sum()) for name in CLASSES}


def test_a_ratio_is_for_two_classes():
    two = Y[:14]
    assert to_generate(0.5, two, np.unique(two), ("cat", "dog")) == {1: 1}
    with pytest.raises(ValueError, match="binary"):
        to_generate(0.5, Y, CLASSES, NAMES)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"dog": 1}, "greater or equal to the original number of samples"),
        ({"bird": 20}, r"The \{'bird'\} target class is/are not present in the data\. Known classes: cat, dog, eel"),
        (["dog"], "list"),
        ("majority", "majority"),
        ("most", "sampling_strategy"),
    ],
)
def test_mistakes_get_the_texts_that_users_know(strategy, words):
    with pytest.raises(ValueError, match=words):
        to_generate(strategy, Y, CLASSES, NAMES)


def test_names_work_where_the_values_are_numbers():
    numbers = np.array([0] * 10 + [7] * 4)
    assert to_generate({"7": 6}, numbers, np.unique(numbers), ("0", "7")) == {1: 2}
    assert to_generate({7: 6}, numbers, np.unique(numbers), ("0", "7")) == {1: 2}


def test_a_total_is_shared_out_evenly():
    assert counts_for(8, CLASSES, NAMES) == {0: 3, 1: 3, 2: 2}
    assert counts_for(0, CLASSES, NAMES) == {}


def test_counts_by_name_or_value():
    assert counts_for({"eel": 3, "cat": 0, "dog": 1}, CLASSES, NAMES) == {1: 1, 2: 3}
    assert counts_for({np.int64(7): 1}, np.array([0, 7]), ("no", "yes")) == {1: 1}
    assert counts_for({"yes": 1}, np.array([0, 7]), ("no", "yes")) == {1: 1}


def test_a_number_is_never_a_position():
    numbers = ("1", "2", "3")
    assert counts_for({1: 2}, np.array(numbers, dtype=object), numbers) == {0: 2}
    with pytest.raises(ValueError, match="Unknown class '0'"):
        counts_for({0: 2}, np.array(numbers, dtype=object), numbers)


def test_a_class_named_twice_is_refused():
    with pytest.raises(ValueError, match="named twice"):
        counts_for({1: 2, "one": 3}, np.array([1, 2]), ("one", "two"))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"egl": 3}, r"Unknown class 'egl'\. Known: cat, dog, eel\. Did you mean 'eel'"),
        ({"cat": -1}, "at least 0"),
        ({"cat": 1.5}, "1.5"),
        ({0: 1}, "Unknown class '0'"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(request_, words):
    with pytest.raises(ValueError, match=words):
        counts_for(request_, CLASSES, NAMES)
    with pytest.raises(TypeError, match="whole number"):
        counts_for("cat", CLASSES, NAMES)
