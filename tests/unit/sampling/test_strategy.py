import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler

from ganaug.sampling.strategy import resolve_counts, resolve_strategy

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
def test_every_strategy_gives_the_counts_of_imbalanced_learn(strategy):
    X = np.arange(len(Y)).reshape(-1, 1)
    _, expected = RandomOverSampler(sampling_strategy=strategy, random_state=0).fit_resample(X, Y)
    counts = resolve_strategy(strategy, Y, CLASSES, NAMES)
    totals = {name: int((Y == name).sum()) + counts.get(index, 0) for index, name in enumerate(CLASSES)}
    assert totals == {name: int((expected == name).sum()) for name in CLASSES}


def test_a_ratio_needs_two_classes():
    y = Y[:14]
    assert resolve_strategy(0.5, y, np.unique(y), ("cat", "dog")) == {1: 1}
    with pytest.raises(ValueError, match="binary"):
        resolve_strategy(0.5, Y, CLASSES, NAMES)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"dog": 1}, "greater or equal to the original number of samples"),
        ({"bird": 20}, r"The \{'bird'\} target class is/are not present in the data\. Known classes: cat, dog, eel"),
        (["dog"], "list"),
        ("majority", "majority"),
        ("most", "sampling_strategy"),
    ],
)
def test_errors_have_the_messages_of_imbalanced_learn(strategy, message):
    with pytest.raises(ValueError, match=message):
        resolve_strategy(strategy, Y, CLASSES, NAMES)


def test_class_names_and_numeric_class_values_are_accepted():
    numbers = np.array([0] * 10 + [7] * 4)
    assert resolve_strategy({"7": 6}, numbers, np.unique(numbers), ("0", "7")) == {1: 2}
    assert resolve_strategy({7: 6}, numbers, np.unique(numbers), ("0", "7")) == {1: 2}


def test_a_total_is_divided_evenly():
    assert resolve_counts(8, CLASSES, NAMES) == {0: 3, 1: 3, 2: 2}
    assert resolve_counts(0, CLASSES, NAMES) == {}


def test_counts_by_class_name_or_value():
    assert resolve_counts({"eel": 3, "cat": 0, "dog": 1}, CLASSES, NAMES) == {1: 1, 2: 3}
    assert resolve_counts({np.int64(7): 1}, np.array([0, 7]), ("no", "yes")) == {1: 1}
    assert resolve_counts({"yes": 1}, np.array([0, 7]), ("no", "yes")) == {1: 1}


def test_a_number_is_never_an_index():
    numbers = ("1", "2", "3")
    assert resolve_counts({1: 2}, np.array(numbers, dtype=object), numbers) == {0: 2}
    with pytest.raises(ValueError, match="Unknown class '0'"):
        resolve_counts({0: 2}, np.array(numbers, dtype=object), numbers)


def test_a_class_named_twice_is_refused():
    with pytest.raises(ValueError, match="named twice"):
        resolve_counts({1: 2, "one": 3}, np.array([1, 2]), ("one", "two"))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"egl": 3}, r"Unknown class 'egl'\. Known: cat, dog, eel\. Did you mean 'eel'"),
        ({"cat": -1}, "at least 0"),
        ({"cat": 1.5}, "1.5"),
        ({0: 1}, "Unknown class '0'"),
    ],
)
def test_invalid_requests_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        resolve_counts(counts, CLASSES, NAMES)
    with pytest.raises(TypeError, match="whole number"):
        resolve_counts("cat", CLASSES, NAMES)
