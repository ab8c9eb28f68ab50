"""What ClassTranslator samples from: translators of common classes into rare ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug._runtime.randomness import derive, generator, image_seeds
from ganaug._version import __version__
from ganaug.errors import ClassNotLearnedError
from ganaug.images import LabeledImages, to_signed, to_uint8
from ganaug.models import augmentations as augment
from ganaug.sampling.filters import KEPT, Filters, FilterStats
from ganaug.sampling.translation_model import TranslationModel

MAX_REDRAWS = 200
TRIAL = 128  # translations of each class from which its yield is measured
COLUMNS = (
    *("label", "is_synthetic", "class_index", "seed", "redraws", "source_class", "source_row", "model_hash"),
    "ganaug_version",
)


@dataclass(frozen=True)
class ClassTranslation:
    """From one common class to a rare one.

    sources: uint8 (N, C, H, W), the images whose content survives; rows: where those were in what `fit` was given (N,).
    """

    source: str
    model: TranslationModel
    sources: Tensor
    rows: Tensor

    def draw(self, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """Translations, uint8 (M, C, H, W), and the training images they came from (M,); row i depends on seed i alone.

        A source is shifted by up to an eighth before it is translated, since one image gives one translation.
        """
        chosen, shifted = [], []
        for seed in seeds.tolist():
            draws = generator(seed, "source")
            row = int(torch.randint(len(self.sources), (), generator=draws))
            chosen.append(row)
            shifted.append(to_uint8(augment.translation(to_signed(self.sources[row : row + 1]), draws)))
        return self.model.translate(torch.cat(shifted), seeds), self.rows[chosen]


@dataclass(frozen=True)
class ClassTranslatorModel:
    """The bridges of a fit, by label, with the classes and the filters that every translation passes."""

    class_translations: Mapping[int, ClassTranslation]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    class_values: np.ndarray
    seed: int
    filters: Filters | None
    filter_stats: Mapping[int, FilterStats]

    def hash(self) -> str:
        """16 hexadecimal digits that name all translators."""
        return f"{derive(0, *(class_translation.model.hash() for class_translation in self.class_translations.values())):016x}"[
            :16
        ]

    @property
    def unlearned(self) -> list[int]:
        """Labels without a translator, or of which too few translations pass the filters."""
        found = [label for label in range(len(self.classes)) if label not in self.class_translations]
        return found + [label for label, seen in self.filter_stats.items() if not seen.learned]

    def sample(self, counts: Mapping[int, int], *, seed: int, start: int = 0, filtered: bool = True) -> LabeledImages:
        """Exactly `counts` ({label: n}) images, class by class. Raises ClassNotLearnedError for a class of `unlearned`."""
        bad = [self.classes[label] for label, count in counts.items() if count and label in self.unlearned]
        if bad and (filtered or any(self.classes.index(name) not in self.class_translations for name in bad)):
            raise ClassNotLearnedError(
                f"class {', '.join(map(repr, bad))} is not learned: no translator was fitted for it, or next to none of "
                "its translations look like the class. Name it in sampling_strategy, train longer, or add real images."
            )
        parts = [self._of_class(label, n, seed, start, filtered=filtered) for label, n in counts.items() if n]
        images = torch.cat([torch.empty(0, *self.shape, dtype=torch.uint8), *(part[0] for part in parts)])
        labels = torch.cat([torch.empty(0, dtype=torch.int64), *(part[1] for part in parts)])
        metadata = pd.concat([part[2] for part in parts], ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
        return LabeledImages(images, labels, self.classes, metadata)

    def _of_class(
        self, label: int, count: int, seed: int, start: int, *, filtered: bool
    ) -> tuple[Tensor, Tensor, pd.DataFrame]:
        name, class_translation = self.classes[label], self.class_translations[label]
        seeds, labels = image_seeds(seed, name, start, count), torch.full((count,), label)
        images, rows = class_translation.draw(seeds)
        redraws, waiting = torch.zeros(count, dtype=torch.int64), torch.arange(count)
        for attempt in range(1, MAX_REDRAWS + 1):
            if self.filters is None or not filtered or not len(waiting):
                break
            waiting = waiting[self.filters.judge(images[waiting], labels[waiting]) != KEPT]
            if attempt == MAX_REDRAWS and len(waiting):
                raise ClassNotLearnedError(
                    f"class {name!r} is not learned: some images were rejected {MAX_REDRAWS} times."
                )
            seeds[waiting] = image_seeds(seed, f"{name}/redraw {attempt}", start, count)[waiting]
            redraws[waiting] += 1
            if len(waiting):
                images[waiting], rows[waiting] = class_translation.draw(seeds[waiting])
        about = {
            "label": name,
            "is_synthetic": True,
            "class_index": label,
            "seed": seeds.numpy(),
            "redraws": redraws.numpy(),
            "source_class": class_translation.source,
            "source_row": rows.numpy(),
            "model_hash": class_translation.model.hash(),
            "ganaug_version": __version__,
        }
        return images, labels, pd.DataFrame(about)


def trial_filter_stats(model: ClassTranslatorModel) -> dict[int, FilterStats]:
    """By label, what the model's filters take of trial translations."""
    if model.filters is None:
        return {}
    found: dict[int, FilterStats] = {}
    for label, class_translation in model.class_translations.items():
        images, _ = class_translation.draw(image_seeds(model.seed, f"{model.classes[label]}/trial", 0, TRIAL))
        found |= model.filters.filter_stats(images, torch.full((TRIAL,), label))
    return found
