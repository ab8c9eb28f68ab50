"""Methods that change when synthetic images are shown, what is learned of them, or how many networks there are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from benchmarks.uses.training import (
    STREAM,
    Batch,
    Batches,
    Draw,
    batches,
    mixture,
    predict,
    train_network,
)
from ganaug._runtime.randomness import derive, generator
from ganaug.evaluation.training_set import TrainingSet, balance_classes
from ganaug.images import to_signed
from ganaug.models.networks.classifier import Classifier as Network


def four_times(method: Callable[[Draw], np.ndarray]) -> Callable[[Draw], np.ndarray]:
    """The method with four times the training steps."""
    return lambda draw: method(replace(draw, length=4))


def synthetic_first(draw: Draw) -> np.ndarray:
    """Synthetic images in the first half of the steps, real ones in the second."""
    synthetic, real = batches(draw, balance_classes(draw.synthetic)), batches(draw, balance_classes(draw.train))
    return predict(draw, train_network(draw, lambda step: (synthetic if step < draw.steps // 2 else real)(step)))


def decreasing_share(draw: Draw) -> np.ndarray:
    """A share of one half that decreases to 0 over the first two thirds of the steps."""
    synthetic, real = batches(draw, mixture(draw, share=0.999)), batches(draw, balance_classes(draw.train))

    def batch(step: int) -> Batch:
        count = round(draw.batch_size * max(0.0, 0.5 * (1 - 1.5 * step / draw.steps)))
        first, second = synthetic(step), real(step)
        parts = (torch.cat([getattr(first, name)[:count], getattr(second, name)[count:]]) for name in vars(first))
        return Batch(*parts)

    return predict(draw, train_network(draw, batch))


def consistency(draw: Draw, images: Tensor) -> np.ndarray:
    """Real images with their labels; of `images` only that two augmented versions have the same prediction."""

    def extra_loss(network: Network, step: int) -> Tensor:
        draws = generator(draw.seed, STREAM, "pairs", step)
        rows = torch.randint(len(images), (draw.batch_size // 2,), generator=draws)
        first, second = (
            log_softmax(
                network(to_signed(draw.augment(images[rows], derive(draw.seed, "pairs", step, k)))).float(), dim=1
            )
            for k in range(2)
        )
        return kl_div(first, second.detach(), reduction="batchmean", log_target=True)

    return predict(draw, train_network(draw, batches(draw, balance_classes(draw.train)), extra_loss=extra_loss))


def mixup(draw: Draw, batch_of: Batches) -> Batches:
    """Batches of weighted sums of two images and of their labels (Zhang et al. 2018, alpha 0.2)."""

    def batch(step: int) -> Batch:
        images, random = batch_of(step), np.random.default_rng([draw.seed, step])
        weight, order = float(random.beta(0.2, 0.2)), torch.from_numpy(random.permutation(len(images.pixels)))
        pixels = (weight * images.pixels + (1 - weight) * images.pixels[order]).round().to(torch.uint8)
        return Batch(pixels, weight * images.targets + (1 - weight) * images.targets[order], images.is_synthetic)

    return batch


def cutmix(draw: Draw, batch_of: Batches) -> Batches:
    """Every second batch has a box of another image on each, labels by its area (Yun et al. 2019, alpha 1)."""

    def batch(step: int) -> Batch:
        images, random = batch_of(step), np.random.default_rng([draw.seed, step])
        if step % 2:
            return images
        height, width = images.pixels.shape[2:]
        side, order = np.sqrt(1 - random.beta(1.0, 1.0)), torch.from_numpy(random.permutation(len(images.pixels)))
        center = random.integers(height), random.integers(width)
        (top, bottom), (left, right) = (
            np.clip([middle - round(size * side / 2), middle + round(size * side / 2)], 0, size)
            for middle, size in zip(center, (height, width), strict=True)
        )
        pixels = images.pixels.clone()
        pixels[:, :, top:bottom, left:right] = images.pixels[order][:, :, top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return Batch(pixels, weight * images.targets + (1 - weight) * images.targets[order], images.is_synthetic)

    return batch


def predict_average(draw: Draw, *networks: Network) -> np.ndarray:
    """Mean log-probabilities of several networks, (N, K)."""
    mean: np.ndarray = np.mean([predict(draw, network) for network in networks], axis=0)
    return mean


def average_with_base(draw: Draw, training: TrainingSet) -> np.ndarray:
    """The base averaged with a network of other weights that is trained on `training`."""
    other = replace(draw, seed=derive(draw.seed, "a"))
    return predict_average(draw, draw.base, train_network(other, batches(other, training)))
