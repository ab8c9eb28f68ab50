"""The small real image set that ships with ganaug: 1,401 images of Fashion-MNIST, 500 down to 10 a class."""

from importlib.resources import as_file, files

import numpy as np
import torch
from PIL import Image

from ganaug.images import LabeledImages

SIDE = 28
ORDER = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def fashion_mnist_lt() -> LabeledImages:
    """Fashion-MNIST made long-tailed (Xiao et al. 2017; MIT): class k of 10 keeps round(500 * 50 ** (-k / 9)) images.

    28x28 gray, drawn from the training images with NumPy's `default_rng(0)`. Stored as one sheet of 20 columns a class,
    whose file name holds the count, so that a person can look at them.
    """
    images, labels = [], []
    folder = files("ganaug.datasets") / "fashion_mnist"
    for label, name in enumerate(ORDER):
        (sheet,) = [
            item for item in folder.iterdir() if item.name.startswith(f"{name}.") and item.name.endswith(".png")
        ]
        with as_file(sheet) as path, Image.open(path, formats=["PNG"]) as picture:
            pixels = np.asarray(picture.convert("L"))
        rows, columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
        tiles = pixels.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, 1, SIDE, SIDE)
        count = int(sheet.name.split(".")[1])
        images.append(torch.from_numpy(tiles[:count].copy()))
        labels.append(torch.full((count,), label))
    return LabeledImages(torch.cat(images), torch.cat(labels), ORDER)
