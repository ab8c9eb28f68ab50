"""MixedDataset: real and synthetic images in one torch Dataset, to train a classifier on."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.randomness import generator
from ganaug.datasets.arrays import RGBA, composite_on_white
from ganaug.datasets.dataset_labels import DatasetLabels
from ganaug.datasets.introspection import is_validation_split
from ganaug.datasets.label_matching import MAX_LISTED, check_sets, join_sources, match_names, match_numbers
from ganaug.datasets.pool import Refresh, SyntheticPool
from ganaug.datasets.weights import balanced_weights
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.image_tensors import to_pillow, to_tensor
from ganaug.io.items import encode_labels, label_value, split_item
from ganaug.io.pillow_modes import UnusableImage, gray_or_rgb, is_16_bit
from ganaug.io.resizing import ASPECTS, ImageSize, resize_picture
from ganaug.io.synthetic import added_mask, synthetic_mask

MAX_REPEATS = 3  # uses of one synthetic image in an epoch, above which more images are advised
ITEM_TYPES = ("pil", "tensor")


class MixedDataset(Dataset[tuple[Any, int]]):
    """A map-style torch Dataset of (image, label): all real images, then synthetic ones.

    Parameters
    ----------
    real : Dataset
        Map-style data set without a transform, such as LabeledImages, torchvision's ImageFolder or a Hugging Face
        `datasets.Dataset`. Items are (image, label), or dictionaries with both; images are PIL images of any size and
        mode, or uint8 tensors (C, H, W). The label of the item counts, after `target_transform`. Whole numbers stay
        as they are; if there are others or texts, classes are numbered from 0 in sorted order.
    synthetic : LabeledImages, or sequence of them
        The result of `GANAugmenter.sample`, or those of several generators, which need not have the same classes.
        Classes are matched by name where `real` has the attribute `class_to_idx` or `classes`, otherwise by label, with
        a warning if the classes of `synthetic` have names.
    share : float, "auto" or None
        Fraction of all items that is synthetic, in [0, 1). To reach it, synthetic images are repeated or a subset of
        them is used; how often each occurs differs by at most one. None uses each synthetic image once. "auto" follows
        the advice of `report`: its share, which is 0 where synthetic images were not shown to help, no synthetic images
        of classes for which it advises none, and its balance of the classes in `sample_weights`.
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
        Applied to every image after mixing, real or synthetic, such as a Resize to the size of the classifier.
    item_type : {"pil", "tensor"} or None
        What `transform` receives: PIL images of mode L or RGB, the same for all, as from torchvision's ImageFolder; or
        uint8 tensors (C, H, W). None: "pil" with a transform; without one the type that `real` yields.
    resize : {"stretch", "crop", "pad"} or None
        How real images of another size are brought to the size of the synthetic ones first, as `image_size` of the
        augmenter did, so that real and synthetic images are equally sharp. "stretch" changes the aspect ratio, "crop"
        cuts the longer side, "pad" adds black borders. Real images keep their size if `share` is 0. None: real images
        keep their size; then sharpness can tell the classifier which images are synthetic, and so which class they are
        likely to have.
    validation : bool or None
        True: leave out `synthetic`, and the items of `real` whose metadata marks them as synthetic or altered.
        None: detected from
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
        If classes of `synthetic` do not fit `real`, an item of `real` has no label, or `real` yields neither PIL images
        nor uint8.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages, MixedDataset
    >>> classes = ("cat", "dog")
    >>> real = LabeledImages(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 1, 1]), classes)
    >>> synthetic = LabeledImages(torch.ones(9, 1, 8, 8, dtype=torch.uint8), torch.full((9,), 1), classes)
    >>> mixed = MixedDataset(real, synthetic, share=0.25, transform=lambda image: image / 255, item_type="tensor")
    >>> mixed
    MixedDataset(8 images, 2 of them synthetic (share 0.25); cat: 4, dog: 4)
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

    @library_defaults()
    def __init__(
        self,
        real: Dataset[Any],
        synthetic: LabeledImages | Sequence[LabeledImages],
        *,
        share: float | str | None = None,
        report: Any = None,
        synthetic_weight: float | None = None,
        fade_epochs: int | None = None,
        refresh: Refresh | None = None,
        transform: Callable[[Any], Any] | None = None,
        item_type: str | None = None,
        resize: str | None = "stretch",
        validation: bool | None = None,
        seed: int = 0,
    ) -> None:
        samples: LabeledImages = join_sources(synthetic)
        check_sets(real, samples)
        requested_share = _resolve_share(share, report)
        facts = report.facts if share == "auto" else {}
        self._balance = 1.0 if facts.get("balance") is None else float(facts["balance"])
        shares = facts.get("class_shares", {}) if requested_share else {}
        self._without = {name for name, each in shares.items() if not each}
        left_out = torch.tensor([label for label, name in enumerate(samples.classes) if name in self._without])
        self._usable_rows = torch.nonzero(~torch.isin(samples.labels, left_out)).flatten()
        if synthetic_weight is not None and not synthetic_weight > 0:
            raise ValueError(f"synthetic_weight must be a number above 0; got {synthetic_weight!r}.")
        if fade_epochs is not None and fade_epochs < 1:
            raise ValueError(f"fade_epochs must be at least 1; got {fade_epochs!r}.")
        if resize is not None and resize not in ASPECTS:
            raise ValueError(f"resize must be one of {', '.join(ASPECTS)} or None; got {resize!r}.")
        self.real, self.synthetic, self.transform, self.resize = real, samples, transform, resize
        self.synthetic_weight, self.fade_epochs, self.seed = synthetic_weight, fade_epochs, seed
        self.item_type = _resolve_item_type(item_type, has_transform=transform is not None)
        self.validation = is_validation_split(real) if validation is None else validation
        self._read_labels()
        metadata = getattr(real, "metadata", None)
        marked_synthetic = synthetic_mask(metadata, len(self._real_targets))
        real_rows = torch.arange(len(self._real_targets))
        # a data set that ganaug augmented earlier holds images that must not be validated on
        self._real_rows = real_rows[~added_mask(metadata, len(real_rows))] if self.validation else real_rows
        self._marked_synthetic = marked_synthetic[self._real_rows]
        self._requested_share = requested_share
        # without synthetic images, real ones need not lose detail
        self._resizes = resize is not None and requested_share != 0
        self._n_requested = self._resolve_count()
        self._pool = SyntheticPool(samples, refresh)
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]  # for workers
        self._set_mode()
        self._select()

    def _read_labels(self) -> None:
        """Read the labels of `real`, name its classes, and match those of `synthetic`."""
        real = DatasetLabels(self.real)
        encoded = encode_labels(real.labels, what="the real set", are_indices=real.are_indices)
        names = real.names
        # whole numbers stay as they are; otherwise all labels become indices, because a classifier needs numbers, and
        # the index of a text could be the number of another class
        are_numbers = all(isinstance(value, int) for value in encoded.class_values)
        if not are_numbers:
            names = dict(enumerate(encoded.names))
        self._number_of_label = {
            value: int(value) if are_numbers else index for index, value in enumerate(encoded.class_values)
        }
        self._real_targets = [self._number_of_label[label] for label in real.labels]
        if names:
            by_label = sorted((int(label), name) for label, name in names.items() if label is not None)
            self.class_to_idx = {name: label for label, name in by_label}
            self.classes: tuple[str, ...] = tuple(self.class_to_idx)
            self._real_label_of_synthetic = match_names(self.synthetic, self.class_to_idx)
        else:
            self.classes = self.synthetic.classes
            self._real_label_of_synthetic = match_numbers(
                self.synthetic, set(self._real_targets), is_mixed=not self.validation
            )
            self.class_to_idx = {name: self._real_label_of_synthetic[index] for index, name in enumerate(self.classes)}

    def _number(self, label: Any, row: int) -> int:
        """Return the number of the label of an item of `real`."""
        number = self._number_of_label.get(label_value(label))
        if number is None:
            raise DataError(
                f"item {row:,} of the real set has the label {label!r}, which no item had when the MixedDataset was "
                "created. Let `real` return the same label each time."
            )
        return number

    def _resolve_count(self) -> int:
        """Return the number of synthetic items in epoch 0."""
        if self.validation:
            return 0
        share, count = self._requested_share, len(self._usable_rows)
        if share is not None:
            count = round(share / (1 - share) * self._n_real_beside())
        if count and not len(self._usable_rows):
            without = f" of other classes than {', '.join(sorted(self._without))}" if self._without else ""
            raise DataError(
                f"share={share} needs {count} synthetic images, and `synthetic` has none{without}. Pass samples, such "
                "as those of GANAugmenter.sample, or share=0."
            )
        if self._usable_rows.numel() and count > MAX_REPEATS * len(self._usable_rows):
            n_images = len(self._usable_rows)
            warn_user(
                f"share={share} uses each of {n_images:,} synthetic images {count / n_images:.0f} times. Draw about "
                f"{count:,}, or lower the share."
            )
        return count

    def __repr__(self) -> str:
        counts, names = Counter(self.targets), {label: name for name, label in self.class_to_idx.items()}
        shown = [f"{names.get(label, label)}: {counts[label]:,}" for label in sorted(counts)[:MAX_LISTED]]
        more = f" and {len(counts) - len(shown):,} more classes" if len(counts) > len(shown) else ""
        return (
            f"MixedDataset({len(self):,} images, {int(self.is_synthetic.sum()):,} of them synthetic "
            f"(share {self.share:.3g}); {', '.join(shown)}{more})"
        )

    def _n_real_beside(self) -> int:
        """Return the number of real images of the classes that a share is for: those that `share="auto"` leaves."""
        left_out = {self.class_to_idx[name] for name in self._without if name in self.class_to_idx}
        return sum(self._real_targets[row] not in left_out for row in self._real_rows.tolist())

    @library_defaults()
    def _select(self) -> None:
        """Select the synthetic images of the current epoch and update the attributes that depend on them."""
        self._selected_epoch = int(self._epoch)
        fraction = 1.0 if self.fade_epochs is None else max(0.0, 1 - self._selected_epoch / self.fade_epochs)
        n_synthetic = round(fraction * self._n_requested)
        self._synthetic_rows = self._usable_rows[_repeat_evenly(n_synthetic, len(self._usable_rows), self.seed)]
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
            row = int(self._real_rows[index])
            item, label = split_item(self.real[row])
            image, number = self._normalize(item, row), self._number(label, row)
        else:
            pixels = self._pool.images[self._synthetic_rows[index - n_real]]
            image = (
                to_pillow(pixels).convert(self._mode) if self._as_pil else pixels.expand(self._n_channels or -1, -1, -1)
            )
            number = self.targets[index]
        image = self._of_item_type(image)
        return (image if self.transform is None else self.transform(image)), number

    def _of_item_type(self, image: Any) -> Any:
        """Convert an item to what `transform` receives."""
        if self.item_type == "pil" and isinstance(image, Tensor) and image.dtype == torch.uint8:
            return to_pillow(image)
        return to_tensor(image) if self.item_type == "tensor" and isinstance(image, Image.Image) else image

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(file name, label) of each item.

        A real item without a file is named `real/<row>`, a synthetic one `synthetic/<class>/<row>`.
        """
        real_samples = getattr(self.real, "samples", None)
        if real_samples and len(real_samples) == len(self._real_targets):
            real_files = [str(path) for path, _ in real_samples]
        else:
            real_files = [f"real/{row}" for row in range(len(self._real_targets))]
        files = [real_files[row] for row in self._real_rows.tolist()]
        class_of = {label: name for name, label in self.class_to_idx.items()}
        synthetic_items = zip(self._synthetic_rows.tolist(), self.targets[len(files) :], strict=True)
        files += [f"synthetic/{class_of[label]}/{row}" for row, label in synthetic_items]
        return list(zip(files, self.targets, strict=True))

    @library_defaults()
    def sample_weights(self) -> Tensor:
        """Return sampling weights for torch's WeightedRandomSampler under which all classes are equally likely.

        The classes are counted after mixing. Weights computed from the real set alone would balance a second time. With
        `share="auto"` and a report that found another balance, classes are as likely as the report says.

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
        # labels may be sparse or negative
        labels = torch.unique(torch.tensor(self.targets, dtype=torch.int64), return_inverse=True)[1]
        weights = self._weights_within_classes(labels)
        n_labels = len(set(self.targets))
        class_sums = torch.bincount(labels, weights, minlength=n_labels)
        n_real = torch.bincount(labels[~self.is_synthetic], minlength=n_labels).clamp(min=1).double()
        class_weights = torch.where(class_sums > 0, n_real ** (1 - self._balance), 0.0)
        return weights / class_sums[labels] * (class_weights / class_weights.sum())[labels]

    def _weights_within_classes(self, labels: Tensor) -> Tensor:
        """Return the weight of each item relative to the others of its class: float64, (len,)."""
        if self.synthetic_weight is not None:
            return torch.where(self.is_synthetic, self.synthetic_weight, 1.0).double()
        if self._requested_share is None:  # each synthetic image is used once and counts as much as a real one
            return torch.ones(len(labels), dtype=torch.float64)
        return balanced_weights(labels, self.is_synthetic, self.share)

    def _set_mode(self) -> None:
        """Choose the type and mode of all images from the first real one and the synthetic ones."""
        image: Any = split_item(self.real[0])[0] if self._real_targets else self.synthetic.images[:1][0]
        self._as_pil = isinstance(image, Image.Image)
        self._n_channels: int | None
        if self._as_pil:
            is_color = _to_gray_or_rgb(image, 0).mode == "RGB"
        elif isinstance(image, Tensor) and image.dtype == torch.uint8 and image.ndim == 3:
            is_color = len(image) in (3, RGBA)
        elif self._n_requested:
            received = f"{image.dtype} tensor" if isinstance(image, Tensor) else type(image).__name__
            raise DataError(
                f"the real set yields a {received}, not a PIL image or uint8 tensor (C, H, W): it has already applied "
                "a transform. Create it without one and pass the transform to MixedDataset(transform=...), which "
                "applies it to real and synthetic images."
            )
        else:
            self._n_channels = None  # nothing is mixed, so items stay as they are
            return
        self._n_channels = 3 if is_color or self.synthetic.shape[0] == 3 else 1
        self._mode = "RGB" if self._n_channels == 3 else "L"

    def _normalize(self, image: Any, row: int) -> Any:
        """Convert a real image to the mode and size of all images."""
        if self._n_channels is None:
            return image
        size = ImageSize(*self.synthetic.shape[1:], self.resize or "stretch")
        if not self._as_pil:
            image = composite_on_white(image[None])[0]
            if len(image) > self._n_channels:
                raise _color_error(row)
            if self._resizes and tuple(image.shape[1:]) != size:
                image = to_tensor(resize_picture(to_pillow(image), size))
            return image.expand(self._n_channels, -1, -1)
        picture = _to_gray_or_rgb(image, row)
        if picture.mode == "RGB" and self._mode == "L":
            raise _color_error(row)
        picture = picture.convert(self._mode)
        return resize_picture(picture, size) if self._resizes else picture


def _to_gray_or_rgb(image: Image.Image, row: int) -> Image.Image:
    """Convert an image of any mode except 16-bit gray to mode L or RGB."""
    if is_16_bit(image):
        raise DataError(
            f"item {row:,} of the real set is a 16-bit image (mode {image.mode!r}), whose black and white depend on "
            "all images. Convert the set first: to_labeled_images(real)."
        )
    try:
        return gray_or_rgb(image)
    except UnusableImage as error:
        raise DataError(f"item {row:,} of the real set cannot be used: {error.cause}. {error.fix}.") from error


def _color_error(row: int) -> DataError:
    """Return the error for a color image among gray ones."""
    return DataError(
        f"item {row:,} of the real set is in color; the first item and the synthetic images are gray. Convert all real "
        "images to one mode, and fit the augmenter on these."
    )


def _resolve_item_type(item_type: str | None, *, has_transform: bool) -> str | None:
    """Return the type of the items, None for that of the real set. Raises ValueError if it is unknown."""
    if item_type not in (None, *ITEM_TYPES):
        raise ValueError(f"item_type must be one of {', '.join(ITEM_TYPES)} or None; got {item_type!r}.")
    return "pil" if has_transform and item_type is None else item_type


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


def _repeat_evenly(count: int, n_images: int, seed: int) -> Tensor:
    """Return `count` indices below `n_images`; how often each occurs differs by at most one."""
    if not n_images:
        return torch.empty(0, dtype=torch.int64)
    n_repeats, n_extra = divmod(count, n_images)
    extra = torch.randperm(n_images, generator=generator(seed, "mixed"))[:n_extra]
    return torch.cat([torch.arange(n_images).repeat(n_repeats), extra.sort().values])
