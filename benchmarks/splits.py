"""The image sets divided for judging samples: images that train the generator, that train the judge, that test.

python -m benchmarks.splits fashion-mnist-lt OUT        write the training images as class folders of PNGs
python -m benchmarks.splits cifar10-lt OUT --part test
python -m benchmarks.splits bccd OUT --whole            every image of the set
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import SMOKE_IMAGES_PER_CLASS, read_fashion_mnist, read_images, smoke_images
from benchmarks.runner import add_folders
from benchmarks.subsets import at_most, long_tailed, split_groups, split_slides, without
from ganaug import LabeledImages, read_folder, write_folder


@dataclass(frozen=True)
class Split:
    """The images of one benchmark of samples.

    Parameters
    ----------
    name : str
        Name of the set.
    train : LabeledImages
        What the generator is trained on.
    judge_train : LabeledImages
        What the classifier that judges samples is trained on.
    test : LabeledImages
        Real images on which everything is scored.
    flip : bool
        Whether classifiers see mirrored images.
    judge_steps : int
        Training steps of the judge.
    """

    name: str
    train: LabeledImages
    judge_train: LabeledImages
    test: LabeledImages
    flip: bool = False
    judge_steps: int = 3000


def load_split(name: str, root: Path, *, seed: int = 0) -> Split:
    """The images on which samples of a generator are judged, by the name of the set (a key of SPLITS)."""
    return SPLITS[name](root, seed)


def _split_fashion_mnist_lt(root: Path, seed: int) -> Split:
    """500 to 10 images a class; all others train the judge."""
    whole = read_fashion_mnist(root)
    train = long_tailed(whole, n_max=500, ratio=50, seed=seed)
    return Split("fashion-mnist-lt", train, without(whole, train), read_fashion_mnist(root, "t10k"))


def _split_cifar10_lt(root: Path, seed: int) -> Split:
    """500 to 25 images a class; all others train the judge."""
    whole = read_images(root, "train")
    train = long_tailed(whole, n_max=500, ratio=20, seed=seed)
    test = read_images(root, "test")
    return Split("cifar10-lt", train, without(whole, train), test, flip=True, judge_steps=6000)


def _split_bccd(root: Path, seed: int) -> Split:
    """Half of the slides train the generator; of the others, two thirds train the judge and a third tests."""
    train, judge_train, test = split_slides(root, seed, validation=2 / 3)
    limits = {"RBC": 200, "WBC": 60, "Platelets": 30}
    train = train.take(at_most(train, [limits[name] for name in train.classes], seed))
    return Split("bccd", train, judge_train, test, flip=True, judge_steps=1500)


def _split_sign_digits(root: Path, seed: int, per_class: int = 20) -> Split:
    """`per_class` images of each digit; half of the others train the judge and half test."""
    whole = read_images(root, "sign-digits")
    rows = at_most(whole, [per_class] * len(whole.classes), seed)
    rest = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(whole)), rows))
    half = len(rest) // 2
    parts = whole.take(rows), whole.take(rest[:half]), whole.take(rest[half:])
    return Split("sign-digits" if per_class == 20 else f"sign-digits-{per_class}", *parts, judge_steps=1500)


def _split_cells(root: Path, seed: int) -> Split:
    """All cells of half of the slides train the generator, naturally rare classes included."""
    return Split("cells", *split_slides(root, seed, validation=2 / 3), flip=True, judge_steps=1500)


def _split_skin(root: Path, seed: int, size: int) -> Split:
    """Half of the lesions train the generator; of the others, two thirds train the judge and a third tests."""
    parts = split_groups(read_images(root, "ham10000-128", size), seed, validation=2 / 3)
    return Split(f"skin-{size}", *parts, flip=True, judge_steps=3000)


def _split_faces(root: Path, seed: int) -> Split:
    """Half of the faces train the generator, a third the judge, a sixth tests."""
    whole = read_images(root, "utkface-64")
    order = np.random.default_rng(seed).permutation(len(whole))
    parts = np.split(order, [len(order) // 2, len(order) * 5 // 6])
    return Split("faces", *(whole.take(rows) for rows in parts), flip=True, judge_steps=3000)


def _split_horse_deer(root: Path, seed: int) -> Split:
    """500 images each of two classes of CIFAR-10; all others train the judge."""

    def two_classes(part: str) -> LabeledImages:
        whole, names = read_images(root, part), ("deer", "horse")
        pair = whole.take(torch.isin(whole.labels, torch.tensor([whole.classes.index(name) for name in names])))
        return LabeledImages(pair.images, (pair.labels == whole.classes.index("horse")).long(), names)

    whole = two_classes("train")
    train = whole.take(at_most(whole, [500, 500], seed))
    return Split("horse-deer", train, without(whole, train), two_classes("test"), flip=True, judge_steps=3000)


def _split_smoke(root: Path, seed: int) -> Split:  # noqa: ARG001  # these images ship
    """Twelve images of each class train, six train the judge, six test."""
    whole = smoke_images()
    place = torch.arange(len(whole)) % SMOKE_IMAGES_PER_CLASS
    parts = whole.take(place < 12), whole.take((place >= 12) & (place < 18)), whole.take(place >= 18)
    return Split("smoke", *parts, judge_steps=5)


SPLITS: dict[str, Callable[[Path, int], Split]] = {
    "fashion-mnist-lt": _split_fashion_mnist_lt,
    "cifar10-lt": _split_cifar10_lt,
    "bccd": _split_bccd,
    "sign-digits": _split_sign_digits,
    "sign-digits-80": partial(_split_sign_digits, per_class=80),
    "cells": _split_cells,
    "skin-64": partial(_split_skin, size=64),
    "skin-128": partial(_split_skin, size=128),
    "faces": _split_faces,
    "horse-deer": _split_horse_deer,
    "smoke": _split_smoke,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the images of a set as class folders of PNG files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SPLITS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", choices=["train", "judge_train", "test"], default="train")
    parser.add_argument("--whole", action="store_true", help="all images instead of one part (bccd, sign-digits)")
    add_folders(parser)
    options = parser.parse_args(argv)
    if options.whole:
        images = read_images(options.data, {"bccd": "bccd_crops"}.get(options.name, options.name))
    else:
        images = getattr(load_split(options.name, options.data), options.part)
    has_groups = images.metadata is not None and "group_id" in images.metadata
    write_folder(replace(images, metadata=images.metadata[["group_id"]] if has_groups else None), options.out)
    print(read_folder(options.out).counts)


if __name__ == "__main__":
    main()
