"""Membership inference: can one tell from the synthetic images alone which real images were trained on?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp
from torch import Tensor

from ganaug.metrics.alignment import aligned_nearest

N_PERMUTATIONS = 200  # of who was trained on, for what chance alone gives


@dataclass(frozen=True)
class Membership:
    """advantage: true less false positive rate of the best attacker (Yeom et al. 2018), in [0, 1]. by_chance: its mean.

    true_positives, false_positives: the two rates. p: of so large an advantage where nothing can be told.
    """

    advantage: float
    true_positives: float
    false_positives: float
    by_chance: float
    p: float


def nearest_synthetic(images: Tensor, synthetic: Tensor) -> Tensor:
    """What the attacker goes by, of uint8 (N, C, H, W) and (S, C, H, W), S >= 1: distances, pixels aligned, (N,)."""
    return aligned_nearest(images, synthetic)[0][:, 0]


def membership(members: Tensor, others: Tensor) -> Membership:
    """Of `nearest_synthetic` of images that were trained on (N,), and of others like them that were not (M,).

    The attacker knows the synthetic images, and calls an image a member by its distance to the nearest of them (the
    black-box attack of Chen et al. 2020, "GAN-Leaks"). Both ways: a filter that keeps samples away from training images
    may tell as much as samples that repeat them. The advantage at the best threshold is the two-sample
    Kolmogorov-Smirnov distance, with its exact p value; by chance it is above 0, the more so the fewer images. Raises
    ValueError where there are none on a side.
    """
    if not (len(members) and len(others)):
        raise ValueError("membership takes at least one image that was trained on, and one that was not.")
    near, far = members.double().numpy(), others.double().numpy()
    found = ks_2samp(near, far)
    threshold = float(found.statistic_location)
    rates = [float((side <= threshold).mean()) for side in (near, far)]
    if rates[0] < rates[1]:  # members lie farther away
        rates = [1 - rate for rate in rates]
    return Membership(float(found.statistic), rates[0], rates[1], _by_chance(near, far), float(found.pvalue))


def _by_chance(near: np.ndarray, far: np.ndarray) -> float:
    both, draws = np.concatenate([near, far]), np.random.default_rng(0)
    dealt = [draws.permutation(both) for _ in range(N_PERMUTATIONS)]
    return float(np.mean([ks_2samp(one[: len(near)], one[len(near) :], method="asymp").statistic for one in dealt]))
