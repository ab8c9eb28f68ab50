"""Subsets of the image sets: long-tailed ones, and draws in which a seed chooses images and rare classes.

Class k of K of a long-tailed set keeps round(n_max * ratio ** (-k / (K - 1))) images, drawn with a named seed.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.datasets import digits_images, read_fashion_mnist, read_images, smoke_images
from ganaug import LabeledImages
from ganaug.images import image_hashes

MAX_TEST_IMAGES, MAX_VALIDATION_IMAGES = 300, 2000  # of a class, of the sets that have many
DRAWN_SETS = ("fashion-mnist-lt", "cifar10-lt", "bccd", "skin", "sign-digits", "digits", "smoke")
EMBEDDED = {"digits": digits_images, "smoke": smoke_images}


class SetSpec(NamedTuple):
    """A set to draw subsets of: its name, images of the largest class, and largest over smallest class."""

    name: str
    n_max: int
    ratio: float

    @property
    def sizes(self) -> str:
        """Images a class, as titles have them: '500 to 10', or '200, 60 and 30' of the blood cells."""
        if self.name == "bccd":
            return f"{self.n_max}, {0.3 * self.n_max:g} and {0.15 * self.n_max:g}"
        if self.name == "skin":
            return f"at most {self.n_max}"
        return f"{self.n_max} to {self.n_max / self.ratio:g}" if self.ratio > 1 else str(self.n_max)

    @property
    def stem(self) -> str:
        """Name for files."""
        return f"{self.name}_{self.n_max}_{self.ratio:g}"


def parse_set(text: str, options: argparse.Namespace) -> SetSpec:
    """The set that "NAME" or "NAME:N_MAX:RATIO" names; exits if there is no such set."""
    name, *numbers = text.split(":")
    if name not in DRAWN_SETS or len(numbers) not in (0, 2):
        raise SystemExit(f"{text!r}: a set is NAME or NAME:N_MAX:RATIO. Names: {', '.join(DRAWN_SETS)}.")
    n_max, ratio = numbers or (options.n_max, options.ratio)
    return SetSpec(name, int(n_max), float(ratio))


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Add --n-max and --ratio, for sets named without them, and --image-size."""
    parser.add_argument("--n-max", type=int, default=500, help="images of the largest class, unless a set gives them")
    parser.add_argument("--ratio", type=float, default=50, help="largest over smallest class, unless a set gives it")
    parser.add_argument("--image-size", type=int, help="height and width of bccd and sign-digits [default: as stored]")


def long_tailed(images: LabeledImages, *, n_max: int, ratio: float, seed: int) -> LabeledImages:
    """A long-tailed subset, in which the first class is the largest.

    Parameters
    ----------
    images : LabeledImages
        The whole set.
    n_max : int
        Images of the largest class.
    ratio : float
        Size of the largest class over that of the smallest.
    seed : int
        Seed of the draw.
    """
    random = np.random.default_rng(seed)
    last = len(images.classes) - 1
    labels = images.labels.numpy()
    rows = [
        random.choice(np.flatnonzero(labels == k), round(n_max * ratio ** (-k / last)), replace=False)
        for k in range(last + 1)
    ]
    return images.take(np.concatenate(rows))


def draw_subset(
    spec: SetSpec, seed: int, options: argparse.Namespace
) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """Training, held-out and test images of a set; the seed draws the images and which classes are rare.

    Parameters
    ----------
    spec : SetSpec
        The set. Blood cells keep their natural rare classes and are divided by slide: half of the slides train, a
        quarter is held out, a quarter tests.
    seed : int
        Seed of the draw.
    options : Namespace
        With `data`, the folder of the image sets, and `image_size`, to which blood cells and digits are resized.
    """
    name, n_max, ratio = spec
    root, image_size = options.data, options.image_size
    random = np.random.default_rng([seed, 7])
    if name == "bccd":
        train, validation, test = split_slides(root, seed, validation=1 / 2, image_size=image_size)
        limits = [max(8, round(n_max * part)) for part in (0.15, 1.0, 0.3)]  # Platelets, RBC, WBC
        return train.take(at_most(train, limits, seed)), validation, test
    if name == "skin":
        train, validation, test = split_groups(read_images(root, "ham10000-128", image_size), seed, validation=1 / 2)
        return train.take(at_most(train, [n_max] * len(train.classes), seed)), validation, test
    if name in ("sign-digits", "digits", "smoke"):
        whole = read_images(root, name, image_size) if name == "sign-digits" else EMBEDDED[name]()
        order = random.permutation(len(whole))
        test, rest = whole.take(order[: len(order) // 3]), whole.take(order[len(order) // 3 :])
    else:
        is_fashion = name == "fashion-mnist-lt"
        rest = read_fashion_mnist(root) if is_fashion else read_images(root, "train")
        test = read_fashion_mnist(root, "t10k") if is_fashion else read_images(root, "test")
        test = test.take(at_most(test, [MAX_TEST_IMAGES] * len(test.classes), seed))
    rank = random.permutation(len(rest.classes))
    last = len(rank) - 1
    counts = [max(4, round(n_max * ratio ** (-rank[k] / last))) for k in range(len(rank))]
    rows = at_most(rest, counts, seed)
    others = rest.take(np.setdiff1d(np.arange(len(rest)), rows))
    return rest.take(rows), others.take(at_most(others, [MAX_VALIDATION_IMAGES] * len(rank), seed)), test


def split_slides(
    root: Path, seed: int, *, validation: float, image_size: int | None = None
) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """The blood cells of half of the slides, of the part `validation` of the other half, and of the rest."""
    whole = read_images(root, "bccd_crops", image_size)
    slides = np.array([str(path).split("_")[1] for path in whole.metadata["file_name"]])
    return split_groups(replace(whole, metadata=pd.DataFrame({"group_id": slides})), seed, validation=validation)


def split_groups(
    images: LabeledImages, seed: int, *, validation: float
) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """The images of half of the groups, of the part `validation` of the other half, and of the rest."""
    assert images.metadata is not None
    groups = images.metadata["group_id"].to_numpy(str)
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    half = len(order) // 2
    ends = [half, half + int(validation * (len(order) - half))]
    train, second, third = (images.take(np.flatnonzero(np.isin(groups, part))) for part in np.split(order, ends))
    return train, second, third


def at_most(images: LabeledImages, limits: Sequence[int], seed: int) -> np.ndarray:
    """Row numbers of at most `limits[k]` images of class k, drawn with `seed`."""
    random, labels = np.random.default_rng(seed), images.labels.numpy()
    rows = [np.flatnonzero(labels == k) for k in range(len(limits))]
    return np.concatenate(
        [random.choice(part, min(limit, len(part)), replace=False) for part, limit in zip(rows, limits, strict=True)]
    )


def without(images: LabeledImages, removed: LabeledImages) -> LabeledImages:
    """The images that are not, pixel for pixel, among `removed`."""
    return images.take(~torch.isin(image_hashes(images.images), image_hashes(removed.images)))
