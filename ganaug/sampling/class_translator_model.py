"""The model of ClassTranslator: translators of common classes into rare ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganaug._runtime.randomness import derive, generator
from ganaug._runtime.storage import Tree
from ganaug._runtime.torch_state import plain_torch
from ganaug.images import LabeledImages, to_signed, to_uint8
from ganaug.models import augmentations
from ganaug.sampling.conditional_model import ConditionalModel, Samples, parse_class_fields
from ganaug.sampling.filters import Filters, FilterStats
from ganaug.sampling.translation_model import TranslationModel, is_vector


@dataclass(frozen=True)
class ClassTranslation:
    """The translation of one common class into a rare one.

    Attributes
    ----------
    source : str
        Name of the common class.
    model : TranslationModel
        The trained CycleGAN.
    sources : Tensor of shape (N, C, H, W), uint8
        Images of the common class that are translated.
    rows : Tensor of shape (N,), int64
        Their rows in what `fit` received.
    """

    source: str
    model: TranslationModel
    sources: Tensor
    rows: Tensor

    def draw(self, seeds: Tensor) -> Tensor:
        """Return translations, uint8 (N, C, H, W); row i depends on seeds[i] alone.

        The translation of an image is deterministic. So each source image is shifted by up to an eighth of its size
        before it is translated, and plain vectors are mixed with another source.
        """
        return self.model.translate(torch.cat([self._varied_source(seed) for seed in seeds.tolist()]), seeds)

    def source_rows(self, seeds: Tensor) -> Tensor:
        """Return, for each seed, the row of the source image in what `fit` received: (N,)."""
        return self.rows[[self._choose(seed)[0] for seed in seeds.tolist()]]

    def _varied_source(self, seed: int) -> Tensor:
        row, draws = self._choose(seed)
        source = self.sources[row : row + 1]
        if not is_vector(self.model.domains[0].size):
            return to_uint8(augmentations.translation(to_signed(source), draws))
        other = self.sources[torch.randint(len(self.sources), (1,), generator=draws)]
        return (
            torch.lerp(source.float(), other.float(), torch.rand((), generator=draws, dtype=torch.float32))
            .round()
            .to(torch.uint8)
        )

    def _choose(self, seed: int) -> tuple[int, torch.Generator]:
        draws = generator(seed, "source")
        return int(torch.randint(len(self.sources), (), generator=draws)), draws


@dataclass(frozen=True)
class ClassTranslatorModel(ConditionalModel):
    """The translators of a fit, by label.

    Attributes
    ----------
    translations : mapping
        Label of the rare class -> its `ClassTranslation`.
    shape, classes, class_values, seed, filters, filter_stats
        As in `ConditionalModel`.
    """

    kind: ClassVar[str] = "class-translator"  # type: ignore[misc]
    fields: ClassVar[Mapping[str, type | UnionType]] = {
        **dict.fromkeys(("shape", "classes", "class_values"), list),
        **dict.fromkeys(("translations", "filter_stats"), dict),
    }

    translations: Mapping[int, ClassTranslation]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    class_values: np.ndarray
    seed: int
    filters: Filters | None = None
    filter_stats: Mapping[int, FilterStats] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Device of the translators; the CPU if there is none."""
        return next((translation.model.device for translation in self.translations.values()), torch.device("cpu"))

    @property
    def trained_labels(self) -> list[int]:
        """Labels that have a translator."""
        return sorted(self.translations)

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify all translators."""
        return f"{derive(0, *(self.translations[label].model.hash() for label in self.trained_labels)):016x}"[:16]

    @plain_torch()
    def draw(self, labels: Tensor, seeds: Tensor) -> Tensor:
        """Return translations, uint8 (N, C, H, W); row i depends on labels[i] and seeds[i] alone."""
        images = torch.empty(len(labels), *self.shape, dtype=torch.uint8)
        for label in torch.unique(labels).tolist():
            rows = torch.nonzero(labels == label).flatten()
            images[rows] = self.translations[label].draw(seeds[rows])
        return images

    def sample(
        self,
        counts: Mapping[int, int],
        *,
        seed: int | None = None,
        start: int | Mapping[int, int] = 0,
        filtered: bool = True,
    ) -> LabeledImages:
        """Draw as `ConditionalModel.sample`."""
        return self.sample_with(self.draw, self._sources_of, counts, seed=seed, start=start, filtered=filtered)

    def _sources_of(self, samples: Samples) -> dict[str, Any]:
        """Return, as columns of metadata, the class and the row of the image that was translated."""
        source_rows = torch.empty(len(samples.labels), dtype=torch.int64)
        for label in torch.unique(samples.labels).tolist():
            rows = samples.labels == label
            source_rows[rows] = self.translations[label].source_rows(samples.seeds[rows])
        return {
            "source_class": [self.translations[label].source for label in samples.labels.tolist()],
            "source_row": source_rows.numpy(),
        }

    def with_filter_stats(self) -> "ClassTranslatorModel":
        """Return this model with what its filters reject in a trial of every class it can draw."""
        return replace(self, filter_stats=self.measure_filters())

    def networks(self) -> nn.Module:
        """Return all translators in one module."""
        return nn.ModuleList([self.translations[label].model.networks() for label in self.trained_labels])

    def describe(self) -> dict[str, object]:
        """Return the fields of `model.json`."""
        translations = {
            self.classes[label]: {"source": translation.source, **translation.model.describe()}
            for label, translation in self.translations.items()
        }
        return {**self.describe_classes(), "translations": translations}

    def tensors(self) -> Tree:
        """Return weights and source images of each translator, and what the filters need."""
        return {
            "translations": {
                self.classes[label]: {
                    **translation.model.tensors(),
                    "sources": translation.sources,
                    "rows": translation.rows,
                }
                for label, translation in self.translations.items()
            },
            "filters": None if self.filters is None else self.filters.tree(),
        }

    @classmethod
    def build(cls, description: Mapping[str, Any], tensors: Any, **options: Any) -> "ClassTranslatorModel":
        """Return the model that a file describes. There are no options."""
        del options
        common = parse_class_fields(description)
        shape, classes = common["shape"], common["classes"]
        translations = {}
        for name, fields in description["translations"].items():
            stored = tensors["translations"][name]
            sources, rows = stored["sources"], stored["rows"]
            if sources.dtype != torch.uint8 or tuple(sources.shape[1:]) != shape or rows.shape != sources.shape[:1]:
                raise ValueError(f"the source images of class {name!r} have another size than the description")
            if fields["source"] not in classes or not len(sources):
                raise ValueError(f"class {name!r} has no source images of a known class")
            model = TranslationModel.build({**fields, "kind": "cyclegan"}, stored)
            translations[classes.index(name)] = ClassTranslation(fields["source"], model, sources, rows)
        filters = tensors["filters"]
        return cls(
            translations=translations,
            filters=None if filters is None else Filters.from_tree(filters, shape, len(classes)),
            **common,
        )
