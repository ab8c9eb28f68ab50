"""Differentiable augmentations of the images that the discriminator sees, as functions.

An augmentation is applied to real and fake images alike, in the updates of both networks (Zhao et al. 2020, section
3.2). It is a function of images and a `torch.Generator`. The dictionary `AUGMENTATIONS` names those that ship with
ganaug. To add one, add an entry there, or pass the function.

References
----------
- Zhao et al. (2020), "Differentiable Augmentation for Data-Efficient GAN Training".
- Karras et al. (2020), "Training Generative Adversarial Networks with Limited Data".

Examples
--------
>>> from ganaug.models import AUGMENTATIONS
>>> list(AUGMENTATIONS)
['translation', 'cutout', 'color', 'flip']

A function that changes the brightness. It draws from `generator` only, so that resuming is exact.

>>> import torch
>>> from ganaug import GANAugmenter
>>> def brightness(images, generator):
...     return images + torch.rand(len(images), 1, 1, 1, generator=generator) - 0.5
>>> gan = GANAugmenter(augmentation=["translation", brightness])
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ganaug._runtime.lookup import lookup, split_names
from ganaug._runtime.randomness import integers, uniform

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def translation(images: Tensor, generator: torch.Generator, *, ratio: float = 0.125) -> Tensor:
    """Shift each image horizontally and vertically by a random whole number of pixels.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
    generator : torch.Generator
        On the device of the images.
    ratio : float, default=0.125
        Largest shift as a fraction of the height and of the width.

    Returns
    -------
    Tensor of shape (N, C, H, W)

    Notes
    -----
    The border is repeated. Zhao et al. (2020) fill with zeros, which is mid-gray in [-1, 1]; repeating the border keeps
    a plain background plain.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import translation
    >>> ramp = torch.arange(4.0).expand(3, 1, 1, 4)
    >>> translation(ramp, torch.Generator().manual_seed(0), ratio=0.25)[:, 0, 0].tolist()  # by one pixel or none
    [[0.0, 0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 2.0]]
    """
    count, _, height, width = images.shape
    rows = _shifted_positions(count, height, ratio, images.device, generator)
    columns = _shifted_positions(count, width, ratio, images.device, generator)
    # positions in the flattened image: gather copies pixels exactly, where grid_sample would interpolate
    pixels = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, -1)
    return images.flatten(2).gather(2, pixels.expand(-1, images.shape[1], -1)).view_as(images)


def _shifted_positions(count: int, size: int, ratio: float, device: torch.device, generator: torch.Generator) -> Tensor:
    """Source row (or column) of each row of `count` shifted images, clamped to the border: (count, size)."""
    max_shift = round(size * ratio)
    shift = integers(generator, -max_shift, max_shift + 1, count, 1)
    return (torch.arange(size, device=device) + shift).clamp_(0, size - 1)


def cutout(images: Tensor, generator: torch.Generator, *, ratio: float = 0.5) -> Tensor:
    """Set a rectangle at a random position of each image to 0, the middle of [-1, 1] (Zhao et al. 2020).

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
    generator : torch.Generator
        On the device of the images.
    ratio : float, default=0.5
        Height and width of the rectangle as a fraction of those of the image. Its center lies anywhere in the image, so
        part of the rectangle may lie outside.

    Returns
    -------
    Tensor of shape (N, C, H, W)

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import cutout
    >>> covered = cutout(torch.ones(100, 1, 8, 8), torch.Generator().manual_seed(0)) == 0
    >>> pixels = covered.flatten(1).sum(1)
    >>> pixels.min().item(), pixels.max().item()  # of 64: a corner of the rectangle, or all 4 x 4 pixels of it
    (4, 16)
    """
    rows = _covered_positions(len(images), images.shape[2], ratio, images.device, generator)
    columns = _covered_positions(len(images), images.shape[3], ratio, images.device, generator)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _covered_positions(count: int, size: int, ratio: float, device: torch.device, generator: torch.Generator) -> Tensor:
    """Which rows (or columns) of `count` images the rectangle covers: bool, (count, size)."""
    extent = round(size * ratio)
    # an even extent has its center between two pixels, of which there is one more than pixels
    center = integers(generator, 0, size + 1 - extent % 2, count, 1)
    offset = torch.arange(size, device=device) - (center - extent // 2)
    return (offset >= 0) & (offset < extent)


def color(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness by up to ±0.5, saturation by a factor in [0, 2], contrast by one in [0.5, 1.5].

    The three changes are drawn uniformly for each image and applied in this order (Zhao et al. 2020). Gray images
    (C = 1) have no saturation.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
    generator : torch.Generator
        On the device of the images.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        Values may lie outside of [-1, 1].

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import color
    >>> gray = torch.linspace(-0.5, 0.5, 16).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    >>> changed = color(gray, torch.Generator().manual_seed(0))
    >>> torch.allclose(changed[:, 0], changed[:, 1])  # gray stays gray
    True
    """
    draws = uniform(generator, 3, len(images), 1, 1, 1, rows=1)
    images = images + (draws[0] - 0.5)
    gray = images.mean(1, keepdim=True)
    images = torch.lerp(gray, images, 2 * draws[1]) if images.shape[1] > 1 else images
    mean = images.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, draws[2] + 0.5)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability 0.5.

    Use it only where a mirrored image is a valid image of its class: not for digits or letters.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
    generator : torch.Generator
        On the device of the images.

    Returns
    -------
    Tensor of shape (N, C, H, W)

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import flip
    >>> ramp = torch.arange(3.0).expand(4, 1, 1, 3)
    >>> flip(ramp, torch.Generator().manual_seed(0))[:, 0, 0].tolist()
    [[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]
    """
    is_mirrored = uniform(generator, len(images), 1, 1, 1) < 0.5
    return torch.where(is_mirrored, images.flip(3), images)


AUGMENTATIONS: dict[str, Augmentation] = {"translation": translation, "cutout": cutout, "color": color, "flip": flip}


class AdaptiveStrength:
    """Adaptive discriminator augmentation (ADA): adjusts the probability of augmenting an image (Karras et al. 2020).

    The probability starts at 0. Every `interval` batches it moves one step up if the discriminator overfits, and one
    step down if not. Overfitting is measured by the mean sign of the discriminator's output on real images, compared
    with `target` (section 3.2, heuristic r_t). The sign is that of the difference to the middle between the means
    for real and for fake images, because the level of the outputs can drift.

    Parameters
    ----------
    device : torch.device
    target : float, default=0.6
        Mean sign, in [-1, 1], above which the probability rises.
    interval : int, default=4
        Batches between changes.
    n_ramp_images : int, default=500_000
        Images in which the probability goes from 0 to 1 if it rises at every change.

    Attributes
    ----------
    probability : Tensor of shape ()
        Current probability of augmenting an image, in [0, 1].

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import AdaptiveStrength
    >>> strength = AdaptiveStrength(torch.device("cpu"), n_ramp_images=1000)
    >>> for step in range(1, 5):  # the discriminator recognizes every real image
    ...     strength.update(step, torch.tensor(1.0), batch_size=50)
    >>> strength.probability  # 4 batches of 50 images / 1,000 images
    tensor(0.2000)
    """

    def __init__(
        self, device: torch.device, *, target: float = 0.6, interval: int = 4, n_ramp_images: int = 500_000
    ) -> None:
        self.target, self.interval, self.n_ramp_images = target, interval, n_ramp_images
        # on the device, so that an update needs no transfer to the CPU
        self.probability = torch.zeros((), dtype=torch.float32, device=device)
        self.sign = torch.zeros((), dtype=torch.float32, device=device)

    def update(self, step: int, accuracy_real: Tensor, batch_size: int) -> None:
        """Record the discriminator's accuracy on real images, and adjust the probability if it is time to.

        Parameters
        ----------
        step : int
            Steps done so far, this one included.
        accuracy_real : Tensor of shape ()
            Fraction of the real images of this step that the discriminator classified as real.
        batch_size : int
            Images per step.
        """
        # new tensors instead of changes in place, because the old ones may have been logged
        self.sign = self.sign + (2 * accuracy_real - 1) / self.interval
        if step % self.interval == 0:
            change = torch.sign(self.sign - self.target) * (batch_size * self.interval / self.n_ramp_images)
            self.probability = (self.probability + change).clamp(0, 1)
            self.sign = torch.zeros_like(self.sign)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the probability and the running mean of the sign."""
        return {"probability": self.probability, "sign": self.sign}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self.probability = state["probability"].to(self.probability)
        self.sign = state["sign"].to(self.sign)


def resolve_augmentations(names: str | Sequence[str | Augmentation] | None) -> list[Augmentation]:
    """Resolve the parameter `augmentation` of an estimator to a list of functions.

    Parameters
    ----------
    names : str, sequence of str or callable, or None
        Names joined by commas, or a list of names and functions.

    Returns
    -------
    list of callable
        In the order of `names`; empty for None or an empty string.

    Raises
    ------
    ValueError
        If a name is unknown, or an entry is neither a name nor a function.

    Examples
    --------
    >>> from ganaug.models.augmentations import resolve_augmentations
    >>> [function.__name__ for function in resolve_augmentations("translation, color")]
    ['translation', 'color']
    """
    return [lookup(AUGMENTATIONS, part, "augmentation") for part in split_names(names, "augmentation")]


def apply(
    augmentations: Sequence[Augmentation], images: Tensor, generator: torch.Generator, probability: Tensor | None = None
) -> Tensor:
    """Apply augmentations one after the other.

    Parameters
    ----------
    augmentations : sequence of callable
        As `policy` returns them.
    images : Tensor of shape (N, C, H, W)
    generator : torch.Generator
        On the device of the images.
    probability : Tensor of shape () or None, default=None
        Probability with which each augmentation is applied to each image. None applies all of them to all images.

    Returns
    -------
    Tensor of shape (N, C, H, W)

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.augmentations import apply, cutout, flip
    >>> images = torch.ones(2, 1, 8, 8)
    >>> torch.equal(apply([cutout, flip], images, torch.Generator(), probability=torch.tensor(0.0)), images)
    True
    """
    for augmentation in augmentations:
        # of all images, so that the random stream does not depend on the probability
        augmented = augmentation(images, generator)
        if probability is not None:
            is_selected = uniform(generator, len(images), 1, 1, 1) < probability
            augmented = torch.where(is_selected, augmented, images)
        images = augmented
    return images
