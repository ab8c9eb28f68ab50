"""What a torch data set reveals about itself, also through Subset, ConcatDataset and other wrappers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, Dataset

VALIDATION_SPLITS = frozenset({"val", "valid", "validation", "test", "eval", "dev"})


def innermost_datasets(dataset: Dataset[Any]) -> Iterator[Dataset[Any]]:
    """Yield the data sets inside all wrappers.

    Parameters
    ----------
    dataset : Dataset
        A ConcatDataset is a wrapper, and so is any data set with another one as its attribute `dataset`, such as
        Subset.

    Yields
    ------
    Dataset
        Each data set that is not a wrapper, in order.

    Examples
    --------
    >>> from torch.utils.data import ConcatDataset, Subset
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.datasets.introspection import innermost_datasets
    >>> images = fashion_mnist_lt()
    >>> wrapped = ConcatDataset([Subset(images, [0]), images])
    >>> [type(dataset).__name__ for dataset in innermost_datasets(wrapped)]
    ['LabeledImages', 'LabeledImages']
    """
    wrapped = getattr(dataset, "datasets", None) if isinstance(dataset, ConcatDataset) else None
    if wrapped is None and isinstance(getattr(dataset, "dataset", None), Dataset):
        wrapped = [dataset.dataset]  # type: ignore[attr-defined]
    if wrapped is None:
        yield dataset
    else:
        for part in wrapped:
            yield from innermost_datasets(part)


def is_hugging_face(X: Any) -> bool:
    """Whether X is a Hugging Face `datasets.Dataset`."""
    # by name, because importing `datasets` takes seconds and it may not be installed
    return any(base.__module__.split(".")[0] == "datasets" and base.__name__ == "Dataset" for base in type(X).__mro__)


def normalization(dataset: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Find the numbers by which the transform of a data set normalizes its images.

    Parameters
    ----------
    dataset : Dataset
        A data set or wrapper. Its transforms are read from the attributes `transform` and `transforms`; Normalize of
        torchvision and of Albumentations is known.

    Returns
    -------
    tuple of ndarrays of shape (C,), float64, or None
        Mean and standard deviation, of images in [0, 1]. None if no transform or more than one normalizes, or parts of
        the data set differ.

    Examples
    --------
    >>> import torch
    >>> from torchvision.datasets import FakeData
    >>> from torchvision.transforms import v2
    >>> from ganaug.datasets.introspection import normalization
    >>> to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    >>> images = FakeData(4, transform=v2.Compose([*to_float, v2.Normalize([0.5] * 3, [0.25] * 3)]))
    >>> mean, std = normalization(images)
    >>> mean.tolist(), std.tolist()
    ([0.5, 0.5, 0.5], [0.25, 0.25, 0.25])
    """
    steps = {tuple(_normalizing_steps(path)) for path in _wrapper_paths(dataset)}
    if len(steps) != 1:
        return None
    (only,) = steps
    if len(only) != 1:
        return None
    mean, std = (np.asarray(numbers, dtype=np.float64) for numbers in only[0])
    return mean, std


def _wrapper_paths(dataset: Any) -> Iterator[list[Any]]:
    """Yield, for each data set inside all wrappers, the data set and the wrappers around it, from the inside out."""
    parts = dataset.datasets if isinstance(dataset, ConcatDataset) else [getattr(dataset, "dataset", None)]
    parts = [part for part in parts if isinstance(part, Dataset)]
    if not parts:
        yield [dataset]
    for part in parts:
        for path in _wrapper_paths(part):
            yield [*path, dataset]


def _normalizing_steps(path: list[Any]) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Yield (mean, std) of each transform that normalizes."""
    for dataset in path:
        for transform in _flatten(getattr(dataset, "transform", None)):
            if type(transform).__name__ == "Normalize" and hasattr(transform, "mean") and hasattr(transform, "std"):
                if getattr(transform, "normalization", "standard") != "standard":
                    continue  # of Albumentations: by the numbers of each image, which are unknown
                mean, std = (tuple(np.ravel(numbers).tolist()) for numbers in (transform.mean, transform.std))
                yield mean, std


def _flatten(transform: Any) -> Iterator[Any]:
    """Yield the single transforms of a Compose or Sequential."""
    parts = getattr(transform, "transforms", None)
    if parts is None and type(transform).__name__ == "Sequential":
        parts = list(transform)
    if parts is None:
        yield transform
    else:
        for part in parts:
            yield from _flatten(part)


def is_validation_split(dataset: Dataset[Any]) -> bool:
    """Whether any part of the data set is marked as a validation or test split.

    Parameters
    ----------
    dataset : Dataset
        A data set or wrapper. The marks are `train=False`; an attribute `split` with a name in `VALIDATION_SPLITS`; and
        a metadata column `split` with such a name in all rows.

    Returns
    -------
    bool
        False if no part has a mark.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import Subset, TensorDataset
    >>> from ganaug.datasets.introspection import is_validation_split
    >>> images = TensorDataset(torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]))
    >>> images.split = "val"
    >>> is_validation_split(Subset(images, [0, 2]))
    True
    """
    return any(_is_marked(part) for part in innermost_datasets(dataset))


def _is_marked(dataset: Dataset[Any]) -> bool:
    """Whether a data set that is not a wrapper is marked as a validation or test split."""
    if getattr(dataset, "train", None) is False:
        return True
    metadata = getattr(dataset, "metadata", None)
    # several values are a table of all splits, which does not say which of them this data set is
    if metadata is not None and "split" in getattr(metadata, "columns", ()) and metadata["split"].nunique() == 1:
        return str(metadata["split"].iloc[0]).lower() in VALIDATION_SPLITS
    # torchvision's data sets name it `split` or `_split`
    return str(getattr(dataset, "split", getattr(dataset, "_split", ""))).lower() in VALIDATION_SPLITS
