"""What a benchmark measures on synthetic images: judged by classifiers and features that never saw the generator.

The judge is trained on real images that were held apart. The small classifier is trained on synthetic images (CAS,
Ravuri & Vinyals 2019) or, for comparison, on the generator's own training images with class-balanced oversampling.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganaug._runtime.randomness import derive, generator, temporary_seed
from ganaug._runtime.storage import read_tree, write_tree
from ganaug.images import LabeledImages, pooled, to_signed
from ganaug.metrics.copies import copy_radius, near_copies
from ganaug.metrics.distance import kernel_distance
from ganaug.metrics.features import efficientnet_features
from ganaug.metrics.precision_recall import coverage, density
from ganaug.training.batches import BalancedBatches

CACHE = Path.home() / ".cache" / "ganaug-benchmarks"
EACH = 100  # images a class that features are computed of; the cost is 30 ms an image
NULL_DRAWS = 200
Row = dict[str, float]


class SmallCNN(nn.Module):
    """The fixed small classifier: three convolutions with batch norm. (N, C, H, W) -> logits (N, K)."""

    def __init__(self, shape: tuple[int, int, int], n_classes: int, width: int = 32) -> None:
        super().__init__()
        sizes = [shape[0], width, 2 * width, 4 * width]
        first = 2 if shape[1] > 32 else 1  # stride
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            stride = first if index == 0 else 1
            blocks += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            blocks += [nn.MaxPool2d(2)] if index < 2 else []
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(4 * sizes[-1], n_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def train_classifier(images: LabeledImages, *, steps: int, seed: int, flip: bool = False, width: int = 32) -> SmallCNN:
    """The small classifier after `steps` class-balanced batches of 64; Adam 1e-3 with a cosine to zero."""
    with temporary_seed(derive(seed, "classifier")):
        model = SmallCNN(images.shape, len(images.classes), width).to(memory_format=torch.channels_last)
    batches = BalancedBatches(images, 64, seed=derive(seed, "batches"), power=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        batch = batches(step)
        shown = batch.images
        if flip:
            mirrored = torch.rand(len(shown), 1, 1, 1, generator=batch.generator) < 0.5
            shown = torch.where(mirrored, shown.flip(3), shown)
        loss = cross_entropy(model(shown.contiguous(memory_format=torch.channels_last)), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def predict(model: nn.Module, images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> predicted labels (N,)."""
    parts = [
        model(to_signed(part).contiguous(memory_format=torch.channels_last)).argmax(1) for part in images.split(500)
    ]
    return torch.cat(parts)


def recalls(model: nn.Module, images: LabeledImages) -> list[float]:
    """Share of each class that the model names rightly."""
    right = predict(model, images.images) == images.labels
    return [float(right[images.labels == label].float().mean()) for label in range(len(images.classes))]


@dataclass(frozen=True)
class Split:
    """A benchmark's images. train: what the generator sees. apart: trains the judge. test: scores everything."""

    name: str
    train: LabeledImages
    apart: LabeledImages
    test: LabeledImages
    flip: bool = False
    judge_steps: int = 3000


class Judge:
    """Scores samples of one split; the real side of every comparison is computed once and kept on disk."""

    def __init__(self, split: Split, *, quick: bool = False) -> None:
        self.split = split
        self.small = {"steps": 600, "width": 16} if quick else {"steps": 1500, "width": 32}
        names = split.train.classes
        self.model = self._kept("judge", split.apart, steps=split.judge_steps, width=48)
        self.real = recalls(self.model, split.test)
        self.references = [
            recalls(self._kept(f"reference-{seed}", split.train, seed=seed, **self.small), split.test)
            for seed in range(3)
        ]
        self.pixels = [_thumbnails(split.train.of_class(name)) for name in names]
        self.radius = copy_radius(torch.cat(self.pixels))
        self.quick = quick
        if not quick:
            self.train_features = [efficientnet_features(_first(split.train, name, "train")) for name in names]
            self.test_features = [efficientnet_features(_first(split.test, name, "test", 2 * EACH)) for name in names]

    def _kept(self, name: str, images: LabeledImages, *, steps: int, width: int, seed: int = 0) -> SmallCNN:
        about = f"{self.split.name}-{name}-{images.fingerprint()}-{steps}-{width}{'-flip' * self.split.flip}"
        kept = CACHE / "classifiers" / f"{about}.safetensors"
        if not kept.exists():
            model = train_classifier(images, steps=steps, seed=seed, flip=self.split.flip, width=width)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_tree(kept, model.state_dict())
        model = SmallCNN(images.shape, len(images.classes), width).to(memory_format=torch.channels_last)
        model.load_state_dict(read_tree(kept))
        return model.eval()

    def null_coverage(self, label: int, count: int) -> float:
        """1 % quantile of the coverage of the class's training images by as many real images that were held apart."""
        pool, real = self.test_features[label], self.train_features[label]
        count = min(count, len(pool) - 1)
        draws = generator(0, "null", label)
        found = [
            coverage(real, pool[torch.randperm(len(pool), generator=draws)[:count]], k=_neighbors(real))
            for _ in range(NULL_DRAWS)
        ]
        return float(np.quantile(found, 0.01))

    def score(self, samples: LabeledImages, *, seed: int) -> dict[str, object]:
        """Every figure of one set of samples, by class and over all."""
        right = recalls(self.model, samples)
        own = recalls(train_classifier(samples, seed=seed, flip=self.split.flip, **self.small), self.split.test)
        reference = self.references[seed % len(self.references)]
        rows: dict[str, Row] = {}
        for label, name in enumerate(samples.classes):
            images = samples.of_class(name)
            row = {
                "n": float(self.split.train.counts[name]),
                "label_accuracy": right[label],
                "label_accuracy_ratio": right[label] / max(self.real[label], 1e-9),
                "judge_on_real": self.real[label],
                "cas": own[label],
                "cas_of_real": reference[label],
                "copies": float(near_copies(_thumbnails(images), self.pixels[label], self.radius).float().mean()),
            }
            if not self.quick:
                row |= self.among(label, efficientnet_features(images[:EACH]))
            rows[name] = row
        over_all = {
            "label_accuracy": fmean(right),
            "label_accuracy_ratio": fmean(right) / fmean(self.real),
            "worst_label_accuracy_ratio": min(row["label_accuracy_ratio"] for row in rows.values()),
            "cas": fmean(own),
            "cas_ratio": fmean(own) / fmean(reference),
        }
        if not self.quick:
            rarest = sorted(rows.values(), key=lambda row: row["n"])[:3]
            over_all["kid_rarest"] = fmean([row["kid"] for row in rarest])
            over_all["kid"] = fmean([row["kid"] for row in rows.values()])
        return {"overall": over_all, "classes": rows}

    def among(self, label: int, features: Tensor) -> Row:
        """Coverage, density and kernel distance of features (N, D) of a class's samples."""
        real, test = self.train_features[label], self.test_features[label]
        k = _neighbors(real)
        return {
            "coverage": coverage(real, features[: len(test) - 1], k=k),  # as many as the null is drawn with
            "coverage_null": self.null_coverage(label, len(features)),
            "density": density(real, features, k=k),
            "kid": kernel_distance(test, features),
        }


def _neighbors(real: Tensor) -> int:
    return min(5, len(real) - 1)


def _first(images: LabeledImages, name: str, purpose: str, most: int = EACH) -> Tensor:
    own = images.of_class(name)
    return own[torch.randperm(len(own), generator=generator(0, purpose, name))[:most]]


def _thumbnails(images: Tensor) -> Tensor:
    """Pixels in [0, 1], averaged down to at most 32 x 32: (N, D)."""
    return pooled(images, 32).flatten(1)
