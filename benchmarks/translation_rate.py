"""Pairs a second of Pix2Pix and CycleGAN against a plain loop of the same networks, and the rate of translating.

    python benchmarks/translation_rate.py [--seconds 12] [--rounds 3] [--threads 2] --out OUT

Random pixels, since the speed does not depend on them: 12 labels to photos of 96x128 (Pix2Pix), color to color of
32x32 and 64x64 (CycleGAN); width 32 and batches of 4, as planned on a CPU. A round times, in turn:

- fit: from step to step of `fit`, between its checks: images drawn and augmented, averages, what is logged;
- plain loop: what a tutorial shows, the same networks and losses in float32, fakes straight to the discriminator;
- convolutions: every convolution and matrix product of a plain step, forward and backward, alone;
- translate: `transform` of many images; and the generator's forward pass alone.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from collect import processor
from tables import table
from throughput import convolutions, flops, spread, timed
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss, softplus

from ganaug import CycleGAN, Pix2Pix, __version__
from ganaug.models.networks.translation import PatchDiscriminator
from ganaug.sampling.translation_model import generators
from ganaug.training.engine import precision_for
from ganaug.training.loop import StopTraining
from ganaug.training.translation_batches import Domain

BATCH, WIDTH, IMAGES, LABELS = 4, 32, 64, 12
SETTINGS = {"pix2pix 96x128": (96, 128), "cyclegan 32x32": (32, 32), "cyclegan 64x64": (64, 64)}


class Plain:
    """Generators first, then discriminators, each by Adam."""

    def __init__(self, domains: tuple[Domain, Domain], kind: str, images: tuple[Tensor, Tensor]) -> None:
        self.shapes, self.images = tuple(domain.shape for domain in domains), images
        self.made = generators(kind, domains, WIDTH)
        self.discriminators = self.fresh_critics()
        nets = (self.made, self.discriminators)
        self.adam = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in nets]

    def fresh_critics(self) -> nn.Module:
        raise NotImplementedError

    def descend(self, which: int, loss: Tensor) -> None:
        self.adam[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam[which].step()


class PlainPix2Pix(Plain):
    def fresh_critics(self) -> nn.Module:
        (sources, *size), (targets, *_) = self.shapes
        return PatchDiscriminator((sources + targets, *size), WIDTH)

    def __call__(self) -> None:
        x, y = self.images
        fake = self.made(x, torch.rand)
        fake_logits = self.discriminators(torch.cat([x, fake], 1))
        self.descend(0, softplus(-fake_logits).mean() + 100 * l1_loss(fake, y))
        real_logits, fake_logits = (self.discriminators(torch.cat([x, side], 1)) for side in (y, fake.detach()))
        self.descend(1, (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2)


class PlainCycleGAN(Plain):
    def fresh_critics(self) -> nn.Module:
        return nn.ModuleDict({name: PatchDiscriminator(self.shapes[0], WIDTH) for name in "xy"})

    def __call__(self) -> None:
        x, y = self.images
        to_y, to_x = self.made["x_to_y"], self.made["y_to_x"]
        fakes = {"y": to_y(x), "x": to_x(y)}
        loss = 10 * (l1_loss(to_x(fakes["y"]), x) + l1_loss(to_y(fakes["x"]), y))
        loss = loss + 5 * (l1_loss(to_y(y), y) + l1_loss(to_x(x), x))
        for name, fake in fakes.items():
            logits = self.discriminators[name](fake)
            loss = loss + mse_loss(logits, torch.ones_like(logits))
        self.descend(0, loss)
        loss = torch.zeros(())
        for name, real in (("x", x), ("y", y)):
            real_logits, fake_logits = self.discriminators[name](real), self.discriminators[name](fakes[name].detach())
            loss = (
                loss
                + (
                    mse_loss(real_logits, torch.ones_like(real_logits))
                    + mse_loss(fake_logits, torch.zeros_like(fake_logits))
                )
                / 2
            )
        self.descend(1, loss)


def fitted(made: Any, sides: tuple[np.ndarray, np.ndarray], seconds: float) -> float:
    """Steps a second between checks."""
    ticks: list[float] = []

    def watch(done: int, logs: object) -> None:  # noqa: ARG001  # a callback gets both
        ticks.append(time.perf_counter())
        if ticks[-1] - ticks[0] > seconds:
            raise StopTraining("enough")

    made.fit(*sides, callbacks=[watch])
    middle = ticks[3:]
    return (len(middle) - 1) / (middle[-1] - middle[0])


def measured(name: str, options: argparse.Namespace) -> tuple[dict[str, list[float]], float]:
    """Images a second of each part, a number a round; GFLOP of a plain step."""
    size, draws = SETTINGS[name], np.random.default_rng(0)
    paired = name.startswith("pix2pix")
    photos = draws.integers(0, 256, (2, IMAGES, *size, 3), dtype=np.uint8)
    sides = (draws.integers(0, LABELS, (IMAGES, *size), dtype=np.uint8) if paired else photos[0], photos[1])
    domains = Domain((1, *size), LABELS) if paired else Domain((3, *size)), Domain((3, *size))
    first = tuple(
        domain.signed(torch.from_numpy(side[:BATCH].reshape(BATCH, *size, -1)).permute(0, 3, 1, 2))
        for domain, side in zip(domains, sides, strict=True)
    )
    plain = (PlainPix2Pix if paired else PlainCycleGAN)(domains, name.split()[0], first)  # type: ignore[arg-type]
    alone = convolutions(plain)
    kind: Any = Pix2Pix if paired else CycleGAN
    more = {"num_labels": LABELS} if paired else {}
    rates: dict[str, list[float]] = {}

    def note(part: str, rate: float) -> None:
        rates.setdefault(part, []).append(rate)
        print(f"{name}, {part}: {rate:,.1f}", flush=True)

    for _ in range(options.rounds):
        made = kind(**more, n_steps=10**6, check_every=10**6, width=WIDTH, device="cpu", random_state=0)
        note("fit", fitted(made, sides, options.seconds) * BATCH)
        note("plain loop", timed(plain, options.seconds) * BATCH)
        note("convolutions", timed(alone, options.seconds) * BATCH)
        note("translate", timed(lambda made=made: made.transform(sides[0]), options.seconds / 2) * IMAGES)
        note("forward pass", timed(forward(made, first[0], paired=paired), options.seconds / 2) * BATCH)
    return rates, flops(plain) / 1e9


def forward(made: Any, images: Tensor, *, paired: bool) -> Callable[[], None]:
    network, drawn = made.model_.generator, (torch.rand,) if paired else ()
    network = network if paired else network["x_to_y"]

    @torch.no_grad()
    def once() -> None:
        network(images, *drawn)

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each part of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="the table's path, without .md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows, ratios = [], []
    for name in SETTINGS:
        rates, work = measured(name, options)
        for part, own in rates.items():
            trains = part in ("fit", "plain loop", "convolutions")
            gflops = spread([rate / BATCH * work for rate in own]) if trains else [""] * 3
            rows.append([name, part, *spread(own, ",.1f"), *gflops])
        for one, other in (("fit", "plain loop"), ("fit", "convolutions"), ("translate", "forward pass")):
            share = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
            ratios.append([name, f"{one} / {other}", *spread(share, ".2f")])
    lines = [
        f"# Rates of translators, {options.threads} threads of {processor()}",
        "",
        f"`python benchmarks/translation_rate.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {datetime.now(UTC):%Y-%m-%d}. Pairs a second, in batches of "
        f"{BATCH}, width {WIDTH}; fit in {precision_for('auto', torch.device('cpu'))}, all else in float32.",
        "",
        *table(["", "pairs/s", "median", "smallest", "largest", "GFLOP/s", "smallest", "largest"], rows),
        "",
        *table(["", "ratio, within a round", "median", "smallest", "largest"], ratios),
        "",
    ]
    options.out.with_suffix(".md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
