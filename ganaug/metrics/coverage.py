"""Coverage and density: do synthetic points reach every real one, and do they lie among them? (Naeem et al. 2020)."""

import math

import torch
from torch import Tensor

from ganaug.metrics.distance import EXACT


def radii(real: Tensor, *, k: int = 5) -> Tensor:
    """Distance from each real point to its k-th nearest other: (N, D) -> (N,). Raises ValueError unless N > k."""
    if len(real) <= k:
        raise ValueError(f"k-nearest neighbours with k={k} need more than {k} real points; got {len(real)}.")
    distances = torch.cdist(real, real, compute_mode=EXACT).fill_diagonal_(math.inf)
    return distances.kthvalue(k, dim=1).values


def coverage(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Share of real points whose k-NN ball holds a synthetic one (Naeem et al. 2020, eq. 6): a number in [0, 1].

    real: (N, D), synthetic: (M, D), in one feature space; needs N > k.
    """
    nearest = torch.cdist(real, synthetic, compute_mode=EXACT).amin(dim=1)
    return float((nearest < radii(real, k=k)).float().mean())


def density(real: Tensor, synthetic: Tensor, *, k: int = 5) -> float:
    """Mean number of real k-NN balls that hold a synthetic point, over k (Naeem et al. 2020, eq. 5); 1 for real data.

    real: (N, D), synthetic: (M, D), in one feature space; needs N > k. Not bounded above.
    """
    inside = torch.cdist(real, synthetic, compute_mode=EXACT) < radii(real, k=k)[:, None]
    return float(inside.sum()) / (k * len(synthetic))


def expected_coverage(n_real: int, n_synthetic: int, *, k: int = 5) -> float:
    """Coverage expected when both sets come from one continuous distribution, whichever it is.

    1 - prod_{i=1..k} (N - i) / (N + M - i): the chance that the k points nearest to a real one are not all real.
    """
    kept = math.prod((n_real - i) / (n_real + n_synthetic - i) for i in range(1, k + 1))
    return 1 - kept
