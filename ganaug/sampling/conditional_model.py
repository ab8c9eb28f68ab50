"""Draw samples for all conditional models: a sequence of seeds for each class, redraws by filters, and provenance."""

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
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.randomness import IMAGE_SEEDS, image_seeds
from ganaug._runtime.workers import parallel_map
from ganaug._version import __version__
from ganaug.datasets.cells import Cells
from ganaug.errors import ClassNotLearnedError
from ganaug.images import ROWS_PER_BATCH, LabeledImages
from ganaug.sampling.filters import PASSED, TRIAL_SAMPLES, Filters, FilterStats
from ganaug.sampling.model_files import StoredModel

# 0.9 ** 200 < 1e-9: a class with a pass rate of 10 % practically never runs out of draws
MAX_DRAWS = 200  # of one image, including the first
MAX_TRIAL_SAMPLES = 20_000  # over all classes, but at least 20 of each
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
        Class names.
    class_values : array of shape (K,)
        Value of each class in the `y` passed to fit.
    cells : Cells or None
        Combinations of classes and attribute values that the model is conditioned on. A label is then the number of a
        cell. None: a label is the index of a class.
    seed : int
        Seed of the fit, and the default seed of samples.
    filters : Filters or None
        What every sample must pass.
    filter_stats : mapping
        Label -> what was rejected among trial samples.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    class_values: np.ndarray
    seed: int
    filters: Filters | None
    filter_stats: Mapping[int, FilterStats]
    cells: Cells | None = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """Name of the class or cell of each label."""
        return self.classes if self.cells is None else self.cells.names

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of the networks."""

    @property
    @abstractmethod
    def trained_labels(self) -> list[int]:
        """Labels that the model was trained to draw."""

    @abstractmethod
    def draw(self, labels: Tensor, seeds: Tensor) -> Tensor:
        """Return uint8 images (N, C, H, W) of `labels` (N,); row i depends on labels[i] and seeds[i] alone."""

    @abstractmethod
    def sample(
        self,
        counts: Mapping[int, int],
        *,
        seed: int | None = None,
        start: int | Mapping[int, int] = 0,
        filtered: bool = True,
    ) -> LabeledImages:
        """Draw exactly the requested number of images of each class.

        Parameters
        ----------
        counts : mapping
            Label -> number of images.
        seed : int, optional
            None: the seed of the fit.
        start : int or mapping, default=0
            Index of the first image in the sequence of its class, for all classes or by label.
        filtered : bool, default=True
            Redraw images that a filter rejects. The seed of a redraw derives from class, index and attempt, so an image
            does not depend on the rest of the request.

        Returns
        -------
        LabeledImages
            Grouped by class, in the order of `counts`, with a row of provenance for each image in `metadata`.

        Raises
        ------
        ClassNotLearnedError
            If a class cannot be drawn, or too few of its images pass the filters.
        """

    @property
    def unlearned(self) -> list[int]:
        """Labels that the model cannot draw, or of which too few samples pass the filters."""
        trained_labels = set(self.trained_labels)
        failed = [label for label, stats in self.filter_stats.items() if not stats.is_learned]
        return sorted({label for label in range(len(self.label_names)) if label not in trained_labels} | set(failed))

    @library_defaults()
    @retain_freed_memory()
    def sample_with(
        self,
        draw: Draw,
        columns: Callable[[Samples], dict[str, Any]],
        counts: Mapping[int, int],
        *,
        seed: int | None,
        start: int | Mapping[int, int],
        filtered: bool,
    ) -> LabeledImages:
        """Implement `sample` with the function `draw`; `columns` returns the model-specific metadata columns."""
        self.check_learned([label for label, count in counts.items() if count], filtered=filtered)
        filters = self.filters if filtered else None
        samples = self._draw_samples(
            counts, draw, seed=self.seed if seed is None else seed, start=start, filters=filters
        )
        metadata = pd.DataFrame(
            {
                "label": [self.label_names[label] for label in samples.labels.tolist()],
                "is_synthetic": True,
                "class_index": samples.labels.numpy(),
                "seed": samples.seeds.numpy(),
                "redraws": samples.redraws.numpy(),
                **columns(samples),
                "model_hash": self.hash(),
                "ganaug_version": __version__,
            }
        )
        images = LabeledImages(samples.images, samples.labels, self.label_names, metadata)
        return images if self.cells is None else self.cells.with_classes(images)

    def blocks(
        self, ranges: Mapping[int, range], *, size: int | None = None, **options: Any
    ) -> Iterator[LabeledImages]:
        """Yield ranges of the sequence of images of each class, block after block.

        Parameters
        ----------
        ranges : mapping
            Label -> indices in the sequence of the class.
        size : int, optional
            Images in a block. None: about 16 MiB, at least 64 and at most 1,024.
        **options
            Passed to `sample`.
        """
        # a multiple of the rows that the network gets at once, so that no batch inside a block is smaller
        size = size or max(
            ROWS_PER_BATCH,
            min(MAX_BLOCK_IMAGES, BLOCK_BYTES // math.prod(self.shape)) // ROWS_PER_BATCH * ROWS_PER_BATCH,
        )
        blocks = split_into_blocks(ranges, size)

        def draw_block(block: Mapping[int, range]) -> LabeledImages:
            starts = {label: indices.start for label, indices in block.items()}
            return self.sample({label: len(indices) for label, indices in block.items()}, start=starts, **options)

        # threads would only compete for the GPU
        yield from parallel_map(draw_block, blocks) if self.device.type == "cpu" else map(draw_block, blocks)

    def measure_filters(self, draw: Draw | None = None) -> dict[int, FilterStats]:
        """Return what the filters reject of a trial of every class that the model can draw, by label."""
        if self.filters is None or not self.trained_labels:
            return {}
        n_each = max(20, min(TRIAL_SAMPLES, MAX_TRIAL_SAMPLES // len(self.label_names)))
        labels = torch.tensor(self.trained_labels).repeat_interleave(n_each)
        seeds = [image_seeds(self.seed, f"{self.label_names[label]}/trial", 0, n_each) for label in self.trained_labels]
        return self.filters.stats((draw or self.draw)(labels, torch.cat(seeds)), labels)

    def describe_classes(self) -> dict[str, object]:
        """Return the fields of `model.json` that every conditional model has."""
        return {
            "shape": list(self.shape),
            "classes": list(self.classes),
            "class_values": self.class_values.tolist(),
            **({} if self.cells is None else {"cells": self.cells.to_json()}),
            "seed": self.seed,
            "filter_stats": {self.label_names[label]: asdict(stats) for label, stats in self.filter_stats.items()},
        }

    def _draw_samples(
        self,
        counts: Mapping[int, int],
        draw: Draw,
        *,
        seed: int,
        start: int | Mapping[int, int],
        filters: Filters | None,
    ) -> Samples:
        """Draw images, and redraw those that the filters reject until every image passes."""
        starts = start if isinstance(start, Mapping) else dict.fromkeys(counts, start)
        empty = torch.empty(0, dtype=torch.int64)  # torch.cat needs a tensor even if `counts` is empty
        labels = torch.cat([empty, *(torch.full((count,), label) for label, count in counts.items())])
        indices = torch.cat([empty, *(starts[label] + torch.arange(count) for label, count in counts.items())])
        seeds, redraws = self._seeds(seed, labels, indices, 0), torch.zeros(len(labels), dtype=torch.int64)
        images = draw(labels, seeds) if len(labels) else torch.empty(0, *self.shape, dtype=torch.uint8)
        pending = torch.arange(len(labels) if filters is not None else 0)
        for attempt in range(1, MAX_DRAWS + 1):
            if filters is None or not len(pending):
                break
            pending = pending[filters.judge(images[pending], labels[pending]) != PASSED]
            if not len(pending):
                break
            if attempt == MAX_DRAWS:
                failed = torch.unique(labels[pending]).tolist()
                raise self._rejected_error(failed, f"a sample was rejected in all of {MAX_DRAWS} draws")
            seeds[pending] = self._seeds(seed, labels[pending], indices[pending], attempt)
            redraws[pending] += 1
            images[pending] = draw(labels[pending], seeds[pending])
        return Samples(images, labels, seeds, redraws)

    def _seeds(self, seed: int, labels: Tensor, indices: Tensor, attempt: int) -> Tensor:
        """Return the seeds (N,) of the `attempt`-th draw for each index in the sequence of its class."""
        seeds = torch.empty(len(labels), dtype=torch.int64)
        for label in torch.unique(labels).tolist():
            rows = labels == label
            name = self.label_names[label]
            stream = name if attempt == 0 else f"{name}/redraw {attempt}"
            # a separate stream for each attempt: the image at an index does not depend on redraws at other indices
            seeds[rows] = (image_seeds(seed, stream, 0, 1) + indices[rows]) % IMAGE_SEEDS
        return seeds

    def check_learned(self, labels: list[int], *, filtered: bool) -> None:
        """Raise ClassNotLearnedError if the model was not trained on a label, or its samples fail the filters."""
        trained_labels = set(self.trained_labels)
        if missing := [label for label in labels if label not in trained_labels]:
            it = "it" if len(missing) == 1 else "them"
            raise self._not_learned_error(
                missing, f"The model was not trained to draw {it}. Add real images of {it}, and fit again."
            )
        if filtered and (failed := [label for label in self.unlearned if label in labels]):
            stats = self.filter_stats[failed[0]]
            name = f" of {self.label_names[failed[0]]!r}" if len(failed) > 1 else ""
            raise self._rejected_error(
                failed, f"{stats.pass_rate:.0%} of {stats.drawn} trial samples{name} pass the filters"
            )

    def _rejected_error(self, labels: list[int], reason: str) -> ClassNotLearnedError:
        """Create the error for classes that the model was trained on, and whose samples the filters reject."""
        return self._not_learned_error(
            labels,
            f"Too few samples look like the class and differ from its training images ({reason}). Train longer, add "
            "real images of the class, or turn the filters off: filtered=False (--no-filters).",
        )

    def _not_learned_error(self, labels: list[int], cause: str) -> ClassNotLearnedError:
        """Create the error for one or more classes. cause: sentences on what happened and what to do."""
        names = ", ".join(repr(self.label_names[label]) for label in labels)
        subject = f"class {names} is not learned" if len(labels) == 1 else f"classes not learned: {names}"
        return ClassNotLearnedError(f"{subject}. {cause}")


def split_into_blocks(ranges: Mapping[int, range], size: int) -> Iterator[dict[int, range]]:
    """Split ranges of indices by label into blocks of at most `size` images.

    Examples
    --------
    >>> from ganaug.sampling.conditional_model import split_into_blocks
    >>> list(split_into_blocks({0: range(0, 5), 1: range(0, 2), 2: range(7, 8)}, size=4))
    [{0: range(0, 4)}, {0: range(4, 5), 1: range(0, 2), 2: range(7, 8)}]
    """
    block: dict[int, range] = {}
    for label, indices in ranges.items():
        first = indices.start
        while first < indices.stop:
            n_free = size - sum(map(len, block.values()))
            block[label] = range(first, min(first + n_free, indices.stop))
            first = block[label].stop
            if sum(map(len, block.values())) == size:
                yield block
                block = {}
    if block:
        yield block


def parse_class_fields(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that every conditional model has from its description in `model.json`.

    Raises ValueError, TypeError or KeyError if they are inconsistent.
    """
    channels, height, width = description["shape"]
    classes, stored_values = tuple(description["classes"]), description["class_values"]
    if len(stored_values) != len(classes) or not all(isinstance(value, str | int | float) for value in stored_values):
        raise TypeError("class_values must hold a text or a number for each class")
    cells = Cells.from_json(description["cells"]) if "cells" in description else None
    if cells is not None and cells.classes != classes:
        raise ValueError("cells must have the classes of the model")
    label_names = classes if cells is None else cells.names
    stats = description["filter_stats"]
    if not all(isinstance(number, int | float) for numbers in stats.values() for number in numbers.values()):
        raise TypeError("filter_stats must hold numbers")
    values = np.empty(len(classes), dtype=object)  # object array, so that numbers and text are not coerced
    values[:] = stored_values
    return {
        "shape": (channels, height, width),
        "classes": classes,
        "class_values": values if isinstance(values[0], str) else np.asarray(values.tolist()),
        "seed": description["seed"],
        **({} if cells is None else {"cells": cells}),
        "filter_stats": {label_names.index(name): FilterStats(**numbers) for name, numbers in stats.items()},
    }
