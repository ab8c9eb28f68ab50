"""The private parts of scikit-learn and imbalanced-learn that `ganaug._compat` uses."""

import re
from numbers import Real
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from ganaug import GANAugmenter, _compat
from ganaug._compat import (
    SAMPLING_STRATEGY_CONSTRAINTS,
    ArraysTransformer,
    BaseOverSampler,
    Interval,
    StrOptions,
    parameter_names,
    validate_parameters,
)

PACKAGE = Path(_compat.__file__).parent


class Constrained(BaseEstimator):
    _parameter_constraints: ClassVar = {
        "rate": [Interval(Real, 0, 1, closed="right")],
        "name": [StrOptions({"a", "b"}), None],
    }

    def __init__(self, rate=0.5, name=None):
        self.rate = rate
        self.name = name


def test_constraints_accept_and_refuse():
    validate_parameters(Constrained())
    validate_parameters(Constrained(rate=1.0, name="a"))
    with pytest.raises(ValueError, match=r"The 'rate' parameter of Constrained must be a float in the range \(0"):
        validate_parameters(Constrained(rate=0.0))
    with pytest.raises(ValueError, match=r"The 'name' parameter of Constrained must be"):
        validate_parameters(Constrained(name="c"))


def test_parameter_names_are_those_of_the_constructor():
    assert parameter_names(Constrained) == ["name", "rate"]
    assert parameter_names(GANAugmenter()) == sorted(GANAugmenter().get_params(deep=False))


@pytest.mark.parametrize("strategy", ["auto", "minority", {"a": 5}, 0.5, lambda y: {"a": 5}])
def test_the_sampling_strategy_has_the_forms_of_imbalanced_learn(strategy):
    class Sampler(Constrained):
        _parameter_constraints: ClassVar = {"rate": SAMPLING_STRATEGY_CONSTRAINTS, "name": [None]}

    validate_parameters(Sampler(rate=strategy))
    with pytest.raises(ValueError, match="'rate' parameter"):
        validate_parameters(Sampler(rate=[1, 2]))


def test_arrays_come_back_in_their_container():
    X, y = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), pd.Series([0, 1], name="target")
    rows, labels = ArraysTransformer(X, y).transform(np.ones((3, 2)), np.array([0, 1, 1]))
    assert list(rows.columns) == ["a", "b"]
    assert labels.name == "target"


def test_over_samplers_are_imbalanced_learns():
    assert issubclass(GANAugmenter, BaseOverSampler)


def test_no_other_module_imports_private_parts():
    private = re.compile(r"(from|import) (sklearn|imblearn)[a-z_.]*\._|from (sklearn|imblearn)[\w.]* import _")
    offenders = [
        str(path) for path in PACKAGE.rglob("*.py") if private.search(path.read_text()) and path.name != "_compat.py"
    ]
    assert offenders == []
