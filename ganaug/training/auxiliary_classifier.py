"""The referee: a small classifier of the real images that says of a sample whether it looks like its class."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from ganaug._runtime.randomness import derive, own_state
from ganaug.images import LabelledImages, in_passes, to_signed
from ganaug.models import augmentations as augment
from ganaug.models.networks.blocks import Shape, laid_out
from ganaug.models.networks.classifier import Classifier
from ganaug.training.batches import BalancedBatches

WIDTH = 16
QUANTILE = 0.05


@dataclass(frozen=True)
class Referee:
    """net: logits of images in [-1, 1]. margins: (K,), how far a class must lead, in log-odds, to count as recognised.

    A class's margin is the lead that 95 % of its held-back real images reach, and at most 0: a sample is refused only
    where it is less like its class than nearly all real images are. Classes of which none are held back take the mean
    of the others' margins, or 0 where nothing is held back.
    recall: mean over classes of the share of real images recognised; of held-back ones where there are any.
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
        return in_passes(lambda part: function(laid_out(to_signed(part.to(device)), shape)).float().cpu(), images)

    def tree(self) -> dict[str, object]:
        """As `storage.write_tree` takes it."""
        return {
            "net": {name: value.cpu() for name, value in self.net.state_dict().items()},
            "margins": self.margins,
            "recall": self.recall,
        }

    @classmethod
    def from_tree(cls, tree: Any, shape: Shape, n_classes: int, device: torch.device | str = "cpu") -> "Referee":
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

    def recognises(self, images: Tensor, labels: Tensor) -> Tensor:
        """Which images are recognised as of their own class: bool, (N,)."""
        return self.leads(images, labels) >= self.margins[labels]


def lead(logits: Tensor, labels: Tensor) -> Tensor:
    """logits (N, K), labels (N,) -> own logit less the largest other one, (N,)."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)


def train_referee(train: LabelledImages, held_back: LabelledImages, *, seed: int, device: torch.device) -> Referee:
    """Train on `train`, all classes alike, shifted a little and with smoothed labels; set margins on `held_back`.

    22 * sqrt(N) batches of 64, at most 1,000: seconds on a laptop.
    """
    steps = min(1000, max(30, round(22 * len(train) ** 0.5)))
    net = untrained(train.shape, len(train.classes), seed).to(device)
    batches = BalancedBatches(train, 64, seed=derive(seed, "referee"), power=0.0, device=device)
    policies = [] if net.vectors else [augment.translation]
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        batch = batches(step)
        shown = laid_out(augment.apply(policies, batch.images, batch.generator), train.shape)
        loss = cross_entropy(net(shown), batch.labels, label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    referee = Referee(net.eval().requires_grad_(False), torch.zeros(len(train.classes)))
    referee = replace(referee, margins=margins(referee.leads(held_back.images, held_back.labels), held_back))
    some = torch.linspace(0, len(train) - 1, min(len(train), 2000)).long()
    known = held_back if len(held_back) else train.take(some)
    right = referee.recognises(known.images, known.labels)
    found = [float(right[known.labels == label].float().mean()) for label in torch.unique(known.labels).tolist()]
    return replace(referee, recall=sum(found) / len(found))


def margins(leads: Tensor, held_back: LabelledImages) -> Tensor:
    """`Referee.margins` from the leads (N,) of the held-back images."""
    found = {
        label: float(leads[held_back.labels == label].quantile(QUANTILE).clamp_max(0))
        for label, count in enumerate(held_back.counts.values())
        if count
    }
    usual = sum(found.values()) / len(found) if found else 0.0
    return torch.tensor([found.get(label, usual) for label in range(len(held_back.classes))])


def untrained(shape: Shape, n_classes: int, seed: int) -> Classifier:
    """The referee's network before training, in the memory format that it is used in."""
    with own_state(derive(seed, "referee")):
        return laid_out(Classifier(shape, n_classes, WIDTH), shape)
