"""Attributes of images, from their metadata: the values that occur, and the value of each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.table import is_missing
from ganaug.metrics.class_recognition import recognize_classes

PREFIX = "attr_"
MAX_VALUES = 20  # a column with more values is an identifier or a number rather than an attribute


@dataclass(frozen=True)
class Attribute:
    """An attribute of the real and the synthetic images, or a combination of two.

    Parameters
    ----------
    name : str
        Column of the metadata, or "first, second" for a combination.
    values : tuple of str
        Values that occur among the real or the synthetic images, sorted.
    real, synthetic : ndarray of int64, shape (N,) and (M,)
        Index into `values` for each image; -1 if the value is missing.
    predicted : ndarray of int64, shape (N,), optional
        Values that a classifier predicts for the real images, if those of the synthetic images are predictions too.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.reports.attributes import Attribute
    >>> sex = Attribute("attr_sex", ("f", "m"), np.array([0, 1, 1, -1]), np.array([0, 0]))
    >>> sex.counts("real", np.array([0, 0, 1, 1]), n_classes=2)
    array([[1, 1],
           [0, 1]])
    >>> sex.reported_values()
    [0]
    """

    name: str
    values: tuple[str, ...]
    real: np.ndarray
    synthetic: np.ndarray
    predicted: np.ndarray | None = None

    def counts(self, which: str, labels: np.ndarray, n_classes: int) -> np.ndarray:
        """Count the images of each class with each value.

        Parameters
        ----------
        which : {"real", "synthetic"}
            The images to count.
        labels : ndarray of int64, shape (N,)
            Their labels.
        n_classes : int
            Number of classes, K.

        Returns
        -------
        ndarray of int64, shape (K, A)
            A is the number of values. Images without a value are left out.
        """
        codes = getattr(self, which)
        counts = np.zeros((n_classes, len(self.values)), np.int64)
        # add.at, because `counts[...] += 1` counts repeated indices once
        np.add.at(counts, (labels[codes >= 0], codes[codes >= 0]), 1)
        return counts

    def reported_values(self) -> list[int]:
        """Indices of the values that get a row each: of two values, one, since their shares sum to 1."""
        return [0] if len(self.values) == 2 else list(range(len(self.values)))


def shared_attributes(*sets: LabeledImages) -> list[str]:
    """List the columns `attr_...` that the metadata of all image sets have.

    Parameters
    ----------
    *sets : LabeledImages
        At least one.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.reports.attributes import shared_attributes
    >>> metadata = pd.DataFrame({"attr_sex": ["f"], "file_name": ["a.png"]})
    >>> pixels, labels = torch.zeros(1, 1, 4, 4, dtype=torch.uint8), torch.tensor([0])
    >>> shared_attributes(LabeledImages(pixels, labels, ("ill",), metadata))
    ['attr_sex']
    """
    return sorted(name for name in set.intersection(*map(_columns, sets)) if name.startswith(PREFIX))


def resolve_names(
    real: LabeledImages, synthetic: LabeledImages, requested: Sequence[str] | None, *, predicted: bool
) -> list[str]:
    """Return the names of the attributes to compare.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Images with metadata.
    requested : sequence of str, optional
        Columns; None: those of the real images that begin with `attr_`.
    predicted : bool
        Whether the synthetic images may lack an attribute, because it is predicted.

    Returns
    -------
    list of str

    Raises
    ------
    DataError
        If there is no attribute, or the metadata lack one.
    """
    names = list(requested) if requested is not None else shared_attributes(real)
    if not names:
        raise DataError(
            "no attributes: pass attributes=, a list of columns of metadata.csv, or name the columns "
            f"{PREFIX}..., for example {PREFIX}sex."
        )
    for name in names:
        for origin, images in {"real": real, "synthetic": synthetic}.items():
            if name in _columns(images) or (predicted and origin == "synthetic"):
                continue
            columns = ", ".join(sorted(_columns(images))) or "none"
            fix = " Pass predicted=True to predict it from the images." if origin == "synthetic" else ""
            raise DataError(
                f"attribute {name!r} is not a column of the metadata of the {origin} images. Columns: {columns}.{fix}"
            )
    return names


def known_attributes(real: LabeledImages, synthetic: LabeledImages, names: list[str]) -> list[Attribute]:
    """Return the attributes that the metadata of both image sets have, and each combination of two.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Images with metadata.
    names : list of str
        Columns of the real images; those that the synthetic images lack are skipped.

    Returns
    -------
    list of Attribute
        First the attributes, then the pairs.

    Raises
    ------
    DataError
        If an attribute has fewer than 2 or more than 20 values.
    """
    known = [name for name in names if name in _columns(synthetic)]
    texts = [{name: column_texts(images, name) for name in known} for images in (real, synthetic)]
    # a pair shows shifts that cancel within each attribute alone
    for first, second in combinations(known, 2):
        for columns in texts:
            columns[f"{first}, {second}"] = [
                None if a is None or b is None else f"{a}, {b}"
                for a, b in zip(columns[first], columns[second], strict=True)
            ]
    real_texts, synthetic_texts = texts
    attributes = []
    for name, column in real_texts.items():
        # a value that occurs among synthetic images only is a change of composition too
        occurring = column + synthetic_texts[name]
        values = distinct_values(occurring) if name not in names else check_values(name, occurring)
        attributes.append(Attribute(name, values, encode(column, values), encode(synthetic_texts[name], values)))
    return attributes


def predicted_attributes(
    real: LabeledImages,
    synthetic: LabeledImages,
    names: list[str],
    real_features: Tensor,
    synthetic_features: Tensor,
    seed: int,
) -> list[Attribute]:
    """Predict each attribute that the synthetic images lack with a classifier of the real images.

    Parameters
    ----------
    real, synthetic : LabeledImages
        N and M images; the real ones have the attributes as metadata.
    names : list of str
        Columns of the real images; those that the synthetic images have are skipped.
    real_features, synthetic_features : Tensor, shape (N, D) and (M, D)
        Features that the classifier takes.
    seed : int
        Seed of the cross-fitting.

    Returns
    -------
    list of Attribute
        With `predicted`: predictions for the real images by classifiers that were not fitted on them.

    Raises
    ------
    DataError
        If an attribute has fewer than 2 or more than 20 values.
    """
    attributes = []
    for name in names:
        if name in _columns(synthetic):
            continue
        column = column_texts(real, name)
        values = check_values(name, column)
        truth = encode(column, values)
        known = np.flatnonzero(truth >= 0)  # the classifier cannot be fitted on images without a value
        labels = synthetic.labels.new_tensor(truth[known])
        claimed = labels.new_zeros(len(synthetic_features))  # affects confidences only, which are not used
        of_real, of_synthetic = recognize_classes(
            real_features[known], labels, synthetic_features, claimed, seed=seed % 2**31
        )
        predictions = np.full(len(real), -1)  # as in `real`, so that both leave out the same images
        predictions[known] = of_real.predicted.numpy()
        attributes.append(Attribute(name, values, truth, of_synthetic.predicted.numpy(), predictions))
    return attributes


def column_texts(images: LabeledImages, name: str) -> list[str | None]:
    """Return a column of metadata as texts.

    Parameters
    ----------
    images : LabeledImages
        Images with metadata.
    name : str
        A column.

    Returns
    -------
    list of str or None
        None where a value is missing.
    """
    return [None if is_missing(value) else str(value) for value in pd.DataFrame(images.metadata)[name]]


def distinct_values(column: list[str | None]) -> tuple[str, ...]:
    """Return the values that occur in a column, sorted, without missing ones."""
    return tuple(sorted({value for value in column if value is not None}))


def check_values(name: str, column: list[str | None], origin: str = "real") -> tuple[str, ...]:
    """Return the values that occur in a column.

    Parameters
    ----------
    name : str
        Name of the attribute, for the message.
    column : list of str or None
        Its texts.
    origin : str
        Origin of the images ("real", "test"), for the message.

    Returns
    -------
    tuple of str
        Sorted.

    Raises
    ------
    DataError
        If there are fewer than 2 or more than 20 values.

    Examples
    --------
    >>> from ganaug.reports.attributes import check_values
    >>> check_values("attr_sex", ["m", "f", None, "m"])
    ('f', 'm')
    """
    values = distinct_values(column)
    if not 2 <= len(values) <= MAX_VALUES:
        raise DataError(
            f"attribute {name!r} has {len(values)} values among the {origin} images: choose one with 2 to {MAX_VALUES}."
        )
    return values


def encode(column: list[str | None], values: tuple[str, ...]) -> np.ndarray:
    """Replace each text by its index.

    Parameters
    ----------
    column : list of str or None
        Texts.
    values : tuple of str
        Values in the order of their indices.

    Returns
    -------
    ndarray of int64, shape (N,)
        -1 for a text that is missing or not among `values`.

    Examples
    --------
    >>> from ganaug.reports.attributes import encode
    >>> encode(["m", None, "f"], ("f", "m"))
    array([ 1, -1,  0])
    """
    index = {value: number for number, value in enumerate(values)}
    return np.array([-1 if value is None else index.get(value, -1) for value in column], dtype=np.int64)


def _columns(images: LabeledImages) -> set[str]:
    """Names of the columns of metadata."""
    return set() if images.metadata is None else {str(name) for name in images.metadata.columns}
