"""The folder that `augment_folder` writes: whether there is room for it, and what is written into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import count_shown
from ganaug._runtime.randomness import derive
from ganaug.augmentation.selection import Request
from ganaug.datasets.alterations import classical_augmentation, repeat_alteration
from ganaug.images import LabeledImages
from ganaug.io.altered_copies import AlteredCopies, AlteredCopy, copy_bytes, copy_shape
from ganaug.io.decoding import strict_pillow_warnings
from ganaug.io.folder import add_to_folder, check_addable, write_augmented_folder
from ganaug.io.image_files import max_overhead
from ganaug.io.output import bytes_on_disk, check_free_space
from ganaug.io.preflight import FolderInspection
from ganaug.io.resizing import aspect_of
from ganaug.io.signing import Sign
from ganaug.io.synthetic import added_mask
from ganaug.io.table import check_labels, check_origin
from ganaug.sampling.composition import Additions, source_rows, split_additions


@dataclass(frozen=True)
class TargetFolder:
    """A folder to be filled up, or a new one beside it.

    Attributes
    ----------
    data : FolderInspection
        The data folder.
    images : LabeledImages
        Its images, as they were read, with labels of what is filled up: classes, or cells.
    out : Path or None
        The new folder. None: the data folder itself.
    is_resized : bool
        Whether the original images are written at the size of the synthetic ones.
    """

    data: FolderInspection
    images: LabeledImages
    out: Path | None
    is_resized: bool

    @property
    def resized(self) -> LabeledImages | None:
        """The original images as they are written; None where they are copied."""
        return self.images if self.is_resized else None

    def check_writable(self, request: Request) -> None:
        """Raise DataError or OutputError before any long work if the folder cannot be written."""
        if self.out is None:
            check_addable(self.data)
        check_labels(name for name, count in self.data.counts.items() if count)
        for entry in self.data.entries:
            check_origin(entry.metadata or {}, entry.file)
        n_bytes = max(self._bytes_to_write(balance, request) for balance in request.balances)
        check_free_space(self.out or self.data.root, n_bytes)

    def _bytes_to_write(self, balance: str | None, request: Request) -> int:
        """Return an upper bound of the bytes that are written for one balance."""
        pixels = self.images.images[:1].numel() + max_overhead(None)
        sizes = [] if self.out is None else [entry.n_bytes for entry in self.data.entries]
        largest_copy = pixels
        if self.is_resized:
            sizes = [max(n_bytes, pixels) for n_bytes in sizes]
        else:
            largest_copy = max(pixels, max((copy_bytes(entry) for entry in self.data.entries), default=0))
        targets = request.targets(self.images.counts, balance)
        additions = split_additions(self.images.counts, targets, request.share or 0.0)
        n_altered, n_synthetic = sum(additions.altered.values()), sum(additions.synthetic.values())
        return bytes_on_disk([*sizes, *[largest_copy] * n_altered, *[pixels] * n_synthetic])

    def plan_copies(self, n_copies: Mapping[str, int], seed: int, *, is_altered: bool) -> AlteredCopies:
        """Choose the sources of the copies, and what is done to each.

        Images that are marked as synthetic are not copied, because a copy would lose the mark.
        """
        is_marked = torch.tensor([entry.is_marked for entry in self.data.entries], dtype=torch.bool)
        real_rows = torch.nonzero(~(is_marked | added_mask(self.images.metadata, len(self.images)))).flatten()
        real = self.images.take(real_rows)
        augmentation = classical_augmentation(real) if is_altered else None
        copies = []
        for name, count in n_copies.items():
            for number, row in enumerate(real_rows[source_rows(real, name, count, seed)].tolist()):
                entry = self.data.entries[row]
                shape = (self.images.shape[1], self.images.shape[2]) if self.is_resized else copy_shape(entry)
                # a seed of its own, so that a copy does not depend on the number of the others
                operations = augmentation.draw(shape, derive(seed, "altered", name, number)) if augmentation else "[]"
                copies.append(AlteredCopy(row, operations))
        return AlteredCopies(copies, repeat_alteration)

    def write(self, synthetic: LabeledImages, altered: AlteredCopies, sign: Sign | None, verbosity: int) -> None:
        """Write the new folder, or add the images to the data folder."""
        with count_shown(verbosity, "write") as progress, strict_pillow_warnings():
            if self.out is None:
                add_to_folder(self.data, synthetic, altered=altered, sign=sign, progress=progress)
            else:
                write_augmented_folder(
                    self.data,
                    synthetic,
                    self.out,
                    altered=altered,
                    resized=self.resized,
                    sign=sign,
                    progress=progress,
                )
        if len(synthetic):
            self._warn_of_sharpness()

    def written_additions(self, requested: Additions, altered: AlteredCopies) -> Additions:
        """Return the additions with the number of copies of each class or cell that were possible."""
        counts: dict[str, int] = {}
        for copy in altered.copies:
            name = self.images.classes[int(self.images.labels[copy.source])]
            counts[name] = counts.get(name, 0) + 1
        return Additions(counts, requested.synthetic)

    def _warn_of_sharpness(self) -> None:
        """Warn if original images are larger than synthetic ones, so that sharpness tells them apart."""
        height, width = self.images.shape[1:]
        n_larger = sum(entry.height > height or entry.width > width for entry in self.data.entries)
        if not n_larger:
            return
        aspect = aspect_of(self.data.image_size)
        chain = f"Compose([Resize(({height}, {width})), Resize(SIZE)])"
        if aspect != "stretch":  # torchvision has no transform that does the same
            chain = f"MixedDataset(..., resize={aspect!r}, transform=Resize(SIZE))"
        if self.is_resized:
            warn_user(f"original images were resized to {height}x{width}. Resize test images in the same way: {chain}.")
            return
        warn_user(
            f"{n_larger:,} original images are larger than the synthetic ones, which have {height}x{width} pixels, so "
            "a classifier can tell them apart by their sharpness. In training and testing, resize all images to the "
            f"same size first: {chain}."
        )
