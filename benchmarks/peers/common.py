"""The command line of the peer programs, their images in and out, and the counting of operations.

Not a program; see mimicry_cgan.py and torchgan_dcgan.py.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import flop_registry

PAD = "28 px padded to 32 by repeating the border, samples cropped back: the library's networks need 32"


def arguments(description: str | None) -> argparse.Namespace:
    """The options of the command line, with torch's seed and threads set."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN.npz", help="images uint8 (N, C, H, W) and labels int64 (N,)")
    parser.add_argument("out", type=Path, metavar="OUT.npz", help="gets images, labels, about (JSON)")
    parser.add_argument("--seconds", type=float, default=900.0, help="of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-class", type=int, default=500, help="samples of each class")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    return options


def read_images(path: Path) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, C, H, W) and labels (N,) of a .npz file. Exits if a label below the largest is missing."""
    with np.load(path) as file:
        images, labels = torch.from_numpy(file["images"]), torch.from_numpy(file["labels"])
    if (
        images.dtype != torch.uint8
        or images.shape[1] not in (1, 3)
        or images.shape[2:] not in ((28, 28), (32, 32), (64, 64))
    ):
        raise SystemExit(
            f"{path}: has {images.dtype} images of shape {tuple(images.shape)}; expected uint8 (N, C, H, W), C 1 or 3, "
            "H = W of 28, 32 or 64."
        )
    if len(labels) != len(images) or labels.min() < 0 or not labels.bincount().all():
        raise SystemExit(f"{path}: each image needs a label, and each label from 0 to the largest needs an image.")
    return images, labels


def pad_to_32(images: Tensor, adaptations: list[str]) -> Tensor:
    """Pad 28 px to 32 px by repeating the border, and note it; images of other sizes are returned unchanged."""
    if images.shape[-1] != 28:
        return images
    adaptations.append(PAD)
    return pad(images.float(), (2, 2, 2, 2), mode="replicate").byte()


def to_signed(images: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1], as ToTensor and Normalize(0.5, 0.5) do, which both libraries prescribe."""
    return images.float() / 127.5 - 1


def endless_batches(images: Tensor, labels: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of shuffled epochs without end; the last batch of an epoch is shorter, as by DataLoader's defaults."""
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch, shuffle=True)
    while True:
        for real, classes in loader:
            yield to_signed(real), classes


class FlopCounter(TorchDispatchMode):
    """Counts as torch's FlopCounterMode, which fails when a gradient with respect to images is taken."""

    flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        self.flop += count(*args, **(kwargs or {}), out_val=out) if count else 0
        return out


def count_flop(update: Callable[[], int]) -> tuple[int, float]:
    """What an update returns, its number of real images, and its GFLOP (multiplications and additions) for each."""
    with FlopCounter() as counter:
        n_images = update()
    return n_images, counter.flop / n_images / 1e9


@dataclass
class About:
    """Facts of a run, stored beside its samples."""

    system: str
    version: str
    steps: int  # updates of the generator
    images_seen: int  # real images shown to the discriminator, repetitions included
    seconds: float  # of training, reading the set included, sampling not
    adaptations: list[str]
    gflop_per_image: float  # of training, a real image shown to the discriminator


def write_samples(path: Path, samples: Tensor, per_class: int, size: int, about: About) -> None:
    """Write samples in [-1, 1], sorted by class, cropped to the size of the training images if these were padded."""
    edge = (samples.shape[-1] - size) // 2
    samples = samples[..., edge : edge + size, edge : edge + size]
    images = ((samples + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    labels = np.repeat(np.arange(len(images) // per_class, dtype=np.int64), per_class)
    np.savez_compressed(path, images=images, labels=labels, about=json.dumps(vars(about)))
    print(json.dumps(vars(about), indent=2))
