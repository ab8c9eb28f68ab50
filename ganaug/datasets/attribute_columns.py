"""Attributes of images: columns of their metadata, as texts and as indices of values."""

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import pandas as pd

from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.items import cell_text


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
        Equal values have equal texts, see `text_value`. None where a value is missing.

    Raises
    ------
    DataError
        If cells have several values, or several columns have this name.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.datasets.attribute_columns import column_texts
    >>> pixels, sites = torch.zeros(3, 1, 4, 4, dtype=torch.uint8), pd.DataFrame({"attr_site": [1.0, None, " NA"]})
    >>> column_texts(LabeledImages(pixels, torch.tensor([0, 0, 0]), ("ill",), sites), "attr_site")
    ['1', None, 'NA']
    """
    table = pd.DataFrame(images.metadata)
    n_columns = list(table.columns).count(name)
    if n_columns > 1:
        raise DataError(f"{n_columns} columns have this name")
    return [cell_text(value) for value in table[name].tolist()]


def has_value(column: list[str | None]) -> bool:
    """Return whether any value of a column is known."""
    return any(text is not None for text in column)


def has_values(images: LabeledImages, name: str) -> bool:
    """Return whether the metadata have a column that can be read, with at least one value."""
    try:
        return name in attribute_columns(images) and has_value(column_texts(images, name))
    except DataError:
        return False


def attribute_columns(images: LabeledImages) -> list[str]:
    """Return the names of the columns of metadata."""
    return (
        []
        if images.metadata is None
        else list(dict.fromkeys(name for name in images.metadata.columns if isinstance(name, str)))
    )


def distinct_values(column: list[str | None]) -> tuple[str, ...]:
    """Return the values that occur in a column, sorted, without missing ones."""
    return tuple(sorted({value for value in column if value is not None}))


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
    >>> from ganaug.datasets.attribute_columns import encode
    >>> encode(["m", None, "f"], ("f", "m"))
    array([ 1, -1,  0])
    """
    index = {value: number for number, value in enumerate(values)}
    return np.array([-1 if value is None else index.get(value, -1) for value in column], dtype=np.int64)


def name_columns(name: str, columns: Sequence[object]) -> str:
    """Return a sentence that lists the columns of metadata, and one that suggests the most similar.

    Examples
    --------
    >>> from ganaug.datasets.attribute_columns import name_columns
    >>> name_columns("attr_sx", ["file_name", "attr_sex"])
    "Columns: attr_sex, file_name. Did you mean 'attr_sex'?"
    """
    known = sorted(map(str, columns))
    similar = get_close_matches(name, known, n=1)
    return f"Columns: {', '.join(known) or 'none'}.{f' Did you mean {similar[0]!r}?' if similar else ''}"
