"""Which classes have synthetic images that classifiers of the real images recognize."""

from collections.abc import Collection, Sequence

import numpy as np

from ganaug.images import LabeledImages

MIN_RECOGNIZED = 0.5  # fraction of the samples of a class that classifiers of the real images assign to it


def find_unrecognized(samples: LabeledImages, predicted: np.ndarray) -> frozenset[str]:
    """Find the classes whose samples mostly look like another class.

    Parameters
    ----------
    samples : LabeledImages
        Synthetic images.
    predicted : array of shape (N,)
        Labels that a classifier predicts for them. It was trained on real images.

    Returns
    -------
    frozenset of str
        Classes of which less than half of the samples are recognized. Classes without samples are not among them.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation.recognition import find_unrecognized
    >>> images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    >>> samples = LabeledImages(images, torch.tensor([0, 0, 1, 1]), ("cat", "dog"))
    >>> sorted(find_unrecognized(samples, np.array([0, 1, 0, 0])))
    ['dog']
    """
    labels = samples.labels.numpy()
    is_right = predicted == labels
    return frozenset(
        name
        for label, name in enumerate(samples.classes)
        if (labels == label).any() and is_right[labels == label].mean() < MIN_RECOGNIZED
    )


def list_mostly_unrecognized(by_fold: Sequence[Collection[str]], classes: Sequence[str]) -> tuple[str, ...]:
    """List the classes that are not recognized in at least half of the folds.

    Parameters
    ----------
    by_fold : sequence of collection of str
        What `find_unrecognized` returned for each fold.
    classes : sequence of str
        All classes, in the order of the result.

    Returns
    -------
    tuple of str
    """
    counts = {name: sum(name in names for names in by_fold) for name in classes}
    return tuple(name for name, count in counts.items() if 2 * count >= max(1, len(by_fold)))
