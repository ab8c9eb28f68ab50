"""A request for samples, in any form users know, resolved once into {class index: how many}."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from ganaug.lookup import unknown

Strategy = str | float | Mapping[Any, int] | Callable[..., Mapping[Any, int]]


def to_generate(strategy: Strategy, y: np.ndarray, classes: np.ndarray) -> dict[int, int]:
    """imbalanced-learn's `sampling_strategy` -> {class index: number to generate}, only classes that get some.

    strategy: 'minority', 'not minority', 'not majority', 'all', 'auto', a dict of *final* counts by class value or
        name, a callable y -> such a dict, or a ratio in (0, 1] for two classes.
    y: (N,) class values. classes: the sorted class values.
    Raises ValueError with imbalanced-learn's own texts.
    """
    if callable(strategy):
        strategy = strategy(y)
    if isinstance(strategy, Mapping):
        strategy = {_value(key, classes): count for key, count in strategy.items()}
    resolved = check_sampling_strategy(strategy, y, "over-sampling")
    index = {value: position for position, value in enumerate(classes.tolist())}
    return {index[_plain(value)]: int(count) for value, count in resolved.items() if count > 0}


def counts_for(request: int | Mapping[Any, int], classes: np.ndarray) -> dict[int, int]:
    """What `sample` was asked for -> {class index: how many}, in class order.

    An int is the total, shared out as evenly as whole numbers allow, earlier classes first.
    Raises ValueError for an unknown class, or a count below 0 or not whole.
    """
    if isinstance(request, bool) or not isinstance(request, int | np.integer | Mapping):
        raise TypeError(f"counts must be a whole number or a dict of class -> whole number; got {request!r}.")
    if not isinstance(request, Mapping):
        each, rest = divmod(_whole(request, "the total"), len(classes))
        shares = {index: each + (index < rest) for index in range(len(classes))}
        return {index: count for index, count in shares.items() if count}
    index = {value: position for position, value in enumerate(classes.tolist())}
    named = {_value(key, classes): _whole(count, f"class {key!r}") for key, count in request.items()}
    strangers = [key for key in named if _plain(key) not in index]
    if strangers:
        raise ValueError(unknown("class", str(strangers[0]), [str(value) for value in classes.tolist()]))
    positions = {index[_plain(key)]: count for key, count in named.items() if count}
    return dict(sorted(positions.items()))


def _value(key: Hashable, classes: np.ndarray) -> Hashable:
    """The class value that `key` means: itself, the class of that name, or the position where classes are names."""
    values = classes.tolist()
    plain = _plain(key)
    if plain in values:
        return plain
    names = [str(value) for value in values]
    if isinstance(plain, str) and plain in names:
        value: Hashable = values[names.index(plain)]
        return value
    if isinstance(plain, int) and classes.dtype.kind in "OUT" and 0 <= plain < len(values):
        named: Hashable = values[plain]
        return named
    return plain


def _plain(value: Hashable) -> Hashable:
    return value.item() if isinstance(value, np.generic) else value


def _whole(count: object, what: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"{what}: the number of samples must be a whole number of at least 0; got {count!r}.")
    return int(count)
