"""Real and synthetic images of one class, with what several metrics compute of them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganaug.metrics.aligned_copies import copy_ratios
from ganaug.metrics.class_recognition import Recognition
from ganaug.metrics.distance import pairwise_distances
from ganaug.metrics.modes import Mode, find_modes
from ganaug.metrics.permutation import Permutations

MAX_NEIGHBORS = 5
FEW_PERMUTATIONS, MAX_PERMUTED = 5, 1000  # for expected values without a test: permutations, and points of each set


@dataclass(frozen=True)
class Pair:
    """Real and synthetic images of one class, or of all classes, for the metrics in `DIVERSITY_METRICS`.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) and (M, D).
    real_images, synthetic_images : Tensor
        uint8 (N, C, H, W) and (M, C, H, W).
    training_images : Tensor
        The images that may have been copied: uint8, (T, C, H, W).
    recognized : tuple of Recognition, or None
        Predictions of a classifier for the real and for the synthetic images.
    claimed : tuple of Tensor
        Labels of the real images, int64 (N,), and labels that the synthetic ones were generated for, int64 (M,).
    n_permutations : int
        Permutations of each test.
    seed : int
        Seed of permutations, samples and clusters.
    members : tuple of Tensor, or None
        `nearest_synthetic_distances` of P real images that were trained on, and of P that were not: (P,) each.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Pair, pixel_features
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, synthetic = torch.randint(0, 256, (2, 20, 1, 8, 8), dtype=torch.uint8, generator=generator)
    >>> labels = torch.zeros(20, dtype=torch.int64)
    >>> features = pixel_features(real), pixel_features(synthetic)
    >>> pair = Pair(*features, real, synthetic, real, None, (labels, labels), n_permutations=99, seed=0)
    >>> pair.k, len(pair.modes)
    (5, 2)
    """

    real: Tensor
    synthetic: Tensor
    real_images: Tensor
    synthetic_images: Tensor
    training_images: Tensor
    recognized: tuple[Recognition, Recognition] | None
    claimed: tuple[Tensor, Tensor]
    n_permutations: int
    seed: int
    members: tuple[Tensor, Tensor] | None = None

    @property
    def k(self) -> int:
        """Neighbors to which a ball reaches: 5, or fewer where there are few points."""
        return max(1, min(MAX_NEIGHBORS, len(self.real) - 1, len(self.synthetic) - 1))

    @cached_property
    def permutations(self) -> Permutations:
        """Permutations of the labels real and synthetic, shared by all tests."""
        return Permutations(len(self.real), len(self.synthetic), self.n_permutations, self.seed)

    @cached_property
    def expected_precision_recall(self) -> tuple[float, float]:
        """Precision and recall where both sets come from one distribution: means over five permutations."""
        real, synthetic = self.real[:MAX_PERMUTED], self.synthetic[:MAX_PERMUTED]
        points = torch.cat([real, synthetic])
        distances = pairwise_distances(points, points)
        precisions: list[float] = []
        recalls: list[float] = []
        permutations = Permutations(len(real), len(synthetic), FEW_PERMUTATIONS, self.seed)
        for is_synthetic in permutations.first[1:]:
            for centers, shares in ((~is_synthetic, precisions), (is_synthetic, recalls)):
                # the nearest point is the center itself
                radii = distances[centers][:, centers].kthvalue(self.k + 1, dim=1).values
                shares.append(float((distances[~centers][:, centers] < radii).any(1).double().mean()))
        return sum(precisions) / FEW_PERMUTATIONS, sum(recalls) / FEW_PERMUTATIONS

    @cached_property
    def copies(self) -> tuple[Tensor, Tensor, Tensor]:
        """`copy_ratios` of the synthetic images to the training images."""
        return copy_ratios(self.synthetic_images, self.training_images, seed=self.seed)

    @cached_property
    def modes(self) -> list[Mode]:
        """`find_modes` of both sets."""
        return find_modes(self.real, self.synthetic, seed=self.seed % 2**31)
