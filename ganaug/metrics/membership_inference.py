"""Membership inference: do synthetic images reveal which real images the generator was trained on?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp
from torch import Tensor

from ganaug.metrics.alignment import aligned_nearest

N_PERMUTATIONS = 200  # of the labels member and non-member, for the advantage by chance


@dataclass(frozen=True)
class Membership:
    """The result of a membership inference attack.

    Parameters
    ----------
    advantage : float
        True positive rate less false positive rate of the best attacker, in [0, 1].
    true_positives, false_positives : float
        The two rates: shares of members, and of other images, that the attacker takes for members.
    by_chance : float
        Mean advantage where membership cannot be inferred. It is above 0, since the best threshold is chosen
        afterwards, and grows as the number of images falls.
    p : float
        p value of so large an advantage where membership cannot be inferred.

    References
    ----------
    Yeom et al., "Privacy Risk in Machine Learning", CSF 2018, for the advantage.

    Examples
    --------
    >>> from ganaug.metrics import Membership
    >>> result = Membership(advantage=0.5, true_positives=0.75, false_positives=0.25, by_chance=0.14, p=1e-6)
    >>> result.advantage > result.by_chance
    True
    """

    advantage: float
    true_positives: float
    false_positives: float
    by_chance: float
    p: float


def nearest_synthetic_distances(images: Tensor, synthetic: Tensor) -> Tensor:
    """Compute the distance of each real image to the nearest synthetic one, which the attacker decides by.

    Parameters
    ----------
    images, synthetic : Tensor
        uint8 (N, C, H, W) and (S, C, H, W), with S >= 1.

    Returns
    -------
    Tensor
        float32, (N,): distances of aligned pixels (`aligned_nearest`).

    References
    ----------
    Chen et al., "GAN-Leaks", CCS 2020, for the black-box attack by distance.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import nearest_synthetic_distances
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8, generator=generator)
    >>> nearest_synthetic_distances(images, images[:2]) < 0.1
    tensor([ True,  True, False, False])
    """
    return aligned_nearest(images, synthetic)[0][:, 0]


def membership_advantage(members: Tensor, others: Tensor) -> Membership:
    """Measure how well an attacker infers membership from distances to synthetic images.

    Parameters
    ----------
    members, others : Tensor
        `nearest_synthetic_distances` of images that the generator was trained on, (N,), and of similar images that it
        was not trained on, (M,).

    Returns
    -------
    Membership
        The result of the best attacker.

    Raises
    ------
    ValueError
        If there are no members, or no others.

    Notes
    -----
    The attacker knows the synthetic images only, and takes an image for a member if its distance lies on one side of a
    threshold. Either side counts: a filter that keeps samples away from training images may reveal as much as samples
    that repeat them. The advantage at the best threshold is the two-sample Kolmogorov-Smirnov statistic, with its exact
    p value.

    References
    ----------
    Chen et al., "GAN-Leaks", CCS 2020, for the black-box attack by distance. Yeom et al., "Privacy Risk in Machine
    Learning", CSF 2018, for the advantage.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import membership_advantage
    >>> generator = torch.Generator().manual_seed(0)
    >>> members, others = torch.rand(2, 50, generator=generator)
    >>> result = membership_advantage(members, others)
    >>> result.advantage < 0.3, result.p > 0.05  # nothing to infer
    (True, True)
    """
    if not (len(members) and len(others)):
        raise ValueError(
            "membership inference takes at least one image that was trained on, and one that was not; got "
            f"{len(members)} and {len(others)}."
        )
    member_distances, other_distances = members.double().numpy(), others.double().numpy()
    test = ks_2samp(member_distances, other_distances)
    threshold = float(test.statistic_location)
    rates = [float((distances <= threshold).mean()) for distances in (member_distances, other_distances)]
    if rates[0] < rates[1]:  # members lie farther away from synthetic images
        rates = [1 - rate for rate in rates]
    by_chance = _advantage_by_chance(member_distances, other_distances)
    return Membership(float(test.statistic), rates[0], rates[1], by_chance, float(test.pvalue))


def _advantage_by_chance(member_distances: np.ndarray, other_distances: np.ndarray) -> float:
    """Mean advantage over random permutations of the labels member and non-member."""
    distances, n = np.concatenate([member_distances, other_distances]), len(member_distances)
    random = np.random.default_rng(0)
    permuted = [random.permutation(distances) for _ in range(N_PERMUTATIONS)]
    # asymptotic, because the exact p value is expensive and not used here
    return float(np.mean([ks_2samp(each[:n], each[n:], method="asymp").statistic for each in permuted]))
