"""Training batches of image-to-image translation, from paired or unpaired image sets."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganaug._runtime.randomness import SharedGenerator, shared_generator
from ganaug.images import to_signed


@dataclass(frozen=True)
class TranslationBatch:
    """Source and target images of one training step; row i of both is a pair for Pix2Pix only.

    Parameters
    ----------
    source, target : float32 Tensor of shape (B, C, H, W) and (B, C', H, W)
        In [-1, 1], on the device of training.
    generator : torch.Generator
        Generates all other random numbers of the step.
    """

    source: Tensor
    target: Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class Domain:
    """The source or target domain of a translation: images, or label maps with a channel for each label.

    Parameters
    ----------
    size : tuple of int
        (C, H, W) as stored, in uint8. C is 1 for label maps.
    num_labels : int or None, default=None
        Number of labels of label maps, whose pixels are 0..num_labels - 1. None for images.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.translation_batches import Domain
    >>> masks = Domain((1, 1, 2), num_labels=3)
    >>> masks.shape
    (3, 1, 2)
    >>> masks.signed(torch.tensor([[[[0, 2]]]], dtype=torch.uint8))[0, :, 0]
    tensor([[ 1., -1.],
            [-1., -1.],
            [-1.,  1.]])
    """

    size: tuple[int, int, int]
    num_labels: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a network's input or output."""
        return self.size if self.num_labels is None else (self.num_labels, *self.size[1:])

    def signed(self, images: Tensor) -> Tensor:
        """Convert stored images to a network's input: uint8 (N, C, H, W) -> float in [-1, 1], label maps one-hot."""
        if self.num_labels is None:
            return to_signed(images)
        return one_hot(images[:, 0].long(), self.num_labels).permute(0, 3, 1, 2).float() * 2 - 1


class PairBatches:
    """Batches of source and target images by number, drawn with replacement.

    Parameters
    ----------
    sources, targets : uint8 Tensor of shape (N, C, H, W) and (M, C', H, W)
    domains : tuple of Domain
        The domain of the sources and that of the targets.
    batch_size : int
        Pairs per batch, over all processes.
    paired : bool
        Whether row i of the sources belongs to row i of the targets. If True, both are drawn together; if False,
        independently.
    seed : int
    device : torch.device or str, default="cpu"
    rank, world_size : int, default=0, 1
        Rank of this process and number of processes. The process receives rows rank, rank + world_size, ... of each
        batch.

    Notes
    -----
    Batches have no state: ``batches(step)`` is the same whenever it is called.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.translation_batches import Domain, PairBatches
    >>> images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
    >>> batches = PairBatches(images, images, (Domain((1, 1, 1)), Domain((1, 1, 1))), 8, paired=True, seed=0)
    >>> torch.equal(batches(3).source, batches(3).target)
    True
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
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.images: tuple[Tensor, Tensor] = sources.to(device), targets.to(device)
        self.domains, self.batch_size, self.paired, self.seed = domains, batch_size, paired, seed
        self.device, self.rank, self.world_size = torch.device(device), rank, world_size

    def __call__(self, step: int) -> TranslationBatch:
        """Return batch number `step`."""
        generator = self._generator("cpu", "pairs", step)
        uniform = torch.rand(2, self.batch_size, generator=generator, dtype=torch.float64)
        uniform = uniform[:, self.rank :: self.world_size]
        if self.paired:
            # one position for both domains keeps pairs together
            uniform = uniform[:1].expand(2, -1)
        source, target = (
            domain.signed(images[(position * len(images)).long().to(self.device)])
            for domain, images, position in zip(self.domains, self.images, uniform, strict=True)
        )
        step_generator = generator if self.device.type == "cpu" else self._generator(self.device, "step", step)
        return TranslationBatch(source, target, step_generator)

    def _generator(self, device: torch.device | str, *purpose: str | int) -> SharedGenerator:
        """Create the generator for a purpose, which draws the rows of this process."""
        return shared_generator(self.seed, *purpose, device=device, rank=self.rank, world_size=self.world_size)
