"""Which classes have synthetic images that classifiers of the real images recognize."""

from collections.abc import Collection, Sequence

import numpy as np

from ganaug.images import LabeledImages

MIN_RECOGNIZED = 0.5  # fraction of the samples of a class that classifiers of the real images assign to it
MIN_LIFT = 2.0  # this fraction relative to that of the samples of other classes: noise looks like one class in all


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
        Classes of which less than half of the samples are recognized, or less than twice as many as the samples of
        other classes are taken for it. Classes without samples are not among them.

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
    unrecognized = set()
    for label in np.unique(labels):
        is_of_class, is_taken_for_it = labels == label, predicted == label
        recognized = is_taken_for_it[is_of_class].mean()
        mistaken = is_taken_for_it[~is_of_class].mean() if not is_of_class.all() else 0.0
        if recognized < max(MIN_RECOGNIZED, MIN_LIFT * mistaken):
            unrecognized.add(samples.classes[label])
    return frozenset(unrecognized)


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
