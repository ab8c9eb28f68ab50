"""The fixed small classifier that judges samples, and that is trained on samples (CAS, Ravuri & Vinyals 2019)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganaug import LabeledImages
from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.images import to_signed
from ganaug.training.batches import BalancedBatches


class SmallCNN(nn.Module):
    """Three convolutions with batch norm: images (N, C, H, W) in [-1, 1] -> logits (N, K)."""

    def __init__(self, shape: tuple[int, int, int], n_classes: int, width: int = 32) -> None:
        super().__init__()
        sizes = [shape[0], width, 2 * width, 4 * width]
        first_stride = 2 if shape[1] > 32 else 1
        blocks: list[nn.Module] = []
        for index, (n_in, n_out) in enumerate(pairwise(sizes)):
            stride = first_stride if index == 0 else 1
            blocks += [nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            blocks += [nn.MaxPool2d(2)] if index < 2 else []
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(4 * sizes[-1], n_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def train_classifier(images: LabeledImages, *, steps: int, seed: int, flip: bool = False, width: int = 32) -> SmallCNN:
    """The classifier after `steps` class-balanced batches of 64, by Adam with a rate of 1e-3 and a cosine to zero.

    Parameters
    ----------
    images : LabeledImages
        What it is trained on.
    steps, seed, width : int
        Training steps, seed of weights and batches, and channels of the first convolution.
    flip : bool
        Whether half of the images of a batch are mirrored.
    """
    with temporary_seed(derive(seed, "classifier")):
        model = SmallCNN(images.shape, len(images.classes), width).to(memory_format=torch.channels_last)
    batches = BalancedBatches(images, 64, seed=derive(seed, "batches"), power=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        batch = batches(step)
        pixels = batch.images
        if flip:
            mirrored = torch.rand(len(pixels), 1, 1, 1, generator=batch.generator) < 0.5
            pixels = torch.where(mirrored, pixels.flip(3), pixels)
        loss = cross_entropy(model(pixels.contiguous(memory_format=torch.channels_last)), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Predicted labels (N,) of images uint8 (N, C, H, W)."""
    parts = [
        model(to_signed(part).contiguous(memory_format=torch.channels_last)).argmax(1) for part in images.split(500)
    ]
    return torch.cat(parts)


def class_recalls(model: nn.Module, images: LabeledImages) -> list[float]:
    """Recall of each class, in label order; NaN for a class without images."""
    correct = predict(model, images.images) == images.labels
    return [float(correct[images.labels == label].float().mean()) for label in range(len(images.classes))]
