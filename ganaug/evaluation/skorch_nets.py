"""Train skorch nets on a `TrainingSet`. They are scikit-learn classifiers of images, which are trained in steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.log_probabilities import predict_log_probabilities
from ganaug.evaluation.training_set import NotApplicableError, TrainingSet


def is_skorch_net(model: Any) -> bool:
    """Return whether a model is a skorch net, without importing skorch.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug.evaluation.skorch_nets import is_skorch_net
    >>> is_skorch_net(LogisticRegression())
    False
    """
    return any(
        kind.__name__ == "NeuralNet" and kind.__module__.split(".")[0] == "skorch" for kind in type(model).__mro__
    )


def train_net(
    net: Any, name: str, training: TrainingSet, augment: Augment, seed: int
) -> Callable[[Tensor], np.ndarray]:
    """Train a skorch net.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        Fitted in place, without output.
    name : str
        Its name, for messages.
    training : TrainingSet
        Images are repeated according to their sampling weights. `max_epochs` is changed so that the number of steps is
        that of a training on the real images as they are, times `length`.
    augment : callable
        Classical augmentation, ``(images, seed) -> images``.
    seed : int
        Of torch's global generator, from which skorch draws.

    Returns
    -------
    callable
        uint8 images (N, C, H, W) -> log-probabilities (N, K).

    Raises
    ------
    NotApplicableError
        If a part of `training` cannot be applied.
    ValueError
        If the module of the net does not take images.
    """
    training.check_applicable(name, has_steps=True)
    if training.synthetic_first:
        raise NotApplicableError(f"{name} is trained on all images at once, so none can come first")
    images, labels, repeats = training.images.images, training.images.labels, training.repeats()
    indices = torch.arange(len(images)).repeat_interleave(repeats)
    n_real = int((~training.is_synthetic).sum())
    epochs = max(1, round(net.max_epochs * training.length * n_real / len(indices)))
    net.set_params(max_epochs=epochs, verbose=0)
    if getattr(net, "classes", False) is None:
        net.set_params(classes=np.arange(len(training.images.classes)))  # the training part of a fold may lack some
    drawn = images[indices]
    X = _AlteredImages(drawn, labels[indices], training, augment, seed) if training.operations.changes_images else None
    try:
        with temporary_seed(derive(seed, "classifier")):
            net.fit(_to_float(drawn) if X is None else X, labels[indices].numpy())
    except RuntimeError as error:
        raise ValueError(
            f"the skorch net {name} failed on float32 images of shape {(len(drawn), *images.shape[1:])}: {error} "
            "A net is given images, not rows of numbers. If its module takes rows, begin it with torch.nn.Flatten()."
        ) from error

    classes = np.arange(len(training.images.classes))

    def predict(test_images: Tensor) -> np.ndarray:
        with temporary_seed(derive(seed, "predict")):  # torch's DataLoader draws a seed
            return predict_log_probabilities(net, _to_float(test_images), classes)

    return predict


class _AlteredImages(Dataset[tuple[Tensor, int]]):
    """Images that are altered differently each time they are read."""

    def __init__(self, images: Tensor, labels: Tensor, training: TrainingSet, augment: Augment, seed: int) -> None:
        self.images, self.labels, self.seed = images, labels, seed
        self.operations, self.augment = training.operations, augment
        self.visits = [0] * len(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.visits[index] += 1
        seed = derive(self.seed, "classical", int(index), self.visits[index])
        image = self.operations.alter_images(self.images[index : index + 1], self.augment, seed)[0]
        return image.float() / 255, int(self.labels[index])


def _to_float(images: Tensor) -> np.ndarray:
    """Convert images (N, C, H, W) from uint8 to float32 in [0, 1]."""
    return images.numpy().astype(np.float32) / 255
