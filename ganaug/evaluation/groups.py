"""Groups of images that belong together, such as those of a patient or a slide: one name for each image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ganaug._runtime.messages import warn_user
from ganaug.datasets.attribute_columns import name_columns
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.class_folders import GROUP_COLUMN
from ganaug.io.items import cell_text, folded
from ganaug.io.paths import shorten

NO_GROUP_PREFIX = " row "  # of the name of an image without a group; other names do not begin with a space


def resolve_groups(
    images: LabeledImages, groups: str | Sequence[Any] | np.ndarray | None, what: str = "real"
) -> np.ndarray | None:
    """Resolve the argument `groups` to one group name for each image.

    Parameters
    ----------
    images : LabeledImages
        N images.
    groups : str, sequence of length N, or None
        A column of the metadata, the groups themselves, or None: the column `group_id` if there is one.
    what : str, default="real"
        What the images are, for messages.

    Returns
    -------
    array of shape (N,), str, or None
        Equal values have equal names, see `text_value`. An image without a group forms a group by itself. None if there
        are no groups.

    Raises
    ------
    DataError
        If the metadata has no such column, or a group is not one text or number.
    ValueError
        If the number of groups is not the number of images.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import resolve_groups
    >>> images = LabeledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1]), ("cat", "dog"))
    >>> resolve_groups(images, ["patient 1", "patient 1 ", None]).tolist()
    ['patient 1', 'patient 1', ' row 2']
    """
    columns = [] if images.metadata is None else list(images.metadata.columns)
    if groups is None and GROUP_COLUMN in columns:
        groups = GROUP_COLUMN
    if groups is None:
        return None
    if not isinstance(groups, str):
        return name_groups(groups, len(images))
    if groups not in columns:
        raise DataError(
            f"groups={groups!r}: the metadata of the {what} images have no such column. {name_columns(groups, columns)}"
        )
    assert images.metadata is not None
    return name_groups(images.metadata[groups], len(images))


def name_groups(groups: Any, n: int) -> np.ndarray:
    """Return the name of the group of each image.

    Parameters
    ----------
    groups : sequence, array, Series, categorical or tensor of length N
        Texts or numbers; missing values are allowed.
    n : int
        Number of images.

    Returns
    -------
    array of shape (N,), str
        Equal values have equal names, see `text_value`. An image without a group forms a group by itself.

    Raises
    ------
    DataError
        If a group is not one text or number.
    ValueError
        If there are not `n` groups.

    Examples
    --------
    >>> from ganaug.evaluation.groups import name_groups
    >>> name_groups([1, 1.0, " 1", float("nan")], 4).tolist()
    ['1', '1', '1', ' row 3']
    """
    if isinstance(groups, pd.DataFrame) and groups.shape[1] == 1:
        groups = groups.iloc[:, 0]
    if isinstance(groups, pd.DataFrame | dict | set):
        raise ValueError(f"groups is a {type(groups).__name__}; expected a sequence with one entry for each image.")
    # not np.asarray, which turns the missing values of a list of texts into the text 'nan'
    values = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    if len(values) != n:
        raise ValueError(f"groups must have one entry for each image: {len(values)} for {n} images.")
    return np.array([_name_group(value, row) for row, value in enumerate(values)], dtype=str)


def check_groups_apart(training: np.ndarray | None, test: np.ndarray | None) -> None:
    """Check that no group has training and test images.

    Parameters
    ----------
    training, test : array of str, or None
        Group names, as `resolve_groups` returns them. None: unknown, nothing is checked.

    Raises
    ------
    DataError
        If a group is in both.

    Warns
    -----
    UserWarning
        If names of groups differ only in case.

    Examples
    --------
    >>> from ganaug.evaluation.groups import check_groups_apart, name_groups
    >>> check_groups_apart(name_groups([1, 2], 2), name_groups([2.0, None], 2))
    Traceback (most recent call last):
    ganaug.errors.DataError: group '2' (one of 1) has training and test images: ...
    """
    if training is None or test is None:
        return
    named = [{name for name in set(names) if not name.startswith(NO_GROUP_PREFIX)} for names in (training, test)]
    shared = sorted(named[0] & named[1])
    if shared:
        raise DataError(
            f"group {str(shared[0])!r} (one of {len(shared)}) has training and test images: images of one patient or "
            "slide are not an independent test. Split by whole groups."
        )
    folded_names = {folded(name): str(name) for name in named[0]}
    similar = [
        f"{folded_names[folded(name)]!r} = {str(name)!r}" for name in sorted(named[1]) if folded(name) in folded_names
    ]
    if similar:
        warn_user(
            f"groups of training and test images differ only in case: {shorten(similar)}. If they are one group, the "
            "test is not independent."
        )


def _name_group(value: Any, row: int) -> str:
    """Return the name of a group. Names of images without a group stay as they are."""
    if isinstance(value, str) and value.startswith(NO_GROUP_PREFIX):
        return value
    try:
        if isinstance(value, tuple) and len(value) > 1:  # several columns together are the key of the group
            parts = tuple(cell_text(part) for part in value)
            text = str(parts) if any(parts) else None
        else:
            text = cell_text(value)
    except DataError as error:
        raise DataError(f"groups, row {row:,}: {error}") from error
    return f"{NO_GROUP_PREFIX}{row}" if text is None else text
