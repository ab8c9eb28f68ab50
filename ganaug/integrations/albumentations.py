"""SyntheticSwap: an Albumentations transform that replaces an image by a synthetic one of its class."""

import os
import random
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise its import asks the network for a newer version
from albumentations.core.transforms_interface import BaseTransformInitSchema, ImageOnlyTransform
from pydantic import BeforeValidator, Field
from torch.utils.data import get_worker_info

from ganaug._runtime.randomness import derive
from ganaug.errors import ClassNotLearnedError, DataError
from ganaug.estimators.augmenter import GANAugmenter
from ganaug.io.items import NO_LABEL, class_name, label_value

IMAGES_PER_BLOCK = 64  # drawn in one pass of the generator
MAX_CACHE_BYTES = 2**28
# of the replaced image they would be wrong; `image` is a second one
DEPENDENT_TARGETS = frozenset(
    {"image", "images", "mask", "masks", "mask3d", "masks3d", "bboxes", "keypoints", "volume", "volumes"}
)
OVERSHOOT = 0.1  # of floats in [0, 1] after an interpolation


def _to_python(value: Any) -> Any:
    """Return a NumPy number as a Python number, which A.to_dict can store."""
    return value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value


class SyntheticSwap(ImageOnlyTransform):  # type: ignore[misc]
    """Replace `image` by a synthetic image of the class `label`, with probability p.

    Parameters
    ----------
    model : str or Path
        Folder of a run or of a saved model, as for `GANAugmenter.load`. It is a path and not an object, so that
        `A.to_dict` can serialize it.
    label : str
        Name of the argument that passes the label to the pipeline, as in `transform(image=image, label="cat")`. A label
        is a class name or class value; an int is an index into the classes where class values are names. Arrays and
        tensors of one element stand for their element.
    pool : int
        Number of synthetic images a class to choose from. The same number always stands for the same image.
    device : str or torch.device
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
        On every call, whether the image is replaced or not: if there is a mask, box, keypoint or further image, which
        would not belong to the new image (empty lists are allowed); if there is no label, or the generator does not
        know it; if the image has another size than the images of the generator; or if it is neither uint8 nor a float
        in [0, 1], gray or RGB.

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
        pool: Annotated[int, BeforeValidator(_to_python), Field(ge=1)]
        device: Annotated[str, BeforeValidator(str)]
        p: Annotated[float, BeforeValidator(_to_python), Field(ge=0, le=1)]

    def __init__(
        self, model: str | Path, label: str = "label", pool: int = 1000, device: str = "cpu", p: float = 0.5
    ) -> None:
        super().__init__(p=p)
        self.model, self.label, self.pool, self.device = str(model), label, pool, device
        self._target_types: dict[str, str] = {}
        self._augmenter: GANAugmenter | None = None
        self._worker_seed: int | None = None
        self._blocks: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def add_targets(self, additional_targets: dict[str, str]) -> None:
        """Note the targets of the pipeline, also those that other transforms alone can change."""
        self._target_types |= additional_targets
        super().add_targets(additional_targets)

    def __call__(self, *args: Any, force_apply: bool = False, **kwargs: Any) -> Any:
        """Check the call, and replace the image with probability p."""
        # whether it is replaced or not: otherwise the error would come at random
        self._check_targets(kwargs)
        if not self.replay_mode and not args:
            self._class_index(self._label(kwargs))
            self._check_image(kwargs.get("image"))
        return super().__call__(*args, force_apply=force_apply, **kwargs)

    @property
    def targets_as_params(self) -> list[str]:
        """Arguments of the pipeline that `get_params_dependent_on_data` needs."""
        return [self.label]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Choose the synthetic image: class index and number."""
        number = int(self.random_generator.integers(self.pool))
        return {"label_index": self._class_index(self._label(data)), "number": number}

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

    def _check_targets(self, call: Mapping[str, Any]) -> None:
        """Raise DataError for an argument that would not belong to the new image."""
        types = {name: self._target_types.get(name, name) for name in call if name != "image"}
        dependent = [
            name
            for name, target_type in types.items()
            if target_type in DEPENDENT_TARGETS and call[name] is not None and len(call[name])
        ]
        if dependent:
            names = ", ".join(dependent)
            raise DataError(
                f"SyntheticSwap replaces `image`, and {names} would still belong to the image before. Leave {names} "
                "out of the call, or SyntheticSwap out of this pipeline. Pix2Pix creates images for masks."
            )

    def _check_image(self, image: Any) -> None:
        """Raise DataError for an image that cannot be replaced."""
        if not isinstance(image, np.ndarray):
            came = "missing" if image is None else f"a {type(image).__name__}"
            raise DataError(f"`image` is {came}; expected an array. Call transform(image=image, {self.label}=label).")
        height, width = self._load().model_.shape[1:]
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
            raise DataError(
                f"`image` has the shape {image.shape}; expected (H, W), (H, W, 1) or (H, W, 3). Of RGBA, pass "
                "image[:, :, :3]."
            )
        if image.shape[:2] != (height, width):
            raise DataError(
                f"the image is {image.shape[0]}x{image.shape[1]} and the generator's are {height}x{width} (height x "
                "width): put a Resize before SyntheticSwap."
            )
        if image.dtype != np.uint8 and image.dtype.kind != "f":
            raise DataError(f"`image` is {image.dtype}; expected uint8, or float in [0, 1]. Convert it.")
        low, high = float(image.min()), float(image.max())
        if image.dtype.kind == "f" and not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):
            raise DataError(
                f"`image` is {image.dtype} in [{low:g}, {high:g}]; expected uint8, or float in [0, 1]. Put "
                "SyntheticSwap before Normalize, or divide the image by 255."
            )

    def _label(self, call: Mapping[str, Any]) -> str | int | float:
        """Return the label of a call. Raises DataError if there is none."""
        usage = f"Call transform(image=image, {self.label}=label)"
        if self.label not in call:
            raise DataError(
                f"SyntheticSwap needs the label of the image. {usage}, or name your argument: "
                'SyntheticSwap(model, label="name").'
            )
        value = label_value(call[self.label])
        if value is None:
            raise DataError(f"{self.label}={call[self.label]!r} is no label. {usage} with the class of the image.")
        return value

    def _class_index(self, value: str | int | float) -> int:
        """Return the class index of a label: a class value, class name or, where class values are names, an index."""
        model = self._load().model_
        names, values = list(model.classes), model.class_values.tolist()
        if value in values:
            return int(values.index(value))
        name = class_name(value)
        has_name_values = model.class_values.dtype.kind in "OU"  # otherwise a number is a class value and no index
        is_index = has_name_values and isinstance(value, int) and 0 <= value < len(names)
        if name in names and is_index and names.index(name) != value:
            raise DataError(
                f"{self.label}={value!r} can mean the class named {name!r}, or class number {value}, which is "
                f"{names[int(value)]!r}. Pass the name as text."
            )
        if name in names:
            return names.index(name)
        if is_index:
            return int(value)
        hint = f" {NO_LABEL} stands for no label: leave unlabeled images out." if value == NO_LABEL else ""
        similar = get_close_matches(name, names, n=1)
        hint += f" Did you mean {similar[0]!r}?" if similar else ""
        raise DataError(f"Unknown label {value!r} for {self.model}; its classes are {', '.join(names)}.{hint}")

    def _load(self) -> GANAugmenter:
        """Return the model, loaded on first use."""
        if self._augmenter is None:
            self._augmenter = GANAugmenter.load(self.model, self.device)
        return self._augmenter

    def __getstate__(self) -> dict[str, Any]:
        # each worker loads the model itself
        return {**self.__dict__, "_augmenter": None, "_blocks": OrderedDict()}
