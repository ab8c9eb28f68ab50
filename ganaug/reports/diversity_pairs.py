"""The image sets that a diversity report compares: one pair for each class, and one over all classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug._runtime.randomness import derive, generator
from ganaug.images import LabeledImages
from ganaug.metrics.class_recognition import Recognition, recognize_classes
from ganaug.metrics.diversity import DIVERSITY_METRICS
from ganaug.metrics.membership_inference import nearest_synthetic_distances
from ganaug.metrics.pair import Pair
from ganaug.metrics.permutation import N_PERMUTATIONS

ALL = "all classes"
MIN_IMAGES = 3  # of a set, to compute any measure


def draw_images(images: LabeledImages, max_per_class: int, seed: int, purpose: str) -> LabeledImages:
    """Draw at most `max_per_class` images of each class.

    Parameters
    ----------
    images : LabeledImages
        The images to draw from.
    max_per_class : int
        Upper limit for each class.
    seed : int
        Seed of the report.
    purpose : str
        Name of the set, so that different sets are drawn independently.

    Returns
    -------
    LabeledImages
        Sorted by class, in random order within a class.
    """
    rows = []
    for label in range(len(images.classes)):
        members = torch.nonzero(images.labels == label).flatten()
        order = torch.randperm(len(members), generator=generator(seed, "drawn", purpose, label))
        # limited, because distance matrices grow with the square of the number of images
        rows.append(members[order[:max_per_class]])
    return images.take(torch.cat(rows))


@dataclass(frozen=True)
class PairSource:
    """The image sets that pairs are taken from.

    Parameters
    ----------
    training : LabeledImages
        Images that may have been copied.
    real, synthetic : LabeledImages
        N and M images to compare, with the same classes.
    features : tuple of Tensor, shapes (N, D) and (M, D)
        Their features.
    membership : tuple of LabeledImages, optional
        Images that the generator was trained on, and others, to measure membership inference.
    max_per_class : int
        Upper limit for the images of all classes together in the pair over all classes.
    false_alarm_rate : float
        Probability of an alarm in the report, which the number of permutations must resolve.
    seed : int
        Seed of the report.
    """

    training: LabeledImages
    real: LabeledImages
    synthetic: LabeledImages
    features: tuple[Tensor, Tensor]
    membership: tuple[LabeledImages, LabeledImages] | None
    max_per_class: int
    false_alarm_rate: float
    seed: int

    def pairs(self) -> dict[str, Pair]:
        """Pair the real and the synthetic images.

        Returns
        -------
        dict of str to Pair
            A pair for each class that has synthetic images; then, if there are several, one over "all classes", in
            which every class has the same weight.
        """
        present = [label for label in range(len(self.real.classes)) if (self.synthetic.labels == label).any()]
        recognized, n_permutations = self._recognize(), self._count_permutations(len(present))
        rows_of_class, members_of_class = [], []
        pairs = {}
        for label in present:
            name = self.real.classes[label]
            rows = self._rows_of(label)
            rows_of_class.append(rows)
            members = self._membership_distances(name, rows[1])
            members_of_class += [] if members is None else [members]
            candidates = self.training.of_class(name)
            pairs[name] = self._pair(name, rows, candidates, recognized, members, n_permutations)
        if len(present) > 1:
            rows = self._balance(rows_of_class)
            members = _concatenate(members_of_class) if members_of_class else None
            pairs[ALL] = self._pair(ALL, rows, self.training.images, recognized, members, n_permutations)
        return pairs

    def _rows_of(self, label: int) -> tuple[Tensor, Tensor]:
        """Rows of the real and of the synthetic images of a class."""
        return (
            torch.nonzero(self.real.labels == label).flatten(),
            torch.nonzero(self.synthetic.labels == label).flatten(),
        )

    def _recognize(self) -> tuple[Recognition, Recognition] | None:
        """Predictions of a classifier of the real images; None without two classes and two images of one of them."""
        labels = self.real.labels
        if len(torch.unique(labels)) < 2 or int(torch.bincount(labels).max()) < 2:
            return None
        real, synthetic = self.features
        return recognize_classes(real, labels, synthetic, self.synthetic.labels, seed=self.seed % 2**31)

    def _count_permutations(self, n_classes: int) -> int:
        """Number of permutations, such that the smallest p value stays small when it is adjusted for all tests."""
        # one test for each judged measure of each class, and of all classes together
        n_tests = sum(measure.severity != "" for measure in DIVERSITY_METRICS.values()) * (n_classes + 1)
        return max(N_PERMUTATIONS, round(2 * n_tests / self.false_alarm_rate))

    def _membership_distances(self, name: str, synthetic_rows: Tensor) -> tuple[Tensor, Tensor] | None:
        """Distances to the nearest synthetic image of as many members and non-members of a class, if there are any."""
        if self.membership is None:
            return None
        # equal numbers, so that the advantage does not depend on the ratio of members
        n = min(images.counts[name] for images in self.membership)
        if n < MIN_IMAGES:
            return None
        synthetic = self.synthetic.images[synthetic_rows]
        members, others = (
            nearest_synthetic_distances(images.of_class(name, n), synthetic) for images in self.membership
        )
        return members, others

    def _balance(self, rows_of_class: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Rows over all classes, with as many real as synthetic images of each class, in random order."""
        limit = max(1, self.max_per_class // len(rows_of_class))
        # equal numbers in each class: otherwise a change of class shares would look like a change of images
        sizes = [min(len(real), len(synthetic), limit) for real, synthetic in rows_of_class]
        real, synthetic = (
            torch.cat([rows[which][:n] for rows, n in zip(rows_of_class, sizes, strict=True)]) for which in (0, 1)
        )
        return (
            real[torch.randperm(sum(sizes), generator=generator(self.seed, "mixed", "real"))],
            synthetic[torch.randperm(sum(sizes), generator=generator(self.seed, "mixed", "synthetic"))],
        )

    def _pair(
        self,
        name: str,
        rows: tuple[Tensor, Tensor],
        candidates: Tensor,
        recognized: tuple[Recognition, Recognition] | None,
        members: tuple[Tensor, Tensor] | None,
        n_permutations: int,
    ) -> Pair:
        """The pair of some rows. candidates: training images that may have been copied."""
        real, synthetic = rows
        if recognized is not None:
            of_real, of_synthetic = recognized
            recognized = (
                Recognition(of_real.predicted[real], of_real.log_probability[real]),
                Recognition(of_synthetic.predicted[synthetic], of_synthetic.log_probability[synthetic]),
            )
        return Pair(
            self.features[0][real],
            self.features[1][synthetic],
            self.real.images[real],
            self.synthetic.images[synthetic],
            candidates,
            recognized,
            (self.real.labels[real], self.synthetic.labels[synthetic]),
            n_permutations,
            derive(self.seed, "pair", name),
            members,
        )


def _concatenate(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Concatenate the first and the second tensors of pairs."""
    first, second = zip(*pairs, strict=True)
    return torch.cat(first), torch.cat(second)
