"""How often real and synthetic images of one class stand in for it."""

import torch
from torch import Tensor


def by_share(labels: Tensor, is_synthetic: Tensor, share: float) -> Tensor:
    """Chances (N,), float64, under which every class comes equally often, and `share` of it from synthetic images.

    labels: (N,), from 0. is_synthetic: bool, (N,). A class that has one kind of images only is drawn from these. The
    chances of a class sum to 1.
    """
    kind = labels * 2 + is_synthetic
    counts = torch.bincount(kind, minlength=2 * int(labels.max()) + 2 if len(labels) else 2)
    both = (counts.view(-1, 2) > 0).all(1)[labels]
    part = torch.where(is_synthetic, share, 1 - share).double()
    return torch.where(both, part, 1.0) / counts[kind]
