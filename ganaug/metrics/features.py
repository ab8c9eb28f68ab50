"""Image features: functions that map images (N, C, H, W) to vectors (N, D), and learn nothing from these images.

To add one, add an entry to `FEATURES`.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.cache import cached, content_key
from ganaug._runtime.lookup import lookup
from ganaug.errors import DataError
from ganaug.images import apply_in_batches, downsample
from ganaug.metrics import efficientnet
from ganaug.metrics.torch_hub import DINOV2, INCEPTION

ROUNDING = "folded"  # changes the key of the cache: the same features, other last bits
IMAGES_PER_PASS = 16  # more do not fit into the cache of a core
MAX_SIDE = 32  # pixels a side of the images that `pixel_features` gives

Extractor = Callable[[Tensor], Tensor]


def efficientnet_features(images: Tensor) -> Tensor:
    """Compute EfficientNet-lite0 features, the default of all reports.

    Images of any size are resized to 224 x 224 with antialiasing, and gray ones are repeated as three channels. One
    core needs about 20 ms an image. The features are cached on disk by the content of the images and the weights.

    Parameters
    ----------
    images : Tensor
        uint8, (N, C, H, W), with C 1 or 3.

    Returns
    -------
    Tensor
        float32, (N, 1280): the mean of the last feature map over all positions.

    Raises
    ------
    DataError
        If the file of weights is damaged.

    References
    ----------
    Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019. See
    `ganaug.metrics.efficientnet` for the origin of the weights.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import efficientnet_features
    >>> images = torch.randint(0, 256, (2, 3, 64, 48), dtype=torch.uint8)
    >>> efficientnet_features(images).shape  # doctest: +SKIP
    torch.Size([2, 1280])
    """
    key = content_key(efficientnet.NAME, efficientnet.SHA256, ROUNDING, images)
    return cached("features", key, lambda: {"features": _compute_efficientnet_features(images)})["features"]


def pixel_features(images: Tensor) -> Tensor:
    """Average images down to at most 32 pixels a side and flatten them.

    Parameters
    ----------
    images : Tensor
        uint8, (N, C, H, W).

    Returns
    -------
    Tensor
        float32 in [0, 1], (N, C * min(H, 32) * min(W, 32)).

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import pixel_features
    >>> pixel_features(torch.full((2, 1, 64, 8), 255, dtype=torch.uint8)).shape
    torch.Size([2, 256])
    """
    return downsample(images, MAX_SIDE).flatten(1)


FEATURES: dict[str, Extractor] = {
    "auto": efficientnet_features,
    efficientnet.NAME: efficientnet_features,
    "inception": INCEPTION,
    "dinov2": DINOV2,
    "pixels": pixel_features,
}
FRECHET_NAMES = {"inception": "FID"}  # only with Inception features is the Frechet distance called FID


def get_extractor(features: str | Extractor | nn.Module) -> tuple[str, Extractor]:
    """Return the name and the function of a feature extractor.

    Parameters
    ----------
    features : str, callable or Module
        A name in `FEATURES`; a function that maps uint8 (N, C, H, W) to (N, D); or a module that maps float images in
        [0, 1] to (N, D). A module is applied in evaluation mode, on the device of its parameters, in batches of exactly
        32 images, and returns to its former mode afterwards.

    Returns
    -------
    name : str
        The name for a report.
    function : callable
        uint8 (N, C, H, W) -> (N, D). For a function or a module it returns float32 on the CPU, and raises DataError
        unless there is one row of finite numbers an image.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import get_extractor
    >>> images = torch.zeros(5, 3, 16, 16, dtype=torch.uint8)
    >>> name, features_of = get_extractor("pixels")
    >>> name, features_of(images).shape
    ('pixels', torch.Size([5, 768]))
    >>> name, features_of = get_extractor(torch.nn.Conv2d(3, 4, 16))
    >>> name, features_of(images).shape
    ('Conv2d', torch.Size([5, 4]))
    """
    if isinstance(features, str):
        return (efficientnet.NAME if features == "auto" else features), lookup(FEATURES, features, "features")
    is_module = isinstance(features, nn.Module)
    name = type(features).__name__ if is_module else getattr(features, "__name__", type(features).__name__)

    def checked(images: Tensor) -> Tensor:
        rows = _apply_module(features, images) if isinstance(features, nn.Module) else features(images)
        rows = torch.as_tensor(rows).detach().flatten(1).float().cpu()
        if len(rows) != len(images) or not bool(torch.isfinite(rows).all()):
            raise DataError(
                f"features={name}: returned shape {tuple(rows.shape)} for {len(images)} images, or numbers that are "
                "not finite; it must map uint8 (N, C, H, W) to finite (N, D)."
            )
        return rows

    return name, checked


def _apply_module(net: nn.Module, images: Tensor) -> Tensor:
    """Apply a module in evaluation mode and restore the mode of each of its submodules."""
    parameter = next(net.parameters(), torch.zeros(0, dtype=torch.float32))
    # of each submodule, because a user may have frozen some of them, such as batch norms
    modes = {module: module.training for module in net.modules()}

    @torch.no_grad()
    def features_of(batch: Tensor) -> Tensor:
        features: Tensor = net((batch.float() / 255).to(parameter.device)).flatten(1).cpu()
        return features

    net.eval()
    try:
        return apply_in_batches(features_of, images, IMAGES_PER_PASS)
    finally:
        for module, mode in modes.items():
            module.train(mode)


def measure_feature_seconds(n: int) -> float:
    """Measure how long `efficientnet_features` takes for an image that is not cached, from `n` images."""
    images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    _compute_efficientnet_features(images[:1])  # loads the network
    began = time.perf_counter()
    _compute_efficientnet_features(images)
    return (time.perf_counter() - began) / n


@retain_freed_memory()
def _compute_efficientnet_features(images: Tensor) -> Tensor:
    """`efficientnet_features` without the cache."""
    net, side = efficientnet.load_efficientnet_lite0(), efficientnet.IMAGE_SIZE

    @torch.no_grad()
    def features_of(batch: Tensor) -> Tensor:
        rgb = batch.float().expand(-1, 3, -1, -1)
        resized = interpolate(rgb, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
        normalized = ((resized - 127) / 128).contiguous(memory_format=torch.channels_last)  # as in training
        features: Tensor = net(normalized).mean((2, 3))
        return features

    return apply_in_batches(features_of, images, IMAGES_PER_PASS)
