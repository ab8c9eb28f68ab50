"""A model that draws each class from a generator that was fitted on other images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from types import UnionType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.randomness import derive
from ganaug._runtime.storage import Tree
from ganaug.images import LabeledImages, concatenate
from ganaug.io.image_tensors import resize_images
from ganaug.sampling.conditional_model import ConditionalModel, parse_class_fields
from ganaug.sampling.filters import Filters, FilterStats
from ganaug.sampling.generator_model import GeneratorModel

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as Pillow converts to gray


@dataclass(frozen=True)
class PretrainedModel(ConditionalModel):
    """Generators of other images, and which class of which generator each class is drawn from.

    Attributes
    ----------
    sources : tuple of GeneratorModel
    origins : mapping
        Label -> (number of the source, label of the class there).
    shape, classes, class_values, seed
        As in `ConditionalModel`. Samples of a source are resized to this shape; color becomes gray, or gray color.
    filter_stats : mapping
        Label -> what the source's own filters reject.
    """

    kind: ClassVar[str] = "pretrained"  # type: ignore[misc]
    fields: ClassVar[Mapping[str, type | UnionType]] = {
        **dict.fromkeys(("shape", "classes", "class_values", "sources"), list),
        **dict.fromkeys(("origins", "filter_stats"), dict),
    }

    sources: tuple[GeneratorModel, ...]
    origins: Mapping[int, tuple[int, int]]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    class_values: np.ndarray
    seed: int
    filters: Filters | None = None  # each source has its own
    filter_stats: Mapping[int, FilterStats] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Device of the generators."""
        return self.sources[0].device

    @property
    def trained_labels(self) -> list[int]:
        """Labels that a source has."""
        return sorted(self.origins)

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify the sources, and what is drawn from them."""
        parts = [source.hash() for source in self.sources]
        origins = sorted((self.classes[label], origin) for label, origin in self.origins.items())
        return f"{derive(0, *parts, repr(origins), repr(self.shape)):016x}"[:16]

    def draw(self, labels: Tensor, seeds: Tensor) -> Tensor:
        """Return unfiltered samples, uint8 (N, C, H, W); row i depends on labels[i] and seeds[i] alone."""
        images = torch.empty(len(labels), *self.shape, dtype=torch.uint8)
        for label in torch.unique(labels).tolist():
            rows = torch.nonzero(labels == label).flatten()
            number, source_label = self.origins[label]
            drawn = self.sources[number].draw(torch.full((len(rows),), source_label), seeds[rows])
            images[rows] = convert_pixels(drawn, self.shape)
        return images

    @library_defaults()
    def sample(
        self,
        counts: Mapping[int, int],
        *,
        seed: int | None = None,
        start: int | Mapping[int, int] = 0,
        filtered: bool = True,
    ) -> LabeledImages:
        """Draw as `ConditionalModel.sample`, with the filters of each source."""
        self.check_learned([label for label, count in counts.items() if count], filtered=filtered)
        starts = start if isinstance(start, Mapping) else dict.fromkeys(counts, start)
        labels = [label for label, count in counts.items() if count] or self.trained_labels[:1]
        own_seed = self.seed if seed is None else seed
        return reduce(
            concatenate,
            (
                self._sample_class(label, counts.get(label, 0), own_seed, starts.get(label, 0), filtered=filtered)
                for label in labels
            ),
        )

    def _sample_class(self, label: int, count: int, seed: int, start: int, *, filtered: bool) -> LabeledImages:
        """Draw images of one class from its source."""
        number, source_label = self.origins[label]
        source = self.sources[number]
        # several classes may be drawn from one class of a source
        own_seed = derive(seed, "pretrained", self.classes[label]) % 2**31
        drawn = source.sample({source_label: count}, seed=own_seed, start=start, filtered=filtered)
        metadata: pd.DataFrame = drawn.metadata.assign(  # type: ignore[union-attr]  # samples always have it
            label=self.classes[label],
            class_index=label,
            source_class=source.label_names[source_label],
        )
        labels = torch.full((count,), label, dtype=torch.int64)
        return LabeledImages(convert_pixels(drawn.images, self.shape), labels, self.classes, metadata)

    def networks(self) -> nn.Module:
        """Return all generators in one module."""
        return nn.ModuleList([source.networks() for source in self.sources])

    def describe(self) -> dict[str, object]:
        """Return the fields of `model.json`."""
        return {
            **self.describe_classes(),
            "sources": [{"kind": source.kind, **source.describe()} for source in self.sources],
            "origins": {self.classes[label]: list(origin) for label, origin in self.origins.items()},
        }

    def tensors(self) -> Tree:
        """Return the tensors of each source."""
        return {"sources": {str(number): source.tensors() for number, source in enumerate(self.sources)}}

    @classmethod
    def build(cls, description: Mapping[str, Any], tensors: Any, **options: Any) -> "PretrainedModel":
        """Return the model that a file describes. There are no options."""
        del options
        common = parse_class_fields(description)
        sources = tuple(
            GeneratorModel.build(fields, tensors["sources"][str(number)])
            for number, fields in enumerate(description["sources"])
        )
        origins = {}
        for name, (number, source_label) in description["origins"].items():
            if not 0 <= number < len(sources) or not 0 <= source_label < len(sources[number].label_names):
                raise ValueError(f"class {name!r} is drawn from a source that does not exist")
            origins[common["classes"].index(name)] = (number, source_label)
        return cls(sources=sources, origins=origins, **common)

    def with_filter_stats(self) -> "PretrainedModel":
        """Return this model with what the filters of each source rejected of its own trial."""
        stats = {}
        for label, (number, source_label) in self.origins.items():
            if source_label in self.sources[number].filter_stats:
                stats[label] = self.sources[number].filter_stats[source_label]
        return replace(self, filter_stats=stats)


def convert_pixels(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return images of another size or number of channels.

    Parameters
    ----------
    images : Tensor of shape (N, c, h, w), uint8
    shape : (C, H, W)
        C is 1 or 3. The images are stretched to H and W, bicubic and antialiased.

    Returns
    -------
    Tensor of shape (N, C, H, W), uint8

    Examples
    --------
    >>> import torch
    >>> from ganaug.sampling.pretrained_model import convert_pixels
    >>> convert_pixels(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), (3, 12, 10)).shape
    torch.Size([2, 3, 12, 10])
    """
    channels, height, width = shape
    if images.shape[1] > channels:
        weights = torch.tensor(LUMINANCE).view(3, 1, 1)
        images = (images * weights).sum(1, keepdim=True).round().to(torch.uint8)
    return resize_images(images, (height, width)).expand(-1, channels, -1, -1)
