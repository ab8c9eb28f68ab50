"""Convert data that holds its labels: LabeledImages, data sets of torch, and data sets of Hugging Face."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.optional import import_datasets
from ganaug.datasets.arrays import to_numpy
from ganaug.datasets.converted import ConvertedData, class_value_array, label_images, unlabeled_images
from ganaug.datasets.dataset_labels import DatasetLabels
from ganaug.datasets.from_arrays import scale_array
from ganaug.datasets.introspection import normalization
from ganaug.datasets.pixels import ValueRange, is_image, stack_images
from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate
from ganaug.io.dataset_records import class_label_names
from ganaug.io.image_tensors import resize_images, to_pillow
from ganaug.io.items import class_name, encode_labels, label_value, split_item
from ganaug.io.records import find_columns, open_records, read_records
from ganaug.io.resizing import resize_picture


def convert_labeled_images(X: LabeledImages, size: tuple[int, int] | None = None) -> ConvertedData:
    """Take LabeledImages, resized if requested; every class needs an image."""
    empty = [name for name, count in X.counts.items() if count == 0]
    if empty:
        raise DataError(
            f"no image of class {empty[0]!r} ({len(empty)} of {len(X.classes)} classes are empty). Remove empty "
            "classes, or add images."
        )

    images = X if size is None else replace(X, images=resize_images(X.images, size))

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Tensor]:
        both = concatenate(images, synthetic)
        return both, both.labels

    return ConvertedData(images, np.asarray(X.classes, dtype=object), append)


def convert_dataset(
    X: Dataset[Any], size: tuple[int, int] | None, unlabeled: str, value_range: ValueRange | None
) -> ConvertedData:
    """Convert a torch data set; `append` returns LabeledImages and the labels as the data set numbers them."""
    items = [_load_item(X, row, size) for row in range(len(X))]  # type: ignore[arg-type]
    if not items:
        raise DataError("the data set is empty.")
    of_dataset = DatasetLabels(X, [label_value(label) for _, label in items])
    encoded = encode_labels(
        of_dataset.labels, what="the data set", unlabeled=unlabeled, are_indices=of_dataset.are_indices
    )
    pairs = zip(encoded.class_values, encoded.names, strict=True)
    names = [of_dataset.names.get(value, name) for value, name in pairs]
    class_values = class_value_array(encoded.class_values.tolist())
    pictures = [image for image, _ in items]
    are_vectors = all(np.ndim(image) == 1 for image in pictures if not isinstance(image, Image.Image))
    if is_image(pictures[0]) or not are_vectors:
        normalized_by = normalization(X) if isinstance(pictures[0], np.ndarray | Tensor) else None
        if value_range is None and normalized_by is not None:
            mean, std = normalized_by
            value_range = -mean / std, (1 - mean) / std
        pixels = stack_images(pictures, size, value_range=value_range).pixels
    else:
        vectors = np.stack([to_numpy(image) for image in pictures])
        pixels = scale_array(vectors, None, size, value_range).pixels
    images = label_images(pixels, encoded, names)

    def append(synthetic: LabeledImages) -> tuple[LabeledImages, Any]:
        both = concatenate(images, synthetic)
        values = class_values[both.labels.numpy()]
        return both, torch.from_numpy(values) if class_values.dtype.kind in "biuf" else values

    return ConvertedData(images, class_values, append, unlabeled=unlabeled_images(pixels, encoded))


def _load_item(dataset: Dataset[Any], row: int, size: tuple[int, int] | None) -> tuple[Any, Any]:
    """Return the image and the label of an item; exceptions name its row."""
    try:
        image, label = split_item(dataset[row])
    except Exception as error:  # of any type, because the code is the user's
        error.add_note(f"This happened at item {row:,} of the data set.")
        raise
    if size is not None and isinstance(image, Image.Image) and image.mode in {"L", "RGB"}:
        image = resize_picture(image, size)  # at once, because a data set of photos may not fit into memory
    return image, label


def convert_hugging_face(X: Any, size: tuple[int, int] | None, unlabeled: str) -> ConvertedData:
    """Convert a Hugging Face data set; `append` returns one with the same features, other columns None."""
    images = read_records(open_records(X), size, unlabeled=unlabeled)
    image_column, label_column = find_columns(X)
    names = class_label_names(X.features[label_column])
    # ClassLabel columns show their names to the user; others the values that they store
    stored = [] if names is not None else X.with_format(None).select_columns([label_column])[:][label_column]
    value_of = {class_name(value): value for value in map(label_value, stored)}
    class_values = [value_of.get(name, name) for name in images.classes]

    def append(synthetic: LabeledImages) -> tuple[Any, Any]:
        datasets = import_datasets()
        values = class_values if names is None else [names.index(name) for name in images.classes]
        labels = [values[label] for label in synthetic.labels.tolist()]
        columns: dict[str, list[Any]] = {name: [None] * len(labels) for name in X.column_names}
        columns |= {image_column: [to_pillow(pixels) for pixels in synthetic.images], label_column: labels}
        both = datasets.concatenate_datasets([X, datasets.Dataset.from_dict(columns, features=X.features)])
        return both, both[label_column]

    return ConvertedData(images, class_value_array(class_values), append)
