"""Images/s of training and of sampling, against a plain hand-written loop of the same networks in the same run.

    python benchmarks/throughput.py [--seconds 30] [--rounds 5] [--out benchmarks/results/...md]

Fashion-MNIST-LT as it ships, 28x28, the default network. Each round times, in turn: GANAugmenter.fit, the plain loop
(forward, backward, Adam; no averaging, no augmentation, no checks), GANAugmenter.sample, and the bare forward pass.
Medians over the rounds with the smallest and the largest; a ratio is taken within a round.
"""

import argparse
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from collect import processor
from torch.nn.functional import relu

from ganaug import GANAugmenter, __version__
from ganaug.data.embedded_set import fashion_mnist_lt
from ganaug.images import LabelledImages, to_signed
from ganaug.networks import NETWORKS


def ours(images: LabelledImages, seconds: float) -> tuple[float, GANAugmenter]:
    """Images/s of a fit, from its first step to its last, checks and previews included."""
    times: list[float] = []
    gan = GANAugmenter(time_budget=seconds, device="cpu", random_state=0)
    gan.fit(images, callbacks=[lambda done, logs: times.append(time.perf_counter())])  # noqa: ARG005  # a callback gets both
    return (len(times) - 1) * gan.plan_.batch_size / (times[-1] - times[0]), gan


def plain(images: LabelledImages, seconds: float) -> float:
    """Images/s of the loop that a tutorial shows: the same two networks, hinge loss, Adam, batches by randint."""
    width, latent, batch = 32, 64, 64
    generator = NETWORKS["dcgan"].generator(images.shape, len(images.classes), latent, width)
    critic = NETWORKS["dcgan"].discriminator(images.shape, len(images.classes), width, "spectral")
    adam = [torch.optim.Adam(net.parameters(), 4e-4, (0.0, 0.99)) for net in (generator, critic)]
    steps, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        where = torch.randint(len(images), (batch,))
        real, labels = to_signed(images.images[where]), images.labels[where]
        fake = generator(torch.randn(batch, latent), labels)
        loss = relu(1 - critic(real, labels)).mean() + relu(1 + critic(fake.detach(), labels)).mean()
        adam[1].zero_grad()
        loss.backward()
        adam[1].step()
        loss = -critic(fake, labels).mean()
        adam[0].zero_grad()
        loss.backward()
        adam[0].step()
        steps += 1
    return steps * batch / (time.perf_counter() - begun)


def sampling(gan: GANAugmenter, count: int) -> float:
    begun = time.perf_counter()
    gan.sample(count, filtered=False)
    return count / (time.perf_counter() - begun)


@torch.no_grad()
def forward(gan: GANAugmenter, count: int) -> float:
    """Images/s of the generator's forward pass alone, in the batches that sampling uses."""
    labels, latent = torch.arange(64) % len(gan.classes_), torch.randn(64, gan.latent_size)
    begun = time.perf_counter()
    for _ in range(count // 64):
        gan.model_.generator(latent, labels)
    return count // 64 * 64 / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each fit and each plain loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=12_800)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    images = fashion_mnist_lt()
    _, gan = ours(images, 15)  # warm up; the referee is trained first
    sampling(gan, 640)
    rates: dict[str, list[float]] = {name: [] for name in ("fit", "plain loop", "sample", "forward pass")}
    for _ in range(options.rounds):
        rate, gan = ours(images, options.seconds)
        rates["fit"].append(rate)
        rates["plain loop"].append(plain(images, options.seconds))
        rates["sample"].append(sampling(gan, options.samples))
        rates["forward pass"].append(forward(gan, options.samples))
    lines = [
        f"# Throughput at 28x28, {torch.get_num_threads()} threads of {processor()}",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {datetime.now(UTC):%Y-%m-%d}. "
        f"`python benchmarks/throughput.py --seconds {options.seconds:g} --rounds {options.rounds}`",
        "",
        "| what | images/s, median | smallest | largest |",
        "|---|---|---|---|",
        *(row(name, values, ",.0f") for name, values in rates.items()),
        row("fit / plain loop", ratios(rates["fit"], rates["plain loop"]), ".2f"),
        row("sample / forward pass", ratios(rates["sample"], rates["forward pass"]), ".2f"),
        "",
    ]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines))


def ratios(above: list[float], below: list[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


def row(name: str, values: list[float], form: str) -> str:
    shown = [format(value, form) for value in (statistics.median(values), min(values), max(values))]
    return f"| {name} | {' | '.join(shown)} |"


if __name__ == "__main__":
    main()
