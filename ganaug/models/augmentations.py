"""Differentiable augmentation in front of the discriminator, of real and fake images alike (Zhao et al. 2020, section 3.2).

The discriminator never sees an image that was not augmented: otherwise the augmentation leaks into the samples.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ganaug._runtime.lookup import listed, lookup
from ganaug._runtime.randomness import integers, uniform

Policy = Callable[[Tensor, torch.Generator], Tensor]


def translation(images: Tensor, generator: torch.Generator, *, ratio: float = 0.125) -> Tensor:
    """Shift each image by up to `ratio` of its size either way; what moves in is the color of its border.

    (N, C, H, W) -> the same shape. Zhao et al. 2020 fill with zeros, which is mid-gray on [-1, 1]; repeating the border
    keeps a plain background plain.
    """
    count, _, height, width = images.shape
    rows = _shifted(count, height, ratio, images.device, generator)
    columns = _shifted(count, width, ratio, images.device, generator)
    where = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, -1)
    return images.flatten(2).gather(2, where.expand(-1, images.shape[1], -1)).view_as(images)


def _shifted(count: int, size: int, ratio: float, device: torch.device, generator: torch.Generator) -> Tensor:
    most = round(size * ratio)
    shift = integers(generator, -most, most + 1, count, 1)
    return (torch.arange(size, device=device) + shift).clamp_(0, size - 1)


def cutout(images: Tensor, generator: torch.Generator, *, ratio: float = 0.5) -> Tensor:
    """Put the mean gray of [-1, 1] over a rectangle of `ratio` of each side, wherever it falls (Zhao et al. 2020)."""
    rows = _covered(len(images), images.shape[2], ratio, images.device, generator)
    columns = _covered(len(images), images.shape[3], ratio, images.device, generator)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _covered(count: int, size: int, ratio: float, device: torch.device, generator: torch.Generator) -> Tensor:
    extent = round(size * ratio)
    center = integers(generator, 0, size + 1 - extent % 2, count, 1)
    from_start = torch.arange(size, device=device) - (center - extent // 2)
    return (from_start >= 0) & (from_start < extent)


def color(images: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness by up to 0.5 either way, saturation by 0 to 2, contrast by 0.5 to 1.5 (Zhao et al. 2020)."""
    draws = uniform(generator, 3, len(images), 1, 1, 1, rows=1)
    images = images + (draws[0] - 0.5)
    gray = images.mean(1, keepdim=True)
    images = torch.lerp(gray, images, 2 * draws[1]) if images.shape[1] > 1 else images
    level = images.mean((1, 2, 3), keepdim=True)
    return torch.lerp(level, images, draws[2] + 0.5)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half. Only where a mirror image keeps its meaning."""
    mirrored = uniform(generator, len(images), 1, 1, 1) < 0.5
    return torch.where(mirrored, images.flip(3), images)


AUGMENTATIONS: dict[str, Policy] = {"translation": translation, "cutout": cutout, "color": color, "flip": flip}


class AdaptiveStrength:
    """ADA: how often images are augmented, so that the discriminator neither overfits nor starves (Karras et al. 2020).

    The probability starts at 0 and moves, every 4 batches, toward where the discriminator's sign on real images has the mean
    `target` (section 3.2); `images` from 0 to 1 at full speed.
    """

    def __init__(self, device: torch.device, *, target: float = 0.6, every: int = 4, images: int = 500_000) -> None:
        self.target, self.every, self.images = target, every, images
        self.probability = torch.zeros((), device=device)
        self.sign = torch.zeros((), device=device)

    def update(self, step: int, accuracy_real: Tensor, batch: int) -> None:
        """Take in the share of real images that the discriminator names real, after `step` steps of `batch` images."""
        self.sign = self.sign + (2 * accuracy_real - 1) / self.every
        if step % self.every == 0:
            change = torch.sign(self.sign - self.target) * (batch * self.every / self.images)
            self.probability = (self.probability + change).clamp(0, 1)
            self.sign = torch.zeros_like(self.sign)

    def state_dict(self) -> dict[str, Tensor]:
        """What the next update depends on."""
        return {"probability": self.probability, "sign": self.sign}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from `state_dict()`."""
        self.probability = state["probability"].to(self.probability)
        self.sign = state["sign"].to(self.sign)


def policy(names: str | Sequence[str | Policy] | None) -> list[Policy]:
    """'translation', names joined by commas, a list of names or callables, or None -> the augmentations in order.

    Raises ValueError for an unknown name.
    """
    return [lookup(AUGMENTATIONS, part, "augmentation") for part in listed(names, "augmentation")]


def apply(
    policies: Sequence[Policy], images: Tensor, generator: torch.Generator, probability: Tensor | None = None
) -> Tensor:
    """Put images (N, C, H, W) through each augmentation in turn, each image with `probability` (None: always)."""
    for augmentation in policies:
        augmented = augmentation(images, generator)
        if probability is not None:
            chosen = uniform(generator, len(images), 1, 1, 1) < probability
            augmented = torch.where(chosen, augmented, images)
        images = augmented
    return images
