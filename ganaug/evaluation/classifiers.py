"""The classifiers by which usefulness is measured. Each is trained on a TrainingSet and gives log-probabilities.

One line adds one: an entry in CLASSIFIERS, or pass a scikit-learn estimator or a function that returns one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, generator, temporary_seed
from ganaug.evaluation.classical import Augment
from ganaug.evaluation.training_set import NotPossible, TrainingSet
from ganaug.images import in_passes, to_signed
from ganaug.metrics.features import efficientnet_features
from ganaug.models.networks.blocks import to_memory_format
from ganaug.models.networks.classifier import Classifier as Network
from ganaug.training.engine import precision_for

Predict = Callable[[Tensor], np.ndarray]  # uint8 (N, C, H, W) -> log-probabilities (N, K), float32
LEAST = 1e-6  # probability below which a classifier that is wholly sure is not believed


@dataclass(frozen=True)
class CNN:
    """Three convolutions with batch norm, AdamW with a cosine to zero; a minute or so on two cores.

    steps: batches of 64 drawn by the set's chances; None: 22 a square root of the number of real images, 100 to 2,000.
    precision: of the convolutions in training, as `GANAugmenter` has it; bfloat16 takes two thirds of the time.
    """

    steps: int | None = None
    width: int = 32
    rate: float = 2e-3
    precision: str = "auto"
    name: str = "cnn"

    @property
    def dtype(self) -> torch.dtype:
        """Of the convolutions in training; predictions are float32."""
        return precision_for(self.precision, torch.device("cpu"))

    @property
    def key(self) -> str:
        """Names all that its predictions depend on beside data and seed; None where that cannot be named."""
        return f"{self} {self.dtype}"

    @freed_memory_kept()
    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        images = training.images
        n_real = int((~training.is_synthetic).sum())
        steps = self.steps or min(2000, max(100, round(22 * math.sqrt(n_real))))
        with temporary_seed(derive(seed, "classifier")):
            net: nn.Module = to_memory_format(Network(images.shape, len(images.classes), self.width), images.shape)
        draws = generator(seed, "classifier", "batches")
        rows = torch.multinomial(training.chances, steps * 64, replacement=True, generator=draws).view(steps, 64)
        optimizer = torch.optim.AdamW(net.parameters(), self.rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for step, own in enumerate(rows):
            pixels = images.images[own]
            if training.classical:
                pixels = augment(pixels, derive(seed, "classical", step))
            with torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32):
                logits = net(to_memory_format(to_signed(pixels), images.shape))
            losses = cross_entropy(logits.float(), images.labels[own], reduction="none")
            loss = (losses * training.weights[own].float()).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        net.eval()

        @torch.no_grad()
        def log_probabilities(part: Tensor) -> Tensor:
            return log_softmax(net(to_memory_format(to_signed(part), images.shape)), dim=1)

        return lambda shown: in_passes(log_probabilities, shown).numpy()


@dataclass(frozen=True)
class Features:
    """EfficientNet-lite0 features, standardized, with a logistic regression on them. Classical augmentation adds two
    altered versions of each image."""

    versions: int = 2
    strength: float = 0.01  # C: features outnumber images, so the penalty is strong
    name: str = "features"

    @property
    def key(self) -> str:
        """As `CNN.key`."""
        return repr(self)

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        images, found, times = training.images.images, [efficientnet_features(training.images.images)], 1
        if training.classical:
            real, times = images[~training.is_synthetic], 1 + self.versions
            altered = [augment(real, derive(seed, "classical", version)) for version in range(self.versions)]
            found.append(efficientnet_features(torch.cat(altered)))
        real_places = torch.nonzero(~training.is_synthetic).flatten()
        places = torch.cat([torch.arange(len(training.images)), *[real_places] * (times - 1)])
        weights = training.sample_weights()
        weights[real_places] /= times
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=self.strength, max_iter=200, random_state=seed % 2**31)
        )
        weighted = weights[places].numpy()
        labels = training.images.labels[places].numpy()
        features = torch.cat(found).numpy()
        model.fit(
            features,
            labels,
            standardscaler__sample_weight=weighted,
            logisticregression__sample_weight=weighted,
        )
        known = np.arange(len(training.images.classes))
        return lambda shown: log_probabilities(model, efficientnet_features(shown).numpy(), known)


@dataclass(frozen=True)
class Rows:
    """A scikit-learn classifier of pixels: rows of C * H * W numbers in [0, 1].

    Chances become sample weights where its `fit` takes them, else repeated rows, as oversampling does.
    """

    make: Callable[[], Any]
    name: str
    key: str | None = None

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        model = self.make()
        params: dict[str, Any] = getattr(model, "get_params", dict)()
        seeded = {name: seed % 2**32 for name in params if name == "random_state" or name.endswith("__random_state")}
        if seeded:
            model.set_params(**seeded)
        if not has_fit_parameter(model, "sample_weight") and bool((training.weights != training.weights[0]).any()):
            raise NotPossible(f"{type(model).__name__}.fit takes no sample_weight")
        images, labels = training.images.images, training.images.labels
        if training.classical:  # a repeated image is altered each time
            places = torch.arange(len(images)).repeat_interleave(training.repeats())
            model.fit(_rows(augment(images[places], derive(seed, "classical"))), labels[places].numpy())
        else:
            fit_rows(model, _rows(images), labels.numpy(), training)
        known = np.arange(len(training.images.classes))
        return lambda test: log_probabilities(model, _rows(test), known)


def fit_rows(model: Any, X: np.ndarray, y: np.ndarray, training: TrainingSet, **params: Any) -> Any:
    """Fit a scikit-learn classifier on the rows X (N, ...) and y (N,) of `training`; params: for its `fit`.

    Chances become sample weights, times those among `params`, where `fit` takes them; else rows are repeated as often.
    """
    if has_fit_parameter(model, "sample_weight"):
        weights = training.sample_weights().numpy()
        return model.fit(X, y, **{**params, "sample_weight": weights * params.get("sample_weight", 1.0)})
    repeated = np.repeat(np.arange(len(y)), training.repeats().numpy())
    return model.fit(X[repeated], y[repeated], **params)


def _rows(images: Tensor) -> np.ndarray:
    return images.flatten(1).numpy().astype(np.float32) / 255


def log_probabilities(model: Any, rows: Any, classes: np.ndarray) -> np.ndarray:
    """(N, K) of a fitted classifier in the order of `classes` (K,), sorted; of one that knows only some of them too.

    From predict_proba, else decision_function, else predict. No probability is below one in a million.
    """
    known = np.searchsorted(classes, model.classes_)
    if hasattr(model, "predict_proba"):
        given = np.asarray(model.predict_proba(rows), dtype=np.float64)
    elif hasattr(model, "decision_function"):
        margins = np.asarray(model.decision_function(rows), dtype=np.float64)
        margins = np.stack([-margins, margins], axis=1) / 2 if margins.ndim == 1 else margins
        given = np.exp(margins - margins.max(1, keepdims=True))
    else:
        given = (np.asarray(model.predict(rows))[:, None] == model.classes_).astype(np.float64)
    table = np.zeros((len(given), len(classes)))
    table[:, known] = given
    table = np.maximum(table, LEAST)
    found: np.ndarray = np.log(table / table.sum(1, keepdims=True)).astype(np.float32)
    return found


Classifier = CNN | Features | Rows
CLASSIFIERS: dict[str, Classifier] = {"cnn": CNN(), "features": Features()}


def _key(estimator: BaseEstimator) -> str | None:
    """Names a scikit-learn classifier by its parameters; None where a part of it may change behind its name."""
    parts = [estimator, *(part for part in estimator.get_params().values() if hasattr(part, "get_params"))]
    if not all(type(part).__module__.startswith("sklearn.") for part in parts):
        return None
    params = {name: repr(value) for name, value in sorted(estimator.get_params().items())}
    text = f"scikit-learn {sklearn.__version__} {type(estimator).__module__}.{type(estimator).__qualname__} {params}"
    return None if any(mark in text for mark in (" at 0x", "__main__", "...")) else text


def classifier_for(given: Any) -> Classifier:
    """'cnn', 'features', an entry's object, a scikit-learn classifier, or a function that returns one.

    Raises ValueError for an unknown name and TypeError for anything else.
    """
    if isinstance(given, str):
        return lookup(CLASSIFIERS, given, "classifier")
    if isinstance(given, CNN | Features | Rows):
        return given
    if isinstance(given, BaseEstimator) and is_classifier(given):
        return Rows(lambda: clone(given), type(given).__name__, _key(given))
    if callable(given) and not isinstance(given, BaseEstimator):
        return Rows(given, getattr(given, "__name__", type(given).__name__))
    raise TypeError(
        f"classifier must be one of {', '.join(CLASSIFIERS)}, a scikit-learn classifier, or a function that returns "
        f"one; got {given!r}."
    )
