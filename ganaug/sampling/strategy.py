"""Resolve a request for samples, in any supported form, to {class index: number of images}."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from ganaug._runtime.lookup import unknown_name_message
from ganaug._runtime.python_values import as_python
from ganaug._runtime.randomness import IMAGE_SEEDS
from ganaug.datasets.cells import Cells

Strategy = str | float | Mapping[Any, int] | Callable[..., Mapping[Any, int]]
BALANCE_CELLS = "balance-cells"
STRATEGY_NAMES = ("all", "auto", "majority", "minority", "not majority", "not minority")


def fills_cells(strategy: Strategy, cells: Cells | None) -> bool:
    """Return whether a strategy fills up cells instead of classes. Raises ValueError if there are no cells to fill."""
    is_by_cell = strategy == BALANCE_CELLS
    if is_by_cell and cells is None:
        raise ValueError(f"sampling_strategy={BALANCE_CELLS!r} needs condition_on, the columns that make cells.")
    return is_by_cell


def resolve_strategy(strategy: Strategy, y: np.ndarray, values: np.ndarray, names: Sequence[str]) -> dict[int, int]:
    """Resolve imbalanced-learn's `sampling_strategy` to the number of images to generate for each class.

    Parameters
    ----------
    strategy : str, float, dict or callable
        'minority', 'not minority', 'not majority', 'all' or 'auto'; a dict of class value or name -> *final* count; a
        callable y -> such a dict; or, for two classes, the ratio of minority to majority in (0, 1].
    y : ndarray
        Class value of each image, (N,).
    values : ndarray
        Sorted class values, (K,).
    names : sequence of str
        Class names, in the order of `values`.

    Returns
    -------
    dict of int to int
        Class index -> number of images to generate; only classes that need some.

    Raises
    ------
    ValueError
        With the messages of imbalanced-learn, extended by the known classes when a class is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.sampling.strategy import resolve_strategy
    >>> y = np.array(["cat", "cat", "cat", "dog"])
    >>> resolve_strategy("auto", y, np.unique(y), ("cat", "dog"))
    {1: 2}
    >>> resolve_strategy({"dog": 10}, y, np.unique(y), ("cat", "dog"))
    {1: 9}
    """
    if isinstance(strategy, str) and strategy not in STRATEGY_NAMES:
        # imbalanced-learn refuses "majority" for over-sampling with a message that users know
        raise ValueError(
            unknown_name_message("sampling_strategy", strategy, [name for name in STRATEGY_NAMES if name != "majority"])
        )
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
    index_of = {value: index for index, value in enumerate(values.tolist())}
    return {index_of[as_python(value)]: int(count) for value, count in resolved.items() if count > 0}


def resolve_counts(
    request: int | Mapping[Any, int], values: np.ndarray, names: Sequence[str], cells: Cells | None = None
) -> dict[int, int]:
    """Resolve the `counts` argument of `sample`.

    Parameters
    ----------
    request : int, mapping or Series
        Total number of images, divided as evenly as possible with the remainder to the first classes; or a mapping of
        class value or name -> number of images.
    values : ndarray
        Sorted class values, (K,).
    names : sequence of str
        Class names, in the order of `values`.
    cells : Cells, optional
        Of a model with cells. A key of the mapping may then also be a cell, as a tuple (class, value of each attribute)
        or by its name; the images of a class are distributed over its cells as the real ones are.

    Returns
    -------
    dict of int to int
        Class index -> number of images, in class order; only classes with at least one. With cells: number of the cell.

    Raises
    ------
    TypeError
        If `request` is neither an int nor a mapping.
    ValueError
        If a class is unknown or named twice, or a count is negative or not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.sampling.strategy import resolve_counts
    >>> resolve_counts(5, np.array([0, 7]), ("cat", "dog"))
    {0: 3, 1: 2}
    >>> resolve_counts({"dog": 4}, np.array([0, 7]), ("cat", "dog"))
    {1: 4}
    """
    if hasattr(request, "to_dict"):  # a Series
        request = request.to_dict()
    if cells is not None:
        return _resolve_cells(request, values, names, cells)
    # bool is a subclass of int, and True is hardly a request for one image
    if isinstance(request, bool) or not isinstance(request, int | np.integer | Mapping):
        raise TypeError(f"counts must be a whole number or a dict of class -> whole number; got {request!r}.")
    if not isinstance(request, Mapping):
        per_class, remainder = divmod(_check_count(request, "the total"), len(values))
        shares = {index: per_class + (index < remainder) for index in range(len(values))}
        return {index: count for index, count in shares.items() if count}
    index_of = {value: index for index, value in enumerate(values.tolist())}
    by_value = _by_value(request, values, names)
    counts = {value: _check_count(count, f"class {value!r}") for value, count in by_value.items()}
    unknown_values = [value for value in counts if value not in index_of]
    if unknown_values:
        raise ValueError(unknown_name_message("class", str(unknown_values[0]), list(names)))
    # in class order, so that the order of the keys does not change the result
    ordered = sorted(counts.items(), key=lambda pair: index_of[pair[0]])
    return {index_of[value]: count for value, count in ordered if count}


def _resolve_cells(
    request: int | Mapping[Any, int], values: np.ndarray, names: Sequence[str], cells: Cells
) -> dict[int, int]:
    """Resolve the `counts` of a model with cells: number of the cell -> number of images."""
    if not isinstance(request, Mapping):
        return cells.split_all(resolve_counts(request, values, names))
    by_class = {key: count for key, count in request.items() if not isinstance(key, tuple) and key not in cells.names}
    counts = cells.split_all(resolve_counts(by_class, values, names))
    known = values.tolist()
    for key, count in request.items():
        if key in by_class:
            continue
        if isinstance(key, tuple):
            value = _class_value(key[0], known, names) if key else None
            number = cells.index(names[known.index(value)] if value in known else str(value), *key[1:])
        else:
            number = cells.names.index(key)
        counts[number] = counts.get(number, 0) + _check_count(count, f"cell {cells.names[number]!r}")
    return {number: counts[number] for number in sorted(counts) if counts[number]}


def _by_value(request: Mapping[Any, int], values: np.ndarray, names: Sequence[str]) -> dict[Hashable, int]:
    """Return the request with class values as keys. A key is a class value if it equals one, else a class name."""
    known = values.tolist()
    counts: dict[Hashable, int] = {}
    for key, count in request.items():
        value = _class_value(key, known, names)
        if value in counts:
            raise ValueError(f"class {key!r} is named twice.")
        counts[value] = count
    return counts


def _class_value(key: Any, known: list[Any], names: Sequence[str]) -> Any:
    """Return the class value that a key stands for: itself if it is known, else that of the class with this name."""
    value = as_python(key)
    return known[list(names).index(str(value))] if value not in known and str(value) in names else value


def _check_count(count: object, what: str) -> int:
    """Return `count` as an int. Raises ValueError if it is negative or not an integer."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"{what}: the number of samples must be a whole number of at least 0; got {count!r}.")
    return int(count)


def check_sampling_seed(random_state: object) -> int | None:
    """Return the seed of samples. Raise TypeError if it is neither a whole number nor None."""
    if random_state is None:
        return None
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise TypeError(f"random_state of sample must be a whole number or None; got {random_state!r}.")
    return int(random_state)


def check_start(start: object) -> int:
    """Return the index at which samples start. Raise TypeError or ValueError if it is no whole number from 0."""
    if isinstance(start, bool) or not isinstance(start, int | np.integer):
        raise TypeError(f"start must be a whole number or None; got {start!r}.")
    if not 0 <= start < IMAGE_SEEDS:
        raise ValueError(f"start must be at least 0 and below 2**53; got {start}.")
    return int(start)


def sampling_keys(class_values: np.ndarray, cells: Cells | None) -> list[Any]:
    """Return the key of each label in a request for samples: its class value, or a tuple with attribute values."""
    if cells is None:
        return list(class_values)
    texts = [cells.values_of(number) for number in range(len(cells))]
    labels = cells.class_labels.tolist()
    return [(class_values[label], *values) for label, values in zip(labels, texts, strict=True)]
