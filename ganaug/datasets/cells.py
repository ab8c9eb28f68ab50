"""Cells: combinations of a class and attribute values, which a generator can be conditioned on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug.datasets.attribute_columns import attribute_columns, column_texts, distinct_values, name_columns
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.items import text_value

MAX_CELLS = 2000
MISSING = "unknown"  # in names of cells


@dataclass(frozen=True)
class Cells:
    """The combinations of classes and values of attributes, numbered.

    Parameters
    ----------
    classes : tuple of str
        Class names, in label order.
    attributes : dict of str to tuple
        Column of the metadata -> its values as texts, sorted; at the end None, if values are missing.
    counts : tuple of int
        Number of real images of each cell. The attribute named last varies fastest.

    Examples
    --------
    >>> from ganaug.datasets.cells import Cells
    >>> cells = Cells(("cat", "dog"), {"attr_sex": ("f", "m")}, (9, 1, 4, 4))
    >>> cells.names
    ('cat, attr_sex=f', 'cat, attr_sex=m', 'dog, attr_sex=f', 'dog, attr_sex=m')
    >>> cells.index("dog", "m"), cells.missing_counts()
    (3, {1: 8})
    """

    classes: tuple[str, ...]
    attributes: Mapping[str, tuple[str | None, ...]]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, images: LabeledImages, columns: Sequence[str]) -> "Cells":
        """Find the cells of labeled images.

        Parameters
        ----------
        images : LabeledImages
            Images with metadata.
        columns : sequence of str
            Columns of the metadata.

        Raises
        ------
        DataError
            If a column is missing or has fewer than two values, or if there are more than 2,000 cells.
        """
        attributes = {name: _values_of(images, name) for name in columns}
        n_cells = len(images.classes) * prod(map(len, attributes.values()))
        if n_cells > MAX_CELLS:
            numbers = ", ".join(f"{name}: {len(values)} values" for name, values in attributes.items())
            raise DataError(
                f"condition_on: {len(images.classes)} classes and {numbers} make {n_cells:,} combinations; at most "
                f"{MAX_CELLS:,} are supported. Choose columns with fewer values, or join rare values."
            )
        empty = cls(images.classes, attributes, (0,) * n_cells)
        counts = torch.bincount(empty.labels_of(images), minlength=n_cells)
        return cls(images.classes, attributes, tuple(counts.tolist()))

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def members(self) -> Tensor:
        """Index of the class and of the value of each attribute: int64, (n_cells, 1 + n_attributes)."""
        sizes = [len(self.classes), *map(len, self.attributes.values())]
        return torch.cartesian_prod(*map(torch.arange, sizes)).view(-1, len(sizes))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each cell."""
        parts = [
            [f"{column}={MISSING if value is None else value}" for value in values]
            for column, values in self.attributes.items()
        ]
        return tuple(map(", ".join, product(self.classes, *parts)))

    @property
    def class_labels(self) -> Tensor:
        """Label of the class of each cell: int64, (n_cells,)."""
        return self.members[:, 0]

    def design(self) -> Tensor:
        """Return which class and which values make up each cell, a matrix of 0 and 1.

        Returns
        -------
        design : float32 Tensor of shape (n_cells, n_classes + number of values of all attributes)
            First the columns of the classes, then those of the values of each attribute.
        """
        sizes = [len(self.classes), *map(len, self.attributes.values())]
        blocks = [
            torch.eye(size, dtype=torch.float32)[column] for size, column in zip(sizes, self.members.T, strict=True)
        ]
        return torch.cat(blocks, 1)

    def index(self, name: str, *values: object) -> int:
        """Return the number of a cell.

        Parameters
        ----------
        name : str
            Class name.
        *values : object
            Value of each attribute, in the order of `attributes`; None for a missing one. Equal texts are equal values,
            see `ganaug.io.items.text_value`.

        Raises
        ------
        ValueError
            If a class or value is unknown, or the number of values is wrong.
        """
        if name not in self.classes:
            raise ValueError(f"class {name!r} is unknown. Known: {', '.join(self.classes)}.")
        if len(values) != len(self.attributes):
            raise ValueError(
                f"a cell is (class, {', '.join(self.attributes)}); got {len(values)} values for class {name!r}."
            )
        number = self.classes.index(name)
        for (column, known), value in zip(self.attributes.items(), values, strict=True):
            text = text_value(value)
            if text not in known:
                shown = ", ".join(MISSING if known_value is None else known_value for known_value in known)
                raise ValueError(f"{column} has no value {value!r}. Known: {shown}.")
            number = number * len(known) + known.index(text)
        return number

    def of_class(self, label: int) -> list[int]:
        """Return the numbers of the cells of a class, ascending."""
        n_each = len(self) // len(self.classes)
        return list(range(label * n_each, (label + 1) * n_each))

    def missing_counts(self) -> dict[int, int]:
        """Return how many images each cell lacks to be as large as the largest cell of its class.

        Cells whose attribute is missing get none, and neither do those of a class without images.
        """
        lacking: dict[int, int] = {}
        for label in range(len(self.classes)):
            numbers = self.of_class(label)
            largest = max(self.counts[number] for number in numbers)
            lacking |= {
                number: largest - self.counts[number]
                for number in numbers
                if self.counts[number] < largest and not self.has_missing_value(number)
            }
        return lacking

    def has_missing_value(self, number: int) -> bool:
        """Return whether the value of an attribute is missing in a cell."""
        return None in self.values_of(number)

    def split(self, label: int, count: int) -> dict[int, int]:
        """Distribute images of a class over its cells, as the real images are distributed.

        Returns
        -------
        dict of int to int
            Number of a cell -> number of images; only cells with at least one. The largest remainders are rounded up.
        """
        numbers = self.of_class(label)
        real = np.array([self.counts[number] for number in numbers], dtype=np.float64)
        exact = count * real / max(1.0, real.sum())
        whole = np.floor(exact).astype(int)
        order = np.argsort(whole - exact, kind="stable")  # the largest remainder first
        whole[order[: count - whole.sum()]] += 1
        return {number: int(n) for number, n in zip(numbers, whole, strict=True) if n}

    def split_all(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Distribute images of several classes: label -> number becomes number of a cell -> number."""
        return {number: n for label, count in counts.items() for number, n in self.split(label, count).items()}

    def values_of(self, number: int) -> tuple[str | None, ...]:
        """Return the value of each attribute in a cell."""
        values = zip(self.attributes.values(), self.members[number, 1:].tolist(), strict=True)
        return tuple(known[value] for known, value in values)

    def labels_of(self, images: LabeledImages) -> Tensor:
        """Return the number of the cell of each image: int64, (N,)."""
        numbers = images.labels.clone()
        for column, known in self.attributes.items():
            position = {value: index for index, value in enumerate(known)}
            indices = [position[text] for text in column_texts(images, column)]
            numbers = numbers * len(known) + torch.tensor(indices, dtype=torch.int64)
        return numbers

    def relabel(self, images: LabeledImages) -> LabeledImages:
        """Return images with cells in place of classes."""
        return LabeledImages(images.images, self.labels_of(images), self.names, images.metadata)

    def with_classes(self, images: LabeledImages) -> LabeledImages:
        """Return images of cells with their classes, and the values of the attributes as columns of the metadata.

        Parameters
        ----------
        images : LabeledImages
            Labels are numbers of cells.
        """
        members = self.members[images.labels]
        metadata = pd.DataFrame(index=range(len(images))) if images.metadata is None else images.metadata.copy()
        names = np.array(self.classes, dtype=object)
        metadata["label"], metadata["class_index"] = names[members[:, 0].numpy()], members[:, 0].numpy()
        for position, (column, known) in enumerate(self.attributes.items(), start=1):
            metadata[column] = np.array(known, dtype=object)[members[:, position].numpy()]
        return LabeledImages(images.images, members[:, 0].clone(), self.classes, metadata)

    def to_json(self) -> dict[str, Any]:
        """Return the cells as a dict for JSON."""
        attributes = {name: list(values) for name, values in self.attributes.items()}
        return {"classes": list(self.classes), "attributes": attributes, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Cells":
        """Return the cells that `to_json` described. Raises ValueError, TypeError or KeyError if it is inconsistent."""
        attributes = {name: tuple(values) for name, values in stored["attributes"].items()}
        cells = cls(tuple(stored["classes"]), attributes, tuple(stored["counts"]))
        texts = [*cells.classes, *(value for values in attributes.values() for value in values if value is not None)]
        if not all(isinstance(text, str) for text in texts) or not all(type(n) is int for n in cells.counts):
            raise TypeError("cells must hold texts and whole numbers")
        if len(cells) != len(cells.classes) * prod(map(len, attributes.values())) or len(cells) > MAX_CELLS:
            raise ValueError("cells do not fit their classes and attributes")
        return cells


def group_images(images: LabeledImages, cells: Cells | None) -> LabeledImages:
    """Return images with the labels that a model is trained on: those of `cells`, or of the classes if it is None."""
    return images if cells is None else cells.relabel(images)


def _values_of(images: LabeledImages, name: str) -> tuple[str | None, ...]:
    """Return the values of a column, sorted, with None at the end if some are missing."""
    known = attribute_columns(images)
    if name not in known:
        raise DataError(
            f"condition_on: the images have no column {name!r} in their metadata. {name_columns(name, known)}"
        )
    try:
        column = column_texts(images, name)
    except DataError as error:
        raise DataError(f"condition_on, column {name!r}: {error}") from error
    values = distinct_values(column)
    if len(values) < 2:
        raise DataError(
            f"condition_on: column {name!r} has {len(values)} different values; at least 2 are needed. Leave it out."
        )
    return (*values, None) if None in column else values
