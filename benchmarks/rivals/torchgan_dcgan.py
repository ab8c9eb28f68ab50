"""torchgan's DCGAN with its minimax losses, one model for each class, trained on a set for a number of seconds in all.

    python benchmarks/baselines/torchgan_dcgan.py TRAIN.npz OUT.npz --seconds 900 --seed 0 --per-class 500 [--threads 2]

Needs an environment of its own: see README.md beside this file.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torchgan
from common import About, arguments, counted, endless, read, to_32, write
from torch import Tensor
from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
from torchgan.models import DCGANDiscriminator, DCGANGenerator

# The example in the docstring of torchgan.trainer.Trainer (the documentation's "Starter Example" too): minimax losses,
# 16 step channels, Adam 2e-4 with betas 0.5 and 0.999 for both networks. Batch 64: its "Tutorial 1. Introduction to
# TorchGAN", on MNIST. All else, noise of 100 among it, is the default of the networks' and losses' own constructors.
BATCH, CHANNELS, RATE, BETAS = 64, 16, 2e-4, (0.5, 0.999)
CPU = torch.device("cpu")


@dataclass
class Model:
    """One class's networks, their optimizers and batches."""

    generator: DCGANGenerator
    discriminator: DCGANDiscriminator
    generator_adam: torch.optim.Adam
    critic_adam: torch.optim.Adam
    batches: Iterator[tuple[Tensor, Tensor]]
    batch: int

    def update(self) -> int:
        """One of each network; the real images that the discriminator saw."""
        real, _ = next(self.batches)
        # The generator before the discriminator, as the example lists its losses and Trainer.train_iter walks them.
        MinimaxGeneratorLoss().train_ops(self.generator, self.discriminator, self.generator_adam, CPU, self.batch)
        MinimaxDiscriminatorLoss().train_ops(self.generator, self.discriminator, self.critic_adam, real, CPU)
        return len(real)


def main() -> None:
    options = arguments(__doc__)
    adaptations = [
        "DCGAN knows no classes: one model for each, the seconds shared equally between them",
        "batch of min(64, images of the class), so that a rare class fills one",
        "the library's Trainer counts epochs, and its previews fail with current torchvision: the train_ops of "
        "its losses are called from outside, in the Trainer's order",
    ]

    begun = time.perf_counter()
    images, labels = read(options.train)
    channels, size = images.shape[1], images.shape[-1]
    images = to_32(images, adaptations)
    classes = int(labels.max()) + 1

    generators: list[DCGANGenerator] = []
    steps, seen, gflop = 0, 0, 0.0
    for k in range(classes):
        chosen = labels == k
        batch = min(BATCH, int(chosen.sum()))
        generator = DCGANGenerator(out_size=images.shape[-1], out_channels=channels, step_channels=CHANNELS)
        discriminator = DCGANDiscriminator(in_size=images.shape[-1], in_channels=channels, step_channels=CHANNELS)
        generator_adam = torch.optim.Adam(generator.parameters(), RATE, betas=BETAS)
        critic_adam = torch.optim.Adam(discriminator.parameters(), RATE, betas=BETAS)
        batches = endless(images[chosen], labels[chosen], batch)
        own = Model(generator, discriminator, generator_adam, critic_adam, batches, batch)
        # Deadlines counted from the start: what one class overruns is not added to the next one's.
        while time.perf_counter() - begun < options.seconds * (k + 1) / classes:
            more, gflop = (own.update(), gflop) if steps else counted(own.update)
            steps += 1
            seen += more
        generators.append(generator)
    seconds = time.perf_counter() - begun

    with torch.no_grad():
        # Samples in eval mode, as the library's Trainer makes its previews.
        samples = torch.cat(
            [
                generator.eval()(*generator.sampler(len(part), CPU))
                for generator in generators
                for part in torch.arange(options.per_class).split(BATCH)
            ]
        )
    version = torchgan.__version__.removeprefix("v")
    about = About("torchgan DCGAN per class", version, steps, seen, seconds, adaptations, gflop)
    write(options.out, samples, options.per_class, size, about)


if __name__ == "__main__":
    main()
