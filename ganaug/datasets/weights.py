"""Sampling weights that balance classes, and real against synthetic images within a class."""

import torch
from torch import Tensor


def balanced_weights(labels: Tensor, is_synthetic: Tensor, share: float | Tensor, *, balance: float = 1.0) -> Tensor:
    """Compute sampling weights that set how often each class is drawn, and its synthetic images within it.

    Parameters
    ----------
    labels : Tensor
        int64 of shape (N,), from 0.
    is_synthetic : Tensor
        bool of shape (N,).
    share : float or Tensor of shape (K,)
        Weight of the synthetic images in each class that has real and synthetic ones, in [0, 1]; one number, or one for
        each class.
    balance : float
        Classes are drawn in proportion to their number of real images to the power of 1 - balance: equally often at 1,
        in proportion to the square root at 0.5, as they are at 0. A class without real images counts its synthetic
        ones.

    Returns
    -------
    Tensor
        float64 of shape (N,). With `balance=1`, the weights of each class sum to 1.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.weights import balanced_weights
    >>> labels = torch.tensor([0, 0, 1, 1, 1])
    >>> is_synthetic = torch.tensor([False, False, False, True, True])
    >>> balanced_weights(labels, is_synthetic, 0.25).tolist()
    [0.5, 0.5, 0.75, 0.125, 0.125]
    >>> balanced_weights(labels, is_synthetic, 0.25, balance=0).tolist()
    [1.0, 1.0, 0.75, 0.125, 0.125]
    """
    n_classes = int(labels.max()) + 1 if len(labels) else 0
    # one column for real images and one for synthetic ones
    counts = torch.bincount(labels * 2 + is_synthetic, minlength=2 * n_classes).view(-1, 2)
    shares = torch.as_tensor(share, dtype=torch.float64).expand(n_classes if isinstance(share, float | int) else -1)
    shares = torch.where(counts[:, 0] == 0, 1.0, torch.where(counts[:, 1] == 0, 0.0, shares[:n_classes]))
    class_sizes = torch.where(counts[:, 0] > 0, counts[:, 0], counts[:, 1]).double()
    class_weights = class_sizes ** (1 - balance)
    origin_weights = class_weights[:, None] * torch.stack([1 - shares, shares], dim=1) / counts
    return origin_weights[labels, is_synthetic.long()]
