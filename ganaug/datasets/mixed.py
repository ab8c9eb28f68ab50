"""MixedDataset: real and synthetic images in one torch Dataset, for training a classifier."""

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import to_pil_image

from ganaug._runtime.randomness import generator
from ganaug.datasets.pool import Pool, Refresh
from ganaug.datasets.shares import by_share
from ganaug.datasets.wrapped import class_names, is_validation, targets
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.synthetic import marked_synthetic


class MixedDataset(Dataset[tuple[Any, int]]):
    """The real set followed by as many synthetic images as make up `share` of the whole; yields (image, label).

    real: a map-style Dataset of (image, label) without a transform of its own, such as LabeledImages or ImageFolder.
    synthetic: what `GANAugmenter.sample` returned. Its classes are matched to those of `real` by name where `real` has
        `classes`, else by label.
    share: synthetic part of all items, in [0, 1). Each synthetic image comes equally often, give or take once; which
        come once more, or at all, is drawn from `seed`. None takes each once. "auto" takes the share that `report`, a
        `utility_report`, advises: 0 where synthetic images were not shown to help.
    synthetic_weight: how much a synthetic item counts beside a real one of its class in `sample_weights`. None: so that
        synthetic items make up `share` of each class that has some, as `utility_report` measures it.
    fade_epochs: epochs over which the share falls to 0, evenly, so that training begins with synthetic images and ends
        on real ones; `set_epoch` moves it on. None: it stays.
    refresh: epoch -> new synthetic images, the same counts of the same classes, for instance
        `lambda epoch: gan.sample(counts, start=500 * epoch)`; drawn in the background between calls of `set_epoch`.
    transform: applied to every image after mixing, whatever its origin. Images reach it as `real` yields them: PIL
        images, or uint8 tensors (C, H, W).
    validation: True yields no synthetic item. None finds out: `real.train is False`, or `real.split` (also the only
        value in a column `split` of LabeledImages' metadata) names a validation or test split.

    Attributes: is_synthetic, bool (len,); targets, list of labels; samples, list of (file name, label), as ImageFolder
    has them; classes; class_to_idx; share, as it came out. Those that depend on the epoch follow `set_epoch`.
    Raises ValueError for a share outside [0, 1), DataError where synthetic classes or sizes do not fit the real ones.
    """

    def __init__(
        self,
        real: Dataset[Any],
        synthetic: LabeledImages,
        *,
        share: float | str | None = None,
        report: Any = None,
        synthetic_weight: float | None = None,
        fade_epochs: int | None = None,
        refresh: Refresh | None = None,
        transform: Callable[[Any], Any] | None = None,
        validation: bool | None = None,
        seed: int = 0,
    ) -> None:
        share = _share(share, report)
        if synthetic_weight is not None and not synthetic_weight > 0:
            raise ValueError(f"synthetic_weight must be a number above 0; got {synthetic_weight!r}.")
        if fade_epochs is not None and fade_epochs < 1:
            raise ValueError(f"fade_epochs must be at least 1; got {fade_epochs!r}.")
        self.real, self.synthetic, self.transform = real, synthetic, transform
        self.synthetic_weight, self.fade_epochs, self.seed = synthetic_weight, fade_epochs, seed
        self.validation = is_validation(real) if validation is None else validation
        self._real_targets, already = targets(real), marked_synthetic(getattr(real, "metadata", None), len(real))  # type: ignore[arg-type]
        kept = torch.arange(len(self._real_targets))
        self._kept = kept[~already] if self.validation else kept
        self._already = already[self._kept]
        names = class_names(real)
        self.classes: tuple[str, ...] = synthetic.classes if names is None else names
        self._label_of = _matched(synthetic, names, set(self._real_targets))
        self.class_to_idx = {
            name: index if names is not None else self._label_of[index] for index, name in enumerate(self.classes)
        }
        self._wanted = 0 if self.validation else len(synthetic)
        if share is not None and not self.validation:
            self._wanted = round(share / (1 - share) * len(self._kept))
        if self._wanted and not len(synthetic):
            raise DataError(f"share={share} asks for {self._wanted} synthetic images, and none was given.")
        self._asked = share
        self._pool = Pool(synthetic, refresh)
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]  # for workers
        self._as_pil = bool(self._wanted) and self._form_of_real()
        self._choose()

    def _choose(self) -> None:
        """Settle which synthetic images the present epoch has, and what follows from it."""
        self._chosen_for = int(self._epoch)
        left = 1.0 if self.fade_epochs is None else max(0.0, 1 - self._chosen_for / self.fade_epochs)
        self._chosen = _spread(round(left * self._wanted), len(self.synthetic), self.seed)
        self.targets: list[int] = [self._real_targets[index] for index in self._kept.tolist()]
        self.targets += [self._label_of[label] for label in self._pool.labels[self._chosen].tolist()]
        self.is_synthetic = torch.cat([self._already, torch.ones(len(self._chosen), dtype=torch.bool)])
        self.share = int(self.is_synthetic.sum()) / max(1, len(self.targets))

    def set_epoch(self, epoch: int) -> None:
        """Move on to `epoch` (from 0): the share as `fade_epochs` has it, and new samples where `refresh` is given.

        Call it before each epoch, in the process that made the data set. The length may change, so make samplers anew.
        """
        if epoch < 0:
            raise ValueError(f"epoch must be at least 0; got {epoch}.")
        self._pool.to_epoch(epoch)
        self._epoch.fill_(epoch)
        self._choose()

    def __len__(self) -> int:
        self._follow()
        return len(self.targets)

    def _follow(self) -> None:
        """In a worker: catch up with the epoch that the main process has set."""
        if self._chosen_for != int(self._epoch):
            self._choose()

    def __getitem__(self, index: int) -> tuple[Any, int]:
        length = len(self)
        if not -length <= index < length:
            raise IndexError(f"index {index} is out of range for {length} images.")
        index %= length
        n_real = len(self._kept)
        if index < n_real:
            image, label = self.real[int(self._kept[index])]
        else:
            image = self._pool.images[self._chosen[index - n_real]]
            label = self.targets[index]
            image = to_pil_image(image).convert(self._mode) if self._as_pil else image
        return (image if self.transform is None else self.transform(image)), int(label)

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(file name, label) of each item; a synthetic one is named `synthetic/<class>/<its number>`."""
        given = getattr(self.real, "samples", None)
        files = [str(path) for path, _ in given] if given else [f"real/{k}" for k in range(len(self._real_targets))]
        names = [files[index] for index in self._kept.tolist()]
        own = zip(self._chosen.tolist(), self.targets[len(names) :], strict=True)
        class_of = {label: name for name, label in self.class_to_idx.items()}
        names += [f"synthetic/{class_of[label]}/{number}" for number, label in own]
        return list(zip(names, self.targets, strict=True))

    def sample_weights(self) -> Tensor:
        """A weight for each item that makes every class equally likely, counted after mixing: float64, (len,), sum 1.

        Within a class that has both, synthetic items are drawn as `share` and `synthetic_weight` say. For torch's
        WeightedRandomSampler; weights computed from the real set alone would balance twice.
        """
        labels = torch.tensor(self.targets)
        items = self._item_weights(labels)
        totals = torch.zeros(max(self.targets, default=0) + 1, dtype=torch.float64).index_add_(0, labels, items)
        return items / totals[labels] / int((totals > 0).sum())

    def _item_weights(self, labels: Tensor) -> Tensor:
        """What each item counts beside the others of its class: float64, (len,)."""
        if self.synthetic_weight is not None:
            return torch.where(self.is_synthetic, self.synthetic_weight, 1.0).double()
        if self._asked is None:
            return torch.ones(len(labels), dtype=torch.float64)
        return by_share(labels, self.is_synthetic, self.share)

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


def _share(share: float | str | None, report: Any) -> float | None:
    """The share as a number, or None. Raises ValueError for anything else."""
    if share == "auto":
        facts = getattr(report, "facts", {})
        if "share" not in facts:
            raise ValueError('share="auto" needs report=utility_report(...), whose advice it follows.')
        return float(facts["share"])
    if share is not None and (isinstance(share, str) or not 0 <= share < 1):
        raise ValueError(
            f'share is the synthetic part of all images, at least 0 and below 1, or "auto"; got {share!r}.'
        )
    return share


def _matched(synthetic: LabeledImages, names: tuple[str, ...] | None, labels: set[int]) -> dict[int, int]:
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
