"""Training batches, indexed directly from uint8 tensors: no DataLoader, and no copy but the batch itself."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganaug._runtime.randomness import SharedGenerator, derive, generator, shared_generator
from ganaug.images import LabeledImages, to_signed
from ganaug.models.networks.blocks import NO_CLASS
from ganaug.training.windows import Windows


@dataclass(frozen=True)
class Batch:
    """The input of one training step.

    Parameters
    ----------
    images : float32 Tensor of shape (B, C, H, W)
        In [-1, 1], on the device of training.
    labels : int64 Tensor of shape (B,)
        On the same device. Fake images are generated with them.
    conditions : int64 Tensor of shape (B,)
        Labels with which the discriminator judges real and fake images: -1 without a class, otherwise as `labels`.
    generator : torch.Generator
        Source of all further randomness in the step, so that the step depends on (seed, step) only.
    """

    images: Tensor
    labels: Tensor
    conditions: Tensor
    generator: torch.Generator


class ClassDraw:
    """Draws classes in proportion to weights (K,), which may be 0. `probabilities` has their sum at 1."""

    def __init__(self, weights: Tensor) -> None:
        self.probabilities = weights / weights.sum()
        self.cumulative = self.probabilities.cumsum(0)
        self.last_label = int(torch.nonzero(weights).max())

    def __call__(self, uniform: Tensor) -> Tensor:
        """Return a label for each number in [0, 1): float64 (N,) -> int64 (N,)."""
        # rounding can leave the sum of probabilities below 1, and a class of weight 0 must not be drawn
        return torch.searchsorted(self.cumulative, uniform, right=True).clamp_max_(self.last_label)


class BalancedBatches:
    """Batches by number. Each image is drawn with replacement: first its class, then an image of that class.

    Parameters
    ----------
    images : LabeledImages
        In memory, or in a store; images of a store are read through `Windows`.
    batch_size : int
        Images per batch, over all processes.
    seed : int
    power : float
        A class is drawn with a probability proportional to its count raised to this power: 1 draws classes as often as
        they occur, 0 draws all equally often (Mahajan et al. 2018).
    device : torch.device or str, default="cpu"
    rank, world_size : int, default=0, 1
        Rank of this process and number of processes. The process receives rows rank, rank + world_size, ... of each
        batch.

    Notes
    -----
    Batches have no state: ``batches(step)`` is the same whenever and in whatever order it is called.

    References
    ----------
    Mahajan et al. (2018), "Exploring the Limits of Weakly Supervised Pretraining".

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.training.batches import BalancedBatches
    >>> images = torch.randint(0, 256, (10, 1, 8, 8), dtype=torch.uint8)
    >>> labels = torch.tensor([0] * 9 + [1])
    >>> batches = BalancedBatches(LabeledImages(images, labels, ("cat", "owl")), 1000, seed=0, power=0.0)
    >>> batches(7).images.shape
    torch.Size([1000, 1, 8, 8])
    >>> torch.bincount(batches(7).labels)  # about as many of each class
    tensor([...])
    >>> torch.equal(batches(7).images, batches(7).images)
    True
    """

    def __init__(
        self,
        images: LabeledImages,
        batch_size: int,
        *,
        seed: int,
        power: float,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.batch_size, self.device = batch_size, torch.device(device)
        self.seed, self.rank, self.world_size = seed, rank, world_size
        counts = torch.bincount(images.labels, minlength=len(images.classes))
        # an empty class has weight 0 also at power 0, where all other classes have weight 1
        self.classes = ClassDraw(torch.where(counts > 0, counts.double().clamp_min(1) ** power, 0.0))
        self.windows = Windows(images, self.classes.probabilities, batch_size, seed=seed, device=device)

    def __call__(self, step: int) -> Batch:
        """Return batch number `step`."""
        pool = self.windows(step)
        # drawn on the CPU, so that every device trains on the same images
        source = self._generator("cpu", "batch", step)
        # float32 has only 2**24 values in [0, 1), too few to reach every image of a large class
        uniform = torch.rand(2, self.batch_size, generator=source, dtype=torch.float64)
        labels = self.classes(uniform[0])
        within_class = (uniform[1] * pool.counts[labels]).long()
        # every process draws the whole batch and keeps its rows: the images do not depend on the number of processes
        rows = pool.order[pool.starts[labels] + within_class][self.rank :: self.world_size]
        labels = labels[self.rank :: self.world_size]
        step_generator = source if self.device.type == "cpu" else self._generator(self.device, "step", step)
        labels = labels.to(self.device)
        return Batch(to_signed(pool.images[rows.to(self.device)]), labels, labels, step_generator)

    def _generator(self, device: torch.device | str, *purpose: str | int) -> SharedGenerator:
        """Create the generator for a purpose, which draws the rows of this process."""
        return shared_generator(self.seed, *purpose, device=device, rank=self.rank, world_size=self.world_size)


class SemiSupervisedBatches:
    """Batches of labeled images and images without a class, which come last in a batch.

    The fake images that stand beside images without a class are drawn of classes as often as these occur among the
    labeled images. The discriminator judges both without their class, so that a class has no part in the comparison.

    Parameters
    ----------
    labeled : LabeledImages
    unlabeled : LabeledImages
        Of one class, which is not used.
    batch_size : int
    share : float
        Upper limit of the share of `unlabeled` in a batch. It is lower where they are a smaller share of all images.
    seed, power, device, rank, world_size
        As for `BalancedBatches`.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.training.batches import SemiSupervisedBatches
    >>> labeled = LabeledImages(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]), ("cat", "owl"))
    >>> others = LabeledImages(torch.zeros(9, 1, 8, 8, dtype=torch.uint8), torch.zeros(9, dtype=torch.int64), ("",))
    >>> batch = SemiSupervisedBatches(labeled, others, 8, share=0.5, seed=0, power=0.0)(step=0)
    >>> batch.images.shape, batch.conditions[4:]
    (torch.Size([8, 1, 8, 8]), tensor([-1, -1, -1, -1]))
    """

    def __init__(
        self,
        labeled: LabeledImages,
        unlabeled: LabeledImages,
        batch_size: int,
        *,
        share: float,
        seed: int,
        power: float,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        share = min(share, len(unlabeled) / (len(labeled) + len(unlabeled)))
        # the same for any number of processes
        n_unlabeled = min(batch_size - 1, max(1, round(share * batch_size))) if share else 0
        n_labeled = batch_size - n_unlabeled
        own: dict[str, Any] = {"device": device, "world_size": world_size}
        self.labeled = BalancedBatches(labeled, n_labeled, seed=seed, power=power, rank=rank, **own)
        self.unlabeled: BalancedBatches | None = None
        if n_unlabeled:
            # row r of the whole batch belongs to process r modulo world_size
            place, other_seed = (rank - n_labeled) % world_size, derive(seed, "unlabeled")
            self.unlabeled = BalancedBatches(unlabeled, n_unlabeled, seed=other_seed, power=1.0, rank=place, **own)
        self.classes = ClassDraw(torch.bincount(labeled.labels, minlength=len(labeled.classes)).double())

    def __call__(self, step: int) -> Batch:
        """Return batch number `step`."""
        batch = self.labeled(step)
        if self.unlabeled is None:
            return batch
        others, source = self.unlabeled, generator(self.unlabeled.seed, "labels", step)
        uniform = torch.rand(others.batch_size, generator=source, dtype=torch.float64)
        labels = self.classes(uniform)[others.rank :: others.world_size].to(batch.labels.device)
        return Batch(
            torch.cat([batch.images, others(step).images]),
            torch.cat([batch.labels, labels]),
            torch.cat([batch.conditions, torch.full_like(labels, NO_CLASS)]),
            batch.generator,
        )
