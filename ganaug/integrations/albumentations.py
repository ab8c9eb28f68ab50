"""SyntheticSwap: an Albumentations transform that replaces an image by a synthetic one of its class."""

import os
import random
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise its import asks the network for a newer version
from albumentations.core.transforms_interface import BaseTransformInitSchema, ImageOnlyTransform
from pydantic import Field
from torch.utils.data import get_worker_info

from ganaug._runtime.randomness import derive
from ganaug.errors import ClassNotLearnedError, DataError
from ganaug.estimators.augmenter import GANAugmenter

IMAGES_PER_BLOCK = 64  # drawn in one pass of the generator
MAX_CACHE_BYTES = 2**28


class SyntheticSwap(ImageOnlyTransform):  # type: ignore[misc]
    """Replace `image` by a synthetic image of the class `label`, with probability p.

    Parameters
    ----------
    model : str or Path
        Folder of a run or of a saved model, as for `GANAugmenter.load`. It is a path and not an object, so that
        `A.to_dict` can serialize it.
    label : str
        Name of the argument that passes the label to the pipeline, as in `transform(image=image, label="cat")`. A label
        is a class name or class value; an int is an index into the classes where class values are names.
    pool : int
        Number of synthetic images a class to choose from. The same number always stands for the same image.
    device : str
        Device of the generator.
    p : float
        Probability of a replacement.

    Warns
    -----
    UserWarning
        If the generator has not learned the class. The image stays as it is.

    Raises
    ------
    DataError
        If the image has another size than the images of the generator.
    ValueError
        If the generator does not know the label.

    Notes
    -----
    Put it first in a Compose: the transforms after it then apply to real and synthetic images. The image is chosen with
    the random state of the pipeline, in a DataLoader worker also with the worker's seed, and ReplayCompose stores its
    number.

    Examples
    --------
    >>> import tempfile
    >>> import albumentations as A
    >>> import torch
    >>> from ganaug import GANAugmenter, LabeledImages, TrainingRecipe
    >>> from ganaug.integrations.albumentations import SyntheticSwap
    >>> images = LabeledImages(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 4), ("cat", "dog"))
    >>> recipe = TrainingRecipe(width=4)
    >>> gan = GANAugmenter(n_steps=1, filters=None, recipe=recipe, device="cpu", random_state=0).fit(images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     gan.save(f"{folder}/model")
    ...     transform = A.Compose([SyntheticSwap(f"{folder}/model", p=1.0), A.HorizontalFlip()], seed=0)
    ...     image = transform(image=images.images[0].permute(1, 2, 0).numpy(), label="dog")["image"]
    >>> image.shape, image.dtype
    ((8, 8, 1), dtype('uint8'))
    """

    class InitSchema(BaseTransformInitSchema):  # type: ignore[misc]  # noqa: D106  # Albumentations validates with it
        model: str | Path
        label: str
        pool: int = Field(ge=1)
        device: str

    def __init__(
        self, model: str | Path, label: str = "label", pool: int = 1000, device: str = "cpu", p: float = 0.5
    ) -> None:
        super().__init__(p=p)
        self.model, self.label, self.pool, self.device = str(model), label, pool, device
        self._augmenter: GANAugmenter | None = None
        self._worker_seed: int | None = None
        self._blocks: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    @property
    def targets_as_params(self) -> list[str]:
        """Arguments of the pipeline that `get_params_dependent_on_data` needs."""
        return [self.label]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Choose the synthetic image: class index and number."""
        number = int(self.random_generator.integers(self.pool))
        return {"label_index": self._class_index(data[self.label]), "number": number}

    def should_apply(self, force_apply: bool = False) -> bool:
        """Decide as Albumentations does, with a random state that differs by worker and epoch, as torch's seed does."""
        worker = get_worker_info()
        # without a new seed, every worker would have a copy of the same random state
        if worker is not None and worker.seed != self._worker_seed:
            self._worker_seed = worker.seed
            seed = derive(worker.seed, "swap", str(self.random_generator.bit_generator.state))
            self.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return bool(super().should_apply(force_apply))

    def apply(self, img: np.ndarray, label_index: int, number: int, **params: Any) -> np.ndarray:  # noqa: ARG002
        """Return the synthetic image with the number of channels and dtype of `img`: (H, W) or (H, W, C)."""
        try:
            pixels = self._sample(label_index, number)
        except ClassNotLearnedError as error:
            warnings.warn(f"{error} Its real images are left as they are.", UserWarning, stacklevel=2)
            return img
        if img.shape[:2] != pixels.shape[:2]:
            raise DataError(
                f"the image is {img.shape[0]}x{img.shape[1]} and the generator's are {pixels.shape[0]}x"
                f"{pixels.shape[1]} (height x width): put a Resize before SyntheticSwap."
            )
        if img.ndim == 2:
            pixels = pixels.mean(2).round().astype(np.uint8)
        elif img.shape[2] != pixels.shape[2]:
            pixels = np.broadcast_to(pixels.mean(2, keepdims=True).round().astype(np.uint8), img.shape)
        return (pixels / np.float32(255)).astype(img.dtype) if img.dtype.kind == "f" else np.ascontiguousarray(pixels)

    def _sample(self, label_index: int, number: int) -> np.ndarray:
        """Return synthetic image `number` of a class: uint8 (H, W, C).

        Images are drawn in blocks. The cache drops the block that was not used for the longest time.
        """
        key = label_index, number // IMAGES_PER_BLOCK
        if key not in self._blocks:
            gan = self._load()
            counts = {gan.model_.classes[label_index]: IMAGES_PER_BLOCK}
            block = gan.sample(counts, start=key[1] * IMAGES_PER_BLOCK)
            self._blocks[key] = block.images.permute(0, 2, 3, 1).numpy()
            while sum(block.nbytes for block in self._blocks.values()) > MAX_CACHE_BYTES and len(self._blocks) > 1:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        image: np.ndarray = self._blocks[key][number % IMAGES_PER_BLOCK]
        return image

    def _class_index(self, label: Any) -> int:
        """Return the class index of a label: a class value, class name or, where class values are names, an index."""
        model = self._load().model_
        value = label.item() if hasattr(label, "item") else label
        if value in model.class_values.tolist():
            return int(model.class_values.tolist().index(value))
        if str(value) in model.classes:
            return model.classes.index(str(value))
        has_name_values = model.class_values.dtype.kind in "OU"  # otherwise a number is a class value and no index
        if has_name_values and isinstance(value, int) and 0 <= value < len(model.classes):
            return value
        raise ValueError(f"Unknown label {label!r} for {self.model}; its classes are {', '.join(model.classes)}.")

    def _load(self) -> GANAugmenter:
        """Return the model, loaded on first use."""
        if self._augmenter is None:
            self._augmenter = GANAugmenter.load(self.model, self.device)
        return self._augmenter

    def __getstate__(self) -> dict[str, Any]:
        # each worker loads the model itself
        return {**self.__dict__, "_augmenter": None, "_blocks": OrderedDict()}
