"""A trained translator: what turns images of one side into images of the other, and how it is kept in files."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ganaug._runtime.randomness import image_seeds, temporary_seed
from ganaug._runtime.storage import check_about, read_json, read_tree, write_json, write_tree
from ganaug._version import __version__
from ganaug.errors import DataError, RunError
from ganaug.images import PASS, LabeledImages, in_passes, to_uint8
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.io.output import publish
from ganaug.io.threads import Progress
from ganaug.io.writing import streamed
from ganaug.models.networks.translation import ResNetTranslator, UNetGenerator
from ganaug.training.translation_batches import Domain

FORMAT = 1
FIELDS = {
    **dict.fromkeys(("ganaug_version", "model_hash", "kind"), str),
    **dict.fromkeys(("width", "seed"), int),
    **dict.fromkeys(("params", "data"), dict),
    "domains": list,
}  # of model.json, beside its format; the whole is docs/model.schema.json
LARGEST = 512  # pixels a side
PASS_PIXELS = 2**20  # of the images of one pass, at most
BLOCK = 2**22  # pixels that are translated before any is handed on
DIRECTIONS = ("x_to_y", "y_to_x")


def generators(kind: str, domains: tuple[Domain, Domain], width: int) -> nn.Module:
    """The networks of 'pix2pix' or 'cyclegan', with fresh weights."""
    shapes = domains[0].shape, domains[1].shape
    if kind == "pix2pix":
        return UNetGenerator(*shapes, width)
    return nn.ModuleDict(
        {"x_to_y": ResNetTranslator(*shapes, width), "y_to_x": ResNetTranslator(shapes[1], shapes[0], width)}
    )


@dataclass(frozen=True)
class TranslationModel:
    """Generators in evaluation mode. kind: 'pix2pix' or 'cyclegan'. domains: of X and of Y, at the size of the fit."""

    generator: nn.Module
    kind: str
    domains: tuple[Domain, Domain]
    width: int
    seed: int

    @property
    def device(self) -> torch.device:
        """Where the generators are."""
        return next(self.generator.parameters()).device

    @property
    def directions(self) -> tuple[str, ...]:
        """Those it has learned."""
        return DIRECTIONS if self.kind == "cyclegan" else DIRECTIONS[:1]

    def hash(self) -> str:
        """16 hexadecimal digits that name weights and sides."""
        found = hashlib.blake2b(repr((self.kind, self.domains)).encode(), digest_size=8)
        for name, value in sorted(self.generator.state_dict().items()):
            found.update(name.encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def accepted(self, images: Tensor, direction: str, what: str = "X") -> Tensor:
        """uint8 (N, C, H, W) as `translate` takes them: gray ones as RGB where that is wanted.

        Raises ValueError for a direction that was not learned, DataError for images of another kind or size.
        """
        if direction not in self.directions:
            raise ValueError(f"direction must be one of {', '.join(self.directions)}; got {direction!r}.")
        channels, (height, width) = self.domains[direction == "y_to_x"].size[0], images.shape[2:]
        if min(height, width) < MIN_IMAGE_SIZE or max(height, width) > LARGEST:
            raise DataError(
                f"{what}: is {height}x{width} pixels; {MIN_IMAGE_SIZE} to {LARGEST} a side can be translated."
            )
        if images.shape[1] not in (1, channels):
            raise DataError(f"{what}: is RGB, and this translator takes gray images. Convert them to gray.")
        return images.expand(-1, channels, -1, -1)

    @torch.no_grad()
    def translate(self, images: Tensor, seeds: Tensor, direction: str = "x_to_y") -> Tensor:
        """uint8 (N, C, H, W) of one side, of any H and W, -> uint8 (N, C', H, W) of the other.

        Row i depends on image i and, where the network draws (Pix2Pix), on seed i alone.
        """
        source = self.domains[direction == "y_to_x"]
        network = self.generator if self.kind == "pix2pix" else self.generator[direction]  # type: ignore[index]

        def passed(rows: Tensor) -> Tensor:
            inputs = source.signed(images[rows]).to(self.device)
            drawn = (partial(_rows_uniform, _sources(seeds[rows])),) if self.kind == "pix2pix" else ()
            return to_uint8(network(inputs, *drawn)).cpu()

        size = max(1, min(PASS, PASS_PIXELS // max(1, images.shape[2] * images.shape[3])))
        return in_passes(passed, torch.arange(len(images)), size)

    def blocks(
        self, images: Tensor, files: Sequence[str], direction: str, *, draws: int = 1, seed: int | None = None
    ) -> Iterator[LabeledImages]:
        """Images of `files` translated, a few at a time, with a row of provenance each; `folders` says the class names.

        Of label images each block is followed by one of the labels themselves, with the same file names.
        """
        domain, classes = self.domains[direction == "y_to_x"], tuple(self.folders(files, direction))
        size = max(1, BLOCK // max(1, images.shape[2] * images.shape[3]))
        for start in range(0, len(images), size):
            own = torch.arange(start, min(len(images), start + size)).repeat_interleave(draws)
            draw = torch.arange(len(own)) % draws
            seeds = image_seeds(self.seed if seed is None else seed, "translated", start * draws, len(own))
            made = self.translate(images[own], seeds, direction)
            about = pd.DataFrame(
                {
                    "file_name": [
                        _name(files[row], k, draws) for row, k in zip(own.tolist(), draw.tolist(), strict=True)
                    ],
                    "source": [files[row] for row in own.tolist()],
                    "is_synthetic": True,
                    "seed": seeds.numpy(),
                    "direction": direction,
                    "model_hash": self.hash(),
                    "ganaug_version": __version__,
                }
            )
            labels = torch.tensor([classes.index(_folder(files[row], domain)) for row in own.tolist()])
            yield LabeledImages(made, labels, classes, about)
            if domain.num_labels is not None:
                kept = about[["file_name", "source"]].assign(is_synthetic=False)
                yield LabeledImages(images[own], torch.full_like(labels, classes.index("mask")), classes, kept)

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
        """Write the translations of images of `files` into the new folder `out`, each with its marks and provenance.

        `out/photo` and `out/mask` of label images, by equal names; else the class folders of `files`, or `translated`.
        """
        shape = (3, *images.shape[2:])
        blocks = self.blocks(images, files, direction, draws=draws, seed=seed)
        return publish(streamed(blocks, self.folders(files, direction, draws=draws), shape, sign), out, progress)

    def folders(self, files: Sequence[str], direction: str, *, draws: int = 1) -> dict[str, int]:
        """Folder -> how many images of `blocks` belong into it."""
        domain = self.domains[direction == "y_to_x"]
        counts = Counter(_folder(file, domain) for file in files)
        if domain.num_labels is not None:
            counts["mask"] = len(files)
        return {name: count * draws for name, count in sorted(counts.items())}

    def save(self, folder: Path, extra: Mapping[str, object]) -> None:
        """Write `model.json` and `generator.safetensors` into `folder`. Nothing in them can run code."""
        write_tree(folder / "generator.safetensors", {"generator": self.generator.state_dict()})
        about = {
            "format": FORMAT,
            "ganaug_version": __version__,
            "model_hash": self.hash(),
            "kind": self.kind,
            "domains": [asdict(domain) for domain in self.domains],
            "width": self.width,
            "seed": self.seed,
        }
        write_json(folder / "model.json", {**about, **extra})

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> tuple["TranslationModel", dict[str, Any]]:
        """Read what `save` wrote -> (model, description). Raises RunError for a damaged, altered or newer model."""
        about: dict[str, Any] = read_json(folder / "model.json")
        if about.get("kind") not in ("pix2pix", "cyclegan"):
            raise RunError(f"{folder}: holds no translator. `ganaug translate fit` and Pix2Pix or CycleGAN make one.")
        check_about(folder / "model.json", about, FORMAT, FIELDS)
        state: Any = read_tree(folder / "generator.safetensors")
        try:
            kind, width = about["kind"], about["width"]
            first, second = about["domains"]
            pair = _domain(first), _domain(second)
            with torch.device("meta"), temporary_seed(0):  # before memory is taken for what a file merely says
                described = {name: value.shape for name, value in generators(kind, pair, width).state_dict().items()}
            if described != {name: value.shape for name, value in state["generator"].items()}:
                raise ValueError("they are of other sizes")
            with temporary_seed(0):
                generator = generators(kind, pair, width)
            generator.load_state_dict(state["generator"])
            model = cls(generator.eval().requires_grad_(False), kind, pair, width, about["seed"])
        except Exception as error:  # whatever the words of a file that anybody may have written come to
            raise RunError(
                f"{folder}: model.json and generator.safetensors do not fit each other ({error})."
            ) from error
        if model.hash() != about.get("model_hash"):
            raise RunError(f"{folder}: the weights are not those that model.json names: one of the two was altered.")
        if not all(bool(value.isfinite().all()) for value in model.generator.state_dict().values()):
            raise RunError(f"{folder}: some weights are not finite. Use another checkpoint, or fit again.")
        model.generator.to(device)
        return model, about


def model_folder(folder: str | Path) -> Path:
    """Of a run folder its model, else the folder itself."""
    where = Path(folder)
    return where / "model" if (where / "model" / "model.json").exists() else where


def _folder(file: str, domain: Domain) -> str:
    parts = PurePosixPath(file).parts
    return "photo" if domain.num_labels is not None else parts[0] if len(parts) > 1 else "translated"


def _name(file: str, draw: int, draws: int) -> str:
    stem = PurePosixPath(file).stem
    return f"{stem}.png" if draws == 1 else f"{stem}-{draw + 1}.png"


def _domain(about: Mapping[str, Any]) -> Domain:
    channels, height, width = about["size"]
    return Domain((channels, height, width), about["num_labels"])


def _sources(seeds: Tensor) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]


def _rows_uniform(sources: list[torch.Generator], *shape: int) -> Tensor:
    """(N, ...), each row from a source of its own."""
    return torch.stack([torch.rand(shape[1:], generator=source) for source in sources])
