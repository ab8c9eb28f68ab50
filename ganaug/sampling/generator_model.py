"""A trained conditional generator: what samples are drawn from, what is saved, and what a model hash names."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import IMAGE_SEEDS, image_seeds, latents, temporary_seed
from ganaug._runtime.storage import check_about, digest, read_json, read_tree, write_json, write_tree
from ganaug._runtime.workers import in_order
from ganaug._version import __version__
from ganaug.errors import ClassNotLearnedError, RunError
from ganaug.estimators.base import FORMAT
from ganaug.images import PASS, LabeledImages, in_passes, to_uint8
from ganaug.models.networks import NETWORKS, Network
from ganaug.models.networks.blocks import Shape, to_memory_format
from ganaug.sampling.filters import KEPT, TRIAL, Filters, FilterStats

MAX_REDRAWS = 200
BLOCK_BYTES, MAX_A_BLOCK = 2**24, 1024  # of pixels, and images, that are drawn before any is handed on
FIELDS = {
    **dict.fromkeys(("ganaug_version", "model_hash", "network"), str),
    **dict.fromkeys(("shape", "classes", "class_values"), list),
    **dict.fromkeys(("latent_size", "width", "seed"), int),
    **dict.fromkeys(("filter_stats", "params", "data"), dict),
    "filters_hash": str | None,
}  # of model.json, beside its format; the whole is docs/model.schema.json
MAX_TRIALS = 20_000  # samples from which yields are measured, over all classes


@dataclass(frozen=True)
class Latent:
    """How latent vectors are drawn. std: their standard deviation. truncation: in standard deviations, or None.

    Above 1, std gives more varied and less faithful samples; below 1, or truncated, the reverse (Brock et al. 2019).
    """

    std: float = 1.0
    truncation: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("latent_std", self.std), ("truncation", self.truncation)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a number above 0; got {value!r}.")


LATENT = Latent()


def _check_sizes(about: Mapping[str, Any], weights: Mapping[str, Tensor], pair: Network, shape: Shape) -> None:
    """Raise ValueError where the description is of another size than the weights, before memory is taken for it."""
    with torch.device("meta"), temporary_seed(0):
        described = pair.generator(shape, len(about["classes"]), about["latent_size"], about["width"])
    sizes = {name: tuple(value.shape) for name, value in described.state_dict().items()}
    if sizes != {name: tuple(value.shape) for name, value in weights.items()}:
        raise ValueError("they are of other sizes")


@dataclass(frozen=True)
class GeneratorModel:
    """A generator in evaluation mode with the classes it knows.

    class_values: the user's own value for each label (a name, a number). seed: the fit's seed, the default for samples.
    filters: what every sample passes; None: nothing. yields: of each label, what the filters took in a trial.
    """

    generator: nn.Module
    network: str
    shape: Shape
    classes: tuple[str, ...]
    class_values: np.ndarray
    latent_size: int
    width: int
    seed: int
    filters: Filters | None = None
    filter_stats: Mapping[int, FilterStats] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.generator.parameters()).device

    def hash(self) -> str:
        """16 hexadecimal digits that name weights, classes and shape."""
        digest = hashlib.blake2b(
            repr((self.network, self.shape, self.classes, self.latent_size)).encode(), digest_size=8
        )
        for name, value in sorted(self.generator.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.no_grad()
    def draw(self, labels: Tensor, seeds: Tensor, *, batch_size: int | None = None, latent: Latent = LATENT) -> Tensor:
        """Images of `labels` (N,) from `seeds` (N,): uint8, (N, C, H, W). Row i depends on label i and seed i alone.

        batch_size: images a pass on an accelerator; on the CPU passes are always of 64 rows. latent: how the latent
        vectors are drawn.
        """

        def images_of(places: Tensor) -> Tensor:
            vectors = latents(seeds[places], self.latent_size, std=latent.std, truncation=latent.truncation)
            with torch.autocast(self.device.type, enabled=False):  # which the caller may be in, and other threads not
                return to_uint8(self.generator(vectors.to(self.device), labels[places].to(self.device))).cpu()

        places = torch.arange(len(labels))
        return in_passes(images_of, places, PASS if self.device.type == "cpu" else batch_size or 256)

    @freed_memory_kept()
    def sample(
        self,
        counts: Mapping[int, int],
        *,
        seed: int | None = None,
        start: int = 0,
        batch_size: int | None = None,
        latent: Latent = LATENT,
        filtered: bool = True,
    ) -> LabeledImages:
        """Exactly `counts` ({label: n}) images, class after class, with a row of provenance each.

        start: the first image's place in each class's stream, for drawing more without drawing the same again.
        filtered: an image that the filters reject is drawn anew from a seed of its own place, so that every image still
        depends on its class and place alone. Raises ClassNotLearnedError where too few images of a class pass.
        """
        seed = self.seed if seed is None else seed
        filters = self.filters if filtered else None
        if filters is not None:
            self._check_learned([label for label, count in counts.items() if count])
        labels = torch.cat([torch.empty(0, dtype=torch.int64), *(torch.full((n,), k) for k, n in counts.items())])
        places = torch.cat(
            [torch.empty(0, dtype=torch.int64), *(torch.arange(start, start + n) for n in counts.values())]
        )
        seeds, redraws = self._seeds(seed, labels, places, 0), torch.zeros(len(labels), dtype=torch.int64)
        images = self.draw(labels, seeds, batch_size=batch_size, latent=latent)
        open_places = torch.arange(len(labels))
        for attempt in range(1, MAX_REDRAWS + 1):
            if filters is None or not len(open_places):
                break
            verdict = filters.judge(images[open_places], labels[open_places])
            open_places = open_places[verdict != KEPT]
            if attempt == MAX_REDRAWS and len(open_places):
                raise self._not_learned(torch.unique(labels[open_places]).tolist(), f"in {MAX_REDRAWS} draws")
            seeds[open_places] = self._seeds(seed, labels[open_places], places[open_places], attempt)
            redraws[open_places] += 1
            images[open_places] = self.draw(
                labels[open_places], seeds[open_places], batch_size=batch_size, latent=latent
            )
        metadata = pd.DataFrame(
            {
                "label": [self.classes[k] for k in labels.tolist()],
                "is_synthetic": True,
                "class_index": labels.numpy(),
                "seed": seeds.numpy(),
                "redraws": redraws.numpy(),
                "latent_std": latent.std,
                "truncation": latent.truncation,
                "model_hash": self.hash(),
                "ganaug_version": __version__,
            }
        )
        return LabeledImages(images, labels, self.classes, metadata)

    def blocks(self, parts: Mapping[int, range], *, size: int | None = None, **options: Any) -> Iterator[LabeledImages]:
        """The images at the places `parts` ({label: places in its stream}), class after class, as `sample` gives them.

        size: images a block; None: as many as take 16 MiB. options: of `sample`.
        """
        size = size or max(PASS, min(MAX_A_BLOCK, BLOCK_BYTES // math.prod(self.shape)) // PASS * PASS)
        requests = self._requests(parts, size)
        if self.device.type != "cpu":
            for counts, start in requests:
                yield self.sample(counts, start=start, **options)
            return
        yield from in_order(lambda request: self.sample(request[0], start=request[1], **options), requests)

    def _requests(self, parts: Mapping[int, range], size: int) -> Iterator[tuple[dict[int, int], int]]:
        """What `sample` is asked for, block after block: counts, and the place to begin at."""
        waiting: dict[int, int] = {}  # small parts that begin at the same place, drawn together
        begin = 0
        for label, places in parts.items():
            if waiting and (places.start != begin or sum(waiting.values()) + len(places) > size):
                yield waiting, begin
                waiting = {}
            if len(places) > size:
                for first in range(places.start, places.stop, size):
                    yield {label: min(size, places.stop - first)}, first
            elif len(places):
                begin = places.start
                waiting[label] = len(places)
        if waiting:
            yield waiting, begin

    def _seeds(self, seed: int, labels: Tensor, places: Tensor, attempt: int) -> Tensor:
        """Seeds of the `attempt`-th draw for each place in its class's stream: (N,)."""
        seeds = torch.empty(len(labels), dtype=torch.int64)
        for label in torch.unique(labels).tolist():
            own = labels == label
            stream = self.classes[label] if attempt == 0 else f"{self.classes[label]}/redraw {attempt}"
            seeds[own] = (image_seeds(seed, stream, 0, 1) + places[own]) % IMAGE_SEEDS
        return seeds

    def with_filter_stats(self, latent: Latent = LATENT) -> "GeneratorModel":
        """This model with what its filters take of a trial, of every class; without filters, itself."""
        if self.filters is None:
            return self
        each = max(20, min(TRIAL, MAX_TRIALS // len(self.classes)))
        labels = torch.arange(len(self.classes)).repeat_interleave(each)
        seeds = torch.cat([image_seeds(self.seed, f"{name}/trial", 0, each) for name in self.classes])
        return replace(self, filter_stats=self.filters.filter_stats(self.draw(labels, seeds, latent=latent), labels))

    @property
    def unlearned(self) -> list[int]:
        """Labels of which too few samples pass the filters to be handed out."""
        return [label for label, found in self.filter_stats.items() if not found.learned]

    def _check_learned(self, labels: list[int]) -> None:
        bad = [label for label in self.unlearned if label in labels]
        if bad:
            found = self.filter_stats[bad[0]]
            raise self._not_learned(bad, f"{found.share:.0%} of {found.drawn} trial samples pass")

    def _not_learned(self, labels: list[int], why: str) -> ClassNotLearnedError:
        names = ", ".join(repr(self.classes[label]) for label in labels)
        return ClassNotLearnedError(
            f"class {names} is not learned: next to none of its samples look like the class and differ from its "
            f"training images ({why}). Train longer, add real images of it, or take the "
            "samples as they come: filtered=False (--no-filters)."
        )

    def save(self, folder: Path, extra: Mapping[str, object]) -> None:
        """Write `model.json` and `generator.safetensors` into `folder`. Nothing in them can run code."""
        write_tree(folder / "generator.safetensors", {"generator": self.generator.state_dict()})
        if self.filters is not None:
            write_tree(folder / "filters.safetensors", self.filters.tree())
        description = {
            "format": FORMAT,
            "ganaug_version": __version__,
            "model_hash": self.hash(),
            "network": self.network,
            "shape": list(self.shape),
            "classes": list(self.classes),
            "class_values": self.class_values.tolist(),
            "latent_size": self.latent_size,
            "width": self.width,
            "seed": self.seed,
            "filters_hash": None if self.filters is None else digest(self.filters.tree()),
            "filter_stats": {self.classes[label]: asdict(found) for label, found in self.filter_stats.items()},
            **extra,
        }
        write_json(folder / "model.json", description)

    @classmethod
    def load(
        cls, folder: Path, device: torch.device, network: Network | None = None
    ) -> tuple["GeneratorModel", dict[str, Any]]:
        """Read what `save` wrote -> (model, description). Raises RunError for a damaged, altered or newer model."""
        about: dict[str, Any] = read_json(folder / "model.json")
        if "kind" in about:
            raise RunError(f"{folder}: holds a translator, which `ganaug translate apply` uses, not a generator.")
        check_about(folder / "model.json", about, FORMAT, FIELDS)
        state: Any = read_tree(folder / "generator.safetensors")
        judging: Any = read_tree(folder / "filters.safetensors") if about["filters_hash"] is not None else None
        try:
            channels, height, width = about["shape"]
            shape, classes, given = (channels, height, width), tuple(about["classes"]), about["class_values"]
            if len(given) != len(classes) or not all(isinstance(value, str | int | float) for value in given):
                raise TypeError("class_values must hold a text or number a class")
            if not all(
                isinstance(count, int | float) for found in about["filter_stats"].values() for count in found.values()
            ):
                raise TypeError("yields must hold numbers")
            pair = network or lookup(NETWORKS, about["network"], "network")
            if network is None:
                _check_sizes(about, state["generator"], pair, shape)
            with temporary_seed(0):
                generator = pair.generator(shape, len(classes), about["latent_size"], about["width"])
            generator.load_state_dict(state["generator"])
            values = np.empty(len(classes), dtype=object)
            values[:] = given
            values = values if isinstance(values[0], str) else np.asarray(values.tolist())
            model = cls(
                to_memory_format(generator.eval().requires_grad_(False), shape),
                about["network"],
                shape,
                classes,
                values,
                about["latent_size"],
                about["width"],
                about["seed"],
                None if judging is None else Filters.from_tree(judging, shape, len(classes)),
                {classes.index(name): FilterStats(**found) for name, found in about["filter_stats"].items()},
            )
        except Exception as error:  # whatever the words of a file that anybody may have written come to
            raise RunError(
                f"{folder}: model.json and the safetensors files do not fit each other ({error})."
            ) from error
        if judging is not None and digest(judging) != about["filters_hash"]:
            raise RunError(f"{folder}: the filters are not those that model.json names: one of the two was altered.")
        if model.hash() != about.get("model_hash"):
            raise RunError(f"{folder}: the weights are not those that model.json names: one of the two was altered.")
        if not all(bool(value.isfinite().all()) for value in model.generator.state_dict().values()):
            raise RunError(f"{folder}: some weights are not finite. Use another checkpoint, or fit again.")
        model.generator.to(device)
        return model, about
