"""SyntheticSwap: an Albumentations transform that replaces an image by a synthetic one of its label."""

import os
import random
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for news
from albumentations.core.transforms_interface import BaseTransformInitSchema, ImageOnlyTransform
from pydantic import Field
from torch.utils.data import get_worker_info

from ganaug._runtime.randomness import derive
from ganaug.errors import ClassNotLearnedError, DataError
from ganaug.estimators.augmenter import GANAugmenter

BLOCK = 64  # images drawn in one pass of the generator
MAX_BYTES = 2**28  # of images kept in memory


class SyntheticSwap(ImageOnlyTransform):  # type: ignore[misc]
    """With probability p, replaces `image` by a sample of the class that `label` names.

    model: folder of a run or a saved model, as `GANAugmenter.load` takes it; a path, so that `A.to_dict` can write it.
    label: the name under which the label is passed to the pipeline: `transform(image=image, label="cat")`. A class name
        or class value; a number is a place among the classes where these are names.
    pool: samples a class to choose among; the same number is always the same image. device: of the generator.

    Use it first in a Compose: what follows then alters real and synthetic images alike. Which sample is taken is drawn
    from the pipeline's own random state (in a DataLoader's workers also from theirs) and stands in the replay as its
    number. An image of a class that the generator has not learned stays as it is, with a warning. Raises DataError for
    an image of another size than the generator's, ValueError for a label that it does not know.
    """

    class InitSchema(BaseTransformInitSchema):  # type: ignore[misc]  # noqa: D106  # Albumentations checks arguments by it
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
        self._seeded_for: int | None = None
        self._blocks: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    @property
    def targets_as_params(self) -> list[str]:
        """What the choice of a sample depends on."""
        return [self.label]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {"label_index": self._index(data[self.label]), "number": int(self.random_generator.integers(self.pool))}

    def should_apply(self, force_apply: bool = False) -> bool:
        """As Albumentations has it. Whom it draws for differs by worker and epoch, as torch's worker seed does."""
        worker = get_worker_info()
        if worker is not None and worker.seed != self._seeded_for:  # else every worker has the same copy of the state
            self._seeded_for = worker.seed
            seed = derive(worker.seed, "swap", str(self.random_generator.bit_generator.state))
            self.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return bool(super().should_apply(force_apply))

    def apply(self, img: np.ndarray, label_index: int, number: int, **params: Any) -> np.ndarray:  # noqa: ARG002
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
        """Sample `number` of a class: uint8 (H, W, C). Drawn a block at a time; what was used last is kept."""
        key = label_index, number // BLOCK
        if key not in self._blocks:
            gan = self._loaded()
            drawn = gan.sample({gan.model_.classes[label_index]: BLOCK}, start=key[1] * BLOCK)
            self._blocks[key] = drawn.images.permute(0, 2, 3, 1).numpy()
            while sum(block.nbytes for block in self._blocks.values()) > MAX_BYTES and len(self._blocks) > 1:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        found: np.ndarray = self._blocks[key][number % BLOCK]
        return found

    def _index(self, label: Any) -> int:
        model = self._loaded().model_
        value = label.item() if hasattr(label, "item") else label
        if value in model.class_values.tolist():
            return int(model.class_values.tolist().index(value))
        if str(value) in model.classes:
            return model.classes.index(str(value))
        names = model.class_values.dtype.kind in "OU"  # where class values are numbers, a number is one of them
        if names and isinstance(value, int) and 0 <= value < len(model.classes):
            return value
        raise ValueError(f"label {label!r} is no class of {self.model}; its classes are {', '.join(model.classes)}.")

    def _loaded(self) -> GANAugmenter:
        if self._augmenter is None:
            self._augmenter = GANAugmenter.load(self.model, self.device)
        return self._augmenter

    def __getstate__(self) -> dict[str, Any]:
        # workers load the model by themselves
        return {**self.__dict__, "_augmenter": None, "_blocks": OrderedDict()}
