"""Training batches of two image sets: in pairs, or each by itself."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganaug._runtime.randomness import SharedGenerator, derive
from ganaug.images import to_signed


@dataclass(frozen=True)
class PairBatch:
    """What one step gets: float in [-1, 1], (B, C, H, W) and (B, C', H, W), on the device.

    generator: the source of every further draw in this step.
    """

    source: Tensor
    target: Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class Domain:
    """One side of a translation: images, or label images, whose numbers 0..num_labels - 1 become a channel each.

    size: (C, H, W) as stored, uint8; of label images C is 1.
    """

    size: tuple[int, int, int]
    num_labels: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) as a network takes it."""
        return self.size if self.num_labels is None else (self.num_labels, *self.size[1:])

    def signed(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> float in [-1, 1], as a network takes it."""
        if self.num_labels is None:
            return to_signed(images)
        return one_hot(images[:, 0].long(), self.num_labels).permute(0, 3, 1, 2).float() * 2 - 1


class PairBatches:
    """Batch number `step` of two sets, drawn with replacement: the same rows of both (`paired`), or rows of each.

    Stateless: `batches(step)` is the same whenever it is asked for. Of several processes, number `part` of `parts` gets
    the rows part, part + parts, ... of the batch.
    """

    def __init__(
        self,
        sources: Tensor,
        targets: Tensor,
        domains: tuple[Domain, Domain],
        batch_size: int,
        *,
        paired: bool,
        seed: int,
        device: torch.device | str = "cpu",
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self.sides: tuple[Tensor, Tensor] = sources.to(device), targets.to(device)
        self.domains, self.batch_size, self.paired, self.seed = domains, batch_size, paired, seed
        self.device, self.part, self.parts = torch.device(device), part, parts

    def __call__(self, step: int) -> PairBatch:
        draws = self._generator("cpu", "pairs", step)
        uniform = torch.rand(2, self.batch_size, generator=draws, dtype=torch.float64)[:, self.part :: self.parts]
        if self.paired:
            uniform = uniform[:1].expand(2, -1)
        rows = [(uniform[k] * len(side)).long().to(self.device) for k, side in enumerate(self.sides)]
        own = draws if self.device.type == "cpu" else self._generator(self.device, "step", step)
        source, target = (self.domains[k].signed(side[rows[k]]) for k, side in enumerate(self.sides))
        return PairBatch(source, target, own)

    def _generator(self, device: torch.device | str, *path: str | int) -> SharedGenerator:
        made = SharedGenerator(device)
        made.manual_seed(derive(self.seed, *path))
        made.part, made.parts = self.part, self.parts
        return made
