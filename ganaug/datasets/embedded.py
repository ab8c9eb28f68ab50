"""The small real data set that ships with ganaug: 1,401 images of Fashion-MNIST, 500 to 10 a class."""

from importlib.resources import as_file, files

import numpy as np
import torch
from PIL import Image

from ganaug._runtime.library_defaults import library_defaults
from ganaug.images import LabeledImages

IMAGE_SIZE = 28
CLASS_NAMES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@library_defaults()
def fashion_mnist_lt() -> LabeledImages:
    """Load a long-tailed subset of Fashion-MNIST (Xiao et al. 2017; MIT license).

    Returns
    -------
    LabeledImages
        1,401 gray images of 28x28 pixels in 10 classes. Class k has round(500 * 50 ** (-k / 9)) images: 500 T-shirts
        down to 10 ankle boots.

    Notes
    -----
    The images are a random subset of the training images, drawn with `numpy.random.default_rng(0)`. Each class is
    stored as one PNG sheet of 20 columns, so that it can be looked at; the file name holds the number of images.

    References
    ----------
    Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms".

    Examples
    --------
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> images = fashion_mnist_lt()
    >>> len(images), images.shape
    (1401, (1, 28, 28))
    >>> images.counts["T-shirt"], images.counts["Ankle boot"]
    (500, 10)
    """
    images, labels = [], []
    folder = files("ganaug.datasets") / "fashion_mnist"
    for label, name in enumerate(CLASS_NAMES):
        (sheet,) = [
            item for item in folder.iterdir() if item.name.startswith(f"{name}.") and item.name.endswith(".png")
        ]
        with as_file(sheet) as path, Image.open(path, formats=["PNG"]) as picture:
            pixels = np.asarray(picture.convert("L"))
        n_rows, n_columns = pixels.shape[0] // IMAGE_SIZE, pixels.shape[1] // IMAGE_SIZE
        grid = pixels.reshape(n_rows, IMAGE_SIZE, n_columns, IMAGE_SIZE).swapaxes(1, 2)
        tiles = grid.reshape(-1, 1, IMAGE_SIZE, IMAGE_SIZE)
        # from the file name, because the last row of the sheet may be padded
        count = int(sheet.name.split(".")[1])
        images.append(torch.from_numpy(tiles[:count].copy()))
        labels.append(torch.full((count,), label))
    return LabeledImages(torch.cat(images), torch.cat(labels), CLASS_NAMES)
