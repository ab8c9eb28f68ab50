"""Train scikit-learn classifiers on a `TrainingSet`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import has_fit_parameter
from torch import Tensor

from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.log_probabilities import Predict, predict_log_probabilities
from ganaug.evaluation.skorch_nets import is_skorch_net, train_net
from ganaug.evaluation.training_set import NotApplicableError, TrainingSet


@dataclass(frozen=True)
class SklearnClassifier:
    """A scikit-learn classifier of pixels: each image is a row of C * H * W numbers in [0, 1].

    A skorch net is given images (N, C, H, W) in [0, 1] instead; see `train_net`.

    Attributes
    ----------
    make : callable
        Returns an unfitted classifier. Every parameter `random_state` in it is set for each training.
    name : str
        Name in the report.
    key : str or None
        Identifies the classifier and its parameters in the cache of predictions. None: predictions are not cached.

    Notes
    -----
    Sampling weights and loss weights become sample weights where `fit` takes them. Otherwise images are repeated
    according to their sampling weights, and loss weights other than 1 raise `NotApplicableError`.

    Examples
    --------
    >>> import torch
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import SklearnClassifier, TrainingSet
    >>> images = torch.tensor([0, 10, 240, 250], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    >>> real = LabeledImages(images, torch.tensor([0, 0, 1, 1]), ("dark", "bright"))
    >>> classifier = SklearnClassifier(LogisticRegression, "logistic regression")
    >>> predict = classifier(TrainingSet.from_images(real), augment=None, seed=0)
    >>> predict(images).argmax(1)
    array([0, 0, 1, 1])
    """

    make: Callable[[], Any]
    name: str
    key: str | None = None

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        model = self.make()
        is_net = is_skorch_net(model)
        training.check_applicable(self.name, has_steps=is_net)
        params: dict[str, Any] = getattr(model, "get_params", dict)()
        seeds = {name: seed % 2**32 for name in params if name == "random_state" or name.endswith("__random_state")}
        if seeds:
            model.set_params(**seeds)
        if not has_fit_parameter(model, "sample_weight") and bool(
            (training.loss_weights != training.loss_weights[0]).any()
        ):
            raise NotApplicableError(f"{type(model).__name__}.fit takes no sample_weight")
        if is_net:
            return train_net(model, self.name, training, augment, seed)
        images, labels = training.images.images, training.images.labels
        if training.operations.changes_images:
            # repeated images rather than weights, so that each repetition is altered differently
            indices = torch.arange(len(images)).repeat_interleave(training.repeats())
            altered = training.operations.alter_images(images[indices], augment, derive(seed, "classical"))
            model.fit(_to_rows(altered), labels[indices].numpy())
        else:
            fit_weighted(model, _to_rows(images), labels.numpy(), training)
        classes = np.arange(len(training.images.classes))
        return lambda test_images: predict_log_probabilities(model, _to_rows(test_images), classes)


def fit_weighted(model: Any, X: np.ndarray, y: np.ndarray, training: TrainingSet, **params: Any) -> Any:
    """Fit a scikit-learn classifier with the weights of a training set.

    Parameters
    ----------
    model : classifier
        Fitted in place.
    X : array of shape (N, ...)
        One row for each image of `training`, in the same order.
    y : array of shape (N,)
        Classes.
    training : TrainingSet
        Its sampling and loss weights become `sample_weight` where `fit` takes it; otherwise rows are repeated.
    **params
        For `fit`. A `sample_weight` among them is multiplied by the weights of `training`.

    Returns
    -------
    classifier
        What `fit` returns.
    """
    if has_fit_parameter(model, "sample_weight"):
        weights = training.sample_weights().numpy()
        return model.fit(X, y, **{**params, "sample_weight": weights * params.get("sample_weight", 1.0)})
    repeated = np.repeat(np.arange(len(y)), training.repeats().numpy())
    return model.fit(X[repeated], y[repeated], **params)


def describe(estimator: BaseEstimator) -> str | None:
    """Describe a scikit-learn classifier by its version, class and parameters, as a cache key.

    Parameters
    ----------
    estimator : classifier
        May contain others, as a pipeline does.

    Returns
    -------
    str or None
        None if the text would not identify the classifier: a part from outside scikit-learn, which can change under the
        same name, or a parameter without a complete `repr`.
    """
    parts = [estimator, *(part for part in estimator.get_params().values() if hasattr(part, "get_params"))]
    if not all(type(part).__module__.startswith("sklearn.") for part in parts):
        return None
    params = {name: repr(value) for name, value in sorted(estimator.get_params().items())}
    text = f"scikit-learn {sklearn.__version__} {type(estimator).__module__}.{type(estimator).__qualname__} {params}"
    # an address, a class of the session or a shortened repr does not identify a value
    return None if any(mark in text for mark in (" at 0x", "__main__", "...")) else text


def _to_rows(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W), uint8 -> rows (N, C * H * W) in [0, 1], float32."""
    return images.flatten(1).numpy().astype(np.float32) / 255
