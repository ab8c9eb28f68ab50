"""How a sample is drawn: streams of seeds by class, a redraw loop with filters, and provenance. Written once."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.randomness import IMAGE_SEEDS, image_seeds
from ganaug._runtime.workers import parallel_map
from ganaug._version import __version__
from ganaug.errors import ClassNotLearnedError
from ganaug.images import ROWS_PER_BATCH, LabeledImages
from ganaug.sampling.filters import PASSED, TRIAL_SAMPLES, Filters, FilterStats
from ganaug.sampling.model_files import StoredModel

# 0.9 ** 200 < 1e-9: a class with a pass rate of 10 % practically never runs out of draws
MAX_REDRAWS = 200
MAX_TRIAL_SAMPLES = 20_000  # over all classes
BLOCK_BYTES, MAX_BLOCK_IMAGES = 2**24, 1024  # pixels and images that are drawn before any is returned

Draw = Callable[[Tensor, Tensor], Tensor]  # (labels (N,), seeds (N,)) -> uint8 images (N, C, H, W)


@dataclass(frozen=True)
class Samples:
    """Images with the seeds they were drawn from. All of length N."""

    images: Tensor
    labels: Tensor
    seeds: Tensor
    redraws: Tensor


class ConditionalModel(StoredModel):
    """A trained model that draws images of a class. Abstract.

    Attributes
    ----------
    shape : (int, int, int)
        Channels, height and width of an image.
    classes : tuple of str
        Class names, in label order.
    class_values : array of shape (K,)
        The user's value for each class.
    seed : int
        Seed of the fit, and the default seed of samples.
    filters : Filters or None
        What every sample must pass.
    filter_stats : mapping
        Label -> what the filters rejected in a trial.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    class_values: np.ndarray
    seed: int
    filters: Filters | None
    filter_stats: Mapping[int, FilterStats]

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of the networks."""

    @property
    @abstractmethod
    def learnable(self) -> list[int]:
        """Labels that the model was trained to draw."""

    @abstractmethod
    def draw(self, labels: Tensor, seeds: Tensor) -> Tensor:
        """Return uint8 images (N, C, H, W) of `labels` (N,); row i depends on labels[i] and seeds[i] alone."""

    @abstractmethod
    def sample(
        self, counts: Mapping[int, int], *, seed: int | None = None, start: int = 0, filtered: bool = True
    ) -> LabeledImages:
        """Draw exactly the requested number of images of each class.

        Parameters
        ----------
        counts : mapping
            Label -> number of images.
        seed : int, optional
            None: the seed of the fit.
        start : int, default=0
            Place of the first image in the stream of its class.
        filtered : bool, default=True
            Redraw images that a filter rejects. A redrawn image gets a seed of its own place, so that every image still
            depends on its class and place alone.

        Returns
        -------
        LabeledImages
            Class after class, with a row of provenance for each image in `metadata`.

        Raises
        ------
        ClassNotLearnedError
            If a class cannot be drawn, or too few of its images pass the filters.
        """

    @property
    def unlearned(self) -> list[int]:
        """Labels that the model cannot draw, or of which too few samples pass the filters."""
        learnable = set(self.learnable)
        failed = [label for label, stats in self.filter_stats.items() if not stats.is_learned]
        return sorted({label for label in range(len(self.classes)) if label not in learnable} | set(failed))

    @retain_freed_memory()
    def sample_with(
        self,
        draw: Draw,
        columns: Callable[[Samples], dict[str, Any]],
        counts: Mapping[int, int],
        *,
        seed: int | None,
        start: int,
        filtered: bool,
    ) -> LabeledImages:
        """Draw as `sample` describes it, by `draw`; `columns` returns the model's own columns of metadata."""
        self._check_learned([label for label, count in counts.items() if count], filtered=filtered)
        filters = self.filters if filtered else None
        samples = self._draw_samples(
            counts, draw, seed=self.seed if seed is None else seed, start=start, filters=filters
        )
        metadata = pd.DataFrame(
            {
                "label": [self.classes[label] for label in samples.labels.tolist()],
                "is_synthetic": True,
                "class_index": samples.labels.numpy(),
                "seed": samples.seeds.numpy(),
                "redraws": samples.redraws.numpy(),
                **columns(samples),
                "model_hash": self.hash(),
                "ganaug_version": __version__,
            }
        )
        return LabeledImages(samples.images, samples.labels, self.classes, metadata)

    def blocks(self, parts: Mapping[int, range], *, size: int | None = None, **options: Any) -> Iterator[LabeledImages]:
        """Yield the images at given places of each class's stream, block after block.

        Parameters
        ----------
        parts : mapping
            Label -> places in the stream of the class.
        size : int, optional
            Images in a block. None: as many as take 16 MiB.
        **options
            Passed to `sample`.
        """
        size = size or max(
            ROWS_PER_BATCH,
            min(MAX_BLOCK_IMAGES, BLOCK_BYTES // math.prod(self.shape)) // ROWS_PER_BATCH * ROWS_PER_BATCH,
        )
        requests = split_into_blocks(parts, size)
        # threads would only compete for the GPU
        if self.device.type != "cpu":
            for counts, start in requests:
                yield self.sample(counts, start=start, **options)
            return
        yield from parallel_map(lambda request: self.sample(request[0], start=request[1], **options), requests)

    def measure_filters(self, draw: Draw | None = None) -> dict[int, FilterStats]:
        """Return what the filters reject of a trial of every class that the model can draw, by label."""
        if self.filters is None or not self.learnable:
            return {}
        n_each = max(20, min(TRIAL_SAMPLES, MAX_TRIAL_SAMPLES // len(self.classes)))
        labels = torch.tensor(self.learnable).repeat_interleave(n_each)
        seeds = [image_seeds(self.seed, f"{self.classes[label]}/trial", 0, n_each) for label in self.learnable]
        return self.filters.stats((draw or self.draw)(labels, torch.cat(seeds)), labels)

    def describe_classes(self) -> dict[str, object]:
        """Return the fields of `model.json` that every conditional model has."""
        return {
            "shape": list(self.shape),
            "classes": list(self.classes),
            "class_values": self.class_values.tolist(),
            "seed": self.seed,
            "filter_stats": {self.classes[label]: asdict(stats) for label, stats in self.filter_stats.items()},
        }

    def _draw_samples(
        self, counts: Mapping[int, int], draw: Draw, *, seed: int, start: int, filters: Filters | None
    ) -> Samples:
        """Draw images, and redraw those that the filters reject until every image passes."""
        nothing = torch.empty(0, dtype=torch.int64)
        labels = torch.cat([nothing, *(torch.full((count,), label) for label, count in counts.items())])
        places = torch.cat([nothing, *(torch.arange(start, start + count) for count in counts.values())])
        seeds, redraws = self._seeds(seed, labels, places, 0), torch.zeros(len(labels), dtype=torch.int64)
        images = draw(labels, seeds) if len(labels) else torch.empty(0, *self.shape, dtype=torch.uint8)
        rejected = torch.arange(len(labels) if filters is not None else 0)
        for attempt in range(1, MAX_REDRAWS + 1):
            if filters is None or not len(rejected):
                break
            rejected = rejected[filters.judge(images[rejected], labels[rejected]) != PASSED]
            if not len(rejected):
                break
            if attempt == MAX_REDRAWS:
                raise self._not_learned(torch.unique(labels[rejected]).tolist(), f"none passed in {MAX_REDRAWS} draws")
            seeds[rejected] = self._seeds(seed, labels[rejected], places[rejected], attempt)
            redraws[rejected] += 1
            images[rejected] = draw(labels[rejected], seeds[rejected])
        return Samples(images, labels, seeds, redraws)

    def _seeds(self, seed: int, labels: Tensor, places: Tensor, attempt: int) -> Tensor:
        """Return the seeds (N,) of the `attempt`-th draw for each place in its class's stream."""
        seeds = torch.empty(len(labels), dtype=torch.int64)
        for label in torch.unique(labels).tolist():
            rows = labels == label
            stream = self.classes[label] if attempt == 0 else f"{self.classes[label]}/redraw {attempt}"
            # a separate stream for each attempt: the image at a place does not depend on redraws at other places
            seeds[rows] = (image_seeds(seed, stream, 0, 1) + places[rows]) % IMAGE_SEEDS
        return seeds

    def _check_learned(self, labels: list[int], *, filtered: bool) -> None:
        learnable = set(self.learnable)
        if missing := [label for label in labels if label not in learnable]:
            raise self._not_learned(missing, "the model was not trained to draw it")
        if filtered and (failed := [label for label in self.unlearned if label in labels]):
            stats = self.filter_stats[failed[0]]
            raise self._not_learned(failed, f"{stats.pass_rate:.0%} of {stats.drawn} trial samples pass the filters")

    def _not_learned(self, labels: list[int], reason: str) -> ClassNotLearnedError:
        names = ", ".join(repr(self.classes[label]) for label in labels)
        return ClassNotLearnedError(
            f"class {names} is not learned: too few samples look like the class and differ from its training images "
            f"({reason}). Train longer, add real images of the class, or turn the filters off: filtered=False "
            "(--no-filters)."
        )


def split_into_blocks(parts: Mapping[int, range], size: int) -> Iterator[tuple[dict[int, int], int]]:
    """Split places of streams into requests of at most `size` images: (counts by label, first place).

    Small parts that begin at the same place are drawn together.

    Examples
    --------
    >>> from ganaug.sampling.conditional_model import split_into_blocks
    >>> list(split_into_blocks({0: range(0, 5), 1: range(0, 2), 2: range(0, 1)}, size=4))
    [({0: 4}, 0), ({0: 1}, 4), ({1: 2, 2: 1}, 0)]
    """
    waiting: dict[int, int] = {}
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


def classes_from(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that every conditional model has from its description in `model.json`.

    Raises ValueError, TypeError or KeyError where they do not fit each other.
    """
    channels, height, width = description["shape"]
    classes, stored_values = tuple(description["classes"]), description["class_values"]
    if len(stored_values) != len(classes) or not all(isinstance(value, str | int | float) for value in stored_values):
        raise TypeError("class_values must hold a text or a number for each class")
    stats = description["filter_stats"]
    if not all(isinstance(number, int | float) for numbers in stats.values() for number in numbers.values()):
        raise TypeError("filter_stats must hold numbers")
    values = np.empty(len(classes), dtype=object)
    values[:] = stored_values
    return {
        "shape": (channels, height, width),
        "classes": classes,
        "class_values": values if isinstance(values[0], str) else np.asarray(values.tolist()),
        "seed": description["seed"],
        "filter_stats": {classes.index(name): FilterStats(**numbers) for name, numbers in stats.items()},
    }
