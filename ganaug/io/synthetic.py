"""Which images of a data set ganaug added to it, according to its metadata: synthetic images and altered copies."""

from typing import Any

import torch
from torch import Tensor

from ganaug.images import LabeledImages
from ganaug.io.table import ALTERED, ORIGIN, is_true

COLUMN = "is_synthetic"


def synthetic_mask(metadata: Any, n: int) -> Tensor:
    """Return a mask of the synthetic images.

    Parameters
    ----------
    metadata : pandas.DataFrame or None
        One row per image.
    n : int
        Number of images.

    Returns
    -------
    Tensor of shape (n,), bool
        The column `is_synthetic`; all False if there is no such column.

    Examples
    --------
    >>> import pandas as pd
    >>> from ganaug.io.synthetic import synthetic_mask
    >>> synthetic_mask(pd.DataFrame({"is_synthetic": ["True", ""]}), 2)
    tensor([ True, False])
    """
    if metadata is None or COLUMN not in getattr(metadata, "columns", ()):
        return torch.zeros(n, dtype=torch.bool)
    return torch.tensor([is_true(value) for value in metadata[COLUMN]], dtype=torch.bool)


def added_mask(metadata: Any, n: int) -> Tensor:
    """Return a mask of the images that are synthetic, or altered copies of others.

    Examples
    --------
    >>> import pandas as pd
    >>> from ganaug.io.synthetic import added_mask
    >>> added_mask(pd.DataFrame({"origin": ["original", "altered"]}), 2)
    tensor([False,  True])
    """
    mask = synthetic_mask(metadata, n)
    if metadata is None or ORIGIN not in getattr(metadata, "columns", ()):
        return mask
    return mask | torch.tensor([value == ALTERED for value in metadata[ORIGIN]], dtype=torch.bool)


def select_synthetic(images: LabeledImages) -> LabeledImages:
    """Return the images that are marked as synthetic, or all images if none is marked.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.io.synthetic import select_synthetic
    >>> pixels, labels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1])
    >>> metadata = pd.DataFrame({"is_synthetic": [False, True, True]})
    >>> len(select_synthetic(LabeledImages(pixels, labels, ("cat", "dog"), metadata)))
    2
    """
    # a folder of generated images alone often has no metadata
    mask = synthetic_mask(images.metadata, len(images))
    return images.take(mask) if bool(mask.any()) else images
