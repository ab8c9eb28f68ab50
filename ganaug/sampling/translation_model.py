"""A trained translator: turns images of one domain into images of another, and is saved and loaded."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor, nn

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.meta import meta_networks
from ganaug._runtime.randomness import image_seeds, temporary_seed
from ganaug._runtime.storage import Tree
from ganaug._version import __version__
from ganaug.errors import DataError
from ganaug.images import ROWS_PER_BATCH, LabeledImages, apply_in_batches, to_uint8
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.io.output import publish
from ganaug.io.threads import Progress
from ganaug.io.writing import stream_contents
from ganaug.models.networks.translation import ResNetTranslator, UNetGenerator, VectorTranslator
from ganaug.sampling.model_files import StoredModel, check_sizes, hash_weights
from ganaug.training.translation_batches import Domain

MAX_TRANSLATED_SIZE = 512  # pixels, of the longer side
MAX_PASS_PIXELS = 2**20  # pixels of the images of one forward pass
MAX_BLOCK_PIXELS = 2**22  # pixels that are translated before any is returned
DIRECTIONS = ("x_to_y", "y_to_x")


def generators(kind: str, domains: tuple[Domain, Domain], width: int) -> nn.Module:
    """Return the generators of "pix2pix" or "cyclegan", with initial weights.

    Parameters
    ----------
    kind : {"pix2pix", "cyclegan"}
    domains : (Domain, Domain)
        X and Y.
    width : int
        Channels of the first layers.
    """
    shapes = domains[0].shape, domains[1].shape
    if kind == "pix2pix":
        return UNetGenerator(*shapes, width)
    network: Any = VectorTranslator if is_vector(shapes[0]) else ResNetTranslator
    return nn.ModuleDict({"x_to_y": network(*shapes, width), "y_to_x": network(shapes[1], shapes[0], width)})


def is_vector(shape: Sequence[int]) -> bool:
    """Return whether a shape (C, H, W) is that of plain vectors, which are stored as images of one row."""
    return shape[0] == shape[1] == 1


@dataclass(frozen=True)
class TranslationModel(StoredModel):
    """Generators in evaluation mode.

    Attributes
    ----------
    generator : nn.Module
        One network (Pix2Pix), or a ModuleDict of both directions (CycleGAN).
    kind : {"pix2pix", "cyclegan"}
    domains : (Domain, Domain)
        X and Y, at the image size of the fit.
    width : int
        Channels of the first layers.
    seed : int
        Seed of the fit, and the default seed of translations.
    """

    fields: ClassVar[Mapping[str, type | UnionType]] = {"domains": list, "width": int}

    generator: nn.Module
    kind: str
    domains: tuple[Domain, Domain]
    width: int
    seed: int

    @property
    def device(self) -> torch.device:
        """Device of the generators."""
        return next(self.generator.parameters()).device

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions in which the model translates."""
        return DIRECTIONS if self.kind == "cyclegan" else DIRECTIONS[:1]

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify weights and domains."""
        return hash_weights((self.kind, self.domains), self.generator)

    def accepted(self, images: Tensor, direction: str, what: str = "X") -> Tensor:
        """Return images as `translate` takes them; gray images become RGB where the model needs RGB.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W), uint8
        direction : {"x_to_y", "y_to_x"}
        what : str
            What the images are, for error messages.

        Raises
        ------
        ValueError
            If the model does not translate in this direction.
        DataError
            If the images have an unsupported size, or RGB images meet a model for gray images.
        """
        if direction not in self.directions:
            raise ValueError(f"direction must be one of {', '.join(self.directions)}; got {direction!r}.")
        size = self.domains[direction == "y_to_x"].size
        if is_vector(size):
            if tuple(images.shape[1:]) != size:
                raise DataError(f"{what}: has shape {tuple(images.shape[1:])}; this translator takes vectors, {size}.")
            return images
        channels, (height, width) = size[0], images.shape[2:]
        if min(height, width) < MIN_IMAGE_SIZE or max(height, width) > MAX_TRANSLATED_SIZE:
            raise DataError(
                f"{what}: is {height}x{width} pixels; each side must have {MIN_IMAGE_SIZE} to {MAX_TRANSLATED_SIZE}."
            )
        if images.shape[1] not in (1, channels):
            raise DataError(f"{what}: is RGB, and this translator takes gray images. Convert them to gray.")
        return images.expand(-1, channels, -1, -1)

    @library_defaults()
    @torch.no_grad()
    def translate(self, images: Tensor, seeds: Tensor, direction: str = "x_to_y") -> Tensor:
        """Translate images.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W), uint8
            Images of one domain, of any height and width.
        seeds : Tensor of shape (N,), int64
            Row i of the result depends on images[i] and, for Pix2Pix, on seeds[i] alone.
        direction : {"x_to_y", "y_to_x"}

        Returns
        -------
        translations : Tensor of shape (N, C', H, W), uint8
        """
        source = self.domains[direction == "y_to_x"]
        network = self.generator if self.kind == "pix2pix" else self.generator[direction]  # type: ignore[index]

        def translations_of(rows: Tensor) -> Tensor:
            inputs = source.signed(images[rows]).to(self.device)
            dropout = (partial(_uniform_rows, _generators_of(seeds[rows])),) if self.kind == "pix2pix" else ()
            return to_uint8(network(inputs, *dropout)).cpu()

        # activations grow with the pixels of a pass, so fewer images where they are large
        size = max(1, min(ROWS_PER_BATCH, MAX_PASS_PIXELS // max(1, images.shape[2] * images.shape[3])))
        return apply_in_batches(translations_of, torch.arange(len(images)), size)

    def blocks(
        self, images: Tensor, files: Sequence[str], direction: str, *, draws: int = 1, seed: int | None = None
    ) -> Iterator[LabeledImages]:
        """Yield translations, a few at a time, with a row of provenance each.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W), uint8
        files : sequence of str
            File name of each image. The class of a translation is its folder, see `folders`.
        direction : {"x_to_y", "y_to_x"}
        draws : int, default=1
            Translations of each image.
        seed : int, optional
            None: the seed of the fit.

        Yields
        ------
        LabeledImages
            Translations. For label images, each block is followed by a block of the label images themselves, with the
            same file names.
        """
        domain, classes = self.domains[direction == "y_to_x"], tuple(self.folders(files, direction))
        size = max(1, MAX_BLOCK_PIXELS // max(1, images.shape[2] * images.shape[3]))
        for start in range(0, len(images), size):
            rows = torch.arange(start, min(len(images), start + size)).repeat_interleave(draws)
            draw_numbers = torch.arange(len(rows)) % draws
            seeds = image_seeds(self.seed if seed is None else seed, "translated", start * draws, len(rows))
            metadata = pd.DataFrame(
                {
                    "file_name": [
                        _file_name(files[row], number, draws)
                        for row, number in zip(rows.tolist(), draw_numbers.tolist(), strict=True)
                    ],
                    "source": [files[row] for row in rows.tolist()],
                    "is_synthetic": True,
                    "seed": seeds.numpy(),
                    "direction": direction,
                    "model_hash": self.hash(),
                    "ganaug_version": __version__,
                }
            )
            labels = torch.tensor([classes.index(_folder(files[row], domain)) for row in rows.tolist()])
            yield LabeledImages(self.translate(images[rows], seeds, direction), labels, classes, metadata)
            if domain.num_labels is not None:
                mask_metadata = metadata[["file_name", "source"]].assign(is_synthetic=False)
                mask_labels = torch.full_like(labels, classes.index("mask"))
                yield LabeledImages(images[rows], mask_labels, classes, mask_metadata)

    @library_defaults()
    def write(
        self,
        images: Tensor,
        files: Sequence[str],
        out: str | Path,
        direction: str = "x_to_y",
        *,
        draws: int = 1,
        seed: int | None = None,
        sign: Callable[[bytes], bytes] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write translations into the new folder `out`, each with its marks and provenance.

        Translations of label images go to `out/photo`, the label images to `out/mask`, with equal names. Other
        translations go to the class folders of `files`, or to `out/translated`. Parameters as in `blocks`; `sign` signs
        the bytes of a PNG file, `progress` is called with (done, total).
        """
        shape = (3, *images.shape[2:])
        blocks = self.blocks(images, files, direction, draws=draws, seed=seed)
        return publish(stream_contents(blocks, self.folders(files, direction, draws=draws), shape, sign), out, progress)

    def folders(self, files: Sequence[str], direction: str, *, draws: int = 1) -> dict[str, int]:
        """Return, for each output folder, the number of images of `blocks` that belong into it."""
        domain = self.domains[direction == "y_to_x"]
        counts = Counter(_folder(file, domain) for file in files)
        if domain.num_labels is not None:
            counts["mask"] = len(files)
        return {name: count * draws for name, count in sorted(counts.items())}

    def networks(self) -> nn.Module:
        """Return the generators."""
        return self.generator

    def describe(self) -> dict[str, object]:
        """Return the fields of `model.json`."""
        return {"domains": [asdict(domain) for domain in self.domains], "width": self.width, "seed": self.seed}

    def tensors(self) -> Tree:
        """Return the weights."""
        return {"generator": self.generator.state_dict()}

    @classmethod
    def build(cls, description: Mapping[str, Any], tensors: Any, **options: Any) -> "TranslationModel":
        """Return the model that a file describes. There are no options."""
        del options
        kind, width = description["kind"], description["width"]
        first, second = description["domains"]
        domains = _domain(first), _domain(second)
        # sizes are compared without allocating, so that a hostile description cannot exhaust memory
        with meta_networks():
            check_sizes(generators(kind, domains, width), tensors["generator"])
        with temporary_seed(0):
            generator = generators(kind, domains, width)
        generator.load_state_dict(tensors["generator"])
        return cls(generator.eval().requires_grad_(False), kind, domains, width, description["seed"])


def _folder(file: str, domain: Domain) -> str:
    """Return the output folder of the translation of one file."""
    parts = PurePosixPath(file).parts
    return "photo" if domain.num_labels is not None else parts[0] if len(parts) > 1 else "translated"


def _file_name(file: str, draw: int, draws: int) -> str:
    """Return the file name of one of `draws` translations of a file."""
    stem = PurePosixPath(file).stem
    return f"{stem}.png" if draws == 1 else f"{stem}-{draw + 1}.png"


def _domain(fields: Mapping[str, Any]) -> Domain:
    """Return the domain that `model.json` describes."""
    channels, height, width = fields["size"]
    return Domain((channels, height, width), fields["num_labels"])


def _generators_of(seeds: Tensor) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]


def _uniform_rows(sources: list[torch.Generator], *shape: int) -> Tensor:
    """Return uniform numbers (N, ...) in [0, 1), each row from its own generator."""
    return torch.stack([torch.rand(shape[1:], generator=source, dtype=torch.float32) for source in sources])
