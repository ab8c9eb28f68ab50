"""A function of the user that trains any torch module, as a classifier of the utility test."""

import copyreg
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganaug._runtime.randomness import derive, generator, temporary_seed
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.batches import draw_batches
from ganaug.evaluation.log_probabilities import Predict, to_log_probabilities
from ganaug.evaluation.networks import BATCH_SIZE, n_training_steps
from ganaug.evaluation.training_set import NotApplicableError, TrainingSet
from ganaug.images import apply_in_batches

# cloudpickle sends the module torch.classes with every function that uses torch and any attribute named `classes`, and
# cannot pickle it
copyreg.pickle(type(torch.classes), lambda _: (getattr, (torch, "classes")))

TrainFunction = Callable[["DrawnImages", int], Callable[[Tensor], Any]]


class DrawnImages(Dataset[tuple[Tensor, int]]):
    """The images of one whole training, in order, drawn by the sampling weights and altered.

    A map-style torch Dataset: item i is (uint8 image of shape (C, H, W), int label) and depends on i alone. It has 64
    images for each training step of the classifier `CNN`, so that one pass is a complete training of about thirty
    epochs, and each repetition of an image is altered differently.

    Parameters
    ----------
    training : TrainingSet
        Images, weights and alteration.
    augment : callable
        Classical augmentation, ``(images, seed) -> images``.
    seed : int
        Seed of draws and alterations.
    steps : int, optional
        Training steps of 64 images. None: see `n_training_steps`.

    Attributes
    ----------
    classes : tuple of str
        Class names in label order.
    targets : list of int
        Label of each item.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import DrawnImages, balance_classes
    >>> pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    >>> training = balance_classes(LabeledImages(pixels, torch.tensor([0, 0, 0, 1]), ("common", "rare")))
    >>> dataset = DrawnImages(training, augment=lambda images, seed: images, seed=0, steps=3)
    >>> len(dataset), len(DataLoader(dataset, batch_size=64))
    (192, 3)
    >>> round(sum(dataset.targets) / len(dataset), 1)
    0.5
    """

    def __init__(self, training: TrainingSet, augment: Augment, seed: int, steps: int | None = None) -> None:
        self.training, self.augment, self.seed = training, augment, seed
        n_steps = n_training_steps(training, steps)
        self._rows = draw_batches(training, n_steps, BATCH_SIZE, generator(seed, "classifier", "batches")).flatten()
        self.classes = training.images.classes
        self.targets: list[int] = training.images.labels[self._rows].tolist()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} images.")
        index %= len(self)
        row = int(self._rows[index])
        image = self.training.images.images[row : row + 1]
        altered = self.training.operations.alter_images(image, self.augment, derive(self.seed, "classical", index))
        return altered[0], self.targets[index]


@dataclass(frozen=True)
class FunctionClassifier:
    """A function that trains a torch module.

    Attributes
    ----------
    train : callable
        ``(dataset, seed) -> predict``: trains on a `DrawnImages` and returns a function that maps uint8 images
        (N, C, H, W) to logits or log-probabilities (N, K), a tensor or an array. torch's global generator is seeded
        before each call, and restored afterwards.
    name : str
        Name in the report.
    steps : int, optional
        Length of the data set in batches of 64. None: see `n_training_steps`.
    key : str or None
        Identifies function and parameters in the cache of predictions. None: predictions are not cached.

    Notes
    -----
    torch's global generator belongs to all threads, so trainings by functions take turns in one process. Several
    processes train at the same time: ``with joblib.parallel_config(backend="loky")``.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import FunctionClassifier, TrainingSet
    >>> def train(dataset, seed):
    ...     net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, len(dataset.classes)))
    ...     optimizer = torch.optim.Adam(net.parameters())
    ...     for images, labels in DataLoader(dataset, batch_size=64):
    ...         optimizer.zero_grad()
    ...         torch.nn.functional.cross_entropy(net(images / 255), labels).backward()
    ...         optimizer.step()
    ...     return lambda images: net(images / 255)
    >>> images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    >>> training = TrainingSet.from_images(LabeledImages(images, torch.tensor([0, 0, 1, 1]), ("cat", "dog")))
    >>> predict = FunctionClassifier(train, "linear", steps=2)(training, augment=None, seed=0)
    >>> predict(images).shape
    (4, 2)
    """

    train: TrainFunction
    name: str
    steps: int | None = None
    key: str | None = None

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        training.check_applicable(self.name, has_steps=True)
        if bool((training.loss_weights != training.loss_weights[0]).any()):
            raise NotApplicableError(f"{self.name} is given images and labels, without weights of the loss")
        dataset = DrawnImages(training, augment, seed, self.steps)
        with temporary_seed(derive(seed, "classifier")):
            predict = self.train(dataset, seed % 2**32)  # NumPy and scikit-learn accept seeds of 32 bits only
        if not callable(predict):
            raise TypeError(
                f"the function {self.name} must return a function that predicts (N, {len(dataset.classes)}) logits of "
                f"uint8 images (N, C, H, W); it returned {type(predict).__name__}."
            )

        @torch.no_grad()
        def predict_batch(images: Tensor) -> Tensor:
            return _to_logits(predict(images), (len(images), len(dataset.classes)), self.name)

        def predict_all(images: Tensor) -> np.ndarray:
            # a module that the function left in training mode may draw random numbers
            with temporary_seed(derive(seed, "predict")):
                return to_log_probabilities(apply_in_batches(predict_batch, images).softmax(1).numpy())

        return predict_all


def _to_logits(output: Any, shape: tuple[int, int], name: str) -> Tensor:
    """Convert what a user's function predicts to float64, and check it."""
    logits = torch.as_tensor(output).detach().cpu().double()
    start = f"the predictions of the function {name} must be logits or log-probabilities of shape {shape}; "
    if logits.shape != shape:
        raise ValueError(f"{start}got {tuple(logits.shape)}. Return one row an image and one column a class.")
    if bool(logits.isnan().any()) or bool((logits == torch.inf).any()):
        raise ValueError(f"{start}some are not finite. The training diverged: lower its learning rate.")
    if bool((logits >= 0).all()) and torch.allclose(logits.sum(1), torch.ones(len(logits), dtype=torch.float64)):
        raise ValueError(f"{start}these are probabilities. Return their logarithm, or leave the softmax out.")
    return logits
