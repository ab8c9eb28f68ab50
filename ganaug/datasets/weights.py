"""Sampling weights that balance classes, and real against synthetic images within a class."""

import torch
from torch import Tensor


def balanced_weights(labels: Tensor, is_synthetic: Tensor, share: float) -> Tensor:
    """Compute sampling weights under which all classes are equally likely.

    Parameters
    ----------
    labels : Tensor
        int64 of shape (N,), from 0.
    is_synthetic : Tensor
        bool of shape (N,).
    share : float
        Weight of the synthetic images in each class that has real and synthetic ones, in [0, 1].

    Returns
    -------
    Tensor
        float64 of shape (N,). The weights of each class sum to 1.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.weights import balanced_weights
    >>> labels = torch.tensor([0, 0, 1, 1, 1])
    >>> is_synthetic = torch.tensor([False, False, False, True, True])
    >>> balanced_weights(labels, is_synthetic, 0.25).tolist()
    [0.5, 0.5, 0.75, 0.125, 0.125]
    """
    cell = labels * 2 + is_synthetic  # one for each class and origin
    counts = torch.bincount(cell, minlength=2 * int(labels.max()) + 2 if len(labels) else 2)
    has_both = (counts.view(-1, 2) > 0).all(1)[labels]
    cell_weights = torch.where(is_synthetic, share, 1 - share).float().double()
    return torch.where(has_both, cell_weights, 1.0) / counts[cell]
