"""RandAugment of torchvision, on batches, with random numbers that depend on a seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.randomness import generator

GROUP = 8  # images of a batch that share their operations, which is faster than drawing for each


@dataclass(frozen=True)
class RandAugmentation:
    """RandAugment (Cubuk et al. 2020) as torchvision implements it.

    Two random operations of fourteen (such as shear, rotation, contrast, posterize), none of which mirrors images.
    Eight neighbors in a batch share their operations.

    Attributes
    ----------
    n_operations : int
        Operations applied to each image.
    magnitude : int
        Strength of the operations, from 0 to 30.

    References
    ----------
    Cubuk, E. D. et al. (2020). RandAugment: practical automated data augmentation with a reduced search space.
    NeurIPS 33.

    Examples
    --------
    >>> import torch
    >>> from ganaug.datasets.randaugment import RandAugmentation
    >>> RandAugmentation()(torch.zeros(2, 1, 16, 16, dtype=torch.uint8), seed=0).shape
    torch.Size([2, 1, 16, 16])
    """

    n_operations: int = 2
    magnitude: int = 9

    @library_defaults()
    def __call__(self, images: Tensor, seed: int) -> Tensor:
        """Alter images, (N, C, H, W), uint8. Deterministic in its arguments, and safe to call from several threads."""
        from torchvision.transforms.v2 import RandAugment

        if not len(images):
            return images
        transform = RandAugment(self.n_operations, self.magnitude)
        # as float32: operations on whole numbers compute in torch's default dtype, which the user may have changed
        numbers = images.to(torch.float32) / 255
        with _DrawFrom(generator(seed, "randaugment")):
            altered = torch.cat([transform(group) for group in torch.split(numbers, GROUP)])
        return (255 * altered).round().clamp(0, 255).to(torch.uint8)


class _DrawFrom(TorchFunctionMode):
    """Lets torch's functions draw from one generator instead of the global one, on the calling thread only.

    torchvision's transforms take no generator, and the global one belongs to all threads.
    """

    def __init__(self, random: torch.Generator) -> None:
        super().__init__()
        self.options: dict[Callable[..., Any], dict[str, Any]] = {
            torch.rand: {"generator": random, "dtype": torch.float32},
            torch.randint: {"generator": random},
            # torchvision computes magnitudes in torch's default dtype, which belongs to all threads as well
            torch.linspace: {"dtype": torch.float32},
        }

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*args, **self.options.get(func, {}), **(kwargs or {}))
