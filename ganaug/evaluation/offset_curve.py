"""The curve of recalls that class-wise offsets reach without any new training.

Subtracting a multiple of the log prior from the logits moves the decision boundary between rare and common classes. A
method that gains recall on rare classes has learned something only if it lies above the curve of its baseline.
"""

import numpy as np

# strengths of the offsets, densest where trained methods lie; the strong negative ones favor common classes
OFFSET_STRENGTHS = np.r_[-3:-0.5:0.5, np.linspace(-0.5, 2.0, 16)]


def mean_recalls(recall: np.ndarray, is_rare: np.ndarray, is_common: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average recall over rare and over common classes.

    Parameters
    ----------
    recall : array of shape (B + 1, K)
        Recall of each class in each resample; NaN values are left out.
    is_rare, is_common : arrays of shape (K,), bool
        Masks of classes.

    Returns
    -------
    rare, common : arrays of shape (B + 1,)
    """
    return np.nanmean(recall[:, is_rare], axis=1), np.nanmean(recall[:, is_common], axis=1)


def height_above_curve(
    curve_rare: np.ndarray, curve_common: np.ndarray, rare: np.ndarray, common: np.ndarray
) -> np.ndarray:
    """Return how far a method lies above the offset curve, in recall of the common classes.

    Parameters
    ----------
    curve_rare, curve_common : arrays of shape (T, B + 1)
        Mean recall of rare and common classes at T offsets, in each resample.
    rare, common : arrays of shape (B + 1,)
        Mean recall of rare and common classes of the method.

    Returns
    -------
    array of shape (B + 1,)
        `common` less the best recall of common classes on the curve where the recall of rare classes is at least
        `rare`, linearly interpolated.

    Notes
    -----
    With more than two classes the recall of rare classes falls again where offsets are too large. The upper envelope
    is taken, because such an offset would not be chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation.offset_curve import height_above_curve
    >>> curve_rare, curve_common = np.array([[0.2], [0.8]]), np.array([[0.9], [0.5]])
    >>> height_above_curve(curve_rare, curve_common, rare=np.array([0.5]), common=np.array([0.8])).round(3)
    array([0.1])
    """
    heights = np.empty(len(rare))
    for row in range(len(heights)):
        # np.interp requires ascending positions
        order = np.argsort(curve_rare[:, row], kind="stable")
        envelope = np.maximum.accumulate(curve_common[order[::-1], row])[::-1]
        heights[row] = common[row] - np.interp(rare[row], curve_rare[order, row], envelope)
    return heights
