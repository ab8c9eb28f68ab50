"""Scores of synthetic images by classifiers and features that are independent of the generator.

The judge is a classifier trained on real images that the generator has not been trained on. For the classification
accuracy score (CAS, Ravuri & Vinyals 2019) a small classifier is trained on synthetic images alone and tested on real
ones; its reference is the same classifier trained on the generator's training images, oversampled.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from benchmarks.small_cnn import SmallCNN, class_recalls, train_classifier
from benchmarks.splits import Split
from ganaug import LabeledImages
from ganaug._runtime.randomness import generator
from ganaug._runtime.storage import read_tree, write_tree
from ganaug.images import downsample
from ganaug.metrics.copies import copy_radius, near_copies
from ganaug.metrics.distance import kernel_distance
from ganaug.metrics.features import efficientnet_features
from ganaug.metrics.precision_recall import coverage, density
from ganaug.metrics.spectrum import detail_score, grid_score

FEATURE_IMAGES = 100  # images of a class whose features are computed, at 20 ms each
NULL_DRAWS = 200
REFERENCE_SEEDS = 3

ClassScores = dict[str, float]


def smoke_features(images: Tensor) -> Tensor:
    """Stand-in for EfficientNet features in smoke runs: uint8 (N, C, H, W) -> averaged pixels (N, C * 64)."""
    return downsample(images, 8).flatten(1)


class Judge:
    """Scores samples of one split. Classifiers of real images are trained once and kept in `cache`.

    Parameters
    ----------
    split : Split
        The images that samples are compared with.
    cache : Path
        Folder in which classifiers are kept.
    quick : bool
        Whether to use smaller classifiers and no features.
    features_only : bool
        Whether to use features alone, without classifiers.
    smoke : bool
        Whether to use classifiers of five steps and pixels as features.
    """

    def __init__(
        self, split: Split, cache: Path, *, quick: bool = False, features_only: bool = False, smoke: bool = False
    ) -> None:
        self.split = split
        self.cache = cache
        self.small = {"steps": 600, "width": 16} if quick else {"steps": 1500, "width": 32}
        self.small = {"steps": 5, "width": 8} if smoke else self.small
        self.features: Callable[[Tensor], Tensor] = smoke_features if smoke else efficientnet_features
        classes = split.train.classes
        self.features_only = features_only
        if not features_only:
            self.model = self._stored_classifier("judge", split.judge_train, steps=split.judge_steps, width=48)
            self.real_recalls = class_recalls(self.model, split.test)
            self.reference_recalls = [
                class_recalls(
                    self._stored_classifier(f"reference-{seed}", split.train, seed=seed, **self.small), split.test
                )
                for seed in range(REFERENCE_SEEDS)
            ]
        self.thumbnails = [_thumbnails(split.train.of_class(name)) for name in classes]
        self.copy_radius = copy_radius(torch.cat(self.thumbnails))
        self.quick = quick
        if not quick:
            self.train_features = [self.features(_some(split.train, name, "train")) for name in classes]
            self.test_features = [
                self.features(_some(split.test, name, "test", 2 * FEATURE_IMAGES)) for name in classes
            ]

    def _stored_classifier(
        self, name: str, images: LabeledImages, *, steps: int, width: int, seed: int = 0
    ) -> SmallCNN:
        """A classifier from the cache, trained and put there if it is missing."""
        stem = f"{self.split.name}-{name}-{images.fingerprint()}-{steps}-{width}{'-flip' * self.split.flip}"
        path = self.cache / "classifiers" / f"{stem}.safetensors"
        if not path.exists():
            model = train_classifier(images, steps=steps, seed=seed, flip=self.split.flip, width=width)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tree(path, model.state_dict())
        model = SmallCNN(images.shape, len(images.classes), width).to(memory_format=torch.channels_last)
        model.load_state_dict(read_tree(path))
        return model.eval()

    def null_coverage(self, label: int, count: int) -> float:
        """1 % quantile of the coverage of a class's training images by `count` real test images."""
        pool, real = self.test_features[label], self.train_features[label]
        count = min(count, len(pool) - 1)
        draws = generator(0, "null", label)
        values = [
            coverage(real, pool[torch.randperm(len(pool), generator=draws)[:count]], k=_neighbors(real))
            for _ in range(NULL_DRAWS)
        ]
        return float(np.quantile(values, 0.01))

    def score(self, samples: LabeledImages, *, seed: int) -> dict[str, dict[str, object]]:
        """Scores of one set of samples: {"overall": {...}, "classes": {class name: {...}}}.

        Parameters
        ----------
        samples : LabeledImages
            Images of every class.
        seed : int
            Seed of the classifier that is trained on them.
        """
        classes: dict[str, ClassScores] = {}
        for label, name in enumerate(samples.classes):
            images = samples.of_class(name)
            copies = near_copies(_thumbnails(images), self.thumbnails[label], self.copy_radius)
            classes[name] = {"n": float(self.split.train.counts[name]), "copies": float(copies.float().mean())}
            if not self.quick:
                classes[name] |= self.feature_scores(label, self.features(images[:FEATURE_IMAGES]))
        overall = {} if self.features_only else self.add_classifier_scores(samples, classes, seed)
        if not self.quick:
            rarest = sorted(classes.values(), key=lambda row: row["n"])[:3]
            overall["kid_rarest"] = fmean([row["kid"] for row in rarest])
            overall["kid"] = fmean([row["kid"] for row in classes.values()])
            ratios = [row["coverage"] / max(row["coverage_null"], 1e-9) for row in classes.values()]
            overall["coverage_ratio"] = fmean(ratios)
        overall["grid"] = max(grid_score(samples.images, self.split.test.images).values(), default=1.0)
        overall["detail"] = detail_score(samples.images, self.split.test.images)
        return {"overall": overall, "classes": classes}

    def add_classifier_scores(self, samples: LabeledImages, classes: dict[str, ClassScores], seed: int) -> ClassScores:
        """Add to each class what classifiers say of its samples, and return the means."""
        label_accuracy = class_recalls(self.model, samples)
        trained = train_classifier(samples, seed=seed, flip=self.split.flip, **self.small)
        cas = class_recalls(trained, self.split.test)
        reference = self.reference_recalls[seed % REFERENCE_SEEDS]
        for label, name in enumerate(samples.classes):
            classes[name] |= {
                "label_accuracy": label_accuracy[label],
                "label_accuracy_ratio": label_accuracy[label] / max(self.real_recalls[label], 1e-9),
                "judge_on_real": self.real_recalls[label],
                "cas": cas[label],
                "cas_of_real": reference[label],
            }
        return {
            "label_accuracy": fmean(label_accuracy),
            "label_accuracy_ratio": fmean(label_accuracy) / fmean(self.real_recalls),
            "worst_label_accuracy_ratio": min(row["label_accuracy_ratio"] for row in classes.values()),
            "cas": fmean(cas),
            "cas_ratio": fmean(cas) / fmean(reference),
        }

    def feature_scores(self, label: int, features: Tensor) -> ClassScores:
        """Coverage, density and kernel distance of features (N, D) of a class's samples."""
        real, test = self.train_features[label], self.test_features[label]
        k = _neighbors(real)
        return {
            "coverage": coverage(real, features[: len(test) - 1], k=k),  # as many as in a draw of the null
            "coverage_null": self.null_coverage(label, len(features)),
            "density": density(real, features, k=k),
            "kid": kernel_distance(test, features),
        }


def _neighbors(real: Tensor) -> int:
    """Neighbors for coverage and density: 5, or as many as there are."""
    return min(5, len(real) - 1)


def _some(images: LabeledImages, name: str, purpose: str, limit: int = FEATURE_IMAGES) -> Tensor:
    """At most `limit` images of a class, drawn for a purpose."""
    pixels = images.of_class(name)
    return pixels[torch.randperm(len(pixels), generator=generator(0, purpose, name))[:limit]]


def _thumbnails(images: Tensor) -> Tensor:
    """Pixels in [0, 1], averaged down to at most 32 x 32: (N, D)."""
    return downsample(images, 32).flatten(1)
