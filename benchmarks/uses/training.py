"""One draw of a set with its generator, and the small network that every method trains on it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, one_hot

from ganaug import GANAugmenter, LabeledImages
from ganaug._runtime.randomness import derive, generator, temporary_seed
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.classifiers import CNN, FeatureClassifier
from ganaug.evaluation.training_set import TrainingSet, balance_classes, mix_synthetic
from ganaug.images import apply_in_batches, to_signed
from ganaug.models.networks.classifier import Classifier as Network

STREAM = "ladder"  # names the random streams: another name would change every published number
SHARE = 0.25  # chance that a drawn image is synthetic


@dataclass
class Draw:
    """One draw of images, generator and weights; the networks that several methods share are trained on first use.

    Parameters
    ----------
    train, validation, test : LabeledImages
        Real images.
    synthetic : LabeledImages
        Samples of the generator.
    augmenter : GANAugmenter
        The generator.
    augment : callable
        Classical augmentation: (images, seed) -> images.
    seed : int
        Seed of weights and batches.
    samples_per_class : int
        Samples of the generator for each class.
    length : int
        Training steps as a multiple of those of `ganaug.evaluation.classifiers.CNN`.
    batch_size : int
        Images of a training step.
    max_steps : int, optional
        Limit of the training steps, for smoke runs.
    """

    train: LabeledImages
    validation: LabeledImages
    test: LabeledImages
    synthetic: LabeledImages
    augmenter: GANAugmenter
    augment: Augment
    seed: int
    samples_per_class: int = 1000
    length: int = 1
    batch_size: int = 64
    max_steps: int | None = None
    notes: dict[str, float] = field(default_factory=dict)

    @cached_property
    def steps(self) -> int:
        """Training steps of every network."""
        return self.max_steps or self.length * min(2000, max(100, round(22 * len(self.train) ** 0.5)))

    @property
    def test_labels(self) -> np.ndarray:
        """(N,)."""
        return self.test.labels.numpy()

    @cached_property
    def counts(self) -> np.ndarray:
        """Training images of each class, (K,)."""
        return np.array(list(self.train.counts.values()))

    @cached_property
    def base(self) -> Network:
        """Trained on real images with classical augmentation, classes balanced."""
        return train_network(self, batches(self, balance_classes(self.train)))

    @cached_property
    def mixed(self) -> Network:
        """The same with SHARE of the images of each class synthetic."""
        return train_network(self, batches(self, mixture(self)))

    @cached_property
    def other_bases(self) -> list[Network]:
        """Two more networks like the base, with other weights and other batches."""
        draws = [replace(self, seed=derive(self.seed, name)) for name in "ab"]
        return [train_network(draw, batches(draw, balance_classes(draw.train))) for draw in draws]

    def ensemble(self, images: Tensor) -> Tensor:
        """Mean log-probabilities of the base and the two others, (N, K)."""
        networks = (self.base, *self.other_bases)
        return torch.stack([log_softmax(logits(network, images), dim=1) for network in networks]).mean(0)

    @cached_property
    def _features_classifier(self) -> Callable[[Tensor], np.ndarray]:
        return FeatureClassifier()(
            replace(balance_classes(self.train), alteration="classical"), self.augment, self.seed
        )

    def features_classifier(self, images: Tensor) -> Tensor:
        """Log-probabilities of a logistic regression on EfficientNet-lite0's features, (N, K)."""
        return torch.from_numpy(self._features_classifier(images))


@dataclass
class Batch:
    """Images uint8 (B, C, H, W), target probabilities (B, K), and which images are synthetic (B,)."""

    pixels: Tensor
    targets: Tensor
    is_synthetic: Tensor


Batches = Callable[[int], Batch]  # step -> batch
ExtraLoss = Callable[[Network, int], Tensor]  # network, step -> scalar


def mixture(draw: Draw, synthetic: LabeledImages | None = None, share: float = SHARE) -> TrainingSet:
    """Real images, and with a chance of `share` in each class synthetic ones, by default those of the generator."""
    return mix_synthetic(draw.train, draw.synthetic if synthetic is None else synthetic, share)


def batches(draw: Draw, training: TrainingSet, *, targets: Tensor | None = None, augment: bool = True) -> Batches:
    """Batches drawn by the sampling weights of a training set; targets: probabilities (N, K) instead of labels."""
    images, n_classes = training.images, len(training.images.classes)
    targets = one_hot(images.labels, n_classes).float() if targets is None else targets

    def batch(step: int) -> Batch:
        draws = generator(draw.seed, STREAM, "batch", step)
        rows = torch.multinomial(training.sampling_weights, draw.batch_size, replacement=True, generator=draws)
        pixels = images.images[rows]
        pixels = draw.augment(pixels, derive(draw.seed, STREAM, "altered", step)) if augment else pixels
        return Batch(pixels, targets[rows], training.is_synthetic[rows])

    return batch


def train_network(
    draw: Draw, batch_of: Batches, *, extra_loss: ExtraLoss | None = None, separate_norm: bool = False
) -> Network:
    """The network after `draw.steps` steps of AdamW with a cosine.

    Parameters
    ----------
    draw : Draw
        Gives steps, seed and shapes.
    batch_of : callable
        Step -> Batch.
    extra_loss : callable, optional
        (network, step) -> a term of the loss.
    separate_norm : bool
        Whether synthetic images pass the network alone and do not change the running statistics of batch norm.
    """
    with temporary_seed(derive(draw.seed, STREAM, "network")):
        network = Network(draw.train.shape, len(draw.train.classes), 32)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, draw.steps)
    network.train()
    for step in range(draw.steps):
        batch = batch_of(step)
        with torch.autocast("cpu", CNN().dtype, enabled=CNN().dtype != torch.float32):
            loss = _batch_loss(network, batch, separate_norm=separate_norm)
            if extra_loss is not None:
                loss = loss + extra_loss(network, step)
        descend(loss, optimizer, schedule)
    return network.eval()


def _batch_loss(network: Network, batch: Batch, *, separate_norm: bool) -> Tensor:
    """Cross entropy of a batch, in one pass, or in one of real and one of synthetic images."""
    passes = (~batch.is_synthetic, batch.is_synthetic) if separate_norm else (torch.ones_like(batch.is_synthetic),)
    loss = torch.zeros(())
    for mask in passes:
        if mask.sum() < 2:  # batch norm needs two images
            continue
        for norm in batch_norms(network):
            norm.momentum = 0.0 if separate_norm and bool(batch.is_synthetic[mask].all()) else 0.1
        pixels = to_signed(batch.pixels[mask]).contiguous(memory_format=torch.channels_last)
        loss = loss + cross_entropy(network(pixels), batch.targets[mask], reduction="sum") / len(batch.pixels)
    return loss


def batch_norms(network: Network) -> list[nn.BatchNorm2d]:
    """The batch norm layers of a network."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, schedule: Any) -> None:
    """One step of optimizer and schedule."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    schedule.step()


@torch.no_grad()
def features(network: Network, images: Tensor) -> Tensor:
    """Input of the network's last layer, (N, D)."""
    return apply_in_batches(lambda part: network.features(to_signed(part)), images)


@torch.no_grad()
def logits(network: Network, images: Tensor) -> Tensor:
    """Output of the network, (N, K)."""
    return apply_in_batches(lambda part: network(to_signed(part)), images)


def predict(draw: Draw, network: Network) -> np.ndarray:
    """Log-probabilities of the test images, (N, K)."""
    return log_softmax(logits(network, draw.test.images), dim=1).numpy()


def predict_trained(draw: Draw, training: TrainingSet, **options: Any) -> np.ndarray:
    """Log-probabilities of the test images by a network trained on `training`; options: of `train_network`."""
    return predict(draw, train_network(draw, batches(draw, training), **options))
