"""Real image sets for the benchmarks: split for judging, or written as class folders of PNGs.

    python benchmarks/sets.py fashion-mnist-lt OUT      (needs Debian's package dataset-fashion-mnist)
    python benchmarks/sets.py cifar10-lt OUT --part test
    python benchmarks/sets.py bccd OUT --archive bccd-cells.tar

Class k of K of a long-tailed set keeps round(n_max * rho ** (-k / (K - 1))) images, drawn with a named seed. `split`
reads the unpacked folders `train`, `test` (CIFAR-10), `bccd_crops` and `sign-digits` below GANAUG_BENCHMARK_DATA.
"""

import argparse
import gzip
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from judging import Split

from ganaug import LabeledImages, read_folder, write_folder
from ganaug.datasets.embedded import ORDER
from ganaug.images import image_hashes

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(part: str = "train") -> LabeledImages:
    """Fashion-MNIST as Debian packages it: 'train' (60,000) or 't10k' (10,000), 28x28 gray."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((DEBIAN / f"{part}-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    images = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())
    return LabeledImages(images, torch.from_numpy(labels.astype(np.int64)), ORDER)


def long_tailed(images: LabeledImages, *, n_max: int, rho: float, seed: int) -> LabeledImages:
    """A long-tailed subset, the classes in their own order."""
    random = np.random.default_rng(seed)
    last = len(images.classes) - 1
    labels = images.labels.numpy()
    chosen = [
        random.choice(np.flatnonzero(labels == k), round(n_max * rho ** (-k / last)), replace=False)
        for k in range(last + 1)
    ]
    return images.take(np.concatenate(chosen))


def split(name: str, *, seed: int = 0) -> Split:
    """The images of one benchmark. The generator's training images are the same whatever is judged."""
    return SPLITS[name](name, seed)


def _fashion_mnist_lt(name: str, seed: int) -> Split:
    everything = fashion_mnist()
    train = long_tailed(everything, n_max=500, rho=50, seed=seed)
    return Split(name, train, _without(everything, train), fashion_mnist("t10k"))


def _fashion_mnist_full(name: str, seed: int) -> Split:  # noqa: ARG001  # the whole set is drawn by no seed
    # nothing is left to hold apart: the judge is trained on the same images, which makes label accuracy lenient
    return Split(name, fashion_mnist(), fashion_mnist(), fashion_mnist("t10k"))


def _cifar10_lt(name: str, seed: int) -> Split:
    everything = read_folder(unpacked() / "train")
    train = long_tailed(everything, n_max=500, rho=20, seed=seed)
    return Split(
        name, train, _without(everything, train), read_folder(unpacked() / "test"), flip=True, judge_steps=6000
    )


def _bccd(name: str, seed: int) -> Split:
    """Half of the slides train the generator; of the others, two thirds the judge and a third the test."""
    train, apart, test = _by_slide(seed, validation=2 / 3)
    most = {"RBC": 200, "WBC": 60, "Platelets": 30}
    train = train.take(_at_most(train, [most[name] for name in train.classes], seed))
    return Split(name, train, apart, test, flip=True, judge_steps=1500)


def _sign_digits(name: str, seed: int) -> Split:
    everything = read_folder(unpacked() / "sign-digits")
    chosen = _at_most(everything, [20] * len(everything.classes), seed)
    rest = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(everything)), chosen))
    half = len(rest) // 2
    return Split(
        name, everything.take(chosen), everything.take(rest[:half]), everything.take(rest[half:]), judge_steps=1500
    )


SPLITS = {
    "fashion-mnist-lt": _fashion_mnist_lt,
    "fashion-mnist": _fashion_mnist_full,
    "cifar10-lt": _cifar10_lt,
    "bccd": _bccd,
    "sign-digits": _sign_digits,
}


CLASS_SETS = ("fashion-mnist-lt", "cifar10-lt", "bccd", "sign-digits")
TESTED, POOLED = 300, 2000  # test images of a class, and held-out ones


def draw_cell(
    name: str, *, shots: int, rho: float, seed: int, image_size: int | None = None
) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """(training, held-out, test) images of a set; a seed draws the images and the rare classes.

    shots: images of the largest class. rho: largest over smallest class. BCCD keeps its own rare classes, split by
    slide: half of the slides train, a quarter are held out, a quarter test. image_size: of BCCD and the digits.
    """
    random = np.random.default_rng([seed, 7])
    if name == "bccd":
        train, pool, test = _by_slide(seed, validation=1 / 2, image_size=image_size)
        most = [max(8, round(shots * share)) for share in (0.15, 1.0, 0.3)]  # Platelets, RBC, WBC
        return train.take(_at_most(train, most, seed)), pool, test
    if name == "sign-digits":
        everything = read_folder(unpacked() / "sign-digits", image_size=image_size)
        order = random.permutation(len(everything))
        test, rest = everything.take(order[: len(order) // 3]), everything.take(order[len(order) // 3 :])
    else:
        fashion = name == "fashion-mnist-lt"
        rest = fashion_mnist() if fashion else read_folder(unpacked() / "train")
        test = fashion_mnist("t10k") if fashion else read_folder(unpacked() / "test")
        test = test.take(_at_most(test, [TESTED] * len(test.classes), seed))
    rank = random.permutation(len(rest.classes))
    last = len(rank) - 1
    counts = [max(4, round(shots * rho ** (-rank[k] / last))) for k in range(len(rank))]
    chosen = _at_most(rest, counts, seed)
    others = rest.take(np.setdiff1d(np.arange(len(rest)), chosen))
    return rest.take(chosen), others.take(_at_most(others, [POOLED] * len(rank), seed)), test


def _by_slide(
    seed: int, *, validation: float, image_size: int | None = None
) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """The blood cells: of half of the slides, of `validation` of the other half, and of the rest."""
    everything = read_folder(unpacked() / "bccd_crops", image_size=image_size)
    slide = np.array([str(path).split("_")[1] for path in everything.metadata["file_name"]])
    everything = replace(everything, metadata=pd.DataFrame({"group_id": slide}))
    order = np.random.default_rng(seed).permutation(np.unique(slide))
    half = len(order) // 2
    ends = [half, half + int(validation * (len(order) - half))]
    train, apart, test = (everything.take(np.flatnonzero(np.isin(slide, own))) for own in np.split(order, ends))
    return train, apart, test


def unpacked() -> Path:
    return Path(os.environ.get("GANAUG_BENCHMARK_DATA", "benchmark-data"))


def _at_most(images: LabeledImages, most: list[int], seed: int) -> np.ndarray:
    random, labels = np.random.default_rng(seed), images.labels.numpy()
    own = [np.flatnonzero(labels == k) for k in range(len(most))]
    return np.concatenate([random.choice(w, min(m, len(w)), replace=False) for w, m in zip(own, most, strict=True)])


def _without(images: LabeledImages, taken: LabeledImages) -> LabeledImages:
    """Those of `images` that are not, pixel for pixel, among `taken`."""
    return images.take(~torch.isin(image_hashes(images.images), image_hashes(taken.images)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SPLITS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", choices=["train", "apart", "test"], default="train")
    parser.add_argument("--archive", type=Path, help="unpack all blood cells from the set's archive")
    options = parser.parse_args()
    if options.archive is None:
        part = getattr(split(options.name), options.part)
        known = part.metadata is not None and "group_id" in part.metadata
        write_folder(replace(part, metadata=part.metadata[["group_id"]] if known else None), options.out)
    else:
        options.out.mkdir(parents=True)
        with tarfile.open(options.archive) as archive:
            archive.extractall(options.out, filter="data")
        (inner,) = options.out.iterdir()
        for folder in list(inner.iterdir()):
            folder.rename(options.out / folder.name)
        inner.rmdir()
    print(read_folder(options.out).counts)


if __name__ == "__main__":
    main()
