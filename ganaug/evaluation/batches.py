"""Draw the images of each training step."""

import torch
from torch import Tensor

from ganaug.evaluation.training_set import NotApplicableError, TrainingSet


def draw_batches(training: TrainingSet, n_steps: int, batch_size: int, random: torch.Generator) -> Tensor:
    """Draw the images of each training step by their sampling weights, with replacement.

    Parameters
    ----------
    training : TrainingSet
        Images and their sampling weights.
    n_steps : int
        Training steps.
    batch_size : int
        Images of a step.
    random : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor of shape (n_steps, batch_size), int64
        Indices of images. With `synthetic_first`, those of the first ``n_steps // 2`` steps are synthetic and the
        others real.

    Raises
    ------
    NotApplicableError
        If synthetic images come first and there are none.

    Examples
    --------
    >>> import torch
    >>> from dataclasses import replace
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import combine
    >>> from ganaug.evaluation.batches import draw_batches
    >>> images = LabeledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), ("cat",))
    >>> training = replace(combine(images, images), synthetic_first=True)
    >>> rows = draw_batches(training, n_steps=4, batch_size=8, random=torch.Generator().manual_seed(0))
    >>> training.is_synthetic[rows].all(1).tolist()
    [True, True, False, False]
    """
    phases = [(n_steps, training.sampling_weights)]
    if training.synthetic_first:
        if not training.is_synthetic.any():
            raise NotApplicableError("there are no synthetic images to train on first")
        n_first = n_steps // 2
        phases = [
            (n_first, _weights_within(training, training.is_synthetic)),
            (n_steps - n_first, _weights_within(training, ~training.is_synthetic)),
        ]
    rows = [
        torch.multinomial(weights, steps * batch_size, replacement=True, generator=random)
        for steps, weights in phases
        if steps
    ]
    return torch.cat(rows).view(n_steps, batch_size)


def _weights_within(training: TrainingSet, mask: Tensor) -> Tensor:
    """Sampling weights of some images, among which each class is drawn as often as among all images."""
    labels, n_classes = training.images.labels, len(training.images.classes)
    class_weights = torch.bincount(labels, training.sampling_weights, minlength=n_classes)
    weights = torch.where(mask, training.sampling_weights, 0.0)
    totals = torch.bincount(labels, weights, minlength=n_classes)
    # a share of 0 gives synthetic images no weight; then they are drawn equally often
    counts = torch.bincount(labels[mask], minlength=n_classes)
    within_class = torch.where(totals[labels] > 0, weights / totals[labels], mask / counts[labels].double())
    return torch.where(mask, class_weights[labels] * within_class, 0.0)
