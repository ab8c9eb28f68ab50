"""Predictions of any classifier as log-probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

Predict = Callable[[Tensor], np.ndarray]  # uint8 (N, C, H, W) -> log-probabilities (N, K), float32
MIN_PROBABILITY = 1e-6  # a confident error would otherwise have log-probability -inf


def predict_log_probabilities(model: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Predict log-probabilities with any fitted scikit-learn classifier.

    Parameters
    ----------
    model : classifier
        `predict_proba` is used if it exists, else a softmax of `decision_function`, else `predict`.
    X : array of shape (N, ...)
        Rows.
    classes : array of shape (K,)
        Sorted class values: the columns of the result. The model may know only some of them.

    Returns
    -------
    array of shape (N, K), float32
        Normalized; no probability is below one in a million.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from ganaug.evaluation.log_probabilities import predict_log_probabilities
    >>> model = DummyClassifier().fit([[0.0], [1.0]], [1, 1])
    >>> np.exp(predict_log_probabilities(model, [[0.0]], classes=np.arange(2))).round(2)
    array([[0., 1.]], dtype=float32)
    """
    columns = np.searchsorted(classes, model.classes_)
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(X), dtype=np.float64)
    elif hasattr(model, "decision_function"):
        margins = np.asarray(model.decision_function(X), dtype=np.float64)
        # the decision function of two classes has one column
        margins = np.stack([-margins, margins], axis=1) / 2 if margins.ndim == 1 else margins
        probabilities = np.exp(margins - margins.max(1, keepdims=True))
    else:
        probabilities = (np.asarray(model.predict(X))[:, None] == model.classes_).astype(np.float64)
    if probabilities.shape[1] != len(columns):
        raise ValueError(
            f"{type(model).__name__} predicts {probabilities.shape[1]} columns for {len(columns)} classes. Let its "
            f"last layer have {len(columns)} outputs."
        )
    table = np.zeros((len(probabilities), len(classes)))
    table[:, columns] = probabilities  # the training part of a fold may lack classes
    return to_log_probabilities(table)


def to_log_probabilities(table: np.ndarray) -> np.ndarray:
    """Convert a table of probabilities (N, K) to logarithms, float32; none is below one in a million."""
    table = np.maximum(table, MIN_PROBABILITY)
    log_probabilities: np.ndarray = np.log(table / table.sum(1, keepdims=True)).astype(np.float32)
    return log_probabilities
