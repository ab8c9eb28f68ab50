"""What a torch data set reveals about itself, also through Subset, ConcatDataset and other wrappers."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

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


def class_names(dataset: Dataset[Any]) -> tuple[str, ...] | None:
    """Return the attribute `classes`.

    Parameters
    ----------
    dataset : Dataset
        A data set or wrapper.

    Returns
    -------
    tuple of str or None
        Class names in label order; None if a part of the data set has none, or parts differ.

    Examples
    --------
    >>> from torch.utils.data import Subset
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.datasets.introspection import class_names
    >>> class_names(Subset(fashion_mnist_lt(), [0, 1]))[:2]
    ('T-shirt', 'Trouser')
    """
    candidates = {tuple(str(name) for name in getattr(part, "classes", ())) for part in innermost_datasets(dataset)}
    names = candidates.pop() if len(candidates) == 1 else ()
    return names or None


def targets(dataset: Dataset[Any]) -> list[int]:
    """Return the label of every item.

    Parameters
    ----------
    dataset : Dataset
        Map-style data set of (image, label), or a wrapper. Its attribute `targets` is used when it exists; only
        without it are all items loaded.

    Returns
    -------
    list of int
        One label an item.

    Examples
    --------
    >>> from torch.utils.data import Subset
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.datasets.introspection import targets
    >>> targets(Subset(fashion_mnist_lt(), [0, 1400]))
    [0, 9]
    """
    if isinstance(dataset, Subset):
        # a Subset has no targets, and decoding every image for its label is slow
        labels = targets(dataset.dataset)
        return [labels[index] for index in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        return [label for part in dataset.datasets for label in targets(part)]
    known = getattr(dataset, "targets", None)
    if isinstance(known, Tensor):
        known = known.tolist()
    if isinstance(known, Sequence) and len(known) == len(dataset):  # type: ignore[arg-type]
        return [int(label) for label in known]
    return [int(dataset[index][1]) for index in range(len(dataset))]  # type: ignore[arg-type]


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
