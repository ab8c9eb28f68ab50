"""Images/s and GFLOP/s of a training step, the loop's overhead, and sampling to files; ratios within one run.

    python benchmarks/throughput.py [--seconds 15] [--rounds 5] [--baseline-python torchgan=PATH ...] [--out OUT.md]

Fashion-MNIST-LT as it ships, 28x28, the default network. A round times, in turn:

- fit: GANAugmenter.fit, from the first step to the last, without checks;
- bare: forward, backward and optimizer of the same networks, loss and precision; nothing else;
- convolutions: every convolution and matrix product of a bare step, forward and backward, alone: the ceiling;
- plain loop: what a tutorial shows, the same networks in float32;
- samples to PNG files, with and without filters, and the generator's forward pass alone; both on one thread too;
- others' training, each in its own environment (baselines/README.md): torchgan and mimicry on the same images padded to
  32x32, as one class, lightweight-gan at 64x64; their rates are of real images shown to the discriminator.

GFLOP/s: multiplications and additions of a step, as torch's flop counter counts them, over its time.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from collect import processor
from tables import table
from torch import Tensor
from torch.nn.functional import relu
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ganaug import GANAugmenter, __version__
from ganaug._runtime.allocator import freed_memory_kept
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.images import LabeledImages, to_signed
from ganaug.io.archives import publish_tar
from ganaug.io.output import publish
from ganaug.io.writing import streamed
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import to_memory_format
from ganaug.training.engine import precision_for
from ganaug.training.loop import StopTraining

BATCH, LATENT, WIDTH = 64, 64, 32
BASELINES = ("torchgan", "mimicry", "lightweight-gan")
ALONE = "samples to a folder, one thread"
HEAVY = ("convolution", "convolution_backward", "mm", "addmm", "bmm")


class Bare:
    """A step of the default networks with hinge loss and fused Adam, in the given precision."""

    def __init__(self, images: LabeledImages, precision: torch.dtype) -> None:
        pair, shape, n_classes = NETWORKS["dcgan"], images.shape, len(images.classes)
        self.generator = to_memory_format(pair.generator(shape, n_classes, LATENT, WIDTH), shape)
        self.discriminator = to_memory_format(pair.discriminator(shape, n_classes, WIDTH, "spectral"), shape)
        nets = (self.generator, self.discriminator)
        self.adam = [torch.optim.Adam(net.parameters(), 4e-4, (0.0, 0.99), fused=True) for net in nets]
        self.real, self.labels = to_signed(images.images[:BATCH]), images.labels[:BATCH]
        self.latent, self.precision = torch.randn(BATCH, LATENT), precision

    def __call__(self) -> None:
        with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
            fake = self.generator(self.latent, self.labels)
            self.discriminator.requires_grad_(True)
            on_both = self.discriminator(torch.cat([self.real, fake.detach().float()]), self.labels.repeat(2)).float()
        real_logits, fake_logits = on_both.chunk(2)
        self.descend(1, relu(1 - real_logits).mean() + relu(1 + fake_logits).mean())
        self.discriminator.requires_grad_(False)
        with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
            fake_logits = self.discriminator(fake.float(), self.labels).float()
        self.descend(0, -fake_logits.mean())

    def descend(self, which: int, loss: Tensor) -> None:
        self.adam[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam[which].step()


class Recorder(TorchDispatchMode):
    """Keeps the convolutions and matrix products that run inside it, with what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in HEAVY:
            kept = torch.utils._pytree.tree_map_only(Tensor, lambda x: x.detach().clone(), (args, kwargs or {}))  # noqa: SLF001
            self.calls.append((func, *kept))
        return func(*args, **(kwargs or {}))


def convolutions(step: Callable[[], None]) -> Callable[[], None]:
    recorder = Recorder()
    with recorder:
        step()

    @torch.no_grad()
    def again() -> None:
        for func, args, kwargs in recorder.calls:
            func(*args, **kwargs)

    return again


def flops(step: Callable[[], None]) -> int:
    """Multiplications and additions of a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def timed(step: Callable[[], None], seconds: float) -> float:
    """Steps a second: the median over tenths of the time."""
    for _ in range(3):
        step()
    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds / 10:
            step()
            count += 1
        rates.append(count / (time.perf_counter() - begun))
    return statistics.median(rates)


def fitted(images: LabeledImages, seconds: float) -> tuple[float, GANAugmenter]:
    """Steps a second of a fit between checks, and what was fitted. The first steps do not count."""
    ticks: list[float] = []

    def watch(done: int, logs: object) -> None:  # noqa: ARG001  # a callback gets both
        ticks.append(time.perf_counter())
        if done > 5 and ticks[-1] - ticks[5] > seconds:
            raise StopTraining("enough")

    gan = GANAugmenter(n_steps=10**6, check_every=10**6, device="cpu", random_state=0)
    gan.fit(images, callbacks=[watch])
    middle = ticks[5:]
    return (len(middle) - 1) / (middle[-1] - middle[0]), gan


def sampled(gan: GANAugmenter, count: int, room: Path, form: str, *, filtered: bool) -> float:
    """Images a second, to PNG files with metadata.csv in a new folder in `room`, or to one tar archive of them."""
    refused = gan.model_.unlearned if filtered else []
    names = gan.model_.classes
    each = {name: 0 if label in refused else count // (len(names) - len(refused)) for label, name in enumerate(names)}
    out = Path(tempfile.mkdtemp(dir=room)) / "out"
    begun = time.perf_counter()
    write = {"folder": publish, "tar": publish_tar}[form]
    write(streamed(gan.sample_blocks(each, filtered=filtered), each, gan.model_.shape), out, None)
    return sum(each.values()) / (time.perf_counter() - begun)


def forward(gan: GANAugmenter, count: int) -> float:
    """Images a second of the generator's forward pass alone, in the batches that sampling uses."""
    labels, latent = torch.arange(64) % len(gan.classes_), torch.randn(64, gan.latent_size)
    begun = time.perf_counter()
    with torch.no_grad(), freed_memory_kept():  # as sampling does, and training
        for _ in range(count // 64):
            gan.model_.generator(latent, labels)
    return count // 64 * 64 / (time.perf_counter() - begun)


def baseline(name: str, python: str, images: LabeledImages, options: argparse.Namespace) -> tuple[float, float]:
    """Images a second and GFLOP an image of another library's training."""
    limits = ["--seconds", str(options.seconds), "--threads", str(options.threads)]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "train.npz", Path(folder) / "samples.npz"
        np.savez(source, images=images.images.numpy(), labels=np.zeros(len(images), np.int64))
        program, more = {
            "torchgan": ("torchgan_dcgan.py", [str(source), str(target), "--per-class", "1"]),
            "mimicry": ("mimicry_cgan.py", [str(source), str(target), "--per-class", "1"]),
            "lightweight-gan": ("lightweight_gan_rate.py", []),
        }[name]
        command = [python, str(Path(__file__).parent / "baselines" / program), *more, *limits]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    about = json.loads(text[text.index("{") :])
    rate = about.get("images_per_second") or about["images_seen"] / about["seconds"]
    return rate, about["gflop_per_image"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each part of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=51_200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--room", type=Path, help="a folder for the samples; default: the system's for such")
    parser.add_argument("--baseline-python", nargs="*", default=[], metavar="NAME=PATH", help=", ".join(BASELINES))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    precision = precision_for("auto", torch.device("cpu"))
    work = flops(Bare(fashion_mnist_lt(), torch.float32)) / 1e9
    # nothing is removed before the end: ext4 looks for a free place past all that were freed lately
    with tempfile.TemporaryDirectory(dir=options.room) as room:
        rates, gflop = measured(precision, work / BATCH, Path(room), options)
    lines = [
        f"# Throughput at 28x28, {options.threads} threads of {processor()}",
        "",
        f"`python benchmarks/throughput.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {datetime.now(UTC):%Y-%m-%d}. Training in {precision}, as "
        f"planned on this processor, but where float32 is said. {work:.2f} GFLOP a step of {BATCH} images.",
        "",
        *tables(rates, gflop),
        "",
    ]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines))


def measured(
    precision: torch.dtype, work: float, room: Path, options: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Images a second of each part, a number a round; GFLOP an image of those that train. work: of ours."""
    images, rates, gflop = fashion_mnist_lt(), dict[str, list[float]](), dict[str, float]()
    bare, plain = Bare(images, precision), Bare(images, torch.float32)
    steps = {
        "bare": bare,
        "convolutions": convolutions(bare),
        "plain loop, float32": plain,
        "convolutions, float32": convolutions(plain),
    }

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)
        print(f"{name}: {rate:,.0f}", flush=True)

    for _ in range(options.rounds):
        rate, gan = fitted(images, options.seconds)
        note("fit", rate * BATCH)
        gflop |= dict.fromkeys(["fit", *steps], work)
        for name, step in steps.items():
            note(name, timed(step, options.seconds) * BATCH)
        for form, filtered in (("folder", False), ("tar", False), ("tar", True)):
            name = f"samples to a {form}{', filtered' * filtered}"
            note(name, sampled(gan, options.samples, room, form, filtered=filtered))
        note("forward pass", forward(gan, options.samples))
        torch.set_num_threads(1)
        note(ALONE, sampled(gan, options.samples, room, "folder", filtered=False))
        note("forward pass, one thread", forward(gan, options.samples))
        torch.set_num_threads(options.threads)
        for name, python in (pair.split("=", 1) for pair in options.rival_python):
            rate, gflop[name] = baseline(name, python, images, options)
            note(name, rate)
    return rates, gflop


def tables(rates: dict[str, list[float]], gflop: dict[str, float]) -> list[str]:
    """Rates, then ratios within a round. gflop: of an image."""
    rows = []
    for name, own in rates.items():
        work = spread([rate * gflop[name] for rate in own]) if name in gflop else ["-"] * 3
        rows.append([name, *spread(own, ",.1f" if own[0] < 100 else ",.0f"), *work])
    pairs = [
        ("fit", "convolutions"),
        ("fit", "bare"),
        ("fit", "plain loop, float32"),
        *((name, "forward pass") for name in rates if name.startswith("samples") and name != ALONE),
        (ALONE, "forward pass, one thread"),
        ("samples to a folder", ALONE),
    ]
    compared = [
        [f"{one} / {other}", *spread([a / b for a, b in zip(rates[one], rates[other], strict=True)], ".2f")]
        for one, other in pairs
    ]
    for name in (name for name in rates if name in BASELINES):
        ratios = [a * gflop["fit"] / (b * gflop[name]) for a, b in zip(rates["fit"], rates[name], strict=True)]
        compared.append([f"fit / {name}, of GFLOP/s", *spread(ratios, ".2f")])
    head = ["images/s", "median", "smallest", "largest", "GFLOP/s", "smallest", "largest"]
    ratio = ["ratio, within a round", "median", "smallest", "largest"]
    return [*table(head, rows), "", *table(ratio, compared)]


def spread(values: list[float], form: str = ",.0f") -> list[str]:
    return [format(value, form) for value in (statistics.median(values), min(values), max(values))]


if __name__ == "__main__":
    main()
