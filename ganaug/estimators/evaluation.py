"""What a check during training measures: samples of the averaged generator against the real images of each class."""

from collections.abc import Callable, Iterable

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganaug.images import LabelledImages
from ganaug.metrics.distance import energy_distance, mean_pairwise_distance
from ganaug.randomness import generator, image_seeds
from ganaug.training.health import Evaluation
from ganaug.training.pictures import preview

MOST_IMAGES = 2000  # of each kind in one check, over all classes, but at least four a class
ENOUGH = 10  # real images that a class needs to be judged by itself: below, chance rules, and copies score best
MOST_ROWS = 100
FEATURE_SIZE = 8


class Evaluator:
    """Draws the same latent vectors at each check, so that checks of one run compare.

    draw: (labels, seeds) -> uint8 images. Features are the images averaged down to at most 8 x 8 pixels.
    """

    def __init__(self, real: LabelledImages, draw: Callable[[Tensor, Tensor], Tensor], *, seed: int) -> None:
        self.real, self.draw, self.seed = real, draw, seed
        self.each = max(4, min(64, MOST_IMAGES // len(real.classes)))
        self.reference = {name: features(self._real(name, self.each)) for name in real.classes}

    def __call__(self) -> Evaluation:
        """Mean energy distance over classes (lower is better), and each class's diversity relative to the real."""
        scores, diversity = {}, {}
        synthetic = self._synthetic(list(self.real.classes), self.each)
        for name, reference in self.reference.items():
            own = features(synthetic[name])
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
        if len(names) > MOST_ROWS:
            by_count = sorted(names, key=lambda name: -self.real.counts[name])
            names = by_count[: MOST_ROWS // 2] + by_count[-MOST_ROWS // 2 :]
        synthetic = self._synthetic(names, 10)
        counts = self.real.counts
        return preview({f"{n} ({counts[n]})": (self._real(n, 4), synthetic[n]) for n in names})

    def _real(self, name: str, most: int) -> Tensor:
        where = torch.nonzero(self.real.labels == self.real.classes.index(name)).flatten()
        chosen = torch.randperm(len(where), generator=generator(self.seed, "reference", name))[:most]
        return self.real.images[where[chosen]]

    def _synthetic(self, names: list[str], each: int) -> dict[str, Tensor]:
        labels = torch.tensor([self.real.classes.index(name) for name in names]).repeat_interleave(each)
        seeds = torch.cat([image_seeds(self.seed, f"check {name}", 0, each) for name in names])
        return dict(zip(names, torch.split(self.draw(labels, seeds), each), strict=True))


def _mean(numbers: Iterable[float]) -> float:
    listed = list(numbers)
    return sum(listed) / len(listed)


def features(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> float (N, D) in [0, 1]: pixels averaged down to at most 8 x 8."""
    size = min(FEATURE_SIZE, images.shape[2]), min(FEATURE_SIZE, images.shape[3])
    return adaptive_avg_pool2d(images.float() / 255, size).flatten(1)
