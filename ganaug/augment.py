"""Differentiable augmentation in front of the critic, of real and fake images alike (Zhao et al. 2020, section 3.2).

The critic never sees an image that was not augmented: otherwise the augmentation leaks into the samples.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganaug.lookup import lookup

Policy = Callable[[Tensor, torch.Generator], Tensor]


def translation(images: Tensor, generator: torch.Generator, *, ratio: float = 0.125) -> Tensor:
    """Shift each image by up to `ratio` of its size either way; what moves in is the colour of its border.

    (N, C, H, W) -> the same shape. Zhao et al. 2020 fill with zeros, which is mid-grey on [-1, 1]; repeating the border
    keeps a plain background plain.
    """
    count, _, height, width = images.shape
    rows = _shifted(count, height, ratio, images.device, generator)
    columns = _shifted(count, width, ratio, images.device, generator)
    where = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, -1)
    return images.flatten(2).gather(2, where.expand(-1, images.shape[1], -1)).view_as(images)


def _shifted(count: int, size: int, ratio: float, device: torch.device, generator: torch.Generator) -> Tensor:
    most = round(size * ratio)
    shift = torch.randint(-most, most + 1, (count, 1), device=device, generator=generator)
    return (torch.arange(size, device=device) + shift).clamp_(0, size - 1)


AUGMENTATIONS: dict[str, Policy] = {"translation": translation}


def policy(names: str | Sequence[str | Policy] | None) -> list[Policy]:
    """'translation', names joined by commas, a list of names or callables, or None -> the augmentations in order.

    Raises ValueError for an unknown name.
    """
    if not isinstance(names, str | Sequence | None):
        raise ValueError(f"augmentation must be names joined by commas, a list, or None; got {names!r}.")
    parts = [part.strip() for part in names.split(",") if part.strip()] if isinstance(names, str) else names or []
    return [lookup(AUGMENTATIONS, part, "augmentation") for part in parts]


def apply(policies: Sequence[Policy], images: Tensor, generator: torch.Generator) -> Tensor:
    """Put images (N, C, H, W) through each augmentation in turn."""
    for augmentation in policies:
        images = augmentation(images, generator)
    return images
