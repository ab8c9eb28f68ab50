"""What a check in training measures: samples or translations against real images."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganaug._runtime.randomness import generator, image_seeds
from ganaug.images import LabeledImages, downsample
from ganaug.metrics.distance import energy_distance, mean_pairwise_distance
from ganaug.sampling.translation_model import DIRECTIONS, MAX_PASS_PIXELS, TranslationModel
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier
from ganaug.training.health import Evaluation
from ganaug.training.pictures import draw_columns, draw_preview
from ganaug.training.translation_batches import Domain

MAX_IMAGES = 2000  # real images, and samples, in one check; at least four of a class
MIN_REAL_IMAGES = 10  # of a class to be scored: with fewer, chance decides and copies score best
MAX_PREVIEW_ROWS = 100
THUMBNAIL_SIZE = 8  # pixels a side of the averages that are compared
N_PICTURED = 6  # images in the preview of a translator


class GeneratorEvaluator:
    """Scores a conditional generator. Every check draws the same latent vectors, so that checks of a run compare.

    Samples are compared with the validation images of their class, or with training images where fewer than ten are
    held out.

    Parameters
    ----------
    train, validation : LabeledImages
    draw : callable
        (labels (N,), seeds (N,)) -> uint8 images (N, C, H, W).
    auxiliary_classifier : AuxiliaryClassifier or None
        Its features are compared. None: pixels averaged to at most 8 x 8.
    seed : int
    """

    def __init__(
        self,
        train: LabeledImages,
        validation: LabeledImages,
        draw: Callable[[Tensor, Tensor], Tensor],
        auxiliary_classifier: AuxiliaryClassifier | None,
        *,
        seed: int,
    ) -> None:
        self.train, self.draw, self.seed = train, draw, seed
        self.features = _pixel_features if auxiliary_classifier is None else auxiliary_classifier.features
        self.names = [name for name, count in train.counts.items() if count]  # a cell may have no image
        self.n_each = max(4, min(64, MAX_IMAGES // len(self.names)))
        references = [
            self._real_images(validation if validation.counts[name] >= MIN_REAL_IMAGES else train, name, self.n_each)
            for name in self.names
        ]
        features = torch.split(self.features(torch.cat(references)), [len(images) for images in references])
        self.reference_features = dict(zip(self.names, features, strict=True))

    def __call__(self) -> Evaluation:
        """Return the mean energy distance over classes (lower is better), and the diversity of each class.

        Diversity is the mean distance between samples of a class, relative to that between real images.
        """
        scores, diversity = {}, {}
        samples = self._samples(self.names, self.n_each)
        features = torch.split(self.features(torch.cat(list(samples.values()))), self.n_each)
        for (name, reference), of_class in zip(self.reference_features.items(), features, strict=True):
            scores[name] = energy_distance(of_class, reference)
            diversity[name] = _relative_spread(of_class, reference)
        scored = [name for name, count in self.train.counts.items() if count >= MIN_REAL_IMAGES]
        if not scored:
            return Evaluation(_mean(scores.values()), {"all classes": _mean(diversity.values())})
        return Evaluation(_mean(scores[name] for name in scored), {name: diversity[name] for name in scored})

    def picture(self) -> Image.Image:
        """Return the preview: a row for each class, or for the 50 largest and 50 smallest of more than 100 classes."""
        names = list(self.train.classes)
        if len(names) > MAX_PREVIEW_ROWS:
            by_count = sorted(names, key=lambda name: -self.train.counts[name])
            names = by_count[: MAX_PREVIEW_ROWS // 2] + by_count[-MAX_PREVIEW_ROWS // 2 :]
        samples, counts = self._samples(names, 10), self.train.counts
        return draw_preview(
            {f"{name} ({counts[name]})": (self._real_images(self.train, name, 4), samples[name]) for name in names}
        )

    def _real_images(self, images: LabeledImages, name: str, limit: int) -> Tensor:
        rows = images.rows_of(name)
        # at random, because neighboring files often resemble each other
        order = torch.randperm(len(rows), generator=generator(self.seed, "reference", name))
        return images.images[rows[order[:limit]]]

    def _samples(self, names: list[str], n_each: int) -> dict[str, Tensor]:
        labels = torch.tensor([self.train.classes.index(name) for name in names]).repeat_interleave(n_each)
        seeds = torch.cat([image_seeds(self.seed, f"check {name}", 0, n_each) for name in names])
        return dict(zip(names, torch.split(self.draw(labels, seeds), n_each), strict=True))


class TranslationEvaluator:
    """Scores a translator by the energy distance between translated and real images, on pixels averaged to 8 x 8.

    Pairs are compared as (source, translated) with (source, target), so that a realistic translation of another source
    scores badly. Unpaired domains are scored by the mean of both directions, plus the mean cycle error. All pixels in
    [-1, 1]; lower is better.

    Parameters
    ----------
    model : TranslationModel
    sources, targets : Tensor of shape (N, C, H, W), uint8
        Images of X and of Y.
    paired : bool
        Whether row i of both belongs together.
    """

    def __init__(self, model: TranslationModel, sources: Tensor, targets: Tensor, *, paired: bool) -> None:
        self.model, self.sources, self.targets, self.paired = model, sources, targets, paired
        self.source_seeds = image_seeds(model.seed, "check", 0, len(sources))
        self.target_seeds = image_seeds(model.seed, "check", 0, len(targets))

    def __call__(self) -> Evaluation:
        """Return the score, and the diversity of each direction's translations relative to real images."""
        x, y = self.model.domains
        real_x, real_y = thumbnails(x, self.sources), thumbnails(y, self.targets)
        fake_y = thumbnails(y, self.model.translate(self.sources, self.source_seeds))
        diversity = {"Y": _relative_spread(fake_y, real_y)}
        if self.paired:
            score = energy_distance(torch.cat([real_x, fake_y], 1), torch.cat([real_x, real_y], 1))
            return Evaluation(score, diversity)
        fake_x = thumbnails(x, self.model.translate(self.targets, self.target_seeds, "y_to_x"))
        errors = torch.cat([cycle_errors(self.model, self.sources), cycle_errors(self.model, self.targets, "y_to_x")])
        score = (energy_distance(fake_y, real_y) + energy_distance(fake_x, real_x)) / 2 + float(errors.mean())
        return Evaluation(score, {**diversity, "X": _relative_spread(fake_x, real_x)})

    def picture(self) -> Any:
        """Return the preview: a row for each image, with its translation and its pair, or its back-translation."""
        sources, targets = self.sources[:N_PICTURED], self.targets[:N_PICTURED]
        source_seeds, target_seeds = self.source_seeds[: len(sources)], self.target_seeds[: len(targets)]
        to_y = self.model.translate(sources, source_seeds)
        if self.paired:
            second_draw = self.model.translate(sources, source_seeds + 1)
            return draw_columns(
                {
                    "X": self._visible(0, sources),
                    "translated": to_y,
                    "another draw": second_draw,
                    "Y": self._visible(1, targets),
                }
            )
        back_to_x = self.model.translate(to_y, source_seeds, "y_to_x")
        to_x = self.model.translate(targets, target_seeds, "y_to_x")
        back_to_y = self.model.translate(to_x, target_seeds)
        pictures = {"X": sources, "to Y": to_y, "and back": back_to_x, "Y": targets, "to X": to_x}
        return draw_columns({**pictures, "and back ": back_to_y})

    def _visible(self, domain: int, images: Tensor) -> Tensor:
        """Return label images with their labels spread over the gray levels, other images as they are."""
        n_labels = self.model.domains[domain].num_labels
        return images if n_labels is None else (images.float() * (255 / max(1, n_labels - 1))).to(torch.uint8)


def thumbnails(domain: Domain, images: Tensor) -> Tensor:
    """Return pixels averaged to at most 8 x 8, in [-1, 1]; label images have a channel for each label.

    Parameters
    ----------
    domain : Domain
    images : Tensor of shape (N, C, H, W), uint8

    Returns
    -------
    features : Tensor of shape (N, D), float32
    """
    size = min(THUMBNAIL_SIZE, images.shape[2]), min(THUMBNAIL_SIZE, images.shape[3])
    return torch.cat([adaptive_avg_pool2d(domain.signed(part), size).flatten(1) for part in _in_parts(images)])


def cycle_errors(model: TranslationModel, images: Tensor, direction: str = "x_to_y") -> Tensor:
    """Return, for each image, the mean absolute error after it was translated and translated back.

    Parameters
    ----------
    model : TranslationModel
        A CycleGAN.
    images : Tensor of shape (N, C, H, W), uint8
    direction : {"x_to_y", "y_to_x"}

    Returns
    -------
    errors : Tensor of shape (N,), float32
        In [0, 1], the range of pixels.
    """
    backward = DIRECTIONS[direction == DIRECTIONS[0]]

    def errors_of(part: Tensor) -> Tensor:
        unused_seeds = torch.zeros(len(part), dtype=torch.int64)
        translated = model.translate(part, unused_seeds, direction)
        restored = model.translate(translated, unused_seeds, backward)
        return (restored.float() - part.float()).abs().flatten(1).mean(1) / 255

    return torch.cat([errors_of(part) for part in _in_parts(images)])


def _in_parts(images: Tensor) -> Iterator[Tensor]:
    """Yield a few images at a time, so that memory does not depend on their size."""
    size = max(1, MAX_PASS_PIXELS // (images.shape[2] * images.shape[3]))
    return (images[start : start + size] for start in range(0, len(images), size))


def _relative_spread(features: Tensor, reference: Tensor) -> float:
    """Return the mean pairwise distance of features (N, D) relative to the reference's; 1 if the latter is 0."""
    spread = mean_pairwise_distance(reference)
    return mean_pairwise_distance(features) / spread if spread > 0 else 1.0


def _mean(numbers: Iterable[float]) -> float:
    values = list(numbers)
    return sum(values) / len(values)


def _pixel_features(images: Tensor) -> Tensor:
    """Return pixels averaged to at most 8 x 8: uint8 (N, C, H, W) -> float (N, D) in [0, 1]."""
    return downsample(images, THUMBNAIL_SIZE).flatten(1)
