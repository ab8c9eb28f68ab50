"""Train torch-mimicry's conditional GAN with projection discriminator at 32x32 for a number of seconds.

    python benchmarks/peers/mimicry_cgan.py TRAIN.npz OUT.npz --seconds 900 --seed 0 --per-class 500 [--threads 2]

Needs a separate Python environment: see README.md beside this file.
"""

import sys
import time
from types import ModuleType

import torch
import torchvision  # noqa: F401  # loads Triton before torch_mimicry loads TensorFlow; the reverse order crashes
from common import About, arguments, count_flop, endless_batches, pad_to_32, read_images, write_samples
from torch.nn.functional import interpolate

# Current PyTorch has no torch._six; the library's ImageNet reader, which every import of it loads, asks it for PY3.
six = ModuleType("torch._six")
six.PY3 = True
sys.modules["torch._six"] = six

import torch_mimicry  # noqa: E402
from torch_mimicry.nets.cgan_pd import CGANPDDiscriminator32, CGANPDGenerator32  # noqa: E402
from torch_mimicry.training import LRScheduler, MetricLog  # noqa: E402

# The library's README, "Example Usage" and "CIFAR-10, Training Parameters": 32 px, batch 64, Adam 2e-4 with betas 0.0
# and 0.9, 5 discriminator updates to 1 of the generator, linear decay over 100,000 steps. Hinge loss, widths (256 and
# 128) and noise size (128) are the defaults of the networks' constructors.
BATCH, DISCRIMINATOR_UPDATES, LEARNING_RATE, BETAS, DECAY_STEPS = 64, 5, 2e-4, (0.0, 0.9), 100_000


def main() -> None:
    """Train, sample, and write the samples."""
    options = arguments(__doc__)
    adaptations = [
        "the library's Trainer has no time limit: its loop, its train_step methods and its learning rate schedule "
        f"are run from outside, the linear decay still over {DECAY_STEPS} steps",
        "torch._six, which current PyTorch lacks, is put back with the one name the library imports",
        "torchvision is imported first, for TensorFlow before Triton crashes the interpreter",
    ]

    start = time.perf_counter()
    images, labels = read_images(options.train)
    channels, size = images.shape[1], images.shape[-1]
    images = pad_to_32(images, adaptations)
    if size == 64:
        # The library's conditional models are of 32 and 128 px.
        images = interpolate(images.float(), size=32, mode="area").round().byte()
        adaptations.append("64 px reduced to 32 by area, samples enlarged bilinearly: no conditional model of 64 px")
    if channels == 1:
        images = images.expand(-1, 3, -1, -1)
        adaptations.append("gray repeated to 3 channels, samples averaged back: the networks are of 3 channels")
    classes = int(labels.max()) + 1

    generator, discriminator = CGANPDGenerator32(num_classes=classes), CGANPDDiscriminator32(num_classes=classes)
    adam = {net: torch.optim.Adam(net.parameters(), LEARNING_RATE, betas=BETAS) for net in (generator, discriminator)}
    rates = LRScheduler(lr_decay="linear", optD=adam[discriminator], optG=adam[generator], num_steps=DECAY_STEPS)
    batches = endless_batches(images, labels, BATCH)
    steps, images_seen, gflop = 0, 0, 0.0

    def update() -> int:
        """One update of the generator after those of the discriminator; the number of real images."""
        # The body of torch_mimicry.training.Trainer.train; the generator's step takes only its batch size from `real`.
        log, device, n_images = MetricLog(), torch.device("cpu"), 0
        for _ in range(DISCRIMINATOR_UPDATES):
            real = next(batches)
            n_images += len(real[0])
            log = discriminator.train_step(
                real_batch=real,
                netG=generator,
                optD=adam[discriminator],
                log_data=log,
                global_step=steps,
                device=device,
            )
        log = generator.train_step(
            real_batch=real, netD=discriminator, optG=adam[generator], log_data=log, global_step=steps, device=device
        )
        rates.step(log_data=log, global_step=steps + 1)
        return n_images

    while time.perf_counter() - start < options.seconds:
        n_images, gflop = (update(), gflop) if steps else count_flop(update)
        steps += 1
        images_seen += n_images
    seconds = time.perf_counter() - start

    generator.eval()  # as the library's compute_fid and compute_kid sample
    with torch.no_grad():
        labels_to_sample = torch.arange(classes).repeat_interleave(options.per_class)
        samples = torch.cat(
            [generator(torch.randn(len(part), generator.nz), part) for part in labels_to_sample.split(BATCH)]
        )
    if channels == 1:
        samples = samples.mean(dim=1, keepdim=True)
    if size == 64:
        samples = interpolate(samples, size=64, mode="bilinear", align_corners=False)
    version = torch_mimicry.__version__
    about = About("torch-mimicry cGAN-PD", version, steps, images_seen, seconds, adaptations, gflop)
    write_samples(options.out, samples, options.per_class, size, about)


if __name__ == "__main__":
    main()
