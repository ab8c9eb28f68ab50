"""MixedDataset: real and synthetic images in one torch Dataset, for training a classifier."""

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import to_pil_image

from ganaug.data.wrapped import class_names, is_validation, targets
from ganaug.errors import DataError
from ganaug.images import LabelledImages
from ganaug.randomness import generator


class MixedDataset(Dataset[tuple[Any, int]]):
    """The real set followed by as many synthetic images as make up `share` of the whole; yields (image, label).

    real: a map-style Dataset of (image, label) without a transform of its own, such as LabelledImages or ImageFolder.
    synthetic: what `GANAugmenter.sample` returned. Its classes are matched to those of `real` by name where `real` has
        `classes`, else by label.
    share: synthetic part of all items, in [0, 1). Each synthetic image comes equally often, give or take once; which
        come once more, or at all, is drawn from `seed`. None takes each once.
    transform: applied to every image after mixing, whatever its origin. Images reach it as `real` yields them: PIL
        images, or uint8 tensors (C, H, W).
    validation: True yields no synthetic item. None finds out: `real.train is False`, or `real.split` (also the only
        value in a column `split` of LabelledImages' metadata) names a validation or test split.

    Attributes: is_synthetic, bool (len,); targets, list of labels; classes; class_to_idx; share, as it came out.
    Raises ValueError for a share outside [0, 1), DataError where synthetic classes or sizes do not fit the real ones.
    """

    def __init__(
        self,
        real: Dataset[Any],
        synthetic: LabelledImages,
        *,
        share: float | None = None,
        transform: Callable[[Any], Any] | None = None,
        validation: bool | None = None,
        seed: int = 0,
    ) -> None:
        if share is not None and not 0 <= share < 1:
            raise ValueError(f"share is the synthetic part of all images, at least 0 and below 1; got {share!r}.")
        self.real, self.synthetic, self.transform = real, synthetic, transform
        self.validation = is_validation(real) if validation is None else validation
        real_targets, already = targets(real), _already_synthetic(real)
        kept = torch.arange(len(real_targets))
        kept = kept[~already] if self.validation else kept
        self._kept, self._n_real = kept, len(kept)
        names = class_names(real)
        self.classes: tuple[str, ...] = synthetic.classes if names is None else names
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}
        label_of = _matched(synthetic, names, set(real_targets))
        wanted = 0 if self.validation else len(synthetic)
        if share is not None and not self.validation:
            wanted = round(share / (1 - share) * self._n_real)
        if wanted and not len(synthetic):
            raise DataError(f"share={share} asks for {wanted} synthetic images, and none was given.")
        self._chosen = _spread(wanted, len(synthetic), seed)
        self.targets: list[int] = [real_targets[index] for index in kept.tolist()]
        self.targets += [label_of[label] for label in synthetic.labels[self._chosen].tolist()]
        self.is_synthetic = torch.cat([already[kept], torch.ones(len(self._chosen), dtype=torch.bool)])
        self.share = int(self.is_synthetic.sum()) / max(1, len(self))
        self._as_pil = bool(wanted) and self._form_of_real()

    def __len__(self) -> int:
        return self._n_real + len(self._chosen)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} images.")
        index %= len(self)
        if index < self._n_real:
            image, label = self.real[int(self._kept[index])]
        else:
            image = self.synthetic.images[self._chosen[index - self._n_real]]
            label = self.targets[index]
            image = to_pil_image(image).convert(self._mode) if self._as_pil else image
        return (image if self.transform is None else self.transform(image)), int(label)

    def sample_weights(self) -> Tensor:
        """A weight for each item that makes every class equally likely, counted after mixing: float64, (len,), sum 1.

        For torch's WeightedRandomSampler. Weights computed from the real set alone would balance twice.
        """
        labels = torch.tensor(self.targets)
        counts = torch.bincount(labels, minlength=len(self.classes))
        return 1.0 / (counts[labels].double() * (counts > 0).sum())

    def _form_of_real(self) -> bool:
        """Whether the real set yields PIL images; checks that synthetic ones can be given in the same form."""
        image = self.real[0][0]
        if isinstance(image, Image.Image):
            self._mode = image.mode
            if image.size[::-1] != self.synthetic.shape[1:]:
                raise DataError(
                    f"real images are {image.size[1]}x{image.size[0]} and synthetic ones "
                    f"{self.synthetic.shape[1]}x{self.synthetic.shape[2]} (height x width): fit the augmenter on "
                    "images of that size, or resize the real ones."
                )
            return True
        if isinstance(image, Tensor) and image.dtype == torch.uint8:
            if image.shape != self.synthetic.images.shape[1:]:
                raise DataError(
                    f"real images are {tuple(image.shape)} and synthetic ones {self.synthetic.shape} (C, H, W): fit "
                    "the augmenter on images as this set yields them."
                )
            return False
        what = f"{image.dtype} tensor" if isinstance(image, Tensor) else type(image).__name__
        raise DataError(
            f"the real set yields a {what}, so its own transform has run already. Build it without a transform and "
            "give that to MixedDataset(transform=...), which applies it to real and synthetic images alike."
        )


def _already_synthetic(real: Dataset[Any]) -> Tensor:
    """Which items of the real set say themselves that they are synthetic: those that ganaug wrote before."""
    metadata = getattr(real, "metadata", None)
    if metadata is None or "is_synthetic" not in getattr(metadata, "columns", ()):
        return torch.zeros(len(real), dtype=torch.bool)  # type: ignore[arg-type]
    return torch.tensor(metadata["is_synthetic"].astype(bool).to_numpy())


def _matched(synthetic: LabelledImages, names: tuple[str, ...] | None, labels: set[int]) -> dict[int, int]:
    """Synthetic label -> label of the real set: by class name; without names, by the number that names it."""
    if names is not None:
        strangers = [name for name in synthetic.classes if name not in names]
        if strangers:
            raise DataError(f"the real set has no class {strangers[0]!r}; its classes are {', '.join(names)}.")
        return {label: names.index(name) for label, name in enumerate(synthetic.classes)}
    if all(name.isdecimal() for name in synthetic.classes):
        matched = {label: int(name) for label, name in enumerate(synthetic.classes)}
    else:
        matched = {label: label for label in range(len(synthetic.classes))}
    strange = sorted(set(matched.values()) - labels)
    if strange:
        raise DataError(
            f"the real set has no label {strange[0]}; its labels are {', '.join(map(str, sorted(labels)[:20]))}. Give "
            f"it the attribute `classes`, to match {', '.join(synthetic.classes[:20])} by name."
        )
    return matched


def _spread(wanted: int, available: int, seed: int) -> Tensor:
    """`wanted` indices below `available`, each equally often, give or take once."""
    if not available:
        return torch.empty(0, dtype=torch.int64)
    rounds, rest = divmod(wanted, available)
    some = torch.randperm(available, generator=generator(seed, "mixed"))[:rest]
    return torch.cat([torch.arange(available).repeat(rounds), some.sort().values])
