"""Images without a class that a generator is trained on beside labeled ones."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ganaug._runtime.progress import logger
from ganaug._runtime.storage import digest
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate, image_hashes
from ganaug.io.folder import read_files
from ganaug.io.paths import walk_images
from ganaug.io.preflight import parse_image_size
from ganaug.io.resizing import SizeLike
from ganaug.models.networks.blocks import Shape
from ganaug.sampling.pretrained_model import convert_pixels
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier


def collect_unlabeled(
    source: str | Path | LabeledImages | None,
    with_y: Tensor | None,
    images: LabeledImages,
    image_size: SizeLike | None = None,
) -> LabeledImages | None:
    """Collect the images without a class.

    Parameters
    ----------
    source : path, LabeledImages or None
        A folder, of which every image below it is read, or images whose labels are not used.
    with_y : Tensor of shape (M, C, H, W) or None
        Images of the training data whose label is -1.
    images : LabeledImages
        The labeled images. What equals one of them is left out. The others get their size and channels.
    image_size : int or tuple, optional
        That of the labeled images, for its aspect: (height, width, "crop") crops the images of a folder too.

    Returns
    -------
    LabeledImages or None
        Of one class. None if there are none.

    Raises
    ------
    DataError
        If the folder does not exist, holds no image, or holds a file that cannot be read.
    """
    parts = [] if with_y is None else [with_y]
    if source is not None:
        parts.append(read_unlabeled(source, images.shape, image_size))
    if not parts:
        return None
    pixels = torch.cat(parts)
    is_new = ~torch.isin(image_hashes(pixels), image_hashes(images.images))
    kept = pixels[is_new]
    repeated = f"; {len(pixels) - len(kept):,} equal labeled images and are left out" if len(kept) < len(pixels) else ""
    logger.info("%s images without a class%s.", f"{len(kept):,}", repeated)
    return LabeledImages(kept, torch.zeros(len(kept), dtype=torch.int64), ("without a class",)) if len(kept) else None


def read_unlabeled(source: str | Path | LabeledImages, shape: Shape, image_size: SizeLike | None = None) -> Tensor:
    """Return images without a class as uint8 (N, C, H, W). Parameters and errors as of `collect_unlabeled`.

    The images of the folder read last stay in memory, because an evaluation fits several generators.
    """
    if isinstance(source, LabeledImages):
        return convert_pixels(source.images[:], shape)
    folder = Path(expand_user(source))
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder. unlabeled takes a folder of images.")
    size = parse_image_size(image_size)
    return _read_folder(folder, shape, "stretch" if size is None else size.aspect, describe_files(source))


@lru_cache(maxsize=1)
def _read_folder(folder: Path, shape: Shape, aspect: str, files: str) -> Tensor:  # noqa: ARG001  # part of the cache's key
    paths = sorted(walk_images(folder))
    if not paths:
        raise DataError(f"{folder}: contains no image. unlabeled takes a folder of images.")
    return convert_pixels(read_files([folder / path for path in paths], image_size=(*shape[1:], aspect)), shape)


def describe_files(source: str | Path | LabeledImages) -> str:
    """Return a text that changes when the images of `source` change: of a folder, names, sizes and times of files."""
    if isinstance(source, LabeledImages):
        return source.fingerprint()
    folder = Path(expand_user(source))
    files = {path: (folder / path).stat() for path in sorted(walk_images(folder))}
    return digest([[path, about.st_size, about.st_mtime_ns] for path, about in files.items()])


def add_pseudo_labels(
    labeled: LabeledImages, unlabeled: LabeledImages, classifier: AuxiliaryClassifier, threshold: float
) -> tuple[LabeledImages, LabeledImages]:
    """Label images to which a classifier gives a class with a high probability (Lee 2013).

    Parameters
    ----------
    labeled, unlabeled : LabeledImages
    classifier : AuxiliaryClassifier
    threshold : float
        Least probability of the most probable class.

    Returns
    -------
    labeled, unlabeled : LabeledImages
        The labeled images with those that got a label, and the others.

    References
    ----------
    Lee, D.-H. (2013). Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks.
    """
    probability, label = classifier.logits(unlabeled.images).softmax(1).max(1)
    is_sure = probability >= threshold
    found = LabeledImages(unlabeled.images[is_sure], label[is_sure], labeled.classes)
    logger.info("%s of %s images without a class got one.", f"{len(found):,}", f"{len(unlabeled):,}")
    return concatenate(labeled, found), unlabeled.take(~is_sure)
