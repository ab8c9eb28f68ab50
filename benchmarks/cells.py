"""Do samples of a generator that is conditioned on class and attributes help a classifier in the rare cells?

    python -m benchmarks.cells fashion-styles --seeds 0 1 2 3 4 --seconds 240 --threads 1
    python -m benchmarks.cells cifar10-styles faces skin --seeds 0 1 2 --seconds 240 --threads 1

A cell is a combination of a class and attribute values. In five cells that a seed draws, images are cut to --cut; the
images that are cut out stand for what a perfect generator would draw. Time: for each set and seed twice --seconds for
the generators, then about a minute of one core for each of the ten methods and --trainings.

How to read it: "cut cells" is the mean recall over the cut cells, "all cells" over all of them, and "worst cell" the
lowest, on test images. Every method but the first draws cells equally often and alters images classically. "sums": a
generator that is conditioned on class and attributes; a share of the draws of the cut cells, or of all cells, is of its
samples. "control": the same with a generator to which each cell is another class.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmarks.datasets import read_fashion_mnist, read_images, smoke_images
from benchmarks.generators import stored_generator
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page, write_whole
from benchmarks.subsets import at_most
from benchmarks.tables import markdown_table, mean_range
from ganaug import LabeledImages
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, generator, normal
from ganaug.datasets.alterations import classical_augmentation
from ganaug.datasets.cells import Cells
from ganaug.evaluation import CNN, TrainingSet
from ganaug.images import concatenate

STYLE = "attr_style"
N_CUT = 5  # cells
SUMS, CONTROL = "sums", "control"
BASELINES = ("as it is", "cells equally often", "histogram matching")
SMOKE = {"sets": ["smoke"], "seeds": [0], "seconds": 0.0, "trainings": 1, "steps": 2, "cut": 4}


@dataclass(frozen=True)
class CellSet:
    """Images of one draw: what is trained on, what was cut out, and what is tested; all with attributes."""

    train: LabeledImages
    held_out: LabeledImages
    test: LabeledImages
    columns: tuple[str, ...]
    cut: list[int]

    @property
    def cells(self) -> Cells:
        """The cells of the training images."""
        return Cells.of(self.train, self.columns)


def dim_camera(images: Tensor, seed: int) -> Tensor:
    """A second camera: dark, out of focus, noisy. uint8 (N, C, H, W) -> the same."""
    pixels = avg_pool2d(images.float() / 255, 3, stride=1, padding=1)
    pixels = 0.1 + 0.45 * pixels + 0.08 * normal(generator(seed, "camera"), *pixels.shape)
    return (255 * pixels).round().clamp(0, 255).to(torch.uint8)


def night_camera(images: Tensor, seed: int) -> Tensor:
    """A second camera: bluish, dark, noisy. uint8 (N, 3, H, W) -> the same."""
    gains = torch.tensor([0.35, 0.5, 0.8]).view(3, 1, 1)
    pixels = gains * (images.float() / 255) ** 1.3 + 0.05 * normal(generator(seed, "camera"), *images.shape)
    return (255 * pixels).round().clamp(0, 255).to(torch.uint8)


def with_styles(images: LabeledImages, camera: Callable[[Tensor, int], Tensor], seed: int) -> LabeledImages:
    """Every second image of each class as the second camera would have taken it."""
    is_second = torch.zeros(len(images), dtype=torch.bool)
    for name in images.classes:
        is_second[images.rows_of(name)[::2]] = True
    pixels = images.images.clone()
    pixels[is_second] = camera(pixels[is_second], seed)
    styles = np.where(is_second.numpy(), "second", "first")
    return LabeledImages(pixels, images.labels, images.classes, pd.DataFrame({STYLE: styles}))


def cut_cells(
    train: LabeledImages, test: LabeledImages, columns: Sequence[str], cut: int, candidates: list[int], seed: int
) -> CellSet:
    """Cut N_CUT of the candidate cells to `cut` images."""
    cells = Cells.of(train, columns)
    numbers = cells.labels_of(train)
    chosen = torch.randperm(len(candidates), generator=generator(seed, "cut cells"))[:N_CUT]
    cut_numbers = sorted(candidates[k] for k in chosen.tolist())
    is_out = torch.zeros(len(train), dtype=torch.bool)
    for number in cut_numbers:
        is_out[torch.nonzero(numbers == number).flatten()[cut:]] = True
    return CellSet(train.take(~is_out), train.take(is_out), test, tuple(columns), cut_numbers)


def styled_set(
    train: LabeledImages, test: LabeledImages, camera: Callable[[Tensor, int], Tensor], cut: int, seed: int
) -> CellSet:
    """Two cameras; cells of the second are cut, in five classes that the seed draws."""
    n_classes = len(train.classes)
    train, test = train.take(at_most(train, [300] * n_classes, seed)), test.take(at_most(test, [400] * n_classes, 0))
    train, test = with_styles(train, camera, derive(seed, "train")), with_styles(test, camera, 0)
    candidates = list(range(1, 2 * n_classes, 2))
    return cut_cells(train, test, [STYLE], cut, candidates, seed)


def fashion_styles(options: argparse.Namespace, seed: int) -> CellSet:
    """Fashion-MNIST."""
    train, test = (read_fashion_mnist(options.data, part) for part in ("train", "t10k"))
    return styled_set(train, test, dim_camera, options.cut, seed)


def cifar10_styles(options: argparse.Namespace, seed: int) -> CellSet:
    """CIFAR-10."""
    train, test = (read_images(options.data, part) for part in ("train", "test"))
    return styled_set(train, test, night_camera, options.cut, seed)


def smoke_set(options: argparse.Namespace, seed: int) -> CellSet:
    """A few images that ship."""
    images = with_styles(smoke_images(), dim_camera, 0)
    return cut_cells(images, images, [STYLE], options.cut, [1, 3, 5], seed)


def photo_set(options: argparse.Namespace, seed: int, folder: str, columns: Sequence[str], size: int) -> CellSet:
    """Photographs with attributes; cells of at least 60 images are candidates. Half of each cell is tested."""
    images = read_images(options.data, folder, size)
    assert images.metadata is not None
    images = images.take(torch.from_numpy(images.metadata[list(columns)].notna().all(axis=1).to_numpy()))
    groups = images.metadata["group_id"] if "group_id" in images.metadata else pd.Series(range(len(images)))
    order = np.random.default_rng(derive(seed, "split")).permutation(groups.unique())
    is_test = torch.from_numpy(groups.isin(order[: len(order) // 2]).to_numpy())
    train, test = images.take(~is_test), images.take(is_test)
    cells, tested = Cells.of(train, columns), Cells.of(test, columns)
    candidates = [k for k in range(len(cells)) if cells.counts[k] >= 60 and k < len(tested) and tested.counts[k] >= 30]
    return cut_cells(train, test, columns, options.cut, candidates, seed)


SETS: dict[str, Callable[[argparse.Namespace, int], CellSet]] = {
    "fashion-styles": fashion_styles,
    "cifar10-styles": cifar10_styles,
    "faces": lambda options, seed: photo_set(options, seed, "utkface-64", ["attr_sex", "attr_group"], 32),
    "skin": lambda options, seed: photo_set(options, seed, "ham10000-128", ["attr_sex", "attr_age"], 32),
    "smoke": smoke_set,
}


def matched_histograms(draw: CellSet) -> LabeledImages:
    """Images of a class with the gray levels of another attribute value, for cells that lack images.

    The levels of each channel are mapped so that their distribution becomes that of the images with the value.
    """
    cells, train = draw.cells, draw.train
    numbers = cells.labels_of(train)
    parts: list[LabeledImages] = []
    for cell in draw.cut:
        label, *values = cells.members[cell].tolist()
        is_other = (cells.members[:, 0] == label) & (torch.arange(len(cells)) != cell)
        sources = train.take(is_other[numbers])
        has_values = (cells.members[:, 1:] == torch.tensor(values)).all(1)
        pixels = _match(sources.images, train.images[has_values[numbers]])
        named = zip(draw.columns, cells.values_of(cell), strict=True)
        metadata = pd.DataFrame({name: [value] * len(sources) for name, value in named})
        parts.append(LabeledImages(pixels, sources.labels, sources.classes, metadata))
    return reduce(concatenate, parts)


def _match(images: Tensor, targets: Tensor) -> Tensor:
    """Map the levels of each channel of uint8 images so that they are distributed as in `targets`."""
    matched = torch.empty_like(images)
    for channel in range(images.shape[1]):
        source, target = (
            torch.bincount(x[:, channel].flatten().long(), minlength=256).cumsum(0) / x[:, channel].numel()
            for x in (images, targets)
        )
        levels = torch.searchsorted(target, source).clamp_max(255).to(torch.uint8)
        matched[:, channel] = levels[images[:, channel].long()]
    return matched


def by_cells(draw: CellSet, additions: LabeledImages | None = None, share: float = 0.0) -> TrainingSet:
    """Cells equally often, images altered classically; a share of the draws of each cell with additions is of them."""
    cells, n_real = draw.cells, len(draw.train)
    images = draw.train if additions is None else concatenate(_bare(draw.train, draw), _bare(additions, draw))
    numbers = cells.labels_of(images)
    is_added = torch.arange(len(images)) >= n_real
    weights = torch.zeros(len(images), dtype=torch.float64)
    for cell in range(len(cells)):
        real, added = (numbers == cell) & ~is_added, (numbers == cell) & is_added
        part = 0.0 if not added.any() else share if real.any() else 1.0
        for rows, total in ((real, 1 - part), (added, part)):
            weights[rows] = total / max(1, int(rows.sum()))
    weights *= len(images) / weights.sum()
    return TrainingSet(images, is_added, weights, torch.ones(len(images), dtype=torch.float64), alteration="classical")


def _bare(images: LabeledImages, draw: CellSet) -> LabeledImages:
    assert images.metadata is not None
    return replace(images, metadata=images.metadata[list(draw.columns)].reset_index(drop=True))


def samples_of(draw: CellSet, seed: int, kind: str, options: argparse.Namespace, name: str) -> LabeledImages:
    """As many samples of every cell as its largest has images, of a generator that is trained or read."""
    folder = options.cache / "cells" / f"{name}_{seed}_{options.cut}_{options.seconds:g}s_{kind}"
    cells = draw.cells
    wanted = [k for k in range(len(cells)) if not cells.has_missing_value(k)]
    count = min(300, max(cells.counts))
    if kind == SUMS:
        augmenter, _ = stored_generator(draw.train, seed, folder, options, condition_on=list(draw.columns))
        names: tuple[str, ...] = cells.names
    else:
        present = sorted({int(k) for k in cells.labels_of(draw.train)})
        groups = cells.relabel(draw.train)
        position = torch.full((len(cells),), -1)
        position[present] = torch.arange(len(present))
        names = tuple(cells.names[k] for k in present)
        groups = LabeledImages(groups.images, position[groups.labels], names)
        augmenter, _ = stored_generator(groups, seed, folder, options)
        wanted = [k for k in wanted if k in present]
    learned = [k for k in wanted if cells.names[k] not in augmenter.unlearned_classes_]
    samples = augmenter.sample({cells.names[k]: count for k in learned}, random_state=seed)
    if kind == SUMS:
        return samples
    numbers = torch.tensor([cells.names.index(name) for name in samples.classes])[samples.labels]
    return cells.with_classes(LabeledImages(samples.images, numbers, cells.names))


def run_draw(name: str, seed: int, options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Recall of every cell, for every method and training; methods that are in the file `path` are not repeated."""
    draw = lookup(SETS, name, "set")(options, seed)
    cells = draw.cells
    training: dict[str, TrainingSet] = {
        "as it is": replace(TrainingSet.from_images(draw.train), alteration="classical"),
        "cells equally often": by_cells(draw),
        "histogram matching": by_cells(draw, matched_histograms(draw), 0.5),
        "held-out images": by_cells(draw, draw.held_out, 0.9),
    }
    is_cut = torch.zeros(len(cells), dtype=torch.bool)
    is_cut[draw.cut] = True
    for kind in (SUMS, CONTROL):
        samples = samples_of(draw, seed, kind, options, name)
        of_cut_cells = samples.take(is_cut[cells.labels_of(samples)])
        for share in (0.25, 0.5):
            training[f"{kind}, {share:.0%} of cut cells"] = by_cells(draw, of_cut_cells, share)
        training[f"{kind}, 25% of all cells"] = by_cells(draw, samples, 0.25)
    augment = classical_augmentation(draw.train)
    numbers = cells.labels_of(draw.test)
    recalls: dict[str, list[list[float]]] = json.loads(path.read_text())["recalls"] if path.exists() else {}
    run = {"set": name, "seed": seed, "cut": draw.cut, "cells": list(cells.names), "recalls": recalls}
    path.parent.mkdir(parents=True, exist_ok=True)
    for method, training_set in training.items():
        if method in recalls:
            continue
        runs = []
        for number in range(options.trainings):
            classifier = CNN(steps=options.steps)
            predict = classifier(
                replace(training_set, length=options.length), augment, derive(seed, "training", number)
            )
            is_right = torch.from_numpy(predict(draw.test.images).argmax(1)) == draw.test.labels
            runs.append([float(is_right[numbers == k].float().mean()) for k in range(len(cells))])
        recalls[method] = runs
        write_whole(path, json.dumps(run))
        progress(
            f"{name} {seed} {method}: cut {np.nanmean(np.array(runs)[:, draw.cut]):.3f} all {np.nanmean(runs):.3f}"
        )
    return run


def scores(run: dict[str, Any], method: str) -> dict[str, float]:
    """Mean recalls of one draw, in percent."""
    recall = 100 * np.nanmean(np.array(run["recalls"][method], dtype=float), axis=0)
    cut = recall[run["cut"]]
    return {
        "cut cells": float(np.nanmean(cut)),
        "worst cell": float(np.nanmin(recall)),
        "all cells": float(np.nanmean(recall)),
    }


def page(runs: list[dict[str, Any]]) -> list[str]:
    """One table for each set: scores, and gains over the best method without synthetic images."""
    body: list[str] = []
    for name in dict.fromkeys(run["set"] for run in runs):
        of_set = [run for run in runs if run["set"] == name]
        rows = []
        for method in of_set[0]["recalls"]:
            each = [scores(run, method) for run in of_set]
            gains = [
                scores(run, method)["cut cells"] - max(scores(run, other)["cut cells"] for other in BASELINES)
                for run in of_set
            ]
            columns = [mean_range([one[key] for one in each], ".1f") for key in each[0]]
            rows.append([method, *columns, mean_range(gains, "+.1f")])
        header = ["method", "cut cells", "worst cell", "all cells", "cut cells, gain over the best without samples"]
        body += [f"## {name}, {len(of_set)} draws", "", *markdown_table(header, rows), ""]
    return body


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("cells", __doc__)
    parser.add_argument("sets", nargs="*", default=["fashion-styles"], help=", ".join(SETS))
    parser.add_argument("--seconds", type=float, default=240, help="training of each generator")
    parser.add_argument("--cut", type=int, default=5, help="images that are left of a cut cell")
    parser.add_argument("--trainings", type=int, default=3, help="trainings of each method")
    parser.add_argument("--length", type=float, default=1, help="factor of the training steps")
    parser.add_argument("--steps", type=int, help="training steps of a classifier")
    add_seeds(parser, range(5))
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    runs = []
    for name in options.sets:
        for seed in options.seeds:
            key = f"{name}_{seed}_{options.cut}_{options.seconds:g}s_{options.length:g}_{options.trainings}.json"
            path = options.cache / "cells" / key
            runs.append(run_draw(name, seed, options, path))
    about = (
        f"{options.seconds:g} s for each generator, {options.trainings} trainings of each method. Percent; mean over "
        "draws (smallest to largest)."
    )
    return write_page(options, f"Rare cells of class and attribute, cut to {options.cut} images", about, page(runs))


if __name__ == "__main__":
    main()
