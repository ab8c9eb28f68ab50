from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ganaug import LabeledImages

Photos = Callable[..., Path]


@pytest.fixture
def photos(tmp_path) -> Photos:
    """A function that writes a data folder: `photos({"cat": 3}, size=(height, width), mode="L")`."""

    def make(
        counts: Mapping[str, int] | None = None,
        size: tuple[int, int] = (12, 10),
        mode: str = "RGB",
        name: str = "photos",
        suffix: str = ".png",
    ) -> Path:
        root = tmp_path / name
        rng = np.random.default_rng(len(name))
        for label, count in (counts or {"cat": 4, "dog": 3}).items():
            (root / label).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).convert(mode).save(root / label / f"{index}{suffix}")
        return root

    return make


@pytest.fixture
def synthetic() -> LabeledImages:
    """Five images with the metadata of generated ones: two cats, three dogs, 12x10, RGB."""
    labels = torch.tensor([0, 0, 1, 1, 1])
    metadata = pd.DataFrame(
        {
            "label": ["cat", "cat", "dog", "dog", "dog"],
            "is_synthetic": True,
            "class_index": labels.numpy(),
            "seed": [7, 8, 2**53 - 1, 0, 1],
            "model_hash": "0123456789abcdef",
            "ganaug_version": "0.1.0",
        }
    )
    pixels = torch.randint(0, 256, (5, 3, 12, 10), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return LabeledImages(pixels, labels, ("cat", "dog"), metadata)


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes | None]]:
    """A function that returns the content of a folder: relative path -> bytes, or None for a folder."""

    def take(root: Path) -> dict[str, bytes | None]:
        return {
            path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes() for path in root.rglob("*")
        }

    return take
