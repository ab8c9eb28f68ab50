"""What a data set is filled up with: how many altered copies of real images and how many synthetic images."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd
import torch

from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, generator
from ganaug.datasets.alterations import ClassicalAugmentation
from ganaug.images import LabeledImages, concatenate
from ganaug.io.table import ALTERED, ALTERED_FROM, OPERATIONS, ORIGIN, SYNTHETIC

# Images of a class, images of the largest class -> target count.
BALANCES: dict[str, Callable[[int, int], int]] = {
    "as-is": lambda count, largest: count,  # noqa: ARG005
    "square-root": lambda count, largest: round(math.sqrt(count * largest)),
    "full": lambda count, largest: largest,  # noqa: ARG005
    # the largest class gets altered copies too: otherwise an altered look is a cue for the rare classes
    "double": lambda count, largest: 2 * largest,  # noqa: ARG005
}


@dataclass(frozen=True)
class Additions:
    """How many images each class gets in addition to its real ones.

    Attributes
    ----------
    altered, synthetic : dict of str to int
        Class name -> number of altered copies and of synthetic images. Classes that get none are left out.

    Examples
    --------
    >>> from ganaug.sampling.composition import split_additions
    >>> split_additions({"cat": 90, "dog": 10}, {"cat": 100, "dog": 100}, share=0.25)
    Additions(altered={'dog': 65}, synthetic={'cat': 10, 'dog': 25})
    """

    altered: dict[str, int]
    synthetic: dict[str, int]

    @property
    def total(self) -> dict[str, int]:
        """Class name -> number of all images that are added."""
        names = [*self.altered, *(name for name in self.synthetic if name not in self.altered)]
        return {name: self.altered.get(name, 0) + self.synthetic.get(name, 0) for name in names}


def balanced_targets(counts: Mapping[str, int], balance: str) -> dict[str, int]:
    """Return the number of images that each class is filled up to.

    Parameters
    ----------
    counts : mapping
        Class name -> number of real images.
    balance : str
        A key of `BALANCES`: "as-is" adds nothing; "square-root" halves the imbalance on a logarithmic scale; "full"
        fills every class up to the largest; "double" to twice the largest, so that every class has additions.

    Returns
    -------
    dict of str to int
        A class without real images stays without.

    Examples
    --------
    >>> from ganaug.sampling.composition import balanced_targets
    >>> balanced_targets({"cat": 100, "dog": 25}, "square-root")
    {'cat': 100, 'dog': 50}
    """
    target = lookup(BALANCES, balance, "strategy")
    largest = max(counts.values(), default=0)
    return {name: target(count, largest) if count else 0 for name, count in counts.items()}


def target_counts(counts: Mapping[str, int], balance: str | None, growth: Mapping[str, float]) -> dict[str, int]:
    """Return the number of images that each class is filled up to.

    Parameters
    ----------
    counts : mapping
        Class name -> number of real images, of all or of a part of them.
    balance : str or None
        A key of `ganaug.sampling.composition.BALANCES`. None: `growth` times the counts.
    growth : mapping
        Class name -> target relative to the number of real images; 1 for others.
    """
    if balance is not None:
        return balanced_targets(counts, balance)
    return {name: round(count * growth.get(name, 1.0)) for name, count in counts.items()}


def split_additions(
    counts: Mapping[str, int], targets: Mapping[str, int], share: float, unlearned: Iterable[str] = ()
) -> Additions:
    """Divide what is added to each class into altered copies and synthetic images.

    Parameters
    ----------
    counts, targets : mapping
        Class name -> number of real images, and of images after filling up. Classes without a target get nothing.
    share : float
        Synthetic fraction of all images of a class, in [0, 1]. A class with few additions can have less. A cell without
        real images gets synthetic ones only.
    unlearned : iterable of str
        Classes that get altered copies only.

    Returns
    -------
    Additions
    """
    without_synthetic = set(unlearned)
    altered, synthetic = {}, {}
    for name, target in targets.items():
        n_added = target - counts[name]
        if n_added <= 0:
            continue
        # without real images there is nothing to copy
        share_of_group = share if counts[name] else 1.0
        n_synthetic = 0 if name in without_synthetic else min(n_added, round(share_of_group * target))
        if n_synthetic:
            synthetic[name] = n_synthetic
        if n_added > n_synthetic:
            altered[name] = n_added - n_synthetic
    return Additions(altered, synthetic)


def source_rows(images: LabeledImages, name: str, n_copies: int, seed: int) -> torch.Tensor:
    """Return the rows of the images of a class that are copied, (n_copies,), each about equally often."""
    rows = images.rows_of(name)
    n_rounds = -(-n_copies // max(1, len(rows)))
    draws = generator(seed, "altered", name)
    rounds = [rows[torch.randperm(len(rows), generator=draws)] for _ in range(n_rounds)]
    return torch.cat(rounds)[:n_copies] if rounds else rows[:0]


def alter_images(
    images: LabeledImages, n_copies: Mapping[str, int], augmentation: ClassicalAugmentation | None, seed: int
) -> LabeledImages:
    """Make altered copies of real images.

    Parameters
    ----------
    images : LabeledImages
        Real images.
    n_copies : mapping
        Class name -> number of copies.
    augmentation : ClassicalAugmentation or None
        None: the copies are not altered.
    seed : int

    Returns
    -------
    LabeledImages
        The metadata is that of the source of each copy, with "origin" ("altered"), "altered_from" (file name, or row
        number of the source) and "operations", see `ganaug.datasets.alterations.repeat_alteration`.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.datasets.alterations import ClassicalAugmentation
    >>> from ganaug.sampling.composition import alter_images
    >>> images = LabeledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1]), ("cat", "dog"))
    >>> copies = alter_images(images, {"dog": 2}, ClassicalAugmentation(flip=False), seed=0)
    >>> copies.counts, copies.metadata["altered_from"].tolist()
    ({'cat': 0, 'dog': 2}, ['2', '2'])
    """
    rows = [source_rows(images, name, count, seed) for name, count in n_copies.items()]
    indices = torch.cat(rows) if rows else torch.empty(0, dtype=torch.int64)
    copies = images.take(indices)
    pixels, operations = copies.images, ["[]"] * len(indices)
    if augmentation is not None and len(indices):
        pixels, operations = augmentation.alter(pixels, derive(seed, "altered"))
    metadata = pd.DataFrame() if copies.metadata is None else copies.metadata.reset_index(drop=True)
    names = metadata["file_name"] if "file_name" in metadata else [str(row) for row in indices.tolist()]
    metadata = metadata.drop(columns="file_name", errors="ignore").assign(
        **{ORIGIN: ALTERED, ALTERED_FROM: list(names), OPERATIONS: operations}
    )
    return replace(copies, images=pixels, metadata=metadata)


def compose(images: LabeledImages, *parts: LabeledImages) -> LabeledImages:
    """Return real images followed by the images that are added to them, without metadata."""
    whole = replace(images, metadata=None)
    for part in parts:
        if len(part):
            whole = concatenate(whole, replace(part, metadata=None))
    return whole


def join_additions(copies: LabeledImages, synthetic: LabeledImages) -> LabeledImages:
    """Return altered copies followed by synthetic images, with metadata that tell them apart."""
    parts = []
    for part, origin in ((copies, ALTERED), (synthetic, SYNTHETIC)):
        metadata = pd.DataFrame(index=range(len(part))) if part.metadata is None else part.metadata
        parts.append(replace(part, metadata=metadata.assign(is_synthetic=origin == SYNTHETIC, origin=origin)))
    return concatenate(*parts)


def check_share(share: float, images: LabeledImages) -> None:
    """Raise ValueError for a share that is not in [0, 1], or for altered copies of plain vectors."""
    if isinstance(share, bool | str) or not 0 <= share <= 1:
        raise ValueError(f"synthetic_share must be a number from 0 to 1; got {share!r}.")
    if share < 1 and min(images.shape[1:]) == 1:
        raise ValueError(
            f"synthetic_share={share!r} needs images, of which altered copies are made, and X holds plain vectors. Set "
            "image_shape, or use synthetic_share=1."
        )
