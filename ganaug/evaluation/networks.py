"""Networks that the utility test trains from scratch: a small convolutional one, and ResNet-18."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, one_hot

from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.randomness import derive, generator, temporary_seed
from ganaug.datasets.alterations import Augment
from ganaug.evaluation.batches import draw_batches
from ganaug.evaluation.log_probabilities import Predict
from ganaug.evaluation.training_set import TrainingSet
from ganaug.images import apply_in_batches, to_signed
from ganaug.models.networks.blocks import Shape, to_memory_format
from ganaug.models.networks.classifier import Classifier as SmallNetwork
from ganaug.training.engine import resolve_precision

BATCH_SIZE = 64
MIN_RESNET_SIZE, MAX_RESNET_SIZE = 8, 224  # pixels a side
MIN_LARGE_STEM_SIZE = 64  # with its usual first layers, ResNet-18 reduces each side to a 32nd


@dataclass(frozen=True)
class CNN:
    """A small convolutional network, trained from scratch; about a minute on two cores.

    Three convolutions with batch normalization, trained by AdamW with a cosine schedule to zero on batches of 64 images
    drawn by the sampling weights.

    Attributes
    ----------
    steps : int, optional
        Training steps. None: `n_training_steps` of the number of real images. Synthetic images do not count, so that
        all training methods take the same number of steps.
    width : int
        Channels of the first convolution.
    first_stride : int
        Stride of the first convolution; see `ganaug.models.networks.classifier.Classifier`.
    lr : float
        Initial learning rate.
    precision : str
        Of the convolutions in training, as for `GANAugmenter`. float32 gives the same results on processors with and
        without bfloat16. Which is faster differs: a step in bfloat16 takes two thirds of the time on an AMD EPYC, and
        1.3 times as long on an Intel Xeon with avx512_bf16 and without AMX.
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
    first_stride: int = 1
    lr: float = 2e-3
    precision: str = "fp32"
    name: str = "cnn"

    @property
    def dtype(self) -> torch.dtype:
        """Type of the convolutions in training. Predictions are float32."""
        return resolve_precision(self.precision, torch.device("cpu"))

    @property
    def key(self) -> str:
        """Identifies in the cache everything that predictions depend on, besides data and seed."""
        return f"{self} {self.dtype}"

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        def build(shape: Shape, n_classes: int) -> nn.Module:
            return SmallNetwork(shape, n_classes, self.width, self.first_stride)

        return _train_network(build, training, augment, seed, steps=self.steps, lr=self.lr, dtype=self.dtype)


@dataclass(frozen=True)
class ResNet18:
    """torchvision's ResNet-18, trained from scratch like `CNN`; at 28 x 28 pixels a step takes about 18 times as long.

    Attributes
    ----------
    steps : int, optional
        Training steps, as in `CNN`.
    lr : float
        Initial learning rate.
    name : str
        Name in the report.

    Notes
    -----
    If a side is below 64 pixels, the first convolution is 3 x 3 of stride 1 instead of 7 x 7 of stride 2, so that the
    last feature map of an image of 28 x 28 pixels has 2 x 2 positions and not one. The first convolution has as many
    input channels as the images. Images of more than 224 pixels a side are averaged down.

    References
    ----------
    He, K. et al. (2016). Deep residual learning for image recognition. CVPR.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import ResNet18, TrainingSet
    >>> images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    >>> training = TrainingSet.from_images(LabeledImages(images, torch.tensor([0, 0, 1, 1]), ("cat", "dog")))
    >>> predict = ResNet18(steps=1)(training, augment=lambda batch, seed: batch, seed=0)
    >>> predict(images).shape
    (4, 2)
    """

    steps: int | None = None
    lr: float = 1e-3
    name: str = "resnet18"

    @property
    def key(self) -> str:
        """Identifies in the cache everything that predictions depend on, besides data and seed."""
        from torchvision import __version__

        return f"{self} torchvision {__version__}"

    def __call__(self, training: TrainingSet, augment: Augment, seed: int) -> Predict:
        return _train_network(_build_resnet, training, augment, seed, steps=self.steps, lr=self.lr, dtype=torch.float32)


def n_training_steps(training: TrainingSet, steps: int | None = None) -> int:
    """Return how many steps of 64 images a training takes.

    Parameters
    ----------
    training : TrainingSet
        Its real images and its `length` count.
    steps : int, optional
        Steps of a training of length 1. None: 22 times the square root of the number of real images, between 100 and
        2,000.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> import torch
    >>> from dataclasses import replace
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import TrainingSet, n_training_steps
    >>> images = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
    >>> training = TrainingSet.from_images(LabeledImages(images, torch.zeros(100, dtype=torch.int64), ("cat",)))
    >>> n_training_steps(training), n_training_steps(replace(training, length=4))
    (220, 880)
    """
    n_real = int((~training.is_synthetic).sum())
    # from the real images alone, so that every method trains for the same number of steps
    steps = steps or min(2000, max(100, round(22 * math.sqrt(n_real))))
    return max(1, round(steps * training.length))


@retain_freed_memory()
def _train_network(
    build: Callable[[Shape, int], nn.Module],
    training: TrainingSet,
    augment: Augment,
    seed: int,
    *,
    steps: int | None,
    lr: float,
    dtype: torch.dtype,
) -> Predict:
    """Train the network that `build` makes for a shape and a number of classes."""
    images, operations = training.images, training.operations
    n_classes, n_steps = len(images.classes), n_training_steps(training, steps)
    with temporary_seed(derive(seed, "classifier")):
        net = to_memory_format(build(images.shape, n_classes), images.shape)
    rows = draw_batches(training, n_steps, BATCH_SIZE, generator(seed, "classifier", "batches"))
    # a loss weight is a factor of the target, so that mixed images have the mixture of both
    targets = one_hot(images.labels, n_classes) * training.loss_weights.float()[:, None]
    optimizer = torch.optim.AdamW(net.parameters(), lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for step, batch in enumerate(rows):
        pixels, batch_targets = images.images[batch], targets[batch]
        pixels = operations.alter_images(pixels, augment, derive(seed, "classical", step))
        if operations.mix is not None:
            pixels, batch_targets = operations.mix(pixels, batch_targets, derive(seed, "mix", step))
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
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


def _build_resnet(shape: Shape, n_classes: int) -> nn.Module:
    """Build ResNet-18 for images of a shape."""
    from torchvision.models import resnet18

    channels, *sides = shape
    if min(sides) < MIN_RESNET_SIZE:
        raise ValueError(
            f"resnet18 needs images of at least {MIN_RESNET_SIZE} pixels a side; these have {sides[0]} x {sides[1]}. "
            "Use the classifier 'cnn'."
        )
    net = resnet18(num_classes=n_classes)
    large = min(sides) >= MIN_LARGE_STEM_SIZE
    kernel, stride, padding = (7, 2, 3) if large else (3, 1, 1)
    net.conv1 = nn.Conv2d(channels, 64, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    size = tuple(min(MAX_RESNET_SIZE, side) for side in sides)
    return net if size == tuple(sides) else nn.Sequential(nn.AdaptiveAvgPool2d(size), net)
