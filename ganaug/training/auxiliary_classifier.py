"""The auxiliary classifier: a small classifier of the real images that decides whether a sample looks like its class.

It filters samples, and it can guide the generator during training.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.images import LabeledImages, apply_in_batches, to_signed
from ganaug.models import augmentations as augment
from ganaug.models.networks.blocks import Shape, to_memory_format
from ganaug.models.networks.classifier import Classifier
from ganaug.models.networks.factors import factorize_parameter, merge_factors
from ganaug.training.batches import BalancedBatches

WIDTH = 16
BATCH_SIZE = 64
MIN_STEPS, MAX_STEPS = 30, 1000
WARM_UP_STEPS, TIMED_STEPS = 2, 6
THRESHOLD_QUANTILE = 0.05
MAX_RECALL_IMAGES = 2000  # training images from which recall is measured if there are no held-out ones


@dataclass(frozen=True)
class AuxiliaryClassifier:
    """A trained classifier, and the logit margin that each class requires.

    The logit margin of an image is the logit of its class minus the largest other logit; below 0 the image is
    misclassified. An image is *recognized* if its margin reaches the threshold of its class.

    Parameters
    ----------
    net : Classifier
        Maps images in [-1, 1] to logits (N, K).
    margin_thresholds : Tensor of shape (K,)
        Margin threshold of each class, at most 0. See :func:`compute_margin_thresholds`.
    recall : float, default=1.0
        Mean over classes of the fraction of real images that are recognized. Measured on held-out images if there are
        any.
    """

    net: Classifier
    margin_thresholds: Tensor
    recall: float = 1.0

    def logits(self, images: Tensor) -> Tensor:
        """Compute logits: uint8 (N, C, H, W) -> (N, K), on the CPU."""
        return self._in_passes(self.net, images)

    def features(self, images: Tensor) -> Tensor:
        """Compute the features before the last layer: uint8 (N, C, H, W) -> (N, D), on the CPU."""
        return self._in_passes(self.net.features, images)

    @torch.no_grad()
    def _in_passes(self, function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Apply part of the network to uint8 images, in passes of equal size."""
        device = next(self.net.parameters()).device
        channels, height, width = images.shape[1:]
        shape = (channels, height, width)
        return apply_in_batches(
            lambda rows: function(to_memory_format(to_signed(rows.to(device)), shape)).float().cpu(), images
        )

    def tree(self) -> dict[str, object]:
        """Return the weights, thresholds and recall, for `storage.write_tree`."""
        return {
            "net": {name: value.cpu() for name, value in self.net.state_dict().items()},
            "margins": self.margin_thresholds,
            "recall": self.recall,
        }

    @classmethod
    def from_tree(
        cls, tree: Any, shape: Shape, n_classes: int, device: torch.device | str = "cpu"
    ) -> "AuxiliaryClassifier":
        """Restore the classifier from what `tree` returned.

        Parameters
        ----------
        tree : dict
        shape : tuple of int
            (C, H, W) of the images.
        n_classes : int
        device : torch.device or str, default="cpu"
            Where the network runs; results are on the CPU.

        Returns
        -------
        AuxiliaryClassifier
        """
        net = build_network(shape, n_classes, 0)
        net.load_state_dict(tree["net"])
        return cls(net.to(device).eval().requires_grad_(False), tree["margins"], float(tree["recall"]))

    def logit_margins(self, images: Tensor, labels: Tensor) -> Tensor:
        """Compute logit margins of uint8 images (N, C, H, W) with labels (N,): (N,)."""
        return compute_logit_margins(self.logits(images), labels)

    def shortfall(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean amount by which logit margins miss the thresholds; differentiable, to guide the generator.

        Parameters
        ----------
        images : Tensor of shape (N, C, H, W)
            In [-1, 1], on the device of the network.
        labels : int64 Tensor of shape (N,)

        Returns
        -------
        Tensor of shape ()
            0 if every image is recognized: the generator is not rewarded for exceeding a threshold.
        """
        thresholds = self.margin_thresholds.to(labels.device)[labels]
        return relu(thresholds - compute_logit_margins(self.net(images), labels)).mean()

    def recognizes(self, images: Tensor, labels: Tensor) -> Tensor:
        """Decide which uint8 images (N, C, H, W) are recognized as of their class `labels` (N,): bool, (N,)."""
        return self.logit_margins(images, labels) >= self.margin_thresholds[labels]


def compute_logit_margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Subtract the largest other logit from the logit of each label.

    Parameters
    ----------
    logits : Tensor of shape (N, K)
    labels : int64 Tensor of shape (N,)

    Returns
    -------
    Tensor of shape (N,)

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.auxiliary_classifier import compute_logit_margins
    >>> compute_logit_margins(torch.tensor([[2.0, 0.5, 1.0], [0.0, 3.0, 4.0]]), torch.tensor([0, 1]))
    tensor([ 1., -1.])
    """
    label_logits = logits.gather(1, labels[:, None]).squeeze(1)
    return label_logits - logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)


def train_auxiliary_classifier(
    train: LabeledImages,
    validation: LabeledImages,
    *,
    seed: int,
    device: torch.device,
    design: Tensor | None = None,
) -> AuxiliaryClassifier:
    """Train the auxiliary classifier, and set its margin thresholds on held-out images.

    Parameters
    ----------
    train : LabeledImages
    validation : LabeledImages
        Held-out images. If there are none, all thresholds are 0, and `recall` is measured on at most 2,000 training
        images.
    seed : int
    device : torch.device
    design : float32 Tensor of shape (K, n_factors), optional
        If the labels are cells: the factors of each, see `ganaug.models.networks.factors`. The logit of a cell is then
        a sum of one for its class and one for each attribute value.

    Returns
    -------
    AuxiliaryClassifier

    Notes
    -----
    Classes are drawn equally often, images are shifted randomly, and labels are smoothed. Training takes
    22 * sqrt(number of training images) batches of 64 images, between 30 and 1,000: seconds on a laptop.
    """
    net = _make_network(train, seed, device, design)
    for _ in _training_steps(net, train, _count_steps(train), seed, device):
        pass
    merge_factors(net)
    classifier = AuxiliaryClassifier(
        net.eval().requires_grad_(False), torch.zeros(len(train.classes), dtype=torch.float32)
    )
    thresholds = compute_margin_thresholds(classifier.logit_margins(validation.images, validation.labels), validation)
    classifier = replace(classifier, margin_thresholds=thresholds)
    if not len(validation):  # evenly spaced, so that all classes of a sorted set are represented
        validation = train.take(
            torch.linspace(0, len(train) - 1, min(len(train), MAX_RECALL_IMAGES), dtype=torch.float32).long()
        )
    return replace(classifier, recall=_mean_recall(classifier, validation))


def estimate_training_seconds(train: LabeledImages, device: torch.device, design: Tensor | None = None) -> float:
    """Estimate how long `train_auxiliary_classifier` takes, from a few steps."""
    steps = _training_steps(_make_network(train, 0, device, design), train, _count_steps(train), 0, device)
    for _ in range(WARM_UP_STEPS):
        next(steps)
    began = time.perf_counter()
    losses = [next(steps) for _ in range(TIMED_STEPS)]
    float(losses[-1])  # waits for the device
    return (time.perf_counter() - began) / TIMED_STEPS * _count_steps(train)


def _count_steps(train: LabeledImages) -> int:
    return min(MAX_STEPS, max(MIN_STEPS, round(22 * math.sqrt(len(train)))))


def _make_network(train: LabeledImages, seed: int, device: torch.device, design: Tensor | None) -> Classifier:
    """Make the network of the auxiliary classifier, untrained."""
    net = build_network(train.shape, len(train.classes), seed)
    if design is not None:
        for name in ("weight", "bias"):
            factorize_parameter(net.head, name, design)
    return net.to(device)


def _training_steps(
    net: Classifier, train: LabeledImages, n_steps: int, seed: int, device: torch.device
) -> Iterator[Tensor]:
    """Train a network; yield the loss of each step."""
    # power 0, because thresholds and recall are measured for each class: rare ones count as much as common ones
    batches = BalancedBatches(train, BATCH_SIZE, seed=derive(seed, "auxiliary_classifier"), power=0.0, device=device)
    # the entries of a plain vector have no positions that could be shifted
    augmentations = [] if net.takes_vectors else [augment.translation]
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for step in range(n_steps):
        batch = batches(step)
        images = to_memory_format(augment.apply(augmentations, batch.images, batch.generator), train.shape)
        loss = cross_entropy(net(images), batch.labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        yield loss.detach()


def _mean_recall(classifier: AuxiliaryClassifier, images: LabeledImages) -> float:
    """Mean over the classes of `images` of the fraction that is recognized."""
    is_recognized = classifier.recognizes(images.images, images.labels).float()
    recalls = [float(is_recognized[images.labels == label].mean()) for label in torch.unique(images.labels).tolist()]
    return sum(recalls) / len(recalls)


def compute_margin_thresholds(logit_margins: Tensor, validation: LabeledImages) -> Tensor:
    """Compute the margin threshold of each class: the 5 % quantile over its held-out images, and at most 0.

    So a sample is rejected only if it resembles its class less than nearly all real images do.

    Parameters
    ----------
    logit_margins : Tensor of shape (N,)
        Logit margins of the held-out images.
    validation : LabeledImages
        The N held-out images.

    Returns
    -------
    Tensor of shape (K,)
        A class without held-out images takes the mean threshold of the others. All are 0 if nothing is held out.
    """
    thresholds = {
        # at most 0, so that a sample which the classifier assigns to its class always passes
        label: float(logit_margins[validation.labels == label].quantile(THRESHOLD_QUANTILE).clamp_max(0))
        for label, count in enumerate(validation.counts.values())
        if count
    }
    mean = sum(thresholds.values()) / len(thresholds) if thresholds else 0.0
    return torch.tensor([thresholds.get(label, mean) for label in range(len(validation.classes))], dtype=torch.float32)


def build_network(shape: Shape, n_classes: int, seed: int) -> Classifier:
    """Build the untrained network of the auxiliary classifier, in the memory format that it is used in."""
    # layers draw their initial weights from torch's global generator
    with temporary_seed(derive(seed, "auxiliary_classifier")):
        return to_memory_format(Classifier(shape, n_classes, WIDTH), shape)
