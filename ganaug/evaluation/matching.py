"""Give two sets of images the same classes and the same number of channels, or say why that is impossible."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.messages import warn_user
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.items import folded, text_value
from ganaug.io.paths import shorten
from ganaug.io.synthetic import added_mask, select_synthetic


def match_classes(images: LabeledImages, like: LabeledImages, what: str) -> LabeledImages:
    """Relabel `images` with the classes of `like`, by class name, and convert gray to RGB, or gray RGB to gray.

    Parameters
    ----------
    images : LabeledImages
        The set to convert.
    like : LabeledImages
        The set of real images to match.
    what : str
        What `images` are, for error messages, such as "synthetic".

    Returns
    -------
    LabeledImages
        The same images with the classes and the number of channels of `like`.

    Raises
    ------
    DataError
        If images have a class that `like` lacks, another size, or colors where `like` is gray.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation.matching import match_classes
    >>> pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    >>> real = LabeledImages(pixels, torch.tensor([0, 1]), ("cat", "dog"))
    >>> synthetic = LabeledImages(pixels.expand(-1, 3, -1, -1), torch.tensor([0, 0]), ("dog",))
    >>> matched = match_classes(synthetic, real, "synthetic")
    >>> matched.targets, matched.shape
    ([1, 1], (1, 8, 8))
    """
    check_image_set(images, what)
    # file systems write accents in two ways
    index = {unicodedata.normalize("NFC", name): label for label, name in enumerate(like.classes)} | like.class_to_idx
    new_labels = [index.get(name, index.get(unicodedata.normalize("NFC", name), -1)) for name in images.classes]
    counts = zip(images.classes, new_labels, images.counts.values(), strict=True)
    unknown = [name for name, label, count in counts if label < 0 and count]
    if unknown:
        raise DataError(_unknown_classes_message(unknown, like.classes, what))
    if images.shape[1:] != like.shape[1:]:
        (height, width), (real_height, real_width) = images.shape[1:], like.shape[1:]
        raise DataError(
            f"the {what} images are {height}x{width} and the real ones {real_height}x{real_width} (height x width): "
            "resize both to one size."
        )
    pixels = images.images if images.shape[0] == like.shape[0] else _convert_channels(images.images[:], like, what)
    return replace(
        images, images=pixels, labels=torch.tensor(new_labels, dtype=torch.int64)[images.labels], classes=like.classes
    )


def check_image_set(images: Any, what: str) -> None:
    """Raise DataError unless `images` is a `LabeledImages`.

    Examples
    --------
    >>> from ganaug.evaluation.matching import check_image_set
    >>> check_image_set("photos/train", "real")
    Traceback (most recent call last):
    ganaug.errors.DataError: the real images are a str; expected LabeledImages, such as read_folder(path) returns.
    """
    if not isinstance(images, LabeledImages):
        raise DataError(
            f"the {what} images are a {type(images).__name__}; expected LabeledImages, such as read_folder(path) "
            "returns."
        )


def match_synthetic(synthetic: LabeledImages, real: LabeledImages) -> LabeledImages:
    """Return the synthetic images with the classes and the number of channels of the real ones.

    Parameters
    ----------
    synthetic : LabeledImages
        If some are marked as synthetic in their metadata, the others are left out.
    real : LabeledImages
        The real images.

    Returns
    -------
    LabeledImages

    Raises
    ------
    DataError
        If one of the sets is empty, or they do not match, see `match_classes`.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation.matching import match_synthetic
    >>> real = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
    >>> match_synthetic(real.take([]), real)
    Traceback (most recent call last):
    ganaug.errors.DataError: there are no synthetic images to compare.
    """
    for name, images in {"real": real, "synthetic": synthetic}.items():
        check_image_set(images, name)
        if not len(images):
            raise DataError(f"there are no {name} images to compare.")
    return match_classes(select_synthetic(synthetic), real, "synthetic")


def drop_synthetic(
    images: LabeledImages, groups: np.ndarray | None = None, *, what: str = "real", warn: bool = False
) -> tuple[LabeledImages, np.ndarray | None]:
    """Leave out the images that their metadata mark as synthetic, or as altered copies of others.

    Parameters
    ----------
    images : LabeledImages
        N images that should be real.
    groups : array of shape (N,), optional
        Their groups.
    what : str, default="real"
        What the images are, for the error message.
    warn : bool, default=False
        Whether to warn with the number of images that are left out.

    Returns
    -------
    tuple of LabeledImages, and array or None
        The remaining images and their groups.

    Raises
    ------
    DataError
        If all images are marked.
    """
    is_real = ~added_mask(images.metadata, len(images))
    if is_real.all():
        return images, groups
    if not is_real.any():
        raise DataError(
            f"all {what} images are marked as synthetic or altered in their metadata (columns is_synthetic and origin)."
        )
    if warn:
        warn_user(f"{int((~is_real).sum()):,} images marked as synthetic or altered are left out of the {what} images.")
    return images.take(is_real), None if groups is None else groups[is_real.numpy()]


def check_trainable(real: LabeledImages) -> None:
    """Raise DataError unless the images are of two classes at least, which a classifier needs."""
    names = [name for name, count in real.counts.items() if count]
    if len(names) < 2:
        raise DataError(
            f"all real images are of class {names[0]!r}: a classifier needs at least two classes."
            if names
            else "there are no real images to train on."
        )


def _convert_channels(pixels: Tensor, like: LabeledImages, what: str) -> Tensor:
    """Return gray images as RGB, or RGB images without colors as gray. Raises DataError for colors."""
    if like.shape[0] == 3:
        return pixels.expand(-1, 3, -1, -1)
    in_color = (pixels != pixels[:, :1]).flatten(1).any(1)
    if in_color.any():
        raise DataError(
            f"the real images are gray, and {int(in_color.sum()):,} of {len(pixels):,} {what} images are in color: "
            "convert them to gray, or use real images in color."
        )
    return pixels[:, :1]


def _unknown_classes_message(unknown: Sequence[str], classes: Sequence[str], what: str) -> str:
    """Return the message for classes that the real images lack, with the likely cause."""
    message = (
        f"the {what} images have {'class' if len(unknown) == 1 else 'the classes'} "
        f"{shorten([repr(name) for name in unknown])}, which the real ones lack ({shorten(list(classes), 20)})."
    )
    pairs = [
        f"{name!r} = {other!r}"
        for name in unknown
        for other in classes
        if folded(name) == folded(other) or text_value(name) == text_value(other)
    ]
    if pairs:
        return f"{message} These look like one class: {shorten(pairs)}. Give it the same name in both."
    numbered = [all(name.strip().lstrip("+-").isdigit() for name in names) for names in (unknown, classes)]
    if numbered[0] != numbered[1]:
        return f"{message} One set names its classes by numbers and the other does not. Give both the same names."
    return f"{message} Give both the same class names, or leave these images out."
