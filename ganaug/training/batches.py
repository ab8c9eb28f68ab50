"""Training batches, indexed straight from uint8 tensors: no DataLoader, no copies but the batch itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug._runtime.randomness import SharedGenerator, derive
from ganaug.images import LabeledImages, to_signed
from ganaug.training.windows import Windows


@dataclass(frozen=True)
class Batch:
    """What one training step gets. images: float in [-1, 1], (B, C, H, W). labels: int64, (B,). Both on the device.

    generator: the source of every further draw in this step, so that the step depends on (seed, step) alone.
    """

    images: Tensor
    labels: Tensor
    generator: torch.Generator


class BalancedBatches:
    """Batch number `step` of a set: a class first, by a power of its count, then an image of it, with replacement.

    power: 1 draws as the set is, 0 draws each class equally often, between them is tempered (Mahajan et al. 2018).
    Stateless: `batches(step)` is the same whenever and in whatever order it is asked for. Of several processes, number
    `part` of `parts` gets the rows part, part + parts, ... of the batch. Images of a store come from `Windows`.
    """

    def __init__(
        self,
        images: LabeledImages,
        batch_size: int,
        *,
        seed: int,
        power: float,
        device: torch.device | str = "cpu",
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self.batch_size, self.device = batch_size, torch.device(device)
        self.seed, self.part, self.parts = seed, part, parts
        counts = torch.bincount(images.labels, minlength=len(images.classes))
        weights = torch.where(counts > 0, counts.double().clamp_min(1) ** power, 0.0)
        chances = weights / weights.sum()
        self.edges = chances.cumsum(0)
        self.last = int(torch.nonzero(counts).max())
        self.windows = Windows(images, chances, batch_size, seed=seed, device=device)

    def __call__(self, step: int) -> Batch:
        pool = self.windows(step)
        draws = self._generator("cpu", "batch", step)
        uniform = torch.rand(2, self.batch_size, generator=draws, dtype=torch.float64)
        labels = torch.searchsorted(self.edges, uniform[0], right=True).clamp_max_(self.last)
        within = (uniform[1] * pool.counts[labels]).long()
        where = pool.order[pool.starts[labels] + within][self.part :: self.parts]
        labels = labels[self.part :: self.parts]
        own = draws if self.device.type == "cpu" else self._generator(self.device, "step", step)
        return Batch(to_signed(pool.images[where.to(self.device)]), labels.to(self.device), own)

    def _generator(self, device: torch.device | str, *path: str | int) -> SharedGenerator:
        made = SharedGenerator(device)
        made.manual_seed(derive(self.seed, *path))
        made.part, made.parts = self.part, self.parts
        return made
