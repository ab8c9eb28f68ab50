"""The classifiers that the utility test trains. Each is trained on a `TrainingSet` and predicts log-probabilities.

A classifier is a callable ``(training, augment, seed) -> predict`` with a `name` and a `key` (see `CNN`). `CLASSIFIERS`
maps names to classifiers; to add one, add an entry. A scikit-learn classifier, a skorch net, or a function that trains
a torch module can be passed instead of a name; see `resolve_classifier`.

Examples
--------
>>> from ganaug.evaluation import CLASSIFIERS, CNN
>>> list(CLASSIFIERS)
['cnn', 'features', 'resnet18']
>>> CLASSIFIERS["wide cnn"] = CNN(width=64, name="wide cnn")
>>> del CLASSIFIERS["wide cnn"]
"""

import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ganaug._runtime.cache import cached, content_key
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.function_classifier import FunctionClassifier
from ganaug.evaluation.log_probabilities import Predict, predict_log_probabilities
from ganaug.evaluation.networks import CNN, ResNet18
from ganaug.evaluation.sklearn_classifier import SklearnClassifier, describe
from ganaug.evaluation.training_set import TrainingSet
from ganaug.metrics.features import efficientnet_features


@dataclass(frozen=True)
class FeatureClassifier:
    """Logistic regression on standardized EfficientNet-lite0 features.

    An alteration adds altered versions of each real image to the training set.

    Attributes
    ----------
    versions : int
        Altered versions of each real image.
    strength : float
        `C` of the logistic regression. The default regularizes strongly, because features outnumber images.
    name : str
        Name in the report.

    Examples
    --------
    >>> from ganaug.evaluation import FeatureClassifier
    >>> FeatureClassifier(strength=0.1).key
    "FeatureClassifier(versions=2, strength=0.1, name='features')"
    """

    versions: int = 2
    strength: float = 0.01
    name: str = "features"

    @property
    def key(self) -> str:
        """Identifies in the cache everything that predictions depend on, besides data and seed."""
        return repr(self)

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        training.check_applicable(self.name, has_steps=False)
        images = training.images.images
        features, n_versions = [efficientnet_features(images)], 1
        if training.operations.changes_images:
            real, n_versions = images[~training.is_synthetic], 1 + self.versions
            altered = [
                training.operations.alter_images(real, augment, derive(seed, "classical", version))
                for version in range(self.versions)
            ]
            features.append(efficientnet_features(torch.cat(altered)))
        real_indices = torch.nonzero(~training.is_synthetic).flatten()
        indices = torch.cat([torch.arange(len(images)), *[real_indices] * (n_versions - 1)])
        weights = training.sample_weights()
        weights[real_indices] /= n_versions  # the versions of an image weigh as much as one image
        row_weights = weights[indices].numpy()
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=self.strength, max_iter=200, random_state=seed % 2**31)
        ).set_output(transform="default")
        model.fit(
            torch.cat(features).numpy(),
            training.images.labels[indices].numpy(),
            standardscaler__sample_weight=row_weights,
            logisticregression__sample_weight=row_weights,
        )
        classes = np.arange(len(training.images.classes))
        return lambda test_images: predict_log_probabilities(model, efficientnet_features(test_images).numpy(), classes)


Classifier = CNN | ResNet18 | FeatureClassifier | SklearnClassifier | FunctionClassifier
CLASSIFIERS: dict[str, Classifier] = {"cnn": CNN(), "features": FeatureClassifier(), "resnet18": ResNet18()}


def train_and_predict(
    classifier: Classifier, training: TrainingSet, augment: Augment, images: Tensor, seed: int
) -> np.ndarray:
    """Train a classifier and predict, or read the predictions from the cache.

    Parameters
    ----------
    classifier : Classifier
        Its predictions are cached if it has a `key`, and the alteration of `training` too.
    training : TrainingSet
        What it is trained on.
    augment : callable
        Classical augmentation, ``(images, seed) -> images``.
    images : Tensor of shape (M, C, H, W), uint8
        Images to predict.
    seed : int
        Seed of the training.

    Returns
    -------
    array of shape (M, K), float32
        Log-probabilities.
    """

    def predict() -> np.ndarray:
        return classifier(training, augment, derive(seed, "train"))(images)

    alteration = training.operations.key
    if classifier.key is None or alteration is None:
        return predict()
    key = content_key(classifier.key, training.fingerprint(), alteration, str(seed), images)
    entry = cached("predictions", key, lambda: {"table": torch.from_numpy(predict())})
    log_probabilities: np.ndarray = entry["table"].numpy()
    return log_probabilities


def resolve_classifier(name_or_object: Any) -> Classifier:
    """Find a classifier by name, or wrap one of the user.

    Parameters
    ----------
    name_or_object : str, Classifier, scikit-learn classifier or callable
        A key of `CLASSIFIERS`, an object of one of its types, a scikit-learn classifier, which is cloned for each
        training, or a function: without parameters, it returns an unfitted scikit-learn classifier; with the parameters
        ``(dataset, seed)``, it trains a torch module and returns a function that predicts, see `FunctionClassifier`. A
        skorch net is a scikit-learn classifier, and is given images (N, C, H, W).

    Returns
    -------
    Classifier

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is none of these.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug.evaluation import resolve_classifier
    >>> resolve_classifier("cnn").name, resolve_classifier(LogisticRegression()).name
    ('cnn', 'LogisticRegression')
    """
    if isinstance(name_or_object, str):
        return lookup(CLASSIFIERS, name_or_object, "classifier")
    if isinstance(name_or_object, Classifier):
        return name_or_object
    if isinstance(name_or_object, BaseEstimator):
        if not is_classifier(name_or_object):
            raise TypeError(f"classifier must be a scikit-learn classifier; {name_or_object!r} is none.")
        name = type(name_or_object).__name__
        return SklearnClassifier(partial(clone, name_or_object), name, describe(name_or_object))
    if callable(name_or_object):
        return _wrap_function(name_or_object)
    raise TypeError(
        f"classifier must be one of {', '.join(CLASSIFIERS)}, a scikit-learn classifier or skorch net, a function that "
        f"returns one, or a function (dataset, seed) -> predict; got {name_or_object!r}."
    )


def _wrap_function(function: Any) -> Classifier:
    """Wrap a function that returns a scikit-learn classifier, or one that trains a torch module."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some functions in C have no signature
        return SklearnClassifier(function, name)
    positional = [item for item in parameters if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    n_required = sum(item.default is item.empty for item in positional)
    if n_required == 0 or inspect.isclass(function):
        return SklearnClassifier(function, name)
    if n_required <= 2 <= len(positional):
        return FunctionClassifier(function, name)
    raise TypeError(
        f"the classifier {name} takes the parameters {', '.join(item.name for item in parameters)}. A function must "
        "take none and return an unfitted scikit-learn classifier, or take (dataset, seed) and return a function that "
        "predicts. functools.partial sets other parameters."
    )
