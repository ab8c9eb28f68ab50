"""What a check during training measures: samples of the averaged generator against real images of each class."""

from collections.abc import Callable, Iterable

import torch
from PIL import Image
from torch import Tensor

from ganaug._runtime.randomness import generator, image_seeds
from ganaug.images import LabeledImages, pooled
from ganaug.metrics.distance import energy_distance, mean_pairwise_distance
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier
from ganaug.training.health import Evaluation
from ganaug.training.pictures import preview

MAX_IMAGES = 2000  # of each kind in one check, over all classes, but at least four a class
ENOUGH = 10  # real images that a class needs to be judged by itself: below, chance rules, and copies score best
MAX_ROWS = 100
FEATURE_SIZE = 8


class Evaluator:
    """Draws the same latent vectors at each check, so that checks of one run compare.

    Samples are compared with the held-out images of their class; where fewer than ten are held out, with `real`,
    those that the generator is trained on. draw: (labels, seeds) -> uint8 images. auxiliary classifier: whose features are compared;
    without one, images averaged down to at most 8 x 8 pixels.
    """

    def __init__(
        self,
        real: LabeledImages,
        validation: LabeledImages,
        draw: Callable[[Tensor, Tensor], Tensor],
        auxiliary_classifier: AuxiliaryClassifier | None,
        *,
        seed: int,
    ) -> None:
        self.real, self.draw, self.seed = real, draw, seed
        self.features = thumbnails if auxiliary_classifier is None else auxiliary_classifier.features
        self.each = max(4, min(64, MAX_IMAGES // len(real.classes)))
        chosen = [
            self._real(validation if count >= ENOUGH else real, name, self.each)
            for name, count in validation.counts.items()
        ]
        found = torch.split(self.features(torch.cat(chosen)), [len(images) for images in chosen])
        self.reference = dict(zip(real.classes, found, strict=True))

    def __call__(self) -> Evaluation:
        """Mean energy distance over classes (lower is better), and each class's diversity relative to the real."""
        scores, diversity = {}, {}
        synthetic = self._synthetic(list(self.real.classes), self.each)
        found = torch.split(self.features(torch.cat(list(synthetic.values()))), self.each)
        for (name, reference), own in zip(self.reference.items(), found, strict=True):
            spread = mean_pairwise_distance(reference)
            scores[name] = energy_distance(own, reference)
            # a class of identical images has no spread to lose
            diversity[name] = mean_pairwise_distance(own) / spread if spread > 0 else 1.0
        judged = [name for name, count in self.real.counts.items() if count >= ENOUGH]
        if not judged:
            return Evaluation(_mean(scores.values()), {"all classes": _mean(diversity.values())})
        return Evaluation(_mean(scores[name] for name in judged), {name: diversity[name] for name in judged})

    def picture(self) -> Image.Image:
        """The preview grid: a row a class; beyond 100 classes, the 50 largest and the 50 smallest."""
        names = list(self.real.classes)
        if len(names) > MAX_ROWS:
            by_count = sorted(names, key=lambda name: -self.real.counts[name])
            names = by_count[: MAX_ROWS // 2] + by_count[-MAX_ROWS // 2 :]
        synthetic = self._synthetic(names, 10)
        counts = self.real.counts
        return preview({f"{n} ({counts[n]})": (self._real(self.real, n, 4), synthetic[n]) for n in names})

    def _real(self, images: LabeledImages, name: str, most: int) -> Tensor:
        own = images.rows_of(name)
        return images.images[own[torch.randperm(len(own), generator=generator(self.seed, "reference", name))[:most]]]

    def _synthetic(self, names: list[str], each: int) -> dict[str, Tensor]:
        labels = torch.tensor([self.real.classes.index(name) for name in names]).repeat_interleave(each)
        seeds = torch.cat([image_seeds(self.seed, f"check {name}", 0, each) for name in names])
        return dict(zip(names, torch.split(self.draw(labels, seeds), each), strict=True))


def _mean(numbers: Iterable[float]) -> float:
    listed = list(numbers)
    return sum(listed) / len(listed)


def thumbnails(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> float (N, D) in [0, 1]: pixels averaged down to at most 8 x 8."""
    return pooled(images, FEATURE_SIZE).flatten(1)
