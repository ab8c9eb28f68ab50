"""How fast are Pix2Pix and CycleGAN beside a plain loop of the same networks, and how fast do they translate?

    python -m benchmarks.translation_throughput --seconds 12 --rounds 3

Time: about eight minutes on two cores with the defaults.
Random pixels, since speed does not depend on them: 12 labels to photos of 96x128 (Pix2Pix), color to color of 32x32 and
64x64 (CycleGAN); width 32 and batches of 4, as planned on a CPU. A round times, in turn:

- fit: `fit` between its checks, with drawn and augmented images, averaged networks and logs;
- plain loop: as tutorials have it, the same networks and losses in float32, fakes straight to the discriminator;
- convolutions: every convolution and matrix product of a plain step, forward and backward, alone;
- translate: `transform` of many images; and the generator's forward pass alone.

How to read it: pairs a second, and ratios within a round.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss, softplus

from benchmarks.generators import UNLIMITED
from benchmarks.runner import parse, program_parser, progress, write_page
from benchmarks.step_timing import Step, convolutions_of, count_flop, fit_steps_per_second, steps_per_second
from benchmarks.tables import MEDIAN_RANGE, markdown_table, median_range
from ganaug import CycleGAN, Pix2Pix, TranslationRecipe
from ganaug.models.networks.translation import PatchDiscriminator
from ganaug.sampling.translation_model import generators
from ganaug.training.engine import resolve_precision
from ganaug.training.translation_batches import Domain

BATCH_SIZE, WIDTH, IMAGES, LABELS = 4, 32, 64, 12
SETTINGS = {"pix2pix 96x128": (96, 128), "cyclegan 32x32": (32, 32), "cyclegan 64x64": (64, 64)}
SMOKE_SETTINGS = {"pix2pix 16x16": (16, 16), "cyclegan 16x16": (16, 16)}
TRAINING_PARTS = ("fit", "plain loop", "convolutions")
SMOKE = {"seconds": 0.02, "rounds": 1}


class PlainStep:
    """A step of both networks, generators first, each by Adam. A subclass has the discriminators and the losses."""

    def __init__(self, domains: tuple[Domain, Domain], scheme: str, images: tuple[Tensor, Tensor], width: int) -> None:
        self.shapes, self.images, self.width = tuple(domain.shape for domain in domains), images, width
        self.generators = generators(scheme, domains, width)
        self.discriminators = self.make_discriminators()
        networks = (self.generators, self.discriminators)
        self.adam = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in networks]

    def make_discriminators(self) -> nn.Module:
        """Untrained discriminators."""
        raise NotImplementedError

    def descend(self, index: int, loss: Tensor) -> None:
        """A step of one optimizer."""
        self.adam[index].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam[index].step()


class PlainPix2Pix(PlainStep):
    """Conditional discriminator, logistic loss and 100 times L1 (Isola et al. 2017)."""

    def make_discriminators(self) -> nn.Module:
        (n_sources, *size), (n_targets, *_) = self.shapes
        return PatchDiscriminator((n_sources + n_targets, *size), self.width)

    def __call__(self) -> None:
        x, y = self.images
        fake = self.generators(x, torch.rand)
        fake_logits = self.discriminators(torch.cat([x, fake], 1))
        self.descend(0, softplus(-fake_logits).mean() + 100 * l1_loss(fake, y))
        real_logits, fake_logits = (self.discriminators(torch.cat([x, image], 1)) for image in (y, fake.detach()))
        self.descend(1, (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2)


class PlainCycleGAN(PlainStep):
    """Least squares, cycle and identity losses (Zhu et al. 2017)."""

    def make_discriminators(self) -> nn.Module:
        return nn.ModuleDict({name: PatchDiscriminator(self.shapes[0], self.width) for name in "xy"})

    def __call__(self) -> None:
        x, y = self.images
        to_y, to_x = self.generators["x_to_y"], self.generators["y_to_x"]
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
            real_loss = mse_loss(real_logits, torch.ones_like(real_logits))
            loss = loss + (real_loss + mse_loss(fake_logits, torch.zeros_like(fake_logits))) / 2
        self.descend(1, loss)


def forward_pass(translator: Any, images: Tensor, *, is_paired: bool) -> Step:
    """The generator's forward pass alone."""
    network, arguments = translator.model_.generator, (torch.rand,) if is_paired else ()
    network = network if is_paired else network["x_to_y"]

    @torch.no_grad()
    def run() -> None:
        network(images, *arguments)

    return run


def measure(name: str, size: tuple[int, int], options: argparse.Namespace) -> tuple[dict[str, list[float]], float]:
    """Images/s of each part, one for each round, and GFLOP of a plain step."""
    draws = np.random.default_rng(0)
    is_paired = name.startswith("pix2pix")
    photos = draws.integers(0, 256, (2, IMAGES, *size, 3), dtype=np.uint8)
    inputs = draws.integers(0, LABELS, (IMAGES, *size), dtype=np.uint8) if is_paired else photos[0], photos[1]
    domains = Domain((1, *size), LABELS) if is_paired else Domain((3, *size)), Domain((3, *size))
    batch = tuple(
        domain.signed(torch.from_numpy(images[:BATCH_SIZE].reshape(BATCH_SIZE, *size, -1)).permute(0, 3, 1, 2))
        for domain, images in zip(domains, inputs, strict=True)
    )
    width = 8 if options.smoke else WIDTH
    plain = (PlainPix2Pix if is_paired else PlainCycleGAN)(domains, name.split()[0], batch, width)  # type: ignore[arg-type]
    convolutions = convolutions_of(plain)
    estimator: Any = Pix2Pix if is_paired else CycleGAN
    parameters = {"num_labels": LABELS} if is_paired else {}
    rates: dict[str, list[float]] = {}

    def note(part: str, rate: float) -> None:
        rates.setdefault(part, []).append(rate)
        progress(f"{name}, {part}: {rate:,.1f}")

    for _ in range(options.rounds):
        recipe = TranslationRecipe(check_every=UNLIMITED, width=width)
        translator = estimator(**parameters, n_steps=UNLIMITED, device="cpu", random_state=0, recipe=recipe)
        fit_rate = fit_steps_per_second(
            lambda model=translator, **options: model.fit(*inputs, **options), options.seconds, skip=3
        )
        note("fit", fit_rate * BATCH_SIZE)
        note("plain loop", steps_per_second(plain, options.seconds) * BATCH_SIZE)
        note("convolutions", steps_per_second(convolutions, options.seconds) * BATCH_SIZE)
        translate = steps_per_second(lambda model=translator: model.transform(inputs[0]), options.seconds / 2)
        note("translate", translate * IMAGES)
        forward = forward_pass(translator, batch[0], is_paired=is_paired)
        note("forward pass", steps_per_second(forward, options.seconds / 2) * BATCH_SIZE)
    return rates, count_flop(plain) / 1e9


def main(argv: Sequence[str] | None = None) -> Path:
    """Time the rounds, and write the page."""
    parser = program_parser("translation_throughput", __doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each part of a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parse(parser, argv, SMOKE)
    rows, ratios = [], []
    for name, size in (SMOKE_SETTINGS if options.smoke else SETTINGS).items():
        rates, gflop = measure(name, size, options)
        for part, values in rates.items():
            work = [rate / BATCH_SIZE * gflop for rate in values]
            cells = median_range(work) if part in TRAINING_PARTS else [""] * 3
            rows.append([name, part, *median_range(values, ",.1f"), *cells])
        for one, other in (("fit", "plain loop"), ("fit", "convolutions"), ("translate", "forward pass")):
            values = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
            ratios.append([name, f"{one} / {other}", *median_range(values, ".2f")])
    about = (
        f"Pairs a second, in batches of {BATCH_SIZE}, width {WIDTH}; fit in "
        f"{resolve_precision('auto', torch.device('cpu'))}, all else in float32."
    )
    head = ["", "pairs/s", *MEDIAN_RANGE, "GFLOP/s", *MEDIAN_RANGE[1:]]
    ratio_table = markdown_table(["", "ratio, within a round", *MEDIAN_RANGE], ratios)
    return write_page(options, "Throughput of translators", about, [*markdown_table(head, rows), "", *ratio_table])


if __name__ == "__main__":
    main()
