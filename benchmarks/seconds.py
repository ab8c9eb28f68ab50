"""What does a longer fit change? One generator, looked at after ever more seconds of training.

    python benchmarks/seconds.py cifar10-lt:500:20 --seconds 150 300 600 1200 2400 --seeds 0 1 2 --out OUT

After each, a quarter of its samples beside the real images, for four times the usual steps, as in `ladder.py`; the gain
is over the same steps without them. A seed draws the images, which classes are rare, the generator and the classifiers.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ladder import EACH, Cell, batches, four_times, learned, mixture, told, trained_on
from quality import budget
from rungs import BASE, climb, command_line, drawn

from ganaug import GANAugmenter
from ganaug._runtime.randomness import derive
from ganaug.evaluation.classical import classical
from ganaug.evaluation.training_set import balanced
from ganaug.evaluation.trial import draw
from ganaug.images import LabeledImages

MODELS = Path.home() / ".cache" / "ganaug-benchmarks" / "seconds"


def grown(train: LabeledImages, seed: int, folder: Path, seconds: list[float], threads: int) -> dict[float, Path]:
    """A model folder for each of `seconds`, of one run; what is there is not trained again."""
    models = {each: folder / f"{each:g}s" for each in sorted(seconds)}
    before = 0.0
    for each, model in models.items():
        run = folder / "run"
        if not (model / "model.json").exists():
            gan = GANAugmenter(n_steps=10**9, run_dir=run, random_state=seed, device="cpu", patience=10**9)
            begin = gan.resume if (run / "config.json").exists() else gan.fit
            begin(train, callbacks=[budget(each - before, threads)])
            gan.save(model)
        before = each
    return models


class Grown(Cell):
    """A cell with all of the generators."""

    models: dict[float, Path]


def with_samples(cell: Cell, seconds: float) -> np.ndarray:
    assert isinstance(cell, Grown)
    gan = GANAugmenter.load(cell.models[seconds], device="cpu")
    made = draw(gan, dict.fromkeys(cell.train.classes, EACH), 0, cell.train)
    longer = replace(cell, times=4)
    return trained_on(longer, mixture(longer, replace(made, metadata=None)))


def cell_of(own: tuple[str, int, float], seed: int, inner: int, options: argparse.Namespace) -> Cell:
    name, shots, rho = own
    train, validation, test = drawn(own, seed, options)
    folder = MODELS / f"{name}_{shots}_{rho:g}_{seed}"
    models = grown(train, seed, folder, options.seconds, options.threads)
    gan = GANAugmenter.load(models[options.seconds[-1]], device="cpu")
    found = Grown(train, validation, test, train, gan, classical(train), derive(seed, "inner", inner))
    found.models = models
    return found


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[150, 300, 600, 1200, 2400])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways = {
        BASE: four_times(lambda c: told(c, c.base)),
        **{f"25% after {each:g} s": partial(with_samples, seconds=each) for each in sorted(options.seconds)},
        "25%, held out": four_times(lambda c: trained_on(c, mixture(c, c.validation))),
        "no classical augmentation": four_times(
            lambda c: told(c, learned(c, batches(c, balanced(c.train), altered=False)))
        ),
    }
    options.ways = list(ways)
    about = "A draw is one of images, rare classes, generator and weights; four times the usual steps in every row."
    climb(ways, cell_of, "What a longer fit changes", about, options)


if __name__ == "__main__":
    main()
