"""mixup and CutMix: images of a batch that are mixed with each other, and their labels with them."""

import math

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.randomness import derive, generator

MIXUP_ALPHA, CUTMIX_ALPHA = 0.2, 1.0
CUTMIX_PROBABILITY = 0.5  # that a batch is mixed, as in the paper's experiments on small images


def mixup(images: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Replace each image of a batch by a weighted sum of itself and another one, and its targets likewise.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W), uint8
    targets : Tensor of shape (N, K)
        Probability of each class.
    seed : int
        Decides the weight, which is the same for the whole batch, and which images are mixed.

    Returns
    -------
    images : Tensor of shape (N, C, H, W), uint8
    targets : Tensor of shape (N, K)

    References
    ----------
    Zhang, H. et al. (2018). mixup: beyond empirical risk minimization. ICLR. Alpha is 0.2.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.image_mixing import mixup
    >>> images = torch.tensor([0, 100], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    >>> mixed, targets = mixup(images, torch.eye(2), seed=0)
    >>> targets.sum(1)
    tensor([1., 1.])
    """
    weight, order = _draw_weight(MIXUP_ALPHA, seed), _draw_order(len(images), seed)
    mixed = torch.lerp(images[order].float(), images.float(), weight).round().to(torch.uint8)
    return mixed, torch.lerp(targets[order], targets, weight)


def cutmix(images: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Paste a box of another image on each image of a batch; targets are mixed by the area of the box.

    Parameters and result as in `mixup`. Half of all batches stay as they are.

    References
    ----------
    Yun, S. et al. (2019). CutMix: regularization strategy to train strong classifiers with localizable features. ICCV.
    Alpha is 1.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.image_mixing import cutmix
    >>> images = torch.tensor([0, 1], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 10, 10)
    >>> mixed, targets = cutmix(images, torch.eye(2), seed=0)
    >>> mixed[0].float().mean() == targets[0, 1]
    tensor(True)
    """
    height, width = images.shape[2:]
    random = generator(seed, "box")
    if float(torch.rand((), dtype=torch.float64, generator=random)) >= CUTMIX_PROBABILITY:
        return images, targets
    side = math.sqrt(1 - _draw_weight(CUTMIX_ALPHA, seed))
    rows, columns = (_draw_interval(size, side, random) for size in (height, width))
    order, mixed = _draw_order(len(images), seed), images.clone()
    mixed[:, :, rows, columns] = images[order][:, :, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, torch.lerp(targets, targets[order], area / (height * width))


def _draw_weight(alpha: float, seed: int) -> float:
    """Draw from the distribution Beta(alpha, alpha)."""
    return float(np.random.default_rng(derive(seed, "weight")).beta(alpha, alpha))


def _draw_order(n_images: int, seed: int) -> Tensor:
    """Draw a permutation: the partner of each image."""
    return torch.randperm(n_images, generator=generator(seed, "order"))


def _draw_interval(size: int, fraction: float, random: torch.Generator) -> slice:
    """Draw the rows or columns of a box whose center is anywhere; what lies outside of the image is cut off."""
    center, half = int(torch.randint(size, (), generator=random)), round(size * fraction / 2)
    return slice(max(0, center - half), min(size, center + half))
