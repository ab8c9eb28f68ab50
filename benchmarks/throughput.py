"""How fast are training and sampling? Images/s and GFLOP/s beside a plain loop, the hardware's limit, and peers.

    python -m benchmarks.throughput --seconds 15 --rounds 5 [--peer-python torchgan=PATH ...]

Time: about twelve minutes on two cores with the defaults, and --rounds x --seconds more for each peer.
Fashion-MNIST-LT as it ships, 28x28, the default network. A round times, in turn:

- fit: GANAugmenter.fit between its checks;
- bare: forward, backward and optimizer of the same networks, loss and precision; nothing else;
- convolutions: every convolution and matrix product of a bare step, forward and backward, alone: the upper limit;
- plain loop: the same networks in float32, as a tutorial has them;
- samples to PNG files, with and without filters, and the generator's forward pass alone; both on one thread too;
- peers: training by other libraries, each in a separate environment (peers/README.md): torchgan and torch-mimicry on
  the same images padded to 32x32, as one class, lightweight-gan at 64x64.

How to read it: ratios are within a round, so a slow machine changes both parts. "fit / bare" near 1 means that the
training loop adds almost no time to its steps. GFLOP/s: multiplications and additions, as torch counts them, by time.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import relu

from benchmarks.datasets import smoke_images
from benchmarks.generators import UNLIMITED, make_augmenter
from benchmarks.peer_runs import PEERS, peer_pythons, run_peer
from benchmarks.runner import parse, program_parser, progress, write_page
from benchmarks.step_timing import convolutions_of, count_flop, fit_steps_per_second, steps_per_second
from benchmarks.tables import MEDIAN_RANGE, markdown_table, median_range
from ganaug import GANAugmenter, LabeledImages
from ganaug._runtime.allocator import retain_freed_memory
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.images import to_signed
from ganaug.io.archives import publish_tar
from ganaug.io.output import publish
from ganaug.io.writing import stream_contents
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import to_memory_format
from ganaug.training.engine import resolve_precision

BATCH_SIZE, LATENT_SIZE, WIDTH = 64, 64, 32
FORMATS = {"folder": publish, "tar": publish_tar}
ONE_THREAD = "samples to a folder, one thread"
SMOKE = {"seconds": 0.02, "rounds": 1, "samples": 64, "peer_python": []}
Rates = dict[str, list[float]]  # part -> images/s, one for each round


class BareStep:
    """A step of the default networks with hinge loss and fused Adam, in a precision."""

    def __init__(self, images: LabeledImages, precision: torch.dtype) -> None:
        pair, shape, n_classes = NETWORKS["dcgan"], images.shape, len(images.classes)
        self.generator = to_memory_format(pair.generator(shape, n_classes, LATENT_SIZE, WIDTH), shape)
        self.discriminator = to_memory_format(pair.discriminator(shape, n_classes, WIDTH, "spectral"), shape)
        networks = (self.generator, self.discriminator)
        self.adam = [torch.optim.Adam(network.parameters(), 4e-4, (0.0, 0.99), fused=True) for network in networks]
        self.real, self.labels = to_signed(images.images[:BATCH_SIZE]), images.labels[:BATCH_SIZE]
        self.latent, self.precision = torch.randn(BATCH_SIZE, LATENT_SIZE), precision

    def __call__(self) -> None:
        with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
            fake = self.generator(self.latent, self.labels)
            self.discriminator.requires_grad_(True)
            logits = self.discriminator(torch.cat([self.real, fake.detach().float()]), self.labels.repeat(2)).float()
        real_logits, fake_logits = logits.chunk(2)
        self.descend(1, relu(1 - real_logits).mean() + relu(1 + fake_logits).mean())
        self.discriminator.requires_grad_(False)
        with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
            fake_logits = self.discriminator(fake.float(), self.labels).float()
        self.descend(0, -fake_logits.mean())

    def descend(self, index: int, loss: Tensor) -> None:
        """A step of one optimizer."""
        self.adam[index].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam[index].step()


def write_rate(augmenter: GANAugmenter, count: int, folder: Path, form: str, *, filtered: bool) -> float:
    """Images/s of sampling to PNG files with metadata.csv in a new folder, or to one tar archive of them."""
    refused = augmenter.unlearned_classes_ if filtered else []
    names = augmenter.model_.classes
    requests = {name: 0 if name in refused else count // (len(names) - len(refused)) for name in names}
    out = Path(tempfile.mkdtemp(dir=folder)) / "out"
    start = time.perf_counter()
    blocks = augmenter.sample_blocks(requests, start=0, filtered=filtered)
    FORMATS[form](stream_contents(blocks, requests, augmenter.model_.shape), out, None)
    return sum(requests.values()) / (time.perf_counter() - start)


def forward_rate(augmenter: GANAugmenter, count: int) -> float:
    """Images/s of the generator's forward pass alone, in the batches that sampling uses."""
    labels = torch.arange(BATCH_SIZE) % len(augmenter.classes_)
    latent = torch.randn(BATCH_SIZE, augmenter.model_.latent_size)
    start = time.perf_counter()
    with torch.no_grad(), retain_freed_memory():  # as sampling has it, and training
        for _ in range(count // BATCH_SIZE):
            augmenter.model_.generator(latent, labels)
    return count // BATCH_SIZE * BATCH_SIZE / (time.perf_counter() - start)


def measure(
    images: LabeledImages, precision: torch.dtype, gflop_per_image: float, folder: Path, options: argparse.Namespace
) -> tuple[Rates, dict[str, float]]:
    """Rates of each part, and GFLOP an image of the parts that train."""
    rates, gflop = Rates(), dict[str, float]()
    bare, plain = BareStep(images, precision), BareStep(images, torch.float32)
    steps = {
        "bare": bare,
        "convolutions": convolutions_of(bare),
        "plain loop, float32": plain,
        "convolutions, float32": convolutions_of(plain),
    }
    one_class = LabeledImages(images.images, torch.zeros(len(images), dtype=torch.int64), ("all",))

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)
        progress(f"{name}: {rate:,.0f}")

    for _ in range(options.rounds):
        augmenter = make_augmenter(0, smoke=options.smoke, check_every=UNLIMITED)
        rate = fit_steps_per_second(
            lambda gan=augmenter, **options: gan.fit(images, **options), options.seconds, skip=5
        )
        note("fit", rate * augmenter.plan_.batch_size)
        gflop |= dict.fromkeys(["fit", *steps], gflop_per_image)
        for name, step in steps.items():
            note(name, steps_per_second(step, options.seconds) * BATCH_SIZE)
        for form, filtered in (("folder", False), ("tar", False), ("tar", True)):
            rate = write_rate(augmenter, options.samples, folder, form, filtered=filtered)
            note(f"samples to a {form}{', filtered' * filtered}", rate)
        note("forward pass", forward_rate(augmenter, options.samples))
        torch.set_num_threads(1)
        note(ONE_THREAD, write_rate(augmenter, options.samples, folder, "folder", filtered=False))
        note("forward pass, one thread", forward_rate(augmenter, options.samples))
        torch.set_num_threads(options.threads)
        for name, python in peer_pythons(options.peer_python).items():
            about, _ = run_peer(name, python, one_class, seconds=options.seconds, threads=options.threads)
            note(name, about.get("images_per_second") or about["images_seen"] / about["seconds"])
            gflop[name] = about["gflop_per_image"]
    return rates, gflop


def rate_tables(rates: Rates, gflop: dict[str, float]) -> list[str]:
    """A table of rates, and one of ratios within a round."""
    rows = []
    for name, values in rates.items():
        work = median_range([rate * gflop[name] for rate in values]) if name in gflop else ["-"] * 3
        rows.append([name, *median_range(values, ",.1f" if values[0] < 100 else ",.0f"), *work])
    pairs = [
        ("fit", "convolutions"),
        ("fit", "bare"),
        ("fit", "plain loop, float32"),
        *((name, "forward pass") for name in rates if name.startswith("samples") and name != ONE_THREAD),
        (ONE_THREAD, "forward pass, one thread"),
        ("samples to a folder", ONE_THREAD),
    ]
    ratios = [
        [f"{one} / {other}", *median_range([a / b for a, b in zip(rates[one], rates[other], strict=True)], ".2f")]
        for one, other in pairs
    ]
    for name in (name for name in rates if name in PEERS):
        values = [a * gflop["fit"] / (b * gflop[name]) for a, b in zip(rates["fit"], rates[name], strict=True)]
        ratios.append([f"fit / {name}, of GFLOP/s", *median_range(values, ".2f")])
    head = ["images/s", *MEDIAN_RANGE, "GFLOP/s", *MEDIAN_RANGE[1:]]
    return [*markdown_table(head, rows), "", *markdown_table(["ratio, within a round", *MEDIAN_RANGE], ratios)]


def main(argv: Sequence[str] | None = None) -> Path:
    """Time the rounds, and write the page."""
    parser = program_parser("throughput", __doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each part of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=51_200, help="images of each part that samples")
    parser.add_argument("--work-dir", type=Path, help="where samples are written [default: the system's]")
    parser.add_argument("--peer-python", nargs="*", default=[], metavar="NAME=PATH", help=", ".join(PEERS))
    options = parse(parser, argv, SMOKE)
    if options.smoke:
        progress("peers are left out of a smoke run")
    precision = resolve_precision("auto", torch.device("cpu"))
    images = smoke_images() if options.smoke else fashion_mnist_lt()
    gflop = count_flop(BareStep(images, torch.float32)) / 1e9
    # nothing is removed before the end: ext4 looks for space beyond what was freed lately
    with tempfile.TemporaryDirectory(dir=options.work_dir) as folder:
        rates, gflop_per_image = measure(images, precision, gflop / BATCH_SIZE, Path(folder), options)
    about = (
        f"Training in {precision}, as planned on this processor, unless float32 is named. {gflop:.2f} GFLOP a step of "
        f"{BATCH_SIZE} images. fit: `GANAugmenter.fit` between checks; bare: forward, backward and optimizer only; "
        "convolutions: only the convolutions and matrix products of a bare step; plain loop: the same networks in "
        "float32."
    )
    return write_page(options, "Throughput at 28x28", about, rate_tables(rates, gflop_per_image))


if __name__ == "__main__":
    main()
