"""torchgan's DCGAN with its minimax losses, one model for each class, trained on a set for a number of seconds in all.

    python benchmarks/rivals/torchgan_dcgan.py TRAIN.npz OUT.npz --seconds 900 --seed 0 --per-class 500 [--threads 2]

Needs an environment of its own: see README.md beside this file.
"""

import time

import torch
import torchgan
from common import About, arguments, endless, read, to_32, write
from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
from torchgan.models import DCGANDiscriminator, DCGANGenerator

# The example in the docstring of torchgan.trainer.Trainer (the documentation's "Starter Example" too): minimax losses,
# 16 step channels, Adam 2e-4 with betas 0.5 and 0.999 for both networks. Batch 64: its "Tutorial 1. Introduction to
# TorchGAN", on MNIST. All else, noise of 100 among it, is the default of the networks' and losses' own constructors.
BATCH, CHANNELS, RATE, BETAS = 64, 16, 2e-4, (0.5, 0.999)


def main() -> None:
    options = arguments(__doc__)
    device = torch.device("cpu")
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
    steps = seen = 0
    for k in range(classes):
        chosen = labels == k
        batch = min(BATCH, int(chosen.sum()))
        generator = DCGANGenerator(out_size=images.shape[-1], out_channels=channels, step_channels=CHANNELS)
        critic = DCGANDiscriminator(in_size=images.shape[-1], in_channels=channels, step_channels=CHANNELS)
        generator_adam = torch.optim.Adam(generator.parameters(), RATE, betas=BETAS)
        critic_adam = torch.optim.Adam(critic.parameters(), RATE, betas=BETAS)
        generator_loss, critic_loss = MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()
        batches = endless(images[chosen], labels[chosen], batch)
        # Deadlines counted from the start: what one class overruns is not added to the next one's.
        while time.perf_counter() - begun < options.seconds * (k + 1) / classes:
            real, _ = next(batches)
            # The generator before the critic, as the example lists its losses and Trainer.train_iter walks them.
            generator_loss.train_ops(generator, critic, generator_adam, device, batch)
            critic_loss.train_ops(generator, critic, critic_adam, real, device)
            steps += 1
            seen += len(real)
        generators.append(generator)
    seconds = time.perf_counter() - begun

    with torch.no_grad():
        # Samples in eval mode, as the library's Trainer makes its previews.
        samples = torch.cat(
            [
                generator.eval()(*generator.sampler(len(part), device))
                for generator in generators
                for part in torch.arange(options.per_class).split(BATCH)
            ]
        )
    about = About("torchgan DCGAN per class", torchgan.__version__.removeprefix("v"), steps, seen, seconds, adaptations)
    write(options.out, samples, options.per_class, size, about)


if __name__ == "__main__":
    main()
