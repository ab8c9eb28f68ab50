"""The labels that a data set yields, and the class names that they stand for, also through Subset and other wrappers.

The label in the item counts, not an attribute such as `targets`, which `target_transform` or a wrapper may change.
"""

import operator
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

from ganaug._runtime.messages import warn_user
from ganaug._runtime.randomness import temporary_seed
from ganaug.datasets.introspection import is_hugging_face
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.dataset_records import class_label_names, find_label_column
from ganaug.io.items import IMAGE_KEYS, NO_LABEL, Label, label_value, split_item

MAX_ITEMS_CHECKED = 200


class DatasetLabels:
    """The labels of a data set, and the class names that they stand for.

    Parameters
    ----------
    dataset : Dataset or datasets.Dataset
        Map-style data set of (image, label), or a wrapper, whose attribute `class_to_idx` or `classes` names the
        classes by number.
    labels : list of length N, optional
        The label of each item, if the items are loaded already. None: stored labels (`targets`, `labels`, or a column)
        are used if they agree with the items: the first and the last one of every label, at most 200 items, are loaded
        to check that. Otherwise, all items are loaded.

    Attributes
    ----------
    labels : list of str, int, float or None
        One label for each item; None where it has none.
    are_indices : bool
        Whether numbers are indices into class names that the data set knows.

    Examples
    --------
    >>> from torch.utils.data import Subset
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.datasets.dataset_labels import DatasetLabels
    >>> subset = DatasetLabels(Subset(fashion_mnist_lt(), [0, 1400]))
    >>> subset.labels, subset.are_indices, subset.names
    ([0, 9], True, {0: 'T-shirt', 9: 'Ankle boot', 1: 'Trouser', ...})
    """

    def __init__(self, dataset: Any, labels: list[Label] | None = None) -> None:
        located = _locate_rows(dataset)
        parts = {id(source): source for source, _ in located}
        self._parts = {key: _Part(source) for key, source in parts.items()}
        self._rows = [(self._parts[id(source)], row) for source, row in located]
        self.are_indices = any(part.classes for part in self._parts.values())
        self.labels = self._read_labels(dataset) if labels is None else labels

    def _read_labels(self, dataset: Any) -> list[Label]:
        """Return the label of each item, stored labels if they agree with the items."""
        if isinstance(dataset, LabeledImages):
            return [*dataset.targets]
        if all(part.labels is not None for part in self._parts.values()):
            labels = [part.labels[row] for part, row in self._rows if part.labels is not None]
            if _agree(dataset, labels):
                return labels
        return [label_value(split_item(dataset[row])[1]) for row in range(len(dataset))]

    @cached_property
    def names(self) -> dict[Label, str]:
        """Label -> class name, also of classes without an item.

        Empty if the names are not known, or if labels and names do not correspond one to one, such as after a
        `target_transform` that merges classes. Raises DataError if parts of a ConcatDataset number the same classes
        differently.
        """
        names_by_part: dict[int, dict[Label, set[str]]] = defaultdict(lambda: defaultdict(set))
        for (part, row), label in zip(self._rows, self.labels, strict=True):
            if label is None or label == NO_LABEL:
                continue
            name = part.class_name(row, label)
            if name is None:
                return {}
            names_by_part[id(part)][label].add(name)
        mappings = [_one_to_one(names) for names in names_by_part.values()]
        if any(mapping is None for mapping in mappings):
            return {}
        merged: dict[Label, str] = {}
        labels_by_name: dict[str, Label] = {}
        for label, name in ((label, name) for mapping in mappings for label, name in (mapping or {}).items()):
            if merged.setdefault(label, name) != name or labels_by_name.setdefault(name, label) != label:
                raise DataError(
                    f"the parts of the ConcatDataset number their classes differently: {name!r} has the label {label} "
                    f"in one part, and in another this label or name stands for another class. Number the classes of "
                    "all parts alike, for example with target_transform."
                )
        for label, name in ((label, name) for part in self._parts.values() for label, name in part.all_names()):
            if name not in labels_by_name and label not in merged:
                merged[label], labels_by_name[name] = name, label
        return merged


class _Part:
    """A data set that is not a wrapper: its class names, and the labels that it stores before `target_transform`."""

    def __init__(self, dataset: Any) -> None:
        self.classes = _classes_of(dataset)
        self.stored = _raw_targets(dataset)
        self.target_transform = getattr(dataset, "target_transform", None)

    def _transform(self, label: Any) -> Label:
        return label_value(label if self.target_transform is None else self.target_transform(label))

    @cached_property
    def labels(self) -> list[Label] | None:
        """The labels of all rows after `target_transform`, or None if items must be loaded for that."""
        if self.stored is None:
            return None
        try:
            return [self._transform(label) for label in self.stored]
        except Exception:  # the user's function may expect what only an item has
            return None

    def all_names(self) -> Iterator[tuple[Label, str]]:
        """Yield the label and the name of each class."""
        for number, name in self.classes.items():
            with suppress(Exception):  # the user's function may accept only what an item has
                yield self._transform(number), name

    def class_name(self, row: int, label: Label) -> str | None:
        """Return the class name of a row, by the number that is stored for it, else by its label."""
        if self.stored is None and self.target_transform is not None:
            # `classes` names the numbers before target_transform, which only it maps to labels
            return self._name_by_label.get(label)
        number = label if self.stored is None else label_value(self.stored[row])
        if isinstance(number, str):  # a data set that stores names
            return number if not self.classes or number in self.classes.values() else None
        if not self.classes or not isinstance(number, int):
            return None
        if number not in self.classes:
            warn_user(
                f"an item has the label {number}, and the data set has {len(self.classes)} class names: they are not "
                "used."
            )
            return None
        return self.classes[number]

    @cached_property
    def _name_by_label(self) -> dict[Label, str]:
        """The name of each label that exactly one class has after `target_transform`."""
        names = defaultdict(list)
        for label, name in self.all_names():
            names[label].append(name)
        return {label: each[0] for label, each in names.items() if len(each) == 1}


def _one_to_one(names: dict[Label, set[str]]) -> dict[Label, str] | None:
    """Return label -> name if every label has one name and every name one label, else None."""
    single = {label: next(iter(values)) for label, values in names.items() if len(values) == 1}
    return single if len(set(single.values())) == len(names) else None


def _locate_rows(dataset: Any) -> list[tuple[Any, int]]:
    """Return, for each row, the data set inside all wrappers that it comes from, and its row there."""
    if isinstance(dataset, Subset):
        inner = _locate_rows(dataset.dataset)
        return [inner[index] for index in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        return [row for part in dataset.datasets for row in _locate_rows(part)]
    wrapped = getattr(dataset, "dataset", None)
    if isinstance(wrapped, Dataset) and not hasattr(dataset, "classes") and _has_length(wrapped, len(dataset)):
        return _locate_rows(wrapped)
    return [(dataset, row) for row in range(len(dataset))]


def _has_length(dataset: Any, length: int) -> bool:
    return hasattr(dataset, "__len__") and len(dataset) == length


def _classes_of(part: Any) -> dict[int, str]:
    """Return the class names of a data set that is not a wrapper, by number."""
    if is_hugging_face(part):
        return dict(enumerate(class_label_names(part.features.get(find_label_column(part.features))) or ()))
    for classes in (getattr(part, "class_to_idx", None), getattr(part, "classes", None)):
        if isinstance(classes, Mapping):  # name -> number as in torchvision, or number -> name
            pairs = [(key, value) if isinstance(value, str) else (value, key) for key, value in classes.items()]
        elif isinstance(classes, Sequence | np.ndarray | pd.Index) and not isinstance(classes, str):
            pairs = [*enumerate(classes)]
        else:
            continue
        # several names of one class, as in torchvision's ImageNet
        names = {number: ", ".join(map(str, name)) if isinstance(name, tuple) else name for number, name in pairs}
        # numbers in `classes` are labels in any order, not names
        if len(names) == len(pairs) and all(isinstance(name, str) for name in names.values()):
            with suppress(TypeError):  # a number is no whole number
                return {operator.index(number): str(name) for number, name in names.items()}
    return {}


def _raw_targets(part: Any) -> Sequence[Any] | None:
    """Return the labels that a data set stores, before its `target_transform`."""
    if is_hugging_face(part):
        return _hugging_face_labels(part)
    for name in ("targets", "labels"):
        stored = getattr(part, name, None)
        if isinstance(stored, Tensor) or hasattr(stored, "tolist"):
            stored = stored.tolist()  # type: ignore[union-attr]
        if isinstance(stored, Sequence) and not isinstance(stored, str) and _has_length(stored, len(part)):
            return stored
    return None


def _hugging_face_labels(dataset: Any) -> list[Label] | None:
    """Return the label column of a Hugging Face data set, before its transform; None if it has no such columns."""
    column = find_label_column(dataset.column_names)
    has_image = any(name in dataset.column_names for name in IMAGE_KEYS)
    return [label_value(label) for label in dataset.with_format(None)[column]] if column and has_image else None


def _agree(dataset: Any, labels: Sequence[Label]) -> bool:
    """Return whether the first and the last item of every label have the stored label."""
    first = {label: row for row, label in reversed([*enumerate(labels)])}
    last = {label: row for row, label in enumerate(labels)}
    rows = sorted({*first.values(), *last.values()})
    # spread over the set: data sets are often sorted by class
    rows = rows[:: -(-len(rows) // MAX_ITEMS_CHECKED) or 1]
    with temporary_seed(0):  # a random transform of the data set must not move the user's random state
        return all(label_value(split_item(dataset[row])[1]) == labels[row] for row in rows)
