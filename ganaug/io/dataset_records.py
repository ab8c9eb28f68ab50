"""The labeled images of a Hugging Face data set."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ganaug._runtime.optional import import_datasets
from ganaug.errors import DataError
from ganaug.io.decoding import DecodedImage, UnusableImage, decode, decode_bytes
from ganaug.io.items import IMAGE_KEYS, LABEL_KEYS, NO_LABEL, Label, class_name, encode_labels, label_value
from ganaug.io.pillow_modes import MAX_16_BIT
from ganaug.io.record_types import Record, Records

JSON_COLUMN = "json"  # the column with the metadata of a tar member


def refuse_splits(source: Any) -> None:
    """Raise DataError for a dict of splits, such as a `datasets.DatasetDict`.

    Examples
    --------
    >>> from ganaug.io.dataset_records import refuse_splits
    >>> class DatasetDict(dict): ...
    >>> refuse_splits(DatasetDict(test=[], train=[]))
    Traceback (most recent call last):
    ganaug.errors.DataError: got a DatasetDict with the splits test, train. Pass one split, such as data['train'].
    """
    if isinstance(source, Mapping) and "DatasetDict" in type(source).__name__:
        names = list(map(str, source))
        chosen = next((name for name in names if name.lower().startswith("train")), names[0] if names else "train")
        article = "an" if type(source).__name__[0] in "AEIOU" else "a"
        raise DataError(
            f"got {article} {type(source).__name__} with the splits {', '.join(names) or '(none)'}. Pass one split, "
            f"such as data[{chosen!r}]."
        )


def find_columns(dataset: Any) -> tuple[str, str]:
    """Find the columns of a Hugging Face data set that contain the images and the labels.

    Parameters
    ----------
    dataset : datasets.Dataset or datasets.IterableDataset

    Returns
    -------
    tuple of str
        Names of the image column and of the label column. The latter is `JSON_COLUMN` for tar files of ganaug, whose
        JSON has the name of the class.

    Raises
    ------
    DataError
        If there are no such columns.
    """
    features = dataset.features or {}
    images = [name for name, feature in features.items() if isinstance(feature, import_datasets().Image)]
    image = next((name for name in (*IMAGE_KEYS, *images) if name in images), None)
    if image is None:
        raise DataError(f"the data set has no column of images; its columns are {', '.join(map(str, features))}.")
    json_feature = features.get(JSON_COLUMN)
    if isinstance(json_feature, Mapping) and "label" in json_feature:
        return image, JSON_COLUMN
    label = find_label_column(features)
    if label is None:
        columns = ", ".join(map(str, features))
        raise DataError(f"the data set has no column {', '.join(LABEL_KEYS)}; its columns are {columns}.")
    return image, label


def find_label_column(features: Iterable[str]) -> str | None:
    """Return the first of `LABEL_KEYS` among names of columns, or None.

    Examples
    --------
    >>> from ganaug.io.dataset_records import find_label_column
    >>> find_label_column(["img", "fine_label"]), find_label_column(["img"])
    ('fine_label', None)
    """
    return next((name for name in LABEL_KEYS if name in features), None)


def open_dataset(
    dataset: Any,
    identity: str,
    what: str = "the data set",
    read_column: Callable[[str], Iterable[Any]] | None = None,
) -> Records:
    """Open a `datasets.Dataset` or an IterableDataset.

    read_column: reads a column of an IterableDataset without its images.
    """
    datasets, (image, label) = import_datasets(), find_columns(dataset)
    is_json = label == JSON_COLUMN
    names = None if is_json else class_label_names(dataset.features[label])
    dataset = dataset.with_format(None)  # a transform or format of the user changes what the columns hold
    if read_column is None and hasattr(dataset, "num_rows"):
        read_column = lambda column: dataset.select_columns([column])[:][column]  # noqa: E731
    # decoded here instead, so that all sources are normalized alike and unusable images can be skipped
    undecoded = dataset.cast_column(image, datasets.Image(decode=False))

    def value_of(row: Mapping[str, Any]) -> Label:
        return _label((row[JSON_COLUMN] or {}).get("label") if is_json else row[label], names)

    @cache
    def labels_are_binary() -> bool:
        values = {value_of(row) for row in dataset.select_columns([label])}
        return str(NO_LABEL) in encode_labels(values, unlabeled="drop").names

    def iterate_from(start: int) -> Iterator[Record]:
        for number, row in enumerate(undecoded.skip(start), start):
            value = value_of(row)
            is_labeled = value is not None and (value != NO_LABEL or labels_are_binary())
            yield Record(
                str(row.get("__key__") or (row[image] or {}).get("path") or f"image {number:,}"),
                class_name(value) if is_labeled else None,
                lambda size, white=MAX_16_BIT, file=row[image]: _decode_cell(file, size, white),
            )

    def labels() -> Iterator[Label]:
        assert read_column is not None
        return (_label(raw, names) for raw in read_column(label))

    classes = None if names is None else tuple(names)
    total = getattr(dataset, "num_rows", None)
    has_labels = read_column is not None and not is_json
    return Records(iterate_from, identity, total, classes, what=what, labels=labels if has_labels else None)


def class_label_names(feature: Any) -> Sequence[str] | None:
    """Return the names of a ClassLabel, which may be in a list; None for other features."""
    while not hasattr(feature, "names") and (hasattr(feature, "feature") or isinstance(feature, list)):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    names: Sequence[str] | None = getattr(feature, "names", None)
    return names


def _label(raw: Any, names: Sequence[str] | None) -> Label:
    """Return a label, numbers of a ClassLabel as their names. -1 stays, because it stands for no label."""
    value = label_value(raw)
    if names is None or value is None or isinstance(value, str) or value == NO_LABEL:
        return value
    if not (isinstance(value, int) and 0 <= value < len(names)):
        raise DataError(f"a label is {value}, but the column has names for 0..{len(names) - 1} only.")
    return names[value]


def _decode_cell(file: Any, size: tuple[int, int] | None, white: int) -> DecodedImage:
    """Decode a cell of an image column: a dict with the bytes of a file or its path, or None."""
    if isinstance(file, bytes):
        return decode_bytes(file, size, white)
    if file is None or (file.get("bytes") is None and file.get("path") is None):
        raise UnusableImage("holds no image")
    if file.get("bytes") is not None:
        return decode_bytes(file["bytes"], size, white)
    return decode(Path(file["path"]), size, white)
