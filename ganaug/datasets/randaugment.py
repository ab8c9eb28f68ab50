"""RandAugment of torchvision, with random numbers that depend on a seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.randomness import generator
from ganaug.io.image_tensors import to_pillow, to_tensor


@dataclass(frozen=True)
class RandAugmentation:
    """RandAugment (Cubuk et al. 2020) as torchvision implements it, for each image separately.

    Two random operations of fourteen (such as shear, rotation, contrast, posterize), none of which mirrors images.

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
        # as PIL images: operations on tensors compute in torch's default dtype, and take four times as long
        pictures = [to_pillow(image) for image in images]
        with _DrawFrom(generator(seed, "randaugment")):
            altered = [transform(picture) for picture in pictures]
        return torch.stack([to_tensor(picture) for picture in altered])


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
