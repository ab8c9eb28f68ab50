"""A request for samples, in any form users know, resolved once into {class index: how many}."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from ganaug._runtime.lookup import unknown

Strategy = str | float | Mapping[Any, int] | Callable[..., Mapping[Any, int]]
NAMED = ("all", "auto", "majority", "minority", "not majority", "not minority")


def to_generate(strategy: Strategy, y: np.ndarray, values: np.ndarray, names: Sequence[str]) -> dict[int, int]:
    """imbalanced-learn's `sampling_strategy` -> {class index: number to generate}, only classes that get some.

    strategy: 'minority', 'not minority', 'not majority', 'all', 'auto', a dict of *final* counts by class value or
        name, a callable y -> such a dict, or a ratio in (0, 1] for two classes.
    y: (N,) class values. values: (K,) the sorted class values. names: their names.
    Raises ValueError with imbalanced-learn's own texts, and the known classes where one is unknown.
    """
    if isinstance(strategy, str) and strategy not in NAMED:
        raise ValueError(unknown("sampling_strategy", strategy, [name for name in NAMED if name != "majority"]))
    if callable(strategy):
        strategy = strategy(y)
    if isinstance(strategy, Mapping):
        strategy = _by_value(strategy, values, names)
    try:
        resolved = check_sampling_strategy(strategy, y, "over-sampling")
    except ValueError as error:
        if "not present in the data" in str(error):
            raise ValueError(f"{error} Known classes: {', '.join(names)}.") from error
        raise
    index = {value: position for position, value in enumerate(values.tolist())}
    return {index[_plain(value)]: int(count) for value, count in resolved.items() if count > 0}


def counts_for(request: int | Mapping[Any, int], values: np.ndarray, names: Sequence[str]) -> dict[int, int]:
    """What `sample` was asked for -> {class index: how many}, in class order.

    An int is the total, shared out as evenly as whole numbers allow, earlier classes first.
    Raises ValueError for an unknown class, one named twice, or a count below 0 or not whole.
    """
    if isinstance(request, bool) or not isinstance(request, int | np.integer | Mapping):
        raise TypeError(f"counts must be a whole number or a dict of class -> whole number; got {request!r}.")
    if not isinstance(request, Mapping):
        each, rest = divmod(_whole(request, "the total"), len(values))
        shares = {index: each + (index < rest) for index in range(len(values))}
        return {index: count for index, count in shares.items() if count}
    index = {value: position for position, value in enumerate(values.tolist())}
    wanted = {key: _whole(count, f"class {key!r}") for key, count in _by_value(request, values, names).items()}
    strangers = [key for key in wanted if key not in index]
    if strangers:
        raise ValueError(unknown("class", str(strangers[0]), list(names)))
    return {index[key]: count for key, count in sorted(wanted.items(), key=lambda pair: index[pair[0]]) if count}


def _by_value(request: Mapping[Any, int], values: np.ndarray, names: Sequence[str]) -> dict[Hashable, int]:
    """The request with each key as a class value: itself, or the class of that name."""
    known = values.tolist()
    found: dict[Hashable, int] = {}
    for key, count in request.items():
        value = _plain(key)
        if value not in known and str(value) in names:
            value = known[list(names).index(str(value))]
        if value in found:
            raise ValueError(f"class {key!r} is named twice.")
        found[value] = count
    return found


def _plain(value: Hashable) -> Hashable:
    return value.item() if isinstance(value, np.generic) else value


def _whole(count: object, what: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"{what}: the number of samples must be a whole number of at least 0; got {count!r}.")
    return int(count)
