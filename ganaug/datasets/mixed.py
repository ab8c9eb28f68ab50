"""MixedDataset: real and synthetic images in one torch Dataset, to train a classifier on."""

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import to_pil_image

from ganaug._runtime.randomness import generator
from ganaug.datasets.introspection import class_names, is_validation_split, targets
from ganaug.datasets.pool import Refresh, SyntheticPool
from ganaug.datasets.weights import balanced_weights
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.synthetic import synthetic_mask

MAX_LISTED = 20  # labels or class names in an error message


class MixedDataset(Dataset[tuple[Any, int]]):
    """A map-style torch Dataset of (image, label): all real images, then synthetic ones.

    Parameters
    ----------
    real : Dataset
        Map-style data set of (image, label) without a transform, such as LabeledImages or torchvision's ImageFolder.
        Items are PIL images or uint8 tensors (C, H, W).
    synthetic : LabeledImages
        The result of `GANAugmenter.sample`, with the image size of `real`. Classes are matched by name where `real` has
        the attribute `classes`, otherwise by label.
    share : float, "auto" or None
        Fraction of all items that is synthetic, in [0, 1). To reach it, synthetic images are repeated or a subset of
        them is used; how often each occurs differs by at most one. None uses each synthetic image once. "auto" follows
        the advice of `report`, which is 0 where synthetic images were not shown to help.
    report : Report or None
        Result of `utility_report`, for `share="auto"`.
    synthetic_weight : float or None
        Weight of a synthetic item relative to a real item of its class in `sample_weights`, above 0. None: synthetic
        items make up `share` of each class that has some, as `utility_report` measures it. With `share=None`, a
        synthetic item counts as much as a real one.
    fade_epochs : int or None
        Number of epochs over which the share falls linearly to 0, so that training ends on real images; see
        `set_epoch`. None: the share is constant.
    refresh : callable or None
        epoch -> LabeledImages with the same counts of the same classes, for example
        `lambda epoch: gan.sample(counts, start=500 * epoch)`. It runs in the background between calls of `set_epoch`.
    transform : callable or None
        Applied to every image after mixing, real or synthetic. Images arrive as `real` yields them.
    validation : bool or None
        True: leave out `synthetic`, and the items of `real` whose metadata marks them as synthetic. None: detected from
        `real.train` (False), or from `real.split` or a metadata column `split` that names a validation or test split.
    seed : int
        Selects the synthetic images that are used once more than others, or used at all.

    Attributes
    ----------
    targets : list of int
        Label of each item.
    is_synthetic : Tensor
        bool of shape (len,).
    share : float
        Fraction of items in this epoch that are synthetic, including those that `real` already contained.
    classes : tuple of str
        Class names.
    class_to_idx : dict
        Class name -> label.
    samples : list of (str, int)
        File name and label of each item, as in ImageFolder.

    Raises
    ------
    ValueError
        If `share`, `synthetic_weight` or `fade_epochs` is out of range.
    DataError
        If classes or image sizes of `synthetic` do not fit `real`, or `real` yields neither PIL images nor uint8.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages, MixedDataset
    >>> classes = ("cat", "dog")
    >>> real = LabeledImages(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 1, 1]), classes)
    >>> synthetic = LabeledImages(torch.ones(9, 1, 8, 8, dtype=torch.uint8), torch.full((9,), 1), classes)
    >>> mixed = MixedDataset(real, synthetic, share=0.25, transform=lambda image: image / 255)
    >>> mixed.targets
    [0, 0, 0, 0, 1, 1, 1, 1]
    >>> mixed.is_synthetic.tolist()
    [False, False, False, False, False, False, True, True]

    Draw all classes equally often:

    >>> from torch.utils.data import DataLoader, WeightedRandomSampler
    >>> sampler = WeightedRandomSampler(mixed.sample_weights(), len(mixed))
    >>> for images, labels in DataLoader(mixed, batch_size=8, sampler=sampler):
    ...     print(images.shape)
    torch.Size([8, 1, 8, 8])
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
        requested_share = _resolve_share(share, report)
        if synthetic_weight is not None and not synthetic_weight > 0:
            raise ValueError(f"synthetic_weight must be a number above 0; got {synthetic_weight!r}.")
        if fade_epochs is not None and fade_epochs < 1:
            raise ValueError(f"fade_epochs must be at least 1; got {fade_epochs!r}.")
        self.real, self.synthetic, self.transform = real, synthetic, transform
        self.synthetic_weight, self.fade_epochs, self.seed = synthetic_weight, fade_epochs, seed
        self.validation = is_validation_split(real) if validation is None else validation
        self._real_targets = targets(real)
        marked_synthetic = synthetic_mask(getattr(real, "metadata", None), len(self._real_targets))
        real_rows = torch.arange(len(self._real_targets))
        # a data set that ganaug augmented earlier may hold synthetic images, which must not be validated on
        self._real_rows = real_rows[~marked_synthetic] if self.validation else real_rows
        self._marked_synthetic = marked_synthetic[self._real_rows]
        names = class_names(real)
        self.classes: tuple[str, ...] = synthetic.classes if names is None else names
        self._real_label_of_synthetic = _match_labels(synthetic, names, set(self._real_targets))
        self.class_to_idx = {
            name: index if names is not None else self._real_label_of_synthetic[index]
            for index, name in enumerate(self.classes)
        }
        self._requested_share = requested_share
        self._n_requested = self._resolve_count()
        self._pool = SyntheticPool(synthetic, refresh)
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]  # for workers
        self._as_pil = bool(self._n_requested) and self._check_image_type()
        self._select()

    def _resolve_count(self) -> int:
        """Return the number of synthetic items in epoch 0."""
        if self.validation:
            return 0
        share, count = self._requested_share, len(self.synthetic)
        if share is not None:
            count = round(share / (1 - share) * len(self._real_rows))
        if count and not len(self.synthetic):
            raise DataError(
                f"share={share} needs {count} synthetic images, and `synthetic` is empty. Pass samples, such as "
                "those of GANAugmenter.sample, or share=0."
            )
        return count

    def _select(self) -> None:
        """Select the synthetic images of the current epoch and update the attributes that depend on them."""
        self._selected_epoch = int(self._epoch)
        fraction = 1.0 if self.fade_epochs is None else max(0.0, 1 - self._selected_epoch / self.fade_epochs)
        n_synthetic = round(fraction * self._n_requested)
        self._synthetic_rows = _repeat_evenly(n_synthetic, len(self.synthetic), self.seed)
        self.targets: list[int] = [self._real_targets[row] for row in self._real_rows.tolist()]
        self.targets += [
            self._real_label_of_synthetic[label] for label in self._pool.labels[self._synthetic_rows].tolist()
        ]
        self.is_synthetic = torch.cat([self._marked_synthetic, torch.ones(n_synthetic, dtype=torch.bool)])
        self.share = int(self.is_synthetic.sum()) / max(1, len(self.targets))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch: adjust the share as `fade_epochs` says, and replace the synthetic images with `refresh`.

        Call it before each epoch in the process that created the data set; workers follow. With `fade_epochs` the
        length changes, so create samplers after it.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.

        Examples
        --------
        >>> import torch
        >>> from ganaug import LabeledImages, MixedDataset
        >>> pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> images = LabeledImages(pixels, torch.tensor([0, 0, 1, 1]), ("cat", "dog"))
        >>> mixed = MixedDataset(images, images, fade_epochs=2)
        >>> for epoch in range(3):
        ...     mixed.set_epoch(epoch)
        ...     print(len(mixed), mixed.share)
        8 0.5
        6 0.3333333333333333
        4 0.0
        """
        if epoch < 0:
            raise ValueError(f"epoch must be at least 0; got {epoch}.")
        self._pool.to_epoch(epoch)
        self._epoch.fill_(epoch)
        self._select()

    def __len__(self) -> int:
        self._follow_epoch()
        return len(self.targets)

    def _follow_epoch(self) -> None:
        """In a worker: update the selection after the main process has set another epoch."""
        if self._selected_epoch != int(self._epoch):
            self._select()

    def __getitem__(self, index: int) -> tuple[Any, int]:
        length = len(self)
        if not -length <= index < length:
            raise IndexError(f"index {index} is out of range for {length} images.")
        # negative indices count from the end, as in a list
        index %= length
        n_real = len(self._real_rows)
        if index < n_real:
            image, label = self.real[int(self._real_rows[index])]
        else:
            image = self._pool.images[self._synthetic_rows[index - n_real]]
            label = self.targets[index]
            image = to_pil_image(image).convert(self._mode) if self._as_pil else image
        return (image if self.transform is None else self.transform(image)), int(label)

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(file name, label) of each item.

        A real item without a file is named `real/<row>`, a synthetic one `synthetic/<class>/<row>`.
        """
        real_samples = getattr(self.real, "samples", None)
        if real_samples:
            real_files = [str(path) for path, _ in real_samples]
        else:
            real_files = [f"real/{row}" for row in range(len(self._real_targets))]
        files = [real_files[row] for row in self._real_rows.tolist()]
        class_of = {label: name for name, label in self.class_to_idx.items()}
        synthetic_items = zip(self._synthetic_rows.tolist(), self.targets[len(files) :], strict=True)
        files += [f"synthetic/{class_of[label]}/{row}" for row, label in synthetic_items]
        return list(zip(files, self.targets, strict=True))

    def sample_weights(self) -> Tensor:
        """Return sampling weights for torch's WeightedRandomSampler under which all classes are equally likely.

        The classes are counted after mixing. Weights computed from the real set alone would balance a second time.

        Returns
        -------
        Tensor
            float64 of shape (len,), with sum 1. Within a class that has real and synthetic items, synthetic ones are
            weighted by `synthetic_weight`, or together make up `share` of the class if it is None. With `share=None`, a
            synthetic item counts as much as a real one.

        Examples
        --------
        >>> import torch
        >>> from ganaug import LabeledImages, MixedDataset
        >>> pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> real = LabeledImages(pixels, torch.tensor([0, 0, 0, 1]), ("cat", "dog"))
        >>> dog = real.take([3])
        >>> MixedDataset(real, dog).sample_weights().tolist()
        [0.166..., 0.166..., 0.166..., 0.25, 0.25]
        """
        labels = torch.tensor(self.targets)
        weights = self._weights_within_classes(labels)
        n_labels = max(self.targets, default=0) + 1
        class_sums = torch.zeros(n_labels, dtype=torch.float64).index_add_(0, labels, weights)
        return weights / class_sums[labels] / int((class_sums > 0).sum())

    def _weights_within_classes(self, labels: Tensor) -> Tensor:
        """Return the weight of each item relative to the others of its class: float64, (len,)."""
        if self.synthetic_weight is not None:
            return torch.where(self.is_synthetic, self.synthetic_weight, 1.0).double()
        if self._requested_share is None:  # each synthetic image is used once and counts as much as a real one
            return torch.ones(len(labels), dtype=torch.float64)
        return balanced_weights(labels, self.is_synthetic, self.share)

    def _check_image_type(self) -> bool:
        """Check that real and synthetic images have the same type and size.

        Store the PIL mode, and return whether `real` yields PIL images.
        """
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
        received = f"{image.dtype} tensor" if isinstance(image, Tensor) else type(image).__name__
        raise DataError(
            f"the real set yields a {received}, not a PIL image or uint8 tensor: it has already applied a transform. "
            "Create it without one and pass the transform to MixedDataset(transform=...), which applies it to real and "
            "synthetic images."
        )


def _resolve_share(share: float | str | None, report: Any) -> float | None:
    """Return the share as a number, or None. Raises ValueError if it is out of range or `report` is missing."""
    if share == "auto":
        facts = getattr(report, "facts", {})
        if "share" not in facts:
            raise ValueError('share="auto" needs report=utility_report(...), which advises a share.')
        return float(facts["share"])
    if share is not None and (isinstance(share, str) or not 0 <= share < 1):
        raise ValueError(
            f'share is the synthetic fraction of all images, at least 0 and below 1, or "auto"; got {share!r}.'
        )
    return share


def _match_labels(synthetic: LabeledImages, names: tuple[str, ...] | None, labels: set[int]) -> dict[int, int]:
    """Map synthetic labels to real labels.

    By class name if the real set has class names. Otherwise a synthetic class named by a number, such as "10", has that
    label; if not all are, synthetic and real labels are the same.
    """
    if names is not None:
        missing = [name for name in synthetic.classes if name not in names]
        if missing:
            raise DataError(f"the real set has no class {missing[0]!r}; its classes are {', '.join(names)}.")
        return {label: names.index(name) for label, name in enumerate(synthetic.classes)}
    if all(name.isdecimal() for name in synthetic.classes):
        label_of = {label: int(name) for label, name in enumerate(synthetic.classes)}
    else:
        label_of = {label: label for label in range(len(synthetic.classes))}
    missing_labels = sorted(set(label_of.values()) - labels)
    if missing_labels:
        raise DataError(
            f"the real set has no label {missing_labels[0]}; its labels are "
            f"{', '.join(map(str, sorted(labels)[:MAX_LISTED]))}. Set its attribute `classes`, to match "
            f"{', '.join(synthetic.classes[:MAX_LISTED])} by name."
        )
    return label_of


def _repeat_evenly(count: int, n_images: int, seed: int) -> Tensor:
    """Return `count` indices below `n_images`; how often each occurs differs by at most one."""
    if not n_images:
        return torch.empty(0, dtype=torch.int64)
    n_repeats, n_extra = divmod(count, n_images)
    extra = torch.randperm(n_images, generator=generator(seed, "mixed"))[:n_extra]
    return torch.cat([torch.arange(n_images).repeat(n_repeats), extra.sort().values])
