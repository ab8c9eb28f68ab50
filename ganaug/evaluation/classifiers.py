"""The classifiers that the utility test trains. Each is trained on a `TrainingSet` and predicts log-probabilities.

A classifier is a callable ``(training, augment, seed) -> predict`` with a `name` and a `key` (see `CNN`). `CLASSIFIERS`
maps names to classifiers; to add one, add an entry. A scikit-learn classifier, or a function that returns one, can be
passed instead of a name.

Examples
--------
>>> from ganaug.evaluation import CLASSIFIERS, CNN
>>> list(CLASSIFIERS)
['cnn', 'features']
>>> CLASSIFIERS["wide cnn"] = CNN(width=64, name="wide cnn")
>>> del CLASSIFIERS["wide cnn"]
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, one_hot

from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.cache import cached, content_key
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, generator, temporary_seed
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.sklearn_classifier import Predict, SklearnClassifier, describe, predict_log_probabilities
from ganaug.evaluation.training_set import TrainingSet
from ganaug.images import apply_in_batches, to_signed
from ganaug.metrics.features import efficientnet_features
from ganaug.models.networks.blocks import to_memory_format
from ganaug.models.networks.classifier import Classifier as Network
from ganaug.training.engine import resolve_precision

BATCH_SIZE = 64


@dataclass(frozen=True)
class CNN:
    """A small convolutional network, trained from scratch; about a minute on two cores.

    Three convolutions with batch normalization, trained by AdamW with a cosine schedule to zero on batches of 64 images
    drawn by the sampling weights.

    Attributes
    ----------
    steps : int, optional
        Training steps. None: 22 times the square root of the number of real images, between 100 and 2,000. Synthetic
        images do not count, so that all training methods take the same number of steps.
    width : int
        Channels of the first convolution.
    lr : float
        Initial learning rate.
    precision : str
        Of the convolutions in training, as for `GANAugmenter`. bfloat16 takes two thirds of the time of float32.
    name : str
        Name in the report.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import CNN, TrainingSet
    >>> images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    >>> training = TrainingSet.from_images(LabeledImages(images, torch.tensor([0, 0, 1, 1]), ("cat", "dog")))
    >>> predict = CNN(steps=1, width=2)(training, augment=lambda batch, seed: batch, seed=0)
    >>> predict(images).shape
    (4, 2)
    """

    steps: int | None = None
    width: int = 32
    lr: float = 2e-3
    precision: str = "auto"
    name: str = "cnn"

    @property
    def dtype(self) -> torch.dtype:
        """Type of the convolutions in training. Predictions are float32."""
        return resolve_precision(self.precision, torch.device("cpu"))

    @property
    def key(self) -> str:
        """Identifies in the cache everything that predictions depend on, besides data and seed."""
        return f"{self} {self.dtype}"

    @retain_freed_memory()
    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        images = training.images
        n_real = int((~training.is_synthetic).sum())
        # from the real images alone, so that every method trains for the same number of steps
        base_steps = self.steps or min(2000, max(100, round(22 * math.sqrt(n_real))))
        steps = max(1, round(base_steps * training.length))
        with temporary_seed(derive(seed, "classifier")):
            net: nn.Module = to_memory_format(Network(images.shape, len(images.classes), self.width), images.shape)
        rows = training.draw_batches(steps, BATCH_SIZE, generator(seed, "classifier", "batches"))
        # a loss weight is a factor of the target, so that mixed images have the mixture of both
        targets = one_hot(images.labels, len(images.classes)) * training.loss_weights.float()[:, None]
        optimizer = torch.optim.AdamW(net.parameters(), self.lr, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for step, batch in enumerate(rows):
            pixels, batch_targets = images.images[batch], targets[batch]
            pixels = training.operations.alter_images(pixels, augment, derive(seed, "classical", step))
            if training.operations.mix is not None:
                pixels, batch_targets = training.operations.mix(pixels, batch_targets, derive(seed, "mix", step))
            with torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32):
                logits = net(to_memory_format(to_signed(pixels), images.shape))
            loss = cross_entropy(logits.float(), batch_targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        net.eval()

        @torch.no_grad()
        def predict_batch(batch: Tensor) -> Tensor:
            return log_softmax(net(to_memory_format(to_signed(batch), images.shape)), dim=1)

        return lambda test_images: apply_in_batches(predict_batch, test_images).numpy()


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


Classifier = CNN | FeatureClassifier | SklearnClassifier
CLASSIFIERS: dict[str, Classifier] = {"cnn": CNN(), "features": FeatureClassifier()}


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
    """Find a classifier by name, or wrap a scikit-learn classifier.

    Parameters
    ----------
    name_or_object : str, Classifier, scikit-learn classifier or callable
        A key of `CLASSIFIERS`, an object of one of its types, a scikit-learn classifier, which is cloned for each
        training, or a function without arguments that returns an unfitted one.

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
    if isinstance(name_or_object, CNN | FeatureClassifier | SklearnClassifier):
        return name_or_object
    if isinstance(name_or_object, BaseEstimator) and is_classifier(name_or_object):
        return SklearnClassifier(lambda: clone(name_or_object), type(name_or_object).__name__, describe(name_or_object))
    if callable(name_or_object) and not isinstance(name_or_object, BaseEstimator):
        return SklearnClassifier(name_or_object, getattr(name_or_object, "__name__", type(name_or_object).__name__))
    raise TypeError(
        f"classifier must be one of {', '.join(CLASSIFIERS)}, a scikit-learn classifier, or a function that returns "
        f"one; got {name_or_object!r}."
    )
