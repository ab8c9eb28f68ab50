"""Attributes of images, from their metadata: the values that occur, and the value of each image."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from torch import Tensor

from ganaug.datasets.attribute_columns import column_texts, distinct_values, encode, has_values
from ganaug.images import LabeledImages
from ganaug.metrics.class_recognition import recognize_classes


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


def known_attributes(real: LabeledImages, synthetic: LabeledImages, names: list[str]) -> list[Attribute]:
    """Return the attributes that the metadata of both image sets have, and each combination of two.

    Parameters
    ----------
    real, synthetic : LabeledImages
        Images with metadata.
    names : list of str
        Columns of the real images; those without a value among the synthetic images are skipped.

    Returns
    -------
    list of Attribute
        First the attributes, then the pairs.

    """
    known = [name for name in names if has_values(synthetic, name)]
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
        values = distinct_values(column + synthetic_texts[name])
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
        Columns of the real images; those with values among the synthetic images are skipped.
    real_features, synthetic_features : Tensor, shape (N, D) and (M, D)
        Features that the classifier takes.
    seed : int
        Seed of the cross-fitting.

    Returns
    -------
    list of Attribute
        With `predicted`: predictions for the real images by classifiers that were not fitted on them.
    """
    attributes = []
    for name in names:
        if has_values(synthetic, name):
            continue
        column = column_texts(real, name)
        values = distinct_values(column)
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
