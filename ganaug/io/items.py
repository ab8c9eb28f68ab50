"""What an item of a data set is, and what its label is.

Every source of labeled images follows these rules: arrays, data sets of torch and Hugging Face, folders, and stores.

- An item is (image, label), and what follows them is ignored; or a mapping with one of `IMAGE_KEYS` and one of
  `LABEL_KEYS`.
- A label is one text or one number. Arrays, tensors and lists of one element stand for their element.
- None, NaN and blank text are no label. Neither is -1, which Hugging Face and torchvision use for unlabeled images,
  unless the labels are -1 and 1.
- The name of a class is the text of its label; whole numbers have no decimal point.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ganaug.errors import DataError
from ganaug.io.paths import shorten
from ganaug.io.table import is_missing

IMAGE_KEYS = ("image", "img", "png", "jpg", "jpeg", "webp", "pixel_values")
LABEL_KEYS = ("label", "labels", "cls", "class", "target", "targets", "fine_label", "y")
NO_LABEL = -1
DROP_HINT = "Give them a class, or leave them out: to_labeled_images(..., unlabeled='drop')"
USE_HINT = f"Give them a class, leave them out, or label them {NO_LABEL}: training then uses them without a class"
Label = str | int | float | None
_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")


@dataclass(frozen=True)
class EncodedLabels:
    """Labels as indices into sorted classes.

    Attributes
    ----------
    class_values : ndarray of shape (K,)
        The values that stand for the classes in the source, sorted.
    indices : ndarray of shape (N,), int64
        Index of each label in `class_values`; -1 for an item without a label.
    names : tuple of str
        Name of each class.
    """

    class_values: np.ndarray
    indices: np.ndarray
    names: tuple[str, ...]


def split_item(item: Any) -> tuple[Any, Any]:
    """Return the image and the label of an item.

    Parameters
    ----------
    item : sequence or mapping
        (image, label, ...), or a mapping.

    Returns
    -------
    tuple
        The image and the label, as they are.

    Raises
    ------
    DataError
        If the item has no image or no label.

    Examples
    --------
    >>> from ganaug.io.items import split_item
    >>> split_item(("pixels", 3, "path/of/file.png"))
    ('pixels', 3)
    >>> split_item({"img": "pixels", "fine_label": 3})
    ('pixels', 3)
    """
    if isinstance(item, Mapping):
        image_key = next((key for key in IMAGE_KEYS if key in item), None)
        label_key = next((key for key in LABEL_KEYS if key in item), None)
        if image_key is not None and label_key is not None:
            return item[image_key], item[label_key]
        keys = ", ".join(map(str, item))
        raise DataError(
            f"an item has the keys {keys or '(none)'}; expected one of {', '.join(IMAGE_KEYS)} for the image and one "
            f"of {', '.join(LABEL_KEYS)} for the label. Rename the keys, or return (image, label)."
        )
    if isinstance(item, tuple | list) and len(item) >= 2:
        return item[0], item[1]
    raise DataError(f"an item is a {type(item).__name__}; expected (image, label) or a dict with both.")


def single_value(value: Any) -> Any:
    """Return the element of a list, array or tensor of one element, and bytes as text; other values as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.io.items import single_value
    >>> single_value([np.array([3])]), single_value(b"cat"), single_value([1, 2])
    (3, 'cat', [1, 2])
    """
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if hasattr(value, "item") and int(np.prod(np.shape(value))) == 1:  # arrays and tensors, of any library
        value = value.item()
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def label_value(label: Any) -> Label:
    """Return a label as a Python text or number, or None if it is missing.

    Raises
    ------
    DataError
        If it is not one text or number.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.io.items import label_value
    >>> label_value(np.array([3], dtype=np.uint8)), label_value(2.0), label_value("cat"), label_value(float("nan"))
    (3, 2, 'cat', None)
    """
    if label is np.ma.masked:
        return None
    label = single_value(label)
    if hasattr(label, "item") and getattr(label, "size", None) is not None:
        raise DataError(
            f"a label has {int(np.prod(np.shape(label)))} numbers; expected one text or number. Pass the index of the "
            "class, such as argmax of a one-hot vector."
        )
    if isinstance(label, str):
        return label if label.strip() else None
    if isinstance(label, bool | int):
        return label
    if isinstance(label, float):
        return None if np.isnan(label) else int(label) if label.is_integer() else label
    if label is None or label is pd.NA or label is pd.NaT:
        return None
    raise DataError(f"a label is a {type(label).__name__}; expected one text or number.")


def encode_labels(
    labels: Iterable[Any],
    *,
    what: str = "the data",
    unlabeled: str = "error",
    are_indices: bool = False,
    hint: str = DROP_HINT,
) -> EncodedLabels:
    """Replace labels by indices into their sorted classes.

    Parameters
    ----------
    labels : iterable of length N
        Labels as `label_value` accepts them. Texts and numbers can be mixed.
    what : str, default="the data"
        What holds the labels, for messages.
    unlabeled : {"error", "drop", "use"}, default="error"
        "drop": items without a label get the index -1. "use": those with the label -1 get it, as in scikit-learn's
        semi-supervised learners; other missing labels are an error.
    are_indices : bool, default=False
        Whether numbers are indices into class names, so that -1 is no label even beside labels that are all 1.
    hint : str
        What to do about items without a label, for messages; without the final period.

    Returns
    -------
    EncodedLabels
        Numbers come before texts in the order of classes.

    Raises
    ------
    DataError
        If labels are missing, with their rows; or if a number and a text have the same name.

    Examples
    --------
    >>> from ganaug.io.items import encode_labels
    >>> encoded = encode_labels(["cat", 10, 9, "cat"])
    >>> encoded.names, encoded.indices.tolist()
    (('9', '10', 'cat'), [2, 1, 0, 2])
    >>> encode_labels(["cat", None, "dog"])
    Traceback (most recent call last):
    ganaug.errors.DataError: the data has no label in row 1. ...
    """
    if unlabeled != "use":
        check_unlabeled(unlabeled)
    values = [label_value(label) for label in labels]
    is_binary = not are_indices and {value for value in values if value is not None} == {NO_LABEL, 1}
    is_labeled = [value is not None and (is_binary or value != NO_LABEL) for value in values]
    rows = [row for row, labeled in enumerate(is_labeled) if not labeled]
    if unlabeled == "use":
        rows, hint = [row for row in rows if values[row] is None], USE_HINT
    if rows and unlabeled != "drop":
        raise DataError(unlabeled_message(what, rows, values[rows[0]], hint))
    present = dict.fromkeys(value for value, labeled in zip(values, is_labeled, strict=True) if labeled)
    # False and 0 are equal, and so are 1 and 1.0: as in NumPy, they are one class
    ordered = sorted(present, key=lambda value: (isinstance(value, str), value))
    names = tuple(class_name(value) for value in ordered)
    repeated = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if repeated is not None:
        raise DataError(f"{what} has the label {repeated} both as a number and as text. Write it in one form.")
    index = {value: number for number, value in enumerate(ordered)}
    indices = [index[value] if labeled else NO_LABEL for value, labeled in zip(values, is_labeled, strict=True)]
    return EncodedLabels(np.array(ordered, dtype=object), np.array(indices, dtype=np.int64), names)


def check_unlabeled(unlabeled: object) -> None:
    """Raise DataError unless a value of the parameter `unlabeled` is "error" or "drop"."""
    if unlabeled not in ("error", "drop"):
        raise DataError(f"unlabeled must be 'error' or 'drop'; got {unlabeled!r}.")


def unlabeled_message(what: str, rows: Sequence[int], value: object, hint: str = DROP_HINT) -> str:
    """Return the message of the error for items without a label.

    Examples
    --------
    >>> from ganaug.io.items import unlabeled_message
    >>> unlabeled_message("the data set", [2, 5], -1)
    "the data set has no label in rows 2, 5 (-1 stands for no label). Give them a class, ..."
    """
    shown = f"row{'s' if len(rows) > 1 else ''} {shorten([f'{row:,}' for row in rows])}"
    reason = f" ({NO_LABEL} stands for no label)" if value == NO_LABEL else ""
    return f"{what} has no label in {shown}{reason}. {hint}."


def class_name(value: object) -> str:
    """Return the name of the class with this value.

    Examples
    --------
    >>> from ganaug.io.items import class_name
    >>> class_name(2.0), class_name("2.0"), class_name(True)
    ('2', '2.0', 'True')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def text_value(value: object) -> str | None:
    """Return the value of an attribute or group as text, equal for equal values, or None if it is missing.

    A column of whole numbers with a missing value is read as floating-point numbers by some programs, so 1, 1.0, "1"
    and "1.0" are equal. Spaces around a text are dropped, and accents are composed (Unicode NFC).

    Examples
    --------
    >>> from ganaug.io.items import text_value
    >>> text_value(1.0), text_value("1.0"), text_value("01"), text_value(" a "), text_value("")
    ('1', '1', '01', 'a', None)
    """
    if is_missing(value):
        return None
    text = unicodedata.normalize("NFC", class_name(value)).strip()
    whole_number = _WHOLE_NUMBER.fullmatch(text)
    return whole_number[1] if whole_number else text or None


def cell_text(value: Any) -> str | None:
    """Return a cell of metadata as text, equal for equal values, or None if it is missing.

    Parameters
    ----------
    value : object
        A text, a number, or an array, tensor or list with one.

    Returns
    -------
    str or None
        See `text_value`.

    Raises
    ------
    DataError
        If the cell has several values.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.io.items import cell_text
    >>> cell_text(np.float32(3)), cell_text([" a"]), cell_text(None)
    ('3', 'a', None)
    """
    value = single_value(value)
    if isinstance(value, list | tuple | dict | set) or hasattr(value, "__array__"):
        raise DataError(f"a cell is a {type(value).__name__}; expected one text or number.")
    return text_value(value)


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group names that differ only in case, spaces at their ends, or the encoding of accents.

    Parameters
    ----------
    names : iterable of str
        Class names.

    Returns
    -------
    list of tuples of str
        Each with two names or more.

    Examples
    --------
    >>> from ganaug.io.items import similar_names
    >>> similar_names(["cat", "dog", "Cat "])
    [('cat', 'Cat ')]
    """
    groups = defaultdict(list)
    for name in names:
        groups[folded(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def folded(name: str) -> str:
    """Return a name without the differences that `similar_names` ignores."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


def similar_names_message(names: Iterable[str]) -> str | None:
    """Return a warning about class names that look like one class, or None.

    Examples
    --------
    >>> from ganaug.io.items import similar_names_message
    >>> print(similar_names_message(["cat", "Cat"]))
    classes whose names differ only in case, spaces or accents: 'cat' = 'Cat'. If they are one class, rename one
    """
    groups = [" = ".join(map(repr, group)) for group in similar_names(names)]
    if not groups:
        return None
    return (
        f"classes whose names differ only in case, spaces or accents: {shorten(groups)}. If they are one class, rename "
        "one"
    )
