"""EfficientNet-lite0 without its classifier: the default feature extractor. Its weights ship with ganaug."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ganaug._runtime.meta import meta_networks
from ganaug.errors import DataError

NAME = "efficientnet-lite0"
WEIGHTS = Path(__file__).with_name("weights") / "efficientnet_lite0.safetensors"
SHA256 = "6d2aa7192656d12628a1df2d72b667d87f04df10045a4d65881039b86b0759d6"
IMAGE_SIZE = 224  # pixels a side that the weights were trained for
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
NORM_EPSILON = 1e-3


class Stage(NamedTuple):
    """Consecutive blocks of one width. Only the first block of a stage has the stride; the others have stride 1."""

    expansion: int
    channels: int
    n_blocks: int
    stride: int
    kernel_size: int


STAGES = (  # stages 2 to 8 of EfficientNet-B0 (Tan & Le 2019, table 1)
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)


class ConvUnit(nn.Module):
    """Convolution without bias, batch normalization and, unless `activation` is False, ReLU6.

    Padding is TensorFlow's "SAME" for sides that the stride divides: with a stride of 2, the bottom and the right are
    padded by one pixel more than the top and the left. `nn.Conv2d` pads both ends alike, so a layer before it pads.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ) -> None:
        super().__init__()
        padding, extra = divmod(kernel_size - stride, 2)  # pixels that both ends have, and that the second has more
        self.pad = nn.ZeroPad2d((padding, padding + extra) * 2) if extra else nn.Identity()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, 0 if extra else padding, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(out_channels, eps=NORM_EPSILON)
        # in place: a new feature map costs more than the operation
        self.activation = nn.ReLU6(inplace=True) if activation else nn.Identity()

    def fold_norm(self) -> None:
        """Put the normalization, as it is in evaluation, into the convolution, which saves a pass over its output."""
        norm: Any = self.norm
        self.conv, self.norm = fuse_conv_bn_eval(self.conv, norm), nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        outputs: Tensor = self.activation(self.norm(self.conv(self.pad(inputs))))
        return outputs


class InvertedResidual(nn.Module):
    """Inverted residual block: expand, depthwise convolution, project (Sandler et al. 2018, MobileNetV2, section 3.4).

    The block adds its input to its output where both have the same shape.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.expand = ConvUnit(in_channels, width, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvUnit(width, width, kernel_size, stride=stride, groups=width)
        self.project = ConvUnit(width, out_channels, 1, activation=False)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        outputs: Tensor = self.project(self.depthwise(self.expand(inputs)))
        return inputs + outputs if self.is_residual else outputs


class EfficientNetLite0(nn.Module):
    """EfficientNet-lite0 up to its last feature map.

    EfficientNet-B0 (Tan & Le 2019) without squeeze-and-excitation and with ReLU6 in place of swish, as Google published
    it for mobile devices (2020). The classifier is left out.

    References
    ----------
    Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics.efficientnet import EfficientNetLite0
    >>> EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1280, 2, 2])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvUnit(3, STEM_CHANNELS, 3, stride=2)
        blocks, width = [], STEM_CHANNELS
        for stage in STAGES:
            for index in range(stage.n_blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(InvertedResidual(width, stage.channels, stage.kernel_size, stride, stage.expansion))
                width = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvUnit(width, HEAD_CHANNELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """float (N, 3, H, W), pixels as (pixel - 127) / 128 -> (N, 1280, H / 32, W / 32); 32 divides H and W."""
        features: Tensor = self.head(self.blocks(self.stem(images)))
        return features


@cache
def load_efficientnet_lite0() -> EfficientNetLite0:
    """Load EfficientNet-lite0 with its ImageNet weights, for evaluation, in channels-last format.

    The weights are read once per process, from a file of this package. Nothing is downloaded, and loading draws no
    random numbers.

    Returns
    -------
    EfficientNetLite0
        The network, shared by all callers. Its parameters need no gradient.

    Raises
    ------
    DataError
        If the SHA-256 of the file is not the pinned one.
    """
    content = WEIGHTS.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != SHA256:
        raise DataError(
            f"{WEIGHTS}: not the weights that ganaug ships: its SHA-256 is {sha256}, expected {SHA256}. "
            "Reinstall ganaug."
        )
    with meta_networks():  # the file holds all values
        net = EfficientNetLite0()
    # from the bytes that were checked, because the file could change in between
    net.load_state_dict(load(content), assign=True)
    net.eval().requires_grad_(False)
    for unit in net.modules():
        if isinstance(unit, ConvUnit):
            unit.fold_norm()
    return net.to(memory_format=torch.channels_last)
