"""Which images of a data set are synthetic, according to the column `is_synthetic` of their metadata."""

from typing import Any

import torch
from torch import Tensor

from ganaug.images import LabeledImages
from ganaug.io.table import is_true

COLUMN = "is_synthetic"


def marked_synthetic(metadata: Any, n: int) -> Tensor:
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
    >>> from ganaug.io.synthetic import marked_synthetic
    >>> marked_synthetic(pd.DataFrame({"is_synthetic": ["True", ""]}), 2)
    tensor([ True, False])
    """
    if metadata is None or COLUMN not in getattr(metadata, "columns", ()):
        return torch.zeros(n, dtype=torch.bool)
    return torch.tensor([is_true(value) for value in metadata[COLUMN]], dtype=torch.bool)


def synthetic_part(images: LabeledImages) -> LabeledImages:
    """Return the images that are marked as synthetic, or all images if none is marked.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.io.synthetic import synthetic_part
    >>> pixels, labels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1])
    >>> metadata = pd.DataFrame({"is_synthetic": [False, True, True]})
    >>> len(synthetic_part(LabeledImages(pixels, labels, ("cat", "dog"), metadata)))
    2
    """
    # a folder of generated images alone often has no metadata
    mask = marked_synthetic(images.metadata, len(images))
    return images.take(mask) if bool(mask.any()) else images
