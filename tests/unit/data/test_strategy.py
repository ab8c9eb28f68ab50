import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler

from ganaug.data.strategy import counts_for, to_generate

Y = np.array(["cat"] * 10 + ["dog"] * 4 + ["eel"] * 2, dtype=object)
CLASSES = np.unique(Y)


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
    made = to_generate(strategy, Y, CLASSES)
    totals = {name: int((Y == name).sum()) + made.get(index, 0) for index, name in enumerate(CLASSES)}
    assert totals == {name: int((expected == name).sum()) for name in CLASSES}


def test_a_ratio_is_for_two_classes():
    two = Y[:14]
    assert to_generate(0.5, two, np.unique(two)) == {1: 1}
    with pytest.raises(ValueError, match="binary"):
        to_generate(0.5, Y, CLASSES)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"dog": 1}, "greater or equal to the original number of samples"),
        ({"bird": 20}, r"The \{'bird'\} target class is/are not present in the data\."),
        (["dog"], "list"),
        ("majority", "majority"),
        ("most", "sampling_strategy"),
    ],
)
def test_mistakes_get_the_texts_that_users_know(strategy, words):
    with pytest.raises(ValueError, match=words):
        to_generate(strategy, Y, CLASSES)


def test_names_work_where_the_values_are_numbers():
    numbers = np.array([0] * 10 + [7] * 4)
    assert to_generate({"7": 6}, numbers, np.unique(numbers)) == {1: 2}
    assert to_generate({7: 6}, numbers, np.unique(numbers)) == {1: 2}


def test_a_total_is_shared_out_evenly():
    assert counts_for(8, CLASSES) == {0: 3, 1: 3, 2: 2}
    assert counts_for(0, CLASSES) == {}


def test_counts_by_name_or_position():
    assert counts_for({"eel": 3, "cat": 0, "dog": 1}, CLASSES) == {1: 1, 2: 3}
    assert counts_for({2: 3}, CLASSES) == {2: 3}
    assert counts_for({np.int64(7): 1}, np.array([0, 7])) == {1: 1}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"egl": 3}, r"Unknown class 'egl'\. Known: cat, dog, eel\. Did you mean 'eel'"),
        ({"cat": -1}, "at least 0"),
        ({"cat": 1.5}, "1.5"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(request_, words):
    with pytest.raises(ValueError, match=words):
        counts_for(request_, CLASSES)
    with pytest.raises(TypeError, match="whole number"):
        counts_for("cat", CLASSES)
