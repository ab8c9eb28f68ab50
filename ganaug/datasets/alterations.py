"""How images are altered before a classifier is trained on them, and how to repeat an alteration.

`ALTERATIONS` maps names to alterations; to add one, add an entry.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.randomness import derive
from ganaug.datasets.classical_operations import Operation, apply_operations, draw_operations
from ganaug.datasets.image_mixing import cutmix, mixup
from ganaug.datasets.randaugment import RandAugmentation
from ganaug.images import LabeledImages
from ganaug.metrics.mirror_symmetry import is_mirror_symmetric

Augment = Callable[[Tensor, int], Tensor]  # (images, seed) -> images
Mix = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]  # (images, targets, seed) -> (images, targets)


@dataclass(frozen=True)
class ClassicalAugmentation:
    """An Albumentations policy of moderate strength, as a user without ganaug would choose it.

    Translation and scaling by up to 10 %, rotation by up to 10 degrees, brightness and contrast by up to 20 %, one
    patch of 10 to 25 % of each side removed (cutout), and possibly a horizontal flip.

    Attributes
    ----------
    flip : bool
        Whether half of the images are mirrored.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.alterations import ClassicalAugmentation
    >>> ClassicalAugmentation(flip=False)(torch.zeros(2, 1, 16, 16, dtype=torch.uint8), seed=0).shape
    torch.Size([2, 1, 16, 16])
    """

    flip: bool

    def __call__(self, images: Tensor, seed: int) -> Tensor:
        """Alter images, (N, C, H, W), uint8. Deterministic in its arguments, and safe to call from several threads."""
        return self._apply(images, seed)[0]

    def alter(self, images: Tensor, seed: int) -> tuple[Tensor, list[str]]:
        """Alter images, and return what was done to each as well.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W), uint8
        seed : int

        Returns
        -------
        altered : Tensor of shape (N, C, H, W), uint8
        operations : list of str
            For `repeat_alteration`: JSON, a list of [name of the Albumentations transform, its parameters].
        """
        altered, operations = self._apply(images, seed)
        return altered, [_to_json(each) for each in operations]

    def draw(self, shape: tuple[int, int], seed: int) -> str:
        """Draw what is done to one image of a size, without an image.

        Parameters
        ----------
        shape : tuple of int
            (height, width) of the image.
        seed : int

        Returns
        -------
        str
            For `repeat_alteration`.
        """
        return _to_json(draw_operations(1, *shape, flip=self.flip, seed=derive(seed, "operations"))[0])

    def _apply(self, images: Tensor, seed: int) -> tuple[Tensor, list[list[Operation]]]:
        """Draw the operations of each image and apply them."""
        operations = draw_operations(len(images), *images.shape[2:], flip=self.flip, seed=derive(seed, "operations"))
        pairs = zip(_to_arrays(images), operations, strict=True)
        return _to_tensor([apply_operations(image, each) for image, each in pairs], images), operations


def classical_augmentation(images: LabeledImages) -> ClassicalAugmentation:
    """Choose the classical augmentation for a set of images.

    Parameters
    ----------
    images : LabeledImages
        Training images. They decide whether images are flipped: only if no class differs from its mirror images.

    Returns
    -------
    ClassicalAugmentation
        ``(images, seed) -> images``, both uint8 of shape (N, C, H, W).

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import classical_augmentation
    >>> images = LabeledImages(torch.zeros(2, 1, 16, 16, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
    >>> augment = classical_augmentation(images)
    >>> augment(images.images, 0).shape
    torch.Size([2, 1, 16, 16])
    """
    return ClassicalAugmentation(flip=is_mirror_symmetric(images))


@dataclass(frozen=True)
class Alteration:
    """What is done to images before a classifier is trained on them.

    Attributes
    ----------
    is_classical : bool
        Whether the classical augmentation comes first; see `classical_augmentation`.
    alter : callable or None
        Alters each image: ``(images, seed) -> images``, both uint8 of shape (N, C, H, W).
    mix : callable or None
        Mixes the images of a batch, and their targets: ``(images, targets, seed) -> (images, targets)``, with targets
        of shape (N, K). Only classifiers that are trained on batches can apply it.

    Examples
    --------
    >>> from ganaug.evaluation import ALTERATIONS, Alteration
    >>> ALTERATIONS["inverted"] = Alteration(is_classical=True, alter=lambda images, seed: 255 - images)
    >>> del ALTERATIONS["inverted"]
    """

    is_classical: bool = False
    alter: Augment | None = None
    mix: Mix | None = None

    @property
    def changes_images(self) -> bool:
        """Whether anything is done to an image by itself."""
        return self.is_classical or self.alter is not None

    @property
    def key(self) -> str | None:
        """Identifies the alteration in a cache; None if parts of it are not of this package."""
        parts = [part for part in (self.alter, self.mix) if part is not None]
        if not all(getattr(part, "__module__", "").startswith("ganaug.") for part in parts):
            return None
        versions = [f"{name} {version(name)}" for name in ("albumentations", "pillow", "torchvision")]
        # an object is described by its attributes, a function by its name
        texts = [getattr(part, "__qualname__", repr(part)) for part in parts]
        return " ".join([str(self.is_classical), *texts, *versions])

    def alter_images(self, images: Tensor, classical: Augment, seed: int) -> Tensor:
        """Alter images one by one.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W), uint8
        classical : callable
            The classical augmentation for these images.
        seed : int

        Returns
        -------
        Tensor of shape (N, C, H, W), uint8
        """
        images = classical(images, seed) if self.is_classical else images
        return images if self.alter is None else self.alter(images, seed)


ALTERATIONS: dict[str, Alteration] = {
    "none": Alteration(),
    "classical": Alteration(is_classical=True),
    "randaugment": Alteration(alter=RandAugmentation()),
    # on altered images: the strongest training without synthetic images that was measured (docs/decisions/0008)
    "mixup": Alteration(is_classical=True, mix=mixup),
    "cutmix": Alteration(is_classical=True, mix=cutmix),
}


def repeat_alteration(image: Tensor, operations: str) -> Tensor:
    """Alter an image as `ClassicalAugmentation.alter` did.

    Parameters
    ----------
    image : Tensor of shape (C, H, W), uint8
        The image that was altered.
    operations : str
        What `alter` returned for it: the column `operations` of metadata.csv.

    Returns
    -------
    Tensor of shape (C, H, W), uint8
        Equal to the altered image.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.alterations import ClassicalAugmentation, repeat_alteration
    >>> image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    >>> altered, operations = ClassicalAugmentation(flip=True).alter(image[None], seed=0)
    >>> torch.equal(repeat_alteration(image, operations[0]), altered[0])
    True
    """
    stored = [
        (name, {key: np.array(value) if isinstance(value, list) else value for key, value in params.items()})
        for name, params in json.loads(operations)
    ]
    return _to_tensor([apply_operations(_to_arrays(image[None])[0], stored)], image[None])[0]


def _to_json(operations: list[Operation]) -> str:
    """Encode operations with their parameters. The text of a float gives the same float again."""
    return json.dumps(operations, separators=(",", ":"), default=np.ndarray.tolist)


def _to_arrays(images: Tensor) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C)."""
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


def _to_tensor(arrays: list[np.ndarray], like: Tensor) -> Tensor:
    """Images of shape (H, W, C) or (H, W) -> (N, C, H, W)."""
    if not arrays:
        return like
    height, width = like.shape[2:]
    return torch.from_numpy(np.stack(arrays)).view(len(arrays), height, width, -1).permute(0, 3, 1, 2).contiguous()
