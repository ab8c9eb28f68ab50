"""Do synthetic images reveal which images the generator was trained on? By class size and training time.

    python -m benchmarks.membership fashion-mnist-lt:500:50 --seconds 150 600 --seeds 0 1 2

Time: for each seed the largest of --seconds, and about two minutes on one core.
The attacker has the samples of a class, and calls an image a training image if the nearest sample is close
(`ganaug.metrics.membership_inference`); the other images are test images of the class. Distances of all draws are
pooled.

How to read it: the advantage is the true less the false positive rate of the best threshold, which is above 0 by chance
alone ("by chance"). Controls: held-out real images, which reveal nothing, and the training images, which reveal all.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.generators import stored_stages
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page
from benchmarks.subsets import SetSpec, add_set_options, draw_subset, parse_set
from benchmarks.tables import markdown_table
from ganaug import GANAugmenter, LabeledImages
from ganaug.errors import ClassNotLearnedError
from ganaug.metrics.intervals import newcombe_interval
from ganaug.metrics.membership_inference import membership_advantage, nearest_synthetic_distances

MAX_NON_MEMBERS, FEW_SAMPLES = 300, 100  # of a class
SMOKE = {"set": "smoke:8:2", "seeds": [0], "seconds": [0.01], "samples_per_class": 8}
GROUPS = ("three rarest", "the others", "three largest")
Distances = dict[tuple[str, str], list[tuple[Tensor, Tensor]]]  # (source, group) -> those of members and non-members


def sample_sources(
    models: dict[float, Path], train: LabeledImages, validation: LabeledImages, name: str, count: int
) -> dict[str, Tensor]:
    """Images of class `name` that an attacker could have, by where they come from."""
    sources = {}
    for seconds, model in models.items():
        augmenter = GANAugmenter.load(model, device="cpu")
        sources[f"{seconds:g} s, unfiltered"] = augmenter.sample({name: count}, start=0, filtered=False).images
        try:
            filtered = augmenter.sample({name: count}, start=0).images
        except ClassNotLearnedError:
            continue
        sources[f"{seconds:g} s, filtered"] = filtered
        sources[f"{seconds:g} s, filtered, {FEW_SAMPLES} samples"] = filtered[:FEW_SAMPLES]
    controls = {"held-out real images": validation.of_class(name), "the training images": train.of_class(name)}
    return sources | controls


def add_draw(spec: SetSpec, seed: int, options: argparse.Namespace, distances: Distances) -> None:
    """Add the distances of one draw of images and generator."""
    train, validation, test = (replace(part, metadata=None) for part in draw_subset(spec, seed, options))
    folder = options.cache / "membership" / f"{spec.stem}_{seed}"
    models = stored_stages(train, seed, folder, options.seconds, options)
    order = sorted(train.classes, key=lambda name: train.counts[name])
    for name in train.classes:
        group = GROUPS[0] if name in order[:3] else GROUPS[2] if name in order[-3:] else GROUPS[1]
        non_members = test.of_class(name)[:MAX_NON_MEMBERS]
        sources = sample_sources(models, train, validation, name, options.samples_per_class)
        for source, samples in sources.items():
            near = nearest_synthetic_distances(train.of_class(name), samples)
            distances[source, group].append((near, nearest_synthetic_distances(non_members, samples)))


def advantage_rows(distances: Distances) -> list[list[str]]:
    """A row for each group of classes and source of samples."""
    rows = []
    for (source, group), pairs in sorted(distances.items(), key=lambda item: GROUPS.index(item[0][1])):
        # divided by the class's median over non-members, so that one threshold fits all classes
        near = torch.cat([members / others.median() for members, others in pairs])
        far = torch.cat([others / others.median() for members, others in pairs])
        attack = membership_advantage(near, far)
        low, high = newcombe_interval(attack.true_positives, len(near), attack.false_positives, len(far))
        advantage = f"{attack.advantage:.3f} ({max(0.0, low):.3f} to {high:.3f})"
        counts = [str(len(near)), str(len(far))]
        rows.append([group, source, *counts, advantage, f"{attack.by_chance:.3f}", f"{attack.p:.2g}"])
    return rows


def main(argv: Sequence[str] | None = None) -> Path:
    """Run the draws, and write the page."""
    parser = program_parser("membership", __doc__, threads=1)
    parser.add_argument("set", nargs="?", default="fashion-mnist-lt", help="NAME or NAME:N_MAX:RATIO")
    parser.add_argument("--seconds", type=float, nargs="+", default=[150, 600], help="of training the generator")
    parser.add_argument("--samples-per-class", type=int, default=1000)
    add_set_options(parser)
    add_seeds(parser, [0, 1, 2])
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    spec = parse_set(options.set, options)
    distances: Distances = defaultdict(list)
    for seed in options.seeds:
        add_draw(spec, seed, options, distances)
        progress(f"seed {seed}: done")
    about = (
        f"{len(options.seeds)} draws of images, rare classes and generator; {options.samples_per_class} samples a "
        "class. Advantage: true less false positive rate of the best threshold, 95 % interval; by chance: its mean if "
        "members and non-members cannot be distinguished."
    )
    head = ["classes", "samples", "members", "non-members", "advantage", "by chance", "p"]
    title = f"Membership: {spec.name}, {spec.sizes} images a class"
    return write_page(options, title, about, markdown_table(head, advantage_rows(distances)))


if __name__ == "__main__":
    main()
