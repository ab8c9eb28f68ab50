"""Pools of real images of two classes, for planting defects and copies; and a cache of their features."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.datasets import DEBIAN_FASHION_MNIST, read_fashion_mnist, read_images, smoke_images
from ganaug import LabeledImages
from ganaug.images import image_hashes
from ganaug.metrics.features import efficientnet_features

IMAGES_PER_CLASS = 1000
Features = Callable[[Tensor], Tensor]


class FeatureCache:
    """Features of each image, computed once and kept in a file: uint8 (N, C, H, W) -> (N, D)."""

    def __init__(self, path: Path, compute: Features = efficientnet_features) -> None:
        self.path = path
        self.compute = compute
        empty = {"keys": torch.zeros(0, dtype=torch.int64), "rows": torch.zeros(0)}
        stored = load_file(path) if path.exists() else empty
        self.rows = dict(zip(stored["keys"].tolist(), stored["rows"], strict=True))

    def __call__(self, images: Tensor) -> Tensor:
        keys = image_hashes(images).tolist()
        missing = [place for place, key in enumerate(keys) if key not in self.rows]
        if missing:
            rows = self.compute(images[missing])
            self.rows.update({keys[place]: row.clone() for place, row in zip(missing, rows, strict=True)})
        return torch.stack([self.rows[key] for key in keys])

    def save(self) -> None:
        """Write the features to the file."""
        if self.rows:
            rows = torch.stack(list(self.rows.values()))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"keys": torch.tensor(list(self.rows)), "rows": rows}, self.path)


def has_fashion_mnist() -> bool:
    """Whether Debian's package of Fashion-MNIST is installed."""
    return DEBIAN_FASHION_MNIST.exists()


def load_pool(name: str, root: Path) -> LabeledImages:
    """Images of two classes to divide: "fashion-mnist", "bccd" or "smoke"."""
    if name == "bccd":
        images, classes = one_cell_per_slide(root), ("RBC", "WBC")
    elif name == "fashion-mnist":
        images, classes = read_fashion_mnist(root), ("T-shirt", "Pullover")
    else:
        images, classes = smoke_images(), ("Sandal", "Sneaker")
    pixels = [images.of_class(one)[:IMAGES_PER_CLASS] for one in classes]
    labels = torch.repeat_interleave(torch.arange(2), torch.tensor([len(part) for part in pixels]))
    return LabeledImages(torch.cat(pixels), labels, classes)


def one_cell_per_slide(root: Path) -> LabeledImages:
    """A blood cell of each class from each slide: two crops of a slide may show the same cell."""
    images = read_images(root, "bccd_crops")
    slides = [Path(path).name.split("_")[1] for path in images.metadata["file_name"]]
    keys = pd.DataFrame({"slide": slides, "label": images.labels.numpy()})
    return images.take(keys.sample(frac=1, random_state=0).drop_duplicates().index.to_numpy())
