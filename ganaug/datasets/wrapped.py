"""What a torch data set says of itself, also through Subset and ConcatDataset."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

VALIDATION_SPLITS = frozenset({"val", "valid", "validation", "test", "eval", "dev"})


def leaves(dataset: Dataset[Any]) -> Iterator[Dataset[Any]]:
    """The data sets inside `dataset` that wrap no other; a wrapper of a foreign kind is one where it has `.dataset`."""
    inner = getattr(dataset, "datasets", None) if isinstance(dataset, ConcatDataset) else None
    if inner is None and isinstance(getattr(dataset, "dataset", None), Dataset):
        inner = [dataset.dataset]  # type: ignore[attr-defined]
    if inner is None:
        yield dataset
    else:
        for part in inner:
            yield from leaves(part)


def class_names(dataset: Dataset[Any]) -> tuple[str, ...] | None:
    """The class names, by label, where every part has the same; else None."""
    found = {tuple(str(name) for name in getattr(part, "classes", ())) for part in leaves(dataset)}
    names = found.pop() if len(found) == 1 else ()
    return names or None


def targets(dataset: Dataset[Any]) -> list[int]:
    """The label of every item; decodes images only where nothing else tells."""
    if isinstance(dataset, Subset):
        inner = targets(dataset.dataset)
        return [inner[index] for index in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        return [label for part in dataset.datasets for label in targets(part)]
    known = getattr(dataset, "targets", None)
    if isinstance(known, Tensor):
        known = known.tolist()
    if isinstance(known, Sequence) and len(known) == len(dataset):  # type: ignore[arg-type]
        return [int(label) for label in known]
    return [int(dataset[index][1]) for index in range(len(dataset))]  # type: ignore[arg-type]


def is_validation(dataset: Dataset[Any]) -> bool:
    """Whether any part is marked: `train` is False, or `split` (an attribute, or a metadata column's only value)."""
    return any(_is_marked(part) for part in leaves(dataset))


def _is_marked(dataset: Dataset[Any]) -> bool:
    if getattr(dataset, "train", None) is False:
        return True
    metadata = getattr(dataset, "metadata", None)
    if metadata is not None and "split" in getattr(metadata, "columns", ()) and metadata["split"].nunique() == 1:
        return str(metadata["split"].iloc[0]).lower() in VALIDATION_SPLITS
    return str(getattr(dataset, "split", getattr(dataset, "_split", ""))).lower() in VALIDATION_SPLITS
