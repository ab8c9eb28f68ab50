"""The auxiliary classifier: a small classifier of the real images that says of a sample whether it looks like its class."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.images import LabeledImages, in_passes, to_signed
from ganaug.models import augmentations as augment
from ganaug.models.networks.blocks import Shape, to_memory_format
from ganaug.models.networks.classifier import Classifier
from ganaug.training.batches import BalancedBatches

WIDTH = 16
QUANTILE = 0.05


@dataclass(frozen=True)
class AuxiliaryClassifier:
    """net: logits of images in [-1, 1]. margins: (K,), how far a class must lead, in log-odds, to count as recognized.

    A class's margin is the lead that 95 % of its held-out real images reach, and at most 0: a sample is refused only
    where it is less like its class than nearly all real images are. Classes of which none are held out take the mean
    of the others' margins, or 0 where nothing is held out.
    recall: mean over classes of the share of real images recognized; of held-out ones where there are any.
    """

    net: Classifier
    margins: Tensor
    recall: float = 1.0

    def logits(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> (N, K), on the CPU."""
        return self._passes(self.net, images)

    def features(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> (N, D), on the CPU: what the last layer sees."""
        return self._passes(self.net.features, images)

    @torch.no_grad()
    def _passes(self, function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        device = next(self.net.parameters()).device
        channels, height, width = images.shape[1:]
        shape = (channels, height, width)
        return in_passes(
            lambda part: function(to_memory_format(to_signed(part.to(device)), shape)).float().cpu(), images
        )

    def tree(self) -> dict[str, object]:
        """As `storage.write_tree` takes it."""
        return {
            "net": {name: value.cpu() for name, value in self.net.state_dict().items()},
            "margins": self.margins,
            "recall": self.recall,
        }

    @classmethod
    def from_tree(
        cls, tree: Any, shape: Shape, n_classes: int, device: torch.device | str = "cpu"
    ) -> "AuxiliaryClassifier":
        """What `tree` gave."""
        net = untrained(shape, n_classes, 0)
        net.load_state_dict(tree["net"])
        return cls(net.to(device).eval().requires_grad_(False), tree["margins"], float(tree["recall"]))

    def leads(self, images: Tensor, labels: Tensor) -> Tensor:
        """By how much each image's own class leads the best other one, in log-odds: (N,); below 0 where it does not."""
        return lead(self.logits(images), labels)

    def shortfall(self, images: Tensor, labels: Tensor) -> Tensor:
        """By how much images in [-1, 1] fall short of their class's margin, mean; differentiable, on their device."""
        return relu(self.margins.to(labels.device)[labels] - lead(self.net(images), labels)).mean()

    def recognizes(self, images: Tensor, labels: Tensor) -> Tensor:
        """Which images are recognized as of their own class: bool, (N,)."""
        return self.leads(images, labels) >= self.margins[labels]


def lead(logits: Tensor, labels: Tensor) -> Tensor:
    """logits (N, K), labels (N,) -> own logit less the largest other one, (N,)."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)


def train_auxiliary_classifier(
    train: LabeledImages, validation: LabeledImages, *, seed: int, device: torch.device
) -> AuxiliaryClassifier:
    """Train on `train`, all classes alike, shifted a little and with smoothed labels; set margins on `validation`.

    22 * sqrt(N) batches of 64, at most 1,000: seconds on a laptop.
    """
    steps = min(1000, max(30, round(22 * len(train) ** 0.5)))
    net = untrained(train.shape, len(train.classes), seed).to(device)
    batches = BalancedBatches(train, 64, seed=derive(seed, "auxiliary_classifier"), power=0.0, device=device)
    policies = [] if net.vectors else [augment.translation]
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        batch = batches(step)
        shown = to_memory_format(augment.apply(policies, batch.images, batch.generator), train.shape)
        loss = cross_entropy(net(shown), batch.labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    auxiliary_classifier = AuxiliaryClassifier(net.eval().requires_grad_(False), torch.zeros(len(train.classes)))
    auxiliary_classifier = replace(
        auxiliary_classifier,
        margins=margins(auxiliary_classifier.leads(validation.images, validation.labels), validation),
    )
    some = torch.linspace(0, len(train) - 1, min(len(train), 2000)).long()
    known = validation if len(validation) else train.take(some)
    right = auxiliary_classifier.recognizes(known.images, known.labels)
    found = [float(right[known.labels == label].float().mean()) for label in torch.unique(known.labels).tolist()]
    return replace(auxiliary_classifier, recall=sum(found) / len(found))


def margins(leads: Tensor, validation: LabeledImages) -> Tensor:
    """`Auxiliary classifier.margins` from the leads (N,) of the held-out images."""
    found = {
        label: float(leads[validation.labels == label].quantile(QUANTILE).clamp_max(0))
        for label, count in enumerate(validation.counts.values())
        if count
    }
    usual = sum(found.values()) / len(found) if found else 0.0
    return torch.tensor([found.get(label, usual) for label in range(len(validation.classes))])


def untrained(shape: Shape, n_classes: int, seed: int) -> Classifier:
    """The auxiliary classifier's network before training, in the memory format that it is used in."""
    with temporary_seed(derive(seed, "auxiliary_classifier")):
        return to_memory_format(Classifier(shape, n_classes, WIDTH), shape)
