"""Train torchgan's DCGAN with its minimax losses, one model for each class, for a number of seconds in all.

    python benchmarks/peers/torchgan_dcgan.py TRAIN.npz OUT.npz --seconds 900 --seed 0 --per-class 500 [--threads 2]

Needs a separate Python environment: see README.md beside this file.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torchgan
from common import About, arguments, count_flop, endless_batches, pad_to_32, read_images, write_samples
from torch import Tensor
from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
from torchgan.models import DCGANDiscriminator, DCGANGenerator

# The example in the docstring of torchgan.trainer.Trainer (the documentation's "Starter Example" too): minimax losses,
# 16 step channels, Adam 2e-4 with betas 0.5 and 0.999 for both networks. Batch 64: its "Tutorial 1. Introduction to
# TorchGAN", on MNIST. All else, noise of 100 among it, is the default of the constructors of networks and losses.
BATCH, CHANNELS, LEARNING_RATE, BETAS = 64, 16, 2e-4, (0.5, 0.999)
CPU = torch.device("cpu")


@dataclass
class Model:
    """The networks, optimizers and batches of one class."""

    generator: DCGANGenerator
    discriminator: DCGANDiscriminator
    generator_adam: torch.optim.Adam
    discriminator_adam: torch.optim.Adam
    batches: Iterator[tuple[Tensor, Tensor]]
    batch: int

    def update(self) -> int:
        """One update of each network; the number of real images."""
        real, _ = next(self.batches)
        # The generator before the discriminator, as the example lists its losses and Trainer.train_iter walks them.
        MinimaxGeneratorLoss().train_ops(self.generator, self.discriminator, self.generator_adam, CPU, self.batch)
        MinimaxDiscriminatorLoss().train_ops(self.generator, self.discriminator, self.discriminator_adam, real, CPU)
        return len(real)


def main() -> None:
    """Train a model of each class, sample, and write the samples."""
    options = arguments(__doc__)
    adaptations = [
        "DCGAN is not conditional: one model for each, the seconds shared equally between them",
        "batch of min(64, images of the class), so that a rare class fills one",
        "the library's Trainer counts epochs, and its previews fail with current torchvision: the train_ops of "
        "its losses are called from outside, in the Trainer's order",
    ]

    start = time.perf_counter()
    images, labels = read_images(options.train)
    channels, size = images.shape[1], images.shape[-1]
    images = pad_to_32(images, adaptations)
    classes = int(labels.max()) + 1

    generators: list[DCGANGenerator] = []
    steps, images_seen, gflop = 0, 0, 0.0
    for k in range(classes):
        is_class = labels == k
        batch = min(BATCH, int(is_class.sum()))
        generator = DCGANGenerator(out_size=images.shape[-1], out_channels=channels, step_channels=CHANNELS)
        discriminator = DCGANDiscriminator(in_size=images.shape[-1], in_channels=channels, step_channels=CHANNELS)
        generator_adam = torch.optim.Adam(generator.parameters(), LEARNING_RATE, betas=BETAS)
        discriminator_adam = torch.optim.Adam(discriminator.parameters(), LEARNING_RATE, betas=BETAS)
        batches = endless_batches(images[is_class], labels[is_class], batch)
        model = Model(generator, discriminator, generator_adam, discriminator_adam, batches, batch)
        # Deadlines count from the start, so that a class that overruns does not delay the next one's.
        while time.perf_counter() - start < options.seconds * (k + 1) / classes:
            n_images, gflop = (model.update(), gflop) if steps else count_flop(model.update)
            steps += 1
            images_seen += n_images
        generators.append(generator)
    seconds = time.perf_counter() - start

    with torch.no_grad():
        # Samples in eval mode, as for the previews of the library's Trainer.
        samples = torch.cat(
            [
                generator.eval()(*generator.sampler(len(part), CPU))
                for generator in generators
                for part in torch.arange(options.per_class).split(BATCH)
            ]
        )
    version = torchgan.__version__.removeprefix("v")
    about = About("torchgan DCGAN per class", version, steps, images_seen, seconds, adaptations, gflop)
    write_samples(options.out, samples, options.per_class, size, about)


if __name__ == "__main__":
    main()
