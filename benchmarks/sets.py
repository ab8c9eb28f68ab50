"""Real image sets for the benchmarks, written as class folders of PNGs.

    python benchmarks/sets.py fashion-mnist-lt OUT      (needs Debian's package dataset-fashion-mnist)
    python benchmarks/sets.py bccd OUT --archive bccd-cells.tar

Class k of K of a long-tailed set keeps round(n_max * rho ** (-k / (K - 1))) images, drawn with a named seed.
"""

import argparse
import gzip
import tarfile
from pathlib import Path

import numpy as np
import torch

from ganaug import LabelledImages, read_folder, write_folder
from ganaug.data.embedded_set import ORDER

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(part: str = "train") -> LabelledImages:
    """Fashion-MNIST as Debian packages it: 'train' (60,000) or 't10k' (10,000), 28x28 grey."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((DEBIAN / f"{part}-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    images = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())
    return LabelledImages(images, torch.from_numpy(labels.astype(np.int64)), ORDER)


def long_tailed(images: LabelledImages, *, n_max: int, rho: float, seed: int) -> LabelledImages:
    """A long-tailed subset, the classes in their own order."""
    random = np.random.default_rng(seed)
    last = len(images.classes) - 1
    labels = images.labels.numpy()
    chosen = [
        random.choice(np.flatnonzero(labels == k), round(n_max * rho ** (-k / last)), replace=False)
        for k in range(last + 1)
    ]
    return images.take(np.concatenate(chosen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["fashion-mnist-lt", "bccd"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--archive", type=Path, help="the set's archive, where it does not come from a package")
    options = parser.parse_args()
    if options.name == "fashion-mnist-lt":
        write_folder(long_tailed(fashion_mnist(), n_max=500, rho=50, seed=0), options.out)
    elif options.archive is None:
        parser.error("bccd needs --archive")
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
