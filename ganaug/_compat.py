"""Private parts of scikit-learn and imbalanced-learn that ganaug uses, in one place.

The public API of both libraries has no constraint classes for parameters, no conversion of arrays back into the
container they came in, and no list of a class's parameters. `tests/contract/test_compat.py` checks what is imported
here, and `make test-oldest` runs the contract tests with the oldest versions that `pyproject.toml` allows.
"""

from typing import Any

from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils._validation import ArraysTransformer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "SAMPLING_STRATEGY_CONSTRAINTS",
    "ArraysTransformer",
    "BaseOverSampler",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "parameter_names",
    "validate_parameters",
]

SAMPLING_STRATEGY_CONSTRAINTS: list[Any] = BaseOverSampler._parameter_constraints["sampling_strategy"]  # noqa: SLF001  # no public list


def parameter_names(estimator: Any) -> list[str]:
    """Return the names of the constructor parameters of an estimator or estimator class, sorted."""
    names: list[str] = estimator._get_param_names()  # noqa: SLF001  # get_params() needs an instance
    return names


def validate_parameters(estimator: Any) -> None:
    """Raise `InvalidParameterError` (a ValueError) for a parameter that violates `_parameter_constraints`."""
    estimator._validate_params()  # noqa: SLF001  # scikit-learn calls it inside `fit` only
