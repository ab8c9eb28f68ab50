"""What do synthetic images betray of who was trained on? By class size, and what lowers it.

    python benchmarks/membership.py fashion-mnist-lt:500:50 --seconds 150 600 --seeds 0 1 2 3 4 --out OUT

A seed draws the images, which classes are rare, and the generator. The attacker has the samples of a class and calls an
image a training image by how near they come to it (`metrics.membership`); the others are test images of the class.
Distances of all draws are put together. Controls: held-out real images, and the training images, in place of samples.
"""

import argparse
import shlex
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from collect import processor
from rungs import command_line, drawn, sizes
from seconds import grown
from tables import table
from torch import Tensor
from usefulness import cells

from ganaug import GANAugmenter, LabeledImages, __version__
from ganaug.errors import ClassNotLearnedError
from ganaug.metrics.intervals import difference_of_shares
from ganaug.metrics.membership_inference import membership, nearest_synthetic

MODELS = Path.home() / ".cache" / "ganaug-benchmarks" / "membership"
EACH, FEW, STRANGERS = 1000, 100, 300  # samples of a class; fewer; images a class that were not trained on
Sides = dict[tuple[str, str], list[tuple[Tensor, Tensor]]]  # of a way and a group of classes


def ways(models: dict[float, Path], validation: LabeledImages, train: LabeledImages, name: str) -> dict[str, Tensor]:
    """Images that are handed out as synthetic ones of class `name`."""
    found = {}
    for seconds, model in models.items():
        gan = GANAugmenter.load(model, device="cpu")
        bare = gan.sample({name: EACH}, filtered=False).images
        found[f"{seconds:g} s, unfiltered"] = bare
        try:
            safe = gan.sample({name: EACH}).images
        except ClassNotLearnedError:
            continue
        found[f"{seconds:g} s, as `sample` gives them"] = safe
        found[f"{seconds:g} s, {FEW} of them"] = safe[:FEW]
    return found | {"held-out real images": validation.of_class(name), "the training images": train.of_class(name)}


def one_draw(own: tuple[str, int, float], seed: int, options: argparse.Namespace, found: Sides) -> None:
    train, validation, test = drawn(own, seed, options)
    name, shots, rho = own
    models = grown(train, seed, MODELS / f"{name}_{shots}_{rho:g}_{seed}", options.seconds, options.threads)
    by_size = sorted(train.classes, key=lambda kind: train.counts[kind])
    for kind in train.classes:
        group = "three rarest" if kind in by_size[:3] else "three largest" if kind in by_size[-3:] else "the others"
        strangers = test.of_class(kind)[:STRANGERS]
        for way, samples in ways(models, replace(validation, metadata=None), train, kind).items():
            near = nearest_synthetic(train.of_class(kind), samples)
            found[way, group].append((near, nearest_synthetic(strangers, samples)))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[150, 600])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    (own,) = cells(options)
    found: Sides = defaultdict(list)
    for seed in options.seeds:
        one_draw(own, seed, options, found)
        print(f"draw {seed} done", flush=True)
    rows = []
    for (way, group), sides in sorted(found.items(), key=lambda item: (item[0][1] != "three rarest", item[0][1])):
        # at a threshold of each class's own: distances over what is usual among those that were not trained on
        near = torch.cat([one / other.median() for one, other in sides])
        far = torch.cat([other / other.median() for one, other in sides])
        one = membership(near, far)
        low, high = difference_of_shares(one.true_positives, len(near), one.false_positives, len(far))
        shown = [f"{one.advantage:.3f} ({max(0.0, low):.3f} to {high:.3f})", f"{one.by_chance:.3f}", f"{one.p:.2g}"]
        rows.append([group, way, str(len(near)), str(len(far)), *shown])
    lines = [
        f"# What synthetic images betray: {own[0]}, {sizes(own)} images a class",
        "",
        f"`python benchmarks/membership.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
        f"{datetime.now(UTC):%Y-%m-%d}. {len(options.seeds)} draws of images, rare classes and generator; {EACH} "
        "samples a class. Advantage: true less false positive rate of the best threshold, 95 % interval; beside it the "
        "mean where nothing can be told.",
        "",
        *table(["classes", "handed out", "trained on", "others", "advantage", "by chance", "p"], rows),
        "",
    ]
    options.out.with_suffix(".md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
