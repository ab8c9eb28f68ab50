"""Defects to plant among real images that stand in for synthetic ones, and the measures that must find each."""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.image_pools import IMAGES_PER_CLASS
from ganaug import LabeledImages

MODE_MISSING = "one of five modes missing"
DUPLICATED = "training images that are there twice"

# Real images, images that stand in for synthetic ones, random numbers -> the latter with the defect.
Plant = Callable[[LabeledImages, LabeledImages, np.random.Generator], LabeledImages]


def with_pixels(images: LabeledImages, pixels: Tensor) -> LabeledImages:
    """The images with other pixels, without metadata."""
    return LabeledImages(pixels, images.labels, images.classes)


def rows_of_share(images: LabeledImages, share: float, random: np.random.Generator) -> np.ndarray:
    """Row numbers of a share of each class, at least one image."""
    rows = []
    for label in range(len(images.classes)):
        members = np.flatnonzero(images.labels.numpy() == label)
        rows.append(random.choice(members, max(1, round(share * len(members))), replace=False))
    return np.concatenate(rows)


def collapse(n_prototypes: int) -> Plant:
    """Each class shows `n_prototypes` different images only."""

    def plant(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
        n = len(fake) // len(fake.classes)
        rows = torch.arange(len(fake))
        return with_pixels(fake, fake.images[rows // n * n + rows % n % n_prototypes])

    return plant


def unchanged(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """Leave them as they are: the defect is among the real images (see `add_mode`)."""
    return fake


def add_mode(real: LabeledImages, extra: Tensor) -> LabeledImages:
    """Real images of which a fifth of the first class is replaced by `extra` images, a mode that the others lack."""
    pixels, n = real.images.clone(), len(real) // len(real.classes)
    pixels[: round(0.2 * n)] = extra[: round(0.2 * n)]
    return with_pixels(real, pixels)


def as_jpeg(images: Tensor) -> Tensor:
    """Images (N, C, H, W) saved as JPEG of quality 75 and read again."""
    decoded = []
    for image in images:
        file = io.BytesIO()
        pixels = image[0] if len(image) == 1 else image.permute(1, 2, 0)
        Image.fromarray(pixels.numpy()).save(file, "JPEG", quality=75)
        array = torch.from_numpy(np.array(Image.open(file)))
        decoded.append(array[None] if len(image) == 1 else array.permute(2, 0, 1))
    return torch.stack(decoded)


def shift_by_pixel(images: Tensor) -> Tensor:
    """Images shifted to the right by a pixel."""
    return torch.cat([images[..., :1], images[..., :-1]], dim=-1)


def brighten(images: Tensor) -> Tensor:
    """Images with less contrast and more light."""
    return (images.float() * 0.85 + 25).round().clamp(0, 255).to(torch.uint8)


# How a training image can be repeated, by the name of the column in copy_detection.py.
COPY_CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "unchanged": lambda images: images,
    "mirrored": lambda images: images.flip(-1),
    "shifted by a pixel": shift_by_pixel,
    "JPEG of quality 75": as_jpeg,
    "brighter": brighten,
}


def copy_training_images(share: float) -> Plant:
    """A share of each class are training images, changed in each manner of COPY_CHANGES in turn."""
    changes = list(COPY_CHANGES.values())

    def plant(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:
        pixels = fake.images.clone()
        for number, row in enumerate(rows_of_share(fake, share, random)):
            pixels[row] = changes[number % len(changes)](real.images[row][None])[0]
        return with_pixels(fake, pixels)

    return plant


def swap_labels(share: float) -> Plant:
    """A share of each of the two classes has the label of the other."""

    def plant(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
        labels = fake.labels.clone()
        rows = torch.from_numpy(rows_of_share(fake, share, random))
        labels[rows] = 1 - labels[rows]
        return LabeledImages(fake.images, labels, fake.classes)

    return plant


def random_pixels(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """Noise; always the same, so that its features are computed once."""
    draws = torch.Generator().manual_seed(0)
    shape = (2 * IMAGES_PER_CLASS, *fake.images.shape[1:])
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draws)
    return with_pixels(fake, pixels[: len(fake)])


def blur(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """Resize to half the size and back, as a wrong --image-size does."""
    size = fake.images.shape[2:]
    small = interpolate(fake.images.float(), size=[side // 2 for side in size], mode="bilinear", antialias=True)
    return with_pixels(fake, interpolate(small, size=size, mode="bilinear").round().clamp(0, 255).to(torch.uint8))


def compress(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """JPEG of quality 75."""
    return with_pixels(fake, as_jpeg(fake.images))


def change_tones(real: LabeledImages, fake: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """Half of them darker, half brighter: the mean stays."""
    factor = torch.where(torch.arange(len(fake)) % 2 == 0, 0.7, 1.3).view(-1, 1, 1, 1)
    return with_pixels(fake, (fake.images.float() * factor).round().clamp(0, 255).to(torch.uint8))


# Name -> how it is planted, and the measures of the report that are for it.
DEFECTS: dict[str, tuple[Plant, set[str]]] = {
    "collapse to 1 prototype a class": (collapse(1), {"repeats", "coverage"}),
    "collapse to 3": (collapse(3), {"repeats", "coverage"}),
    "collapse to 10": (collapse(10), {"repeats", "coverage"}),
    MODE_MISSING: (unchanged, {"missing modes", "coverage"}),
    "near-copies, 1 %": (copy_training_images(0.01), {"near-copies"}),
    "near-copies, 5 %": (copy_training_images(0.05), {"near-copies"}),
    "near-copies, 20 %": (copy_training_images(0.2), {"near-copies"}),
    "labels swapped, 5 %": (swap_labels(0.05), {"recognized"}),
    "labels swapped, 10 %": (swap_labels(0.1), {"recognized"}),
    "labels swapped, 20 %": (swap_labels(0.2), {"recognized"}),
    "noise images": (random_pixels, {"recognized", "coverage", "KID", "C2ST AUC"}),
    "half the size and back": (blur, {"KID", "C2ST AUC"}),
    "JPEG of quality 75": (compress, {"KID", "C2ST AUC"}),
    "half darker, half brighter": (change_tones, {"KID", "C2ST AUC"}),
    DUPLICATED: (unchanged, {"duplicates"}),
}
